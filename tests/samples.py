"""One made-up value per kind of finding: right in form, drawn with a fixed seed, and never valid anywhere."""

import base64
import json
import random
import string

LETTERS = string.ascii_letters + string.digits


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
    "jwt": jwt(),
    "private-key": pem(),
    "portcullis-api-key": "pcl_" + _draw("ag", LETTERS, 43),
    "CREDIT_CARD": "4929 1234 5678 9014",
    "IBAN_CODE": _iban("DE", "370400440532013000"),
    "US_SSN": "536-22-8726",
    "EMAIL_ADDRESS": "mia.keller@example.org",
}


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
