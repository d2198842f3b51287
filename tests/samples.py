"""One made-up value per kind of finding: right in form, drawn with a fixed seed, and never valid anywhere."""

import base64
import json
import random
import string

LETTERS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits


def _draw(kind: str, alphabet: str, length: int) -> str:
    return "".join(random.Random(kind).choices(alphabet, k=length))


def _url64(kind: str, length: int) -> str:
    return base64.urlsafe_b64encode(random.Random(kind).randbytes(length)).decode().rstrip("=")


def jwt(length: int = 120) -> str:
    """A token of about that many characters."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "typ": "JWT"}).replace(" ", "").encode()).decode().rstrip("=")
    claims = base64.urlsafe_b64encode(b'{"sub":"').decode() + _url64("jwt", max(24, (length - len(header) - 60) * 3 // 4))
    return f"{header}.{claims}.{_url64('signature', 32)}"


def unusual_jwt() -> str:
    """A token whose header begins with a member that nobody lists."""
    header = base64.urlsafe_b64encode(b'{"zip":"DEF","alg":"none"}').decode().rstrip("=")
    claims = base64.urlsafe_b64encode(b'{"sub":"somebody","admin":1}').decode().rstrip("=")
    return f"{header}.{claims}.{_url64('z', 24)}"


def pem(length: int = 600) -> str:
    """A private key of about that many characters."""
    body = base64.b64encode(random.Random("pem").randbytes((length - 64) * 3 // 4)).decode()
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN RSA PRIVATE KEY-----\n{lines}\n-----END RSA PRIVATE KEY-----"


def _iban(country: str, account: str) -> str:
    digits = "".join(str(int(letter, 36)) for letter in account + country + "00")
    return f"{country}{98 - int(digits) % 97:02}{account}"


SAMPLES: dict[str, str] = {
    "anthropic-api-key": "sk-ant-api03-" + _draw("a", LETTERS, 93) + "AA",
    "anthropic-admin-api-key": "sk-ant-admin01-" + _draw("b", LETTERS, 93) + "AA",
    "openai-api-key": "sk-proj-" + _draw("c", LETTERS, 48),
    "aws-access-token": "AKIA" + _draw("d", string.ascii_uppercase + "234567", 16),
    "github-fine-grained-pat": "github_pat_" + _draw("e", LETTERS, 22) + "_" + _draw("f", LETTERS, 59),
    "github-pat": "ghp_" + _draw("g", LETTERS, 36),
    "github-oauth": "gho_" + _draw("h", LETTERS, 36),
    "github-app-token": "ghs_" + _draw("i", LETTERS, 36),
    "github-refresh-token": "ghr_" + _draw("j", LETTERS, 36),
    "gitlab-pat": "glpat-" + _draw("k", LETTERS, 20),
    "gitlab-ptt": "glptt-" + _draw("l", "0123456789abcdef", 40),
    "gitlab-runner-authentication-token": "glrt-" + _draw("m", LETTERS, 20),
    "slack-bot-token": "xoxb-" + _draw("n", string.digits, 12) + "-" + _draw("o", LETTERS, 24),
    "slack-config-access-token": "xoxe.xoxp-1-" + _draw("slack-config-access-token0", UPPER, 164),
    "slack-config-refresh-token": "xoxe-1-" + _draw("slack-config-refresh-token0", UPPER, 146),
    "slack-user-token": "xoxp-" + _draw("p", string.digits, 12) + "-" + _draw("q", LETTERS, 32),
    "slack-app-token": "xapp-1-A" + _draw("r", LETTERS, 40),
    "slack-webhook-url": "hooks.slack.com/services/T" + _draw("s", LETTERS, 8) + "/B" + _draw("t", LETTERS, 8) + "/" + _draw("u", LETTERS, 24),
    "gcp-api-key": "AIza" + _draw("v", LETTERS, 35),
    "stripe-access-token": "sk_live_" + _draw("w", LETTERS, 24),
    "npm-access-token": "npm_" + _draw("x", LETTERS, 36),
    "pypi-upload-token": "pypi-AgEIcHlwaS5vcmc" + _draw("y", LETTERS, 80),
    "huggingface-access-token": "hf_" + _draw("z", string.ascii_letters, 34),
    "sendgrid-api-token": "SG." + _draw("aa", LETTERS, 22) + "." + _draw("ab", LETTERS, 43),
    "twilio-api-key": "SK" + _draw("ac", "0123456789abcdef", 32),
    "digitalocean-pat": "dop_v1_" + _draw("ad", "0123456789abcdef", 64),
    "digitalocean-access-token": "doo_v1_" + _draw("ae", "0123456789abcdef", 64),
    "digitalocean-refresh-token": "dor_v1_" + _draw("af", "0123456789abcdef", 64),
    "1password-secret-key": "A3-" + _draw("1password-secret-key0", UPPER, 6) + "-" + _draw("1password-secret-key1", UPPER, 6) + "-" + _draw("1password-secret-key2", UPPER, 5) + "-" + _draw("1password-secret-key3", UPPER, 5) + "-" + _draw("1password-secret-key4", UPPER, 5) + "-" + _draw("1password-secret-key5", UPPER, 5),
    "1password-service-account-token": "ops_eyJ" + _draw("1password-service-account-token0", LETTERS, 250),
    "adobe-client-secret": "p8e-" + _draw("adobe-client-secret0", LETTERS, 32),
    "age-secret-key": "AGE-SECRET-KEY-1" + _draw("age-secret-key0", UPPER, 58),
    "alibaba-access-key-id": "LTAI" + _draw("alibaba-access-key-id0", LETTERS, 20),
    "anyscale-api-key": "aph0_" + _draw("anyscale-api-key0", LETTERS, 40),
    "artifactory-api-key": "AKCp" + _draw("artifactory-api-key0", LETTERS, 69),
    "artifactory-reference-token": "cmVmd" + _draw("artifactory-reference-token0", LETTERS, 59),
    "atlassian-api-token": "ATATT3" + _draw("atlassian-api-token0", LETTERS, 186),
    "aws-amazon-bedrock-api-key-long-lived": "ABSK" + _draw("aws-amazon-bedrock-api-key-long-lived0", LETTERS, 120),
    "aws-amazon-bedrock-api-key-short-lived": "bedrock-api-key-" + _draw("aws-amazon-bedrock-api-key-short-lived0", LETTERS, 40),
    "buildkite-api-token": "bkua_" + _draw("buildkite-api-token0", LETTERS, 40),
    "circleci-api-token": "CCIPAT_" + _draw("circleci-api-token0", LETTERS, 22) + "_" + _draw("circleci-api-token1", HEX, 40),
    "clickhouse-cloud-api-secret-key": "4b1d" + _draw("clickhouse-cloud-api-secret-key0", LETTERS, 38),
    "clojars-api-token": "CLOJARS_" + _draw("clojars-api-token0", LETTERS, 60),
    "cloudflare-origin-ca-key": "v1.0-" + _draw("cloudflare-origin-ca-key0", HEX, 24) + "-" + _draw("cloudflare-origin-ca-key1", HEX, 146),
    "databricks-api-token": "dapi" + _draw("databricks-api-token0", HEX, 32),
    "docker-access-token": "dckr_pat_" + _draw("docker-access-token0", LETTERS, 27),
    "doppler-api-token": "dp.pt." + _draw("doppler-api-token0", LETTERS, 43),
    "duffel-api-token": "duffel_test_" + _draw("duffel-api-token0", LETTERS, 43),
    "dynatrace-api-token": "dt0c01." + _draw("dynatrace-api-token0", LETTERS, 24) + "." + _draw("dynatrace-api-token1", LETTERS, 64),
    "easypost-api-token": "EZAK" + _draw("easypost-api-token0", LETTERS, 54),
    "easypost-test-api-token": "EZTK" + _draw("easypost-test-api-token0", LETTERS, 54),
    "facebook-page-access-token": "EAAM" + _draw("facebook-page-access-token0", LETTERS, 120),
    "figma-access-token": "figd_" + _draw("figma-access-token0", LETTERS, 40),
    "flutterwave-secret-key": "FLWSECK_TEST-" + _draw("flutterwave-secret-key0", HEX, 32) + "-" + "X",
    "flutterwave-public-key": "FLWPUBK_TEST-" + _draw("flutterwave-public-key0", HEX, 32) + "-" + "X",
    "flyio-access-token": "fo1_" + _draw("flyio-access-token0", LETTERS, 43),
    "frameio-api-token": "fio-u-" + _draw("frameio-api-token0", LETTERS, 64),
    "gcp-oauth-access-token": "ya29." + _draw("gcp-oauth-access-token0", LETTERS, 120),
    "gcp-oauth-client-secret": "GOCSPX-" + _draw("gcp-oauth-client-secret0", LETTERS, 28),
    "gitlab-cicd-job-token": "glcbt-" + _draw("gitlab-cicd-job-token0", LETTERS, 5) + "_" + _draw("gitlab-cicd-job-token1", LETTERS, 20),
    "gitlab-deploy-token": "gldt-" + _draw("gitlab-deploy-token0", LETTERS, 20),
    "gitlab-feature-flag-client-token": "glffct-" + _draw("gitlab-feature-flag-client-token0", LETTERS, 20),
    "gitlab-feed-token": "glft-" + _draw("gitlab-feed-token0", LETTERS, 20),
    "gitlab-incoming-mail-token": "glimt-" + _draw("gitlab-incoming-mail-token0", LETTERS, 25),
    "gitlab-kubernetes-agent-token": "glagent-" + _draw("gitlab-kubernetes-agent-token0", LETTERS, 50),
    "gitlab-oauth-app-secret": "gloas-" + _draw("gitlab-oauth-app-secret0", LETTERS, 64),
    "gitlab-rrt": "GR1348941" + _draw("gitlab-rrt0", LETTERS, 20),
    "gitlab-scim-token": "glsoat-" + _draw("gitlab-scim-token0", LETTERS, 20),
    "gitlab-session-cookie": "_gitlab_session=" + _draw("gitlab-session-cookie0", HEX, 32),
    "grafana-api-key": "eyJrIjoi" + _draw("grafana-api-key0", LETTERS, 80),
    "grafana-cloud-api-token": "glc_" + _draw("grafana-cloud-api-token0", LETTERS, 60),
    "grafana-service-account-token": "glsa_" + _draw("grafana-service-account-token0", LETTERS, 32) + "_" + _draw("grafana-service-account-token1", HEX, 8),
    "groq-api-key": "gsk_" + _draw("groq-api-key0", LETTERS, 52),
    "heroku-api-key-v2": "HRKU-AA" + _draw("heroku-api-key-v20", LETTERS, 58),
    "huggingface-organization-api-token": "api_org_" + _draw("huggingface-organization-api-token0", LETTERS, 34),
    "infracost-api-token": "ico-" + _draw("infracost-api-token0", LETTERS, 32),
    "intra42-client-secret": "s-s4t2ud-" + _draw("intra42-client-secret0", HEX, 64),
    "langsmith-api-key": "lsv2_pt_" + _draw("langsmith-api-key0", HEX, 32) + "_" + _draw("langsmith-api-key1", HEX, 10),
    "jwt-base64": "ZXlKaGJHY2lPaU" + _draw("jwt-base640", LETTERS, 80),
    "linear-api-key": "lin_api_" + _draw("linear-api-key0", LETTERS, 40),
    "mapbox-secret-token": "sk.eyJ1" + _draw("mapbox-secret-token0", LETTERS, 60) + "." + _draw("mapbox-secret-token1", LETTERS, 22),
    "new-relic-user-api-key": "NRAK-" + _draw("newrelic-user-api-key0", UPPER, 27),
    "notion-api-token": "ntn_" + _draw("notion-api-token0", string.digits, 11) + _draw("notion-api-token1", LETTERS, 35),
    "microsoft-teams-webhook": ".webhook.office.com/webhookb2/" + _draw("teams0", HEX, 36) + "@" + _draw("teams1", HEX, 36) + "/IncomingWebhook/" + _draw("teams2", HEX, 32),
    "nvidia-api-key": "nvapi-" + _draw("nvidia-api-key0", LETTERS, 64),
    "octopus-deploy-api-key": "API-" + _draw("octopus-deploy-api-key0", UPPER, 26),
    "openrouter-api-key": "sk-or-v1-" + _draw("openrouter-api-key0", HEX, 64),
    "openshift-user-token": "sha256~" + _draw("openshift-user-token0", LETTERS, 43),
    "perplexity-api-key": "pplx-" + _draw("perplexity-api-key0", LETTERS, 48),
    "pinecone-api-key": "pcsk_" + _draw("pinecone-api-key0", LETTERS, 6) + "_" + _draw("pinecone-api-key1", LETTERS, 63),
    "planetscale-api-token": "pscale_tkn_" + _draw("planetscale-api-token0", LETTERS, 43),
    "planetscale-oauth-token": "pscale_oauth_" + _draw("planetscale-oauth-token0", LETTERS, 43),
    "planetscale-password": "pscale_pw_" + _draw("planetscale-password0", LETTERS, 43),
    "postman-api-token": "PMAK-" + _draw("postman-api-token0", HEX, 24) + "-" + _draw("postman-api-token1", HEX, 34),
    "prefect-api-token": "pnu_" + _draw("prefect-api-token0", LETTERS, 36),
    "pulumi-api-token": "pul-" + _draw("pulumi-api-token0", HEX, 40),
    "readme-api-token": "rdme_" + _draw("readme-api-token0", HEX, 70),
    "replicate-api-token": "r8_" + _draw("replicate-api-token0", LETTERS, 37),
    "rubygems-api-token": "rubygems_" + _draw("rubygems-api-token0", HEX, 48),
    "scalingo-api-token": "tk-us-" + _draw("scalingo-api-token0", LETTERS, 48),
    "sendinblue-api-token": "xkeysib-" + _draw("sendinblue-api-token0", HEX, 64) + "-" + _draw("sendinblue-api-token1", LETTERS, 16),
    "sentry-org-token": "sntrys_eyJpYXQiO" + _draw("sentry-org-token0", LETTERS, 120),
    "sentry-user-token": "sntryu_" + _draw("sentry-user-token0", HEX, 64),
    "settlemint-application-access-token": "sm_aat_" + _draw("settlemint-application-access-token0", LETTERS, 16),
    "settlemint-personal-access-token": "sm_pat_" + _draw("settlemint-personal-access-token0", LETTERS, 16),
    "settlemint-service-access-token": "sm_sat_" + _draw("settlemint-service-access-token0", LETTERS, 16),
    "shippo-api-token": "shippo_live_" + _draw("shippo-api-token0", HEX, 40),
    "shopify-access-token": "shpat_" + _draw("shopify-access-token0", HEX, 32),
    "shopify-custom-access-token": "shpca_" + _draw("shopify-custom-access-token0", HEX, 32),
    "shopify-private-app-access-token": "shppa_" + _draw("shopify-private-app-access-token0", HEX, 32),
    "shopify-shared-secret": "shpss_" + _draw("shopify-shared-secret0", HEX, 32),
    "slack-legacy-token": "xoxo-" + _draw("slack-legacy-token0", string.digits, 12) + "-" + _draw("slack-legacy-token1", string.digits, 12) + "-" + _draw("slack-legacy-token2", HEX, 32),
    "slack-legacy-workspace-token": "xoxa-" + _draw("slack-legacy-workspace-token0", LETTERS, 40),
    "sourcegraph-access-token": "sgp_" + _draw("sourcegraph-access-token0", HEX, 40),
    "square-access-token": "EAAA" + _draw("square-access-token0", LETTERS, 60),
    "stripe-webhook-secret": "whsec_" + _draw("stripe-webhook-secret0", LETTERS, 32),
    "supabase-access-token": "sbp_" + _draw("supabase-access-token0", HEX, 40),
    "tailscale-key": "tskey-auth-" + _draw("tailscale-key0", LETTERS, 12) + "CNTRL" + "-" + _draw("tailscale-key1", LETTERS, 32),
    "tavily-api-key": "tvly-" + _draw("tavily-api-key0", LETTERS, 32),
    "vault-batch-token": "hvb." + _draw("vault-batch-token0", LETTERS, 160),
    "vault-service-token": "hvs." + _draw("vault-service-token0", LETTERS, 95),
    "xai-api-key": "xai-" + _draw("xai-api-key0", LETTERS, 80),
    "jwt": jwt(),
    "private-key": pem(),
    "portcullis-api-key": "pcl_" + _draw("ag", LETTERS, 43),
    "CREDIT_CARD": "4929 1234 5678 9014",
    "IBAN_CODE": _iban("DE", "370400440532013000"),
    "US_SSN": "536-22-8726",
    "EMAIL_ADDRESS": "mia.keller@example.org",
    "IP_ADDRESS": "203.0.113.77",
    "DOMAIN_NAME": "https://www.harbour-office.example/",
    "PHONE_NUMBER": "+49 30 5550 1234",
    "CRYPTO": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "PASSPORT": "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    "FR_NIR": "2 69 05 49 588 157 80",
    "IT_FISCAL_CODE": "RSSMRA85T10A562S",
    "ES_NIF": "12345678Z",
    "ES_NIE": "X1234567L",
    "BE_NATIONAL_NUMBER": "85.07.30-033.28",
    "CZ_BIRTH_NUMBER": "710319/2745",
    "SE_PERSONNUMMER": "811218-9876",
    "UK_NINO": "AB123456C",
}
"""Values that are found wherever they stand."""

TOLD: dict[str, tuple[str, str]] = {
    "DATE_OF_BIRTH": ("born on ", "31 August 1970"),
    "US_DRIVER_LICENSE": ("driver's license ", "A56319335"),
    "US_ITIN": ("ITIN ", "912-70-1234"),
    "US_NPI": ("NPI: ", "1234567893"),
    "MEDICAL_LICENSE": ("DEA no. ", "AB1234563"),
    "MEDICAL_RECORD": ("MRN ", "00482913"),
    "DE_TAX_ID": ("Steuer-ID ", "86095742719"),
    "DE_ID_CARD": ("Personalausweis ", "T220001293"),
    "PL_PESEL": ("PESEL ", "44051401359"),
    "RO_CNP": ("CNP ", "1800101221144"),
    "NL_BSN": ("BSN ", "111222333"),
    "PT_NIF": ("contribuinte ", "123456789"),
    "GR_AMKA": ("ΑΜΚΑ ", "01018012342"),
    "GR_AFM": ("ΑΦΜ ", "094259216"),
    "UK_NHS": ("NHS number ", "943 476 5919"),
}
"""Values that only the words before them make one."""


def _luhn(number: str) -> str:
    """The number with its last digit made right."""
    for digit in string.digits:
        digits = [int(each) for each in reversed((number[:-1] + digit).replace(" ", ""))]
        if sum(value if place % 2 == 0 else sum(divmod(2 * value, 10)) for place, value in enumerate(digits)) % 10 == 0:
            return number[:-1] + digit
    raise ValueError(number)


SAMPLES["CREDIT_CARD"] = _luhn(SAMPLES["CREDIT_CARD"])

VARIANTS: dict[str, list[str]] = {
    "openai-api-key": ["sk-" + _draw("ah", LETTERS, 48), "sk-svcacct-" + _draw("ai", LETTERS + "_-", 74)],
    "aws-access-token": ["ASIA" + _draw("aj", string.ascii_uppercase + string.digits, 16), "A3T" + _draw("ak", string.ascii_uppercase, 17)],
    "jwt": [unusual_jwt()],
    "slack-user-token": ["xoxe-" + _draw("al", LETTERS, 40)],
    "stripe-access-token": ["rk_test_" + _draw("am", LETTERS, 24)],
    "CREDIT_CARD": [_luhn("340000 000000 009".replace(" ", "")), _luhn("5105105105105100"), _luhn("6011-0009-9013-9424".replace("-", ""))],
    "IBAN_CODE": [_iban("GB", "WEST12345698765432"), _iban("NO", "86011117947")],
    "private-key": ["-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQdGBF" + _draw("an", LETTERS, 300) + "\n-----END PGP PRIVATE KEY BLOCK-----"],
}
"""Other shapes of the same kinds."""
