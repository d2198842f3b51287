//! The token rules as data. `docs/SCANNERS.md` says the same in a table; both change together.

use crate::class::Class;
use crate::rules::{JWT, Left, Shape, TokenRule, jose, token};

const SENDGRID: Class = Class::URL_SAFE.or(Class::EQUALS).or(Class::DOT);
const ALNUM_DASH: Class = Class::ALNUM.or(Class::DASH);
const UPPER_DIGIT_DASH: Class = Class::UPPER.or(Class::DIGIT).or(Class::DASH);
const UPPER_DIGIT: Class = Class::UPPER.or(Class::DIGIT);
const URL_SAFE_DOT: Class = Class::URL_SAFE.or(Class::DOT);
const TEAMS: Class = ALNUM_DASH.or(Class::AT).or(Class::SLASH);
const PATH: Class = Class::ALNUM.or(Class::PLUS).or(Class::SLASH);

/// A short token; of few bytes fewer differ.
const fn workspace(prefix: &'static str) -> Shape {
    Shape::Run { prefix, left: Left::Any, class: ALNUM_DASH, min: 8, distinct: 4 }
}

/// All token rules; the place in this list is the rule's number and breaks ties.
pub(crate) const TOKENS: &[TokenRule] = &[
    TokenRule {
        kind: "anthropic-api-key",
        shapes: &[
            token("sk-ant-api", Left::Word, Class::URL_SAFE, 40),
            token("sk-ant-sid", Left::Word, Class::URL_SAFE, 40),
            token("sk-ant-oat", Left::Word, Class::URL_SAFE, 40),
            token("sk-ant-ort", Left::Word, Class::URL_SAFE, 40),
        ],
    },
    TokenRule { kind: "anthropic-admin-api-key", shapes: &[token("sk-ant-admin", Left::Word, Class::URL_SAFE, 40)] },
    TokenRule {
        kind: "openai-api-key",
        shapes: &[
            token("sk-proj-", Left::Word, Class::URL_SAFE, 20),
            token("sk-svcacct-", Left::Word, Class::URL_SAFE, 20),
            token("sk-admin-", Left::Word, Class::URL_SAFE, 20),
            token("sk-None-", Left::Word, Class::URL_SAFE, 20),
            token("sk-", Left::Word, Class::ALNUM, 32),
        ],
    },
    TokenRule {
        kind: "aws-access-token",
        shapes: &[
            token("AKIA", Left::Word, UPPER_DIGIT, 16),
            token("ASIA", Left::Word, UPPER_DIGIT, 16),
            token("ABIA", Left::Word, UPPER_DIGIT, 16),
            token("ACCA", Left::Word, UPPER_DIGIT, 16),
            token("A3T", Left::Word, UPPER_DIGIT, 17),
        ],
    },
    TokenRule { kind: "github-fine-grained-pat", shapes: &[token("github_pat_", Left::Any, Class::WORD, 36)] },
    TokenRule { kind: "github-pat", shapes: &[token("ghp_", Left::Any, Class::ALNUM, 36)] },
    TokenRule { kind: "github-oauth", shapes: &[token("gho_", Left::Any, Class::ALNUM, 36)] },
    TokenRule {
        kind: "github-app-token",
        shapes: &[token("ghu_", Left::Any, Class::ALNUM, 36), token("ghs_", Left::Any, Class::ALNUM, 36)],
    },
    TokenRule { kind: "github-refresh-token", shapes: &[token("ghr_", Left::Any, Class::ALNUM, 36)] },
    TokenRule { kind: "gitlab-pat", shapes: &[token("glpat-", Left::Any, URL_SAFE_DOT, 20)] },
    TokenRule { kind: "gitlab-ptt", shapes: &[token("glptt-", Left::Any, Class::URL_SAFE, 40)] },
    TokenRule { kind: "gitlab-runner-authentication-token", shapes: &[token("glrt-", Left::Any, URL_SAFE_DOT, 20)] },
    TokenRule { kind: "slack-bot-token", shapes: &[token("xoxb-", Left::Any, ALNUM_DASH, 20)] },
    TokenRule {
        kind: "slack-config-access-token",
        shapes: &[token("xoxe.xoxb-", Left::Any, ALNUM_DASH, 100), token("xoxe.xoxp-", Left::Any, ALNUM_DASH, 100)],
    },
    TokenRule { kind: "slack-config-refresh-token", shapes: &[token("xoxe-1-", Left::Any, Class::ALNUM, 100)] },
    TokenRule {
        kind: "slack-user-token",
        shapes: &[token("xoxp-", Left::Any, ALNUM_DASH, 20), token("xoxe-", Left::Any, ALNUM_DASH, 20)],
    },
    TokenRule { kind: "slack-app-token", shapes: &[token("xapp-", Left::Any, ALNUM_DASH, 20)] },
    TokenRule {
        kind: "slack-webhook-url",
        shapes: &[
            token("https://hooks.slack.com/services/", Left::Any, PATH, 36),
            token("https://hooks.slack.com/workflows/", Left::Any, PATH, 36),
            token("https://hooks.slack.com/triggers/", Left::Any, PATH, 36),
            token("http://hooks.slack.com/services/", Left::Any, PATH, 36),
            token("http://hooks.slack.com/workflows/", Left::Any, PATH, 36),
            token("http://hooks.slack.com/triggers/", Left::Any, PATH, 36),
            token("hooks.slack.com/services/", Left::Any, PATH, 36),
            token("hooks.slack.com/workflows/", Left::Any, PATH, 36),
            token("hooks.slack.com/triggers/", Left::Any, PATH, 36),
        ],
    },
    TokenRule { kind: "gcp-api-key", shapes: &[token("AIza", Left::Word, Class::URL_SAFE, 35)] },
    TokenRule {
        kind: "stripe-access-token",
        shapes: &[
            token("sk_live_", Left::Word, Class::ALNUM, 10),
            token("sk_test_", Left::Word, Class::ALNUM, 10),
            token("sk_prod_", Left::Word, Class::ALNUM, 10),
            token("rk_live_", Left::Word, Class::ALNUM, 10),
            token("rk_test_", Left::Word, Class::ALNUM, 10),
            token("rk_prod_", Left::Word, Class::ALNUM, 10),
        ],
    },
    TokenRule { kind: "npm-access-token", shapes: &[token("npm_", Left::Word, Class::ALNUM, 36)] },
    TokenRule {
        kind: "pypi-upload-token",
        shapes: &[
            token("pypi-AgEIcHlwaS5vcmc", Left::Any, Class::URL_SAFE, 50),
            token("pypi-AgENdGVzdC5weXBpLm9yZw", Left::Any, Class::URL_SAFE, 50),
        ],
    },
    TokenRule { kind: "huggingface-access-token", shapes: &[token("hf_", Left::Word, Class::ALNUM, 34)] },
    TokenRule { kind: "sendgrid-api-token", shapes: &[token("SG.", Left::Word, SENDGRID, 66)] },
    TokenRule { kind: "twilio-api-key", shapes: &[token("SK", Left::Word, Class::HEX, 32)] },
    TokenRule { kind: "digitalocean-pat", shapes: &[token("dop_v1_", Left::Word, Class::HEX, 64)] },
    TokenRule { kind: "digitalocean-access-token", shapes: &[token("doo_v1_", Left::Word, Class::HEX, 64)] },
    TokenRule { kind: "digitalocean-refresh-token", shapes: &[token("dor_v1_", Left::Word, Class::HEX, 64)] },
    TokenRule { kind: "1password-secret-key", shapes: &[token("A3-", Left::Word, UPPER_DIGIT_DASH, 36)] },
    TokenRule { kind: "1password-service-account-token", shapes: &[token("ops_eyJ", Left::Any, JWT, 100)] },
    TokenRule { kind: "adobe-client-secret", shapes: &[token("p8e-", Left::Word, Class::ALNUM, 32)] },
    TokenRule { kind: "age-secret-key", shapes: &[token("AGE-SECRET-KEY-1", Left::Any, UPPER_DIGIT, 58)] },
    TokenRule { kind: "alibaba-access-key-id", shapes: &[token("LTAI", Left::Word, Class::ALNUM, 20)] },
    TokenRule {
        kind: "anyscale-api-key",
        shapes: &[token("aph0_", Left::Word, Class::ALNUM, 24), token("esecret_", Left::Word, Class::ALNUM, 24)],
    },
    TokenRule { kind: "artifactory-api-key", shapes: &[token("AKCp", Left::Word, Class::ALNUM, 69)] },
    TokenRule { kind: "artifactory-reference-token", shapes: &[token("cmVmd", Left::Word, Class::ALNUM, 59)] },
    TokenRule {
        kind: "atlassian-api-token",
        shapes: &[token("ATATT3", Left::Word, JWT, 100), token("ATCTT3", Left::Word, JWT, 100)],
    },
    TokenRule { kind: "aws-amazon-bedrock-api-key-long-lived", shapes: &[token("ABSK", Left::Word, JWT, 109)] },
    TokenRule { kind: "aws-amazon-bedrock-api-key-short-lived", shapes: &[token("bedrock-api-key-", Left::Any, JWT, 28)] },
    TokenRule { kind: "buildkite-api-token", shapes: &[token("bkua_", Left::Word, Class::ALNUM, 40)] },
    TokenRule { kind: "circleci-api-token", shapes: &[token("CCIPAT_", Left::Word, Class::WORD, 40)] },
    TokenRule { kind: "clickhouse-cloud-api-secret-key", shapes: &[token("4b1d", Left::Word, Class::ALNUM, 38)] },
    TokenRule { kind: "clojars-api-token", shapes: &[token("CLOJARS_", Left::Any, Class::ALNUM, 60)] },
    TokenRule { kind: "cloudflare-origin-ca-key", shapes: &[token("v1.0-", Left::Word, ALNUM_DASH, 171)] },
    TokenRule { kind: "databricks-api-token", shapes: &[token("dapi", Left::Word, Class::HEX, 32)] },
    TokenRule {
        kind: "docker-access-token",
        shapes: &[token("dckr_pat_", Left::Any, Class::URL_SAFE, 27), token("dckr_oat_", Left::Any, Class::URL_SAFE, 27)],
    },
    TokenRule {
        kind: "doppler-api-token",
        shapes: &[
            token("dp.pt.", Left::Any, URL_SAFE_DOT, 40),
            token("dp.st.", Left::Any, URL_SAFE_DOT, 40),
            token("dp.sa.", Left::Any, URL_SAFE_DOT, 40),
            token("dp.ct.", Left::Any, URL_SAFE_DOT, 40),
        ],
    },
    TokenRule {
        kind: "duffel-api-token",
        shapes: &[token("duffel_test_", Left::Any, SENDGRID, 43), token("duffel_live_", Left::Any, SENDGRID, 43)],
    },
    TokenRule {
        kind: "dynatrace-api-token",
        shapes: &[
            token("dt0c01.", Left::Any, URL_SAFE_DOT, 80),
            token("dt0s01.", Left::Any, URL_SAFE_DOT, 80),
            token("dt0s16.", Left::Any, URL_SAFE_DOT, 80),
        ],
    },
    TokenRule { kind: "easypost-api-token", shapes: &[token("EZAK", Left::Word, Class::ALNUM, 54)] },
    TokenRule { kind: "easypost-test-api-token", shapes: &[token("EZTK", Left::Word, Class::ALNUM, 54)] },
    TokenRule {
        kind: "facebook-page-access-token",
        shapes: &[token("EAAM", Left::Word, Class::ALNUM, 100), token("EAAC", Left::Word, Class::ALNUM, 100)],
    },
    TokenRule { kind: "figma-access-token", shapes: &[token("figd_", Left::Any, Class::URL_SAFE, 40)] },
    TokenRule {
        kind: "flutterwave-secret-key",
        shapes: &[token("FLWSECK_TEST-", Left::Any, ALNUM_DASH, 12), token("FLWSECK-", Left::Any, ALNUM_DASH, 12)],
    },
    TokenRule { kind: "flutterwave-public-key", shapes: &[token("FLWPUBK_TEST-", Left::Any, ALNUM_DASH, 32)] },
    TokenRule {
        kind: "flyio-access-token",
        shapes: &[
            token("fo1_", Left::Word, JWT, 43),
            token("fm1a_", Left::Word, JWT, 43),
            token("fm1r_", Left::Word, JWT, 43),
            token("fm2_", Left::Word, JWT, 43),
        ],
    },
    TokenRule { kind: "frameio-api-token", shapes: &[token("fio-u-", Left::Any, SENDGRID, 64)] },
    TokenRule { kind: "gcp-oauth-access-token", shapes: &[token("ya29.", Left::Word, URL_SAFE_DOT, 40)] },
    TokenRule { kind: "gcp-oauth-client-secret", shapes: &[token("GOCSPX-", Left::Any, Class::URL_SAFE, 28)] },
    TokenRule { kind: "gitlab-cicd-job-token", shapes: &[token("glcbt-", Left::Any, Class::URL_SAFE, 20)] },
    TokenRule { kind: "gitlab-deploy-token", shapes: &[token("gldt-", Left::Any, Class::URL_SAFE, 20)] },
    TokenRule { kind: "gitlab-feature-flag-client-token", shapes: &[token("glffct-", Left::Any, Class::URL_SAFE, 20)] },
    TokenRule { kind: "gitlab-feed-token", shapes: &[token("glft-", Left::Any, Class::URL_SAFE, 20)] },
    TokenRule { kind: "gitlab-incoming-mail-token", shapes: &[token("glimt-", Left::Any, Class::URL_SAFE, 25)] },
    TokenRule { kind: "gitlab-kubernetes-agent-token", shapes: &[token("glagent-", Left::Any, Class::URL_SAFE, 50)] },
    TokenRule { kind: "gitlab-oauth-app-secret", shapes: &[token("gloas-", Left::Any, Class::URL_SAFE, 64)] },
    TokenRule { kind: "gitlab-rrt", shapes: &[token("GR1348941", Left::Any, Class::URL_SAFE, 20)] },
    TokenRule { kind: "gitlab-scim-token", shapes: &[token("glsoat-", Left::Any, Class::URL_SAFE, 20)] },
    TokenRule { kind: "gitlab-session-cookie", shapes: &[token("_gitlab_session=", Left::Any, Class::ALNUM, 32)] },
    TokenRule { kind: "grafana-api-key", shapes: &[token("eyJrIjoi", Left::Word, JWT, 70)] },
    TokenRule { kind: "grafana-cloud-api-token", shapes: &[token("glc_", Left::Word, JWT, 32)] },
    TokenRule { kind: "grafana-service-account-token", shapes: &[token("glsa_", Left::Word, Class::WORD, 41)] },
    TokenRule { kind: "groq-api-key", shapes: &[token("gsk_", Left::Word, Class::ALNUM, 40)] },
    TokenRule { kind: "heroku-api-key-v2", shapes: &[token("HRKU-AA", Left::Word, Class::URL_SAFE, 58)] },
    TokenRule { kind: "huggingface-organization-api-token", shapes: &[token("api_org_", Left::Word, Class::ALNUM, 34)] },
    TokenRule { kind: "infracost-api-token", shapes: &[token("ico-", Left::Word, Class::ALNUM, 32)] },
    TokenRule {
        kind: "intra42-client-secret",
        shapes: &[token("s-s4t2ud-", Left::Word, Class::HEX, 64), token("s-s4t2af-", Left::Word, Class::HEX, 64)],
    },
    TokenRule {
        kind: "langsmith-api-key",
        shapes: &[token("lsv2_pt_", Left::Word, Class::WORD, 42), token("lsv2_sk_", Left::Word, Class::WORD, 42)],
    },
    TokenRule { kind: "jwt-base64", shapes: &[token("ZXlK", Left::Word, JWT, 48)] },
    TokenRule { kind: "linear-api-key", shapes: &[token("lin_api_", Left::Any, Class::ALNUM, 40)] },
    TokenRule { kind: "mapbox-secret-token", shapes: &[token("sk.eyJ1", Left::Word, URL_SAFE_DOT, 60)] },
    TokenRule { kind: "new-relic-user-api-key", shapes: &[token("NRAK-", Left::Word, Class::ALNUM, 27)] },
    TokenRule { kind: "notion-api-token", shapes: &[token("ntn_", Left::Word, Class::ALNUM, 46)] },
    TokenRule { kind: "microsoft-teams-webhook", shapes: &[token(".webhook.office.com/webhookb2/", Left::Any, TEAMS, 100)] },
    TokenRule { kind: "nvidia-api-key", shapes: &[token("nvapi-", Left::Word, Class::URL_SAFE, 60)] },
    TokenRule { kind: "octopus-deploy-api-key", shapes: &[token("API-", Left::Word, UPPER_DIGIT, 26)] },
    TokenRule { kind: "openrouter-api-key", shapes: &[token("sk-or-v1-", Left::Word, Class::HEX, 64)] },
    TokenRule { kind: "openshift-user-token", shapes: &[token("sha256~", Left::Word, Class::URL_SAFE, 43)] },
    TokenRule { kind: "perplexity-api-key", shapes: &[token("pplx-", Left::Word, Class::ALNUM, 48)] },
    TokenRule { kind: "pinecone-api-key", shapes: &[token("pcsk_", Left::Word, Class::WORD, 60)] },
    TokenRule { kind: "planetscale-api-token", shapes: &[token("pscale_tkn_", Left::Word, SENDGRID, 32)] },
    TokenRule { kind: "planetscale-oauth-token", shapes: &[token("pscale_oauth_", Left::Word, SENDGRID, 32)] },
    TokenRule { kind: "planetscale-password", shapes: &[token("pscale_pw_", Left::Word, SENDGRID, 32)] },
    TokenRule { kind: "postman-api-token", shapes: &[token("PMAK-", Left::Word, ALNUM_DASH, 59)] },
    TokenRule { kind: "prefect-api-token", shapes: &[token("pnu_", Left::Word, Class::ALNUM, 36)] },
    TokenRule { kind: "pulumi-api-token", shapes: &[token("pul-", Left::Word, Class::HEX, 40)] },
    TokenRule { kind: "readme-api-token", shapes: &[token("rdme_", Left::Word, Class::ALNUM, 70)] },
    TokenRule { kind: "replicate-api-token", shapes: &[token("r8_", Left::Word, Class::ALNUM, 37)] },
    TokenRule { kind: "rubygems-api-token", shapes: &[token("rubygems_", Left::Word, Class::HEX, 48)] },
    TokenRule { kind: "scalingo-api-token", shapes: &[token("tk-us-", Left::Word, Class::URL_SAFE, 48)] },
    TokenRule { kind: "sendinblue-api-token", shapes: &[token("xkeysib-", Left::Word, ALNUM_DASH, 81)] },
    TokenRule { kind: "sentry-org-token", shapes: &[token("sntrys_eyJpYXQiO", Left::Word, JWT, 60)] },
    TokenRule { kind: "sentry-user-token", shapes: &[token("sntryu_", Left::Word, Class::HEX, 64)] },
    TokenRule { kind: "settlemint-application-access-token", shapes: &[token("sm_aat_", Left::Word, Class::ALNUM, 16)] },
    TokenRule { kind: "settlemint-personal-access-token", shapes: &[token("sm_pat_", Left::Word, Class::ALNUM, 16)] },
    TokenRule { kind: "settlemint-service-access-token", shapes: &[token("sm_sat_", Left::Word, Class::ALNUM, 16)] },
    TokenRule {
        kind: "shippo-api-token",
        shapes: &[token("shippo_live_", Left::Word, Class::HEX, 40), token("shippo_test_", Left::Word, Class::HEX, 40)],
    },
    TokenRule { kind: "shopify-access-token", shapes: &[token("shpat_", Left::Any, Class::HEX, 32)] },
    TokenRule { kind: "shopify-custom-access-token", shapes: &[token("shpca_", Left::Any, Class::HEX, 32)] },
    TokenRule { kind: "shopify-private-app-access-token", shapes: &[token("shppa_", Left::Any, Class::HEX, 32)] },
    TokenRule { kind: "shopify-shared-secret", shapes: &[token("shpss_", Left::Any, Class::HEX, 32)] },
    TokenRule {
        kind: "slack-legacy-token",
        shapes: &[token("xoxo-", Left::Any, ALNUM_DASH, 20), token("xoxs-", Left::Any, ALNUM_DASH, 20)],
    },
    TokenRule { kind: "slack-legacy-workspace-token", shapes: &[workspace("xoxa-"), workspace("xoxr-")] },
    TokenRule { kind: "sourcegraph-access-token", shapes: &[token("sgp_", Left::Word, Class::WORD, 40)] },
    TokenRule {
        kind: "square-access-token",
        shapes: &[token("EAAA", Left::Word, Class::URL_SAFE, 22), token("sq0atp-", Left::Word, Class::URL_SAFE, 22)],
    },
    TokenRule { kind: "stripe-webhook-secret", shapes: &[token("whsec_", Left::Word, Class::ALNUM, 32)] },
    TokenRule {
        kind: "supabase-access-token",
        shapes: &[token("sbp_", Left::Word, Class::URL_SAFE, 31), token("sb_secret_", Left::Word, Class::URL_SAFE, 31)],
    },
    TokenRule {
        kind: "tailscale-key",
        shapes: &[
            token("tskey-auth-", Left::Word, ALNUM_DASH, 24),
            token("tskey-api-", Left::Word, ALNUM_DASH, 24),
            token("tskey-client-", Left::Word, ALNUM_DASH, 24),
        ],
    },
    TokenRule { kind: "tavily-api-key", shapes: &[token("tvly-", Left::Word, Class::URL_SAFE, 32)] },
    TokenRule { kind: "vault-batch-token", shapes: &[token("hvb.", Left::Word, Class::URL_SAFE, 100)] },
    TokenRule { kind: "vault-service-token", shapes: &[token("hvs.", Left::Word, Class::URL_SAFE, 90)] },
    TokenRule { kind: "xai-api-key", shapes: &[token("xai-", Left::Word, Class::ALNUM, 70)] },
    TokenRule {
        kind: "jwt",
        shapes: &[
            jose("eyJhbGciOi"),
            jose("eyJ0eXAiOi"),
            jose("eyJraWQiOi"),
            jose("eyJlbmMiOi"),
            jose("eyJjdHkiOi"),
            jose("eyJqa3UiOi"),
            jose("eyJ4NXUiOi"),
            jose("eyJ4NXQiOi"),
            jose("eyJ4NWMiOl"),
            jose("eyJqd2siOn"),
            Shape::Segments,
        ],
    },
    TokenRule { kind: "private-key", shapes: &[Shape::Pem] },
    TokenRule {
        kind: "portcullis-api-key",
        shapes: &[token("pcl_", Left::Any, Class::URL_SAFE, 20), token("pclop_", Left::Any, Class::URL_SAFE, 20)],
    },
];
