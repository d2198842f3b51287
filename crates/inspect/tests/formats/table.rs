//! The formats: kinds with a mark of their own, kinds that a name tells, and kinds that only a place tells.

/// Kind, the name of a variable that holds one, and the formats.
pub(crate) const MARKED: &str = "
anthropic-admin-api-key | anthropic_admin_key | sk-ant-admin01-<url:93>AA
openai-api-key | openai_api_key | sk-proj-<url:74>T3BlbkFJ<url:74> or sk-svcacct-<url:74>T3BlbkFJ<url:74> or sk-<base62:20>T3BlbkFJ<base62:20> or sk-admin-<url:58>T3BlbkFJ<url:58>
github-fine-grained-pat | github_token | github_pat_<base62:22>_<base62:59>
github-pat | github_token | ghp_<base62:30><crc62>
github-app-token | github_token | ghs_<base62:30><crc62> or ghu_<base62:30><crc62>
gitlab-pat | gitlab_token | glpat-<url:20> or glpat-<base62:27>.<base36:2>.<base36:7>
gitlab-runner-authentication-token | runner_token | glrt-<url:20> or glrt-t1_<base62:27>.<base36:2>.<base36:7>
slack-bot-token | slack_bot_token | xoxb-<digit:12>-<digit:13>-<base62:24>
slack-user-token | slack_user_token | xoxp-<digit:12>-<digit:12>-<digit:13>-<hex:32> or xoxe-1-<base62:146>
slack-app-token | slack_app_token | xapp-1-A<BASE36:10>-<digit:13>-<hex:64>
gcp-api-key | google_api_key | AIzaSy<url:33>
npm-access-token | npm_token | npm_<base62:30><crc62>
sendgrid-api-token | sendgrid_api_key | SG.<url:22>.<url:43>
twilio-api-key | twilio_api_key | SK<hex:32>
digitalocean-pat | digitalocean_token | dop_v1_<hex:64>
digitalocean-access-token | digitalocean_token | doo_v1_<hex:64>
digitalocean-refresh-token | digitalocean_token | dor_v1_<hex:64>
1password-service-account-token | op_service_account_token | ops_<base64url {\"signInAddress\":\"acme.1password.example\",\"userAuth\":{\"method\":\"SRPg-4096\",\"salt\":\"<url:22>\"},\"muk\":\"<url:43>\"}>
age-secret-key | age_key | AGE-SECRET-KEY-1<BECH32:58>
alibaba-access-key-id | access_key | LTAI5t<base62:18>
anyscale-api-key | anyscale_token | esecret_<base36:26> or aph0_<base62:44>
artifactory-api-key | artifactory_key | AKCp<base62:69>
atlassian-api-token | atlassian_token | ATATT3xFfGF0<url:171>=<HEX:8> or ATCTT3xFfGN0<url:171>=<HEX:8>
aws-amazon-bedrock-api-key-long-lived | aws_bearer_token_bedrock | ABSK<base64 BedrockAPIKey-<base36:4>-at-<digit:12>:<base64:60>>
buildkite-api-token | buildkite_token | bkua_<hex:40>
circleci-api-token | circle_token | CCIPAT_<base62:22>_<hex:40>
clickhouse-cloud-api-secret-key | clickhouse_secret | 4b1d<base62:38>
clojars-api-token | clojars_token | CLOJARS_<hex:60>
cloudflare-origin-ca-key | origin_ca_key | v1.0-<hex:24>-<hex:146>
databricks-api-token | databricks_token | dapi<hex:32> or dapi<hex:32>-2
docker-access-token | docker_password | dckr_pat_<url:27> or dckr_oat_<url:32>
doppler-api-token | doppler_token | dp.pt.<base62:43> or dp.st.prd.<base62:43> or dp.ct.<base62:43>
easypost-test-api-token | easypost_key | EZTK<base62:54>
figma-access-token | figma_token | figd_<url:40>
flutterwave-public-key | flutterwave_key | FLWPUBK_TEST-<hex:32>-X
flyio-access-token | fly_api_token | fo1_<url:43> or fm2_<base64:200> or fm1r_<base64:160>
frameio-api-token | frameio_token | fio-u-<url:64>
gcp-oauth-access-token | access_token | ya29.a0<url:160> or ya29.c.b0<url:120>
gcp-oauth-client-secret | client_secret | GOCSPX-<url:28>
gitlab-cicd-job-token | ci_job_token | glcbt-<url:20> or glcbt-<hex:2>_<url:20>
gitlab-deploy-token | deploy_token | gldt-<url:20>
gitlab-feed-token | feed_token | glft-<url:20>
gitlab-incoming-mail-token | mail_token | glimt-<base36:25>
gitlab-kubernetes-agent-token | agent_token | glagent-<url:50>
gitlab-oauth-app-secret | oauth_secret | gloas-<hex:64>
gitlab-rrt | runner_token | GR1348941<url:20>
gitlab-scim-token | scim_token | glsoat-<url:20>
grafana-api-key | grafana_api_key | <base64 {\"k\":\"<base62:32>\",\"n\":\"deploy\",\"id\":1}>
grafana-cloud-api-token | grafana_token | glc_<base64 {\"o\":\"<digit:6>\",\"n\":\"ci\",\"k\":\"<base62:24>\"}>
grafana-service-account-token | grafana_token | glsa_<base62:32>_<crc16>
groq-api-key | groq_api_key | gsk_<base62:52>
huggingface-organization-api-token | hf_token | api_org_<letter:34>
intra42-client-secret | intra_secret | s-s4t2ud-<hex:64> or s-s4t2af-<hex:64>
langsmith-api-key | langsmith_api_key | lsv2_pt_<hex:32>_<hex:10> or lsv2_sk_<hex:32>_<hex:10>
jwt-base64 | session | <base64 <base64url {\"alg\":\"HS256\",\"typ\":\"JWT\"}>.<base64url {\"sub\":\"<digit:10>\",\"iat\":17<digit:8>}>.<url:43>>
mapbox-secret-token | mapbox_token | sk.<base64url {\"u\":\"acme\",\"a\":\"c<base36:24>\"}>.<url:22>
nvidia-api-key | nvidia_api_key | nvapi-<url:64>
openrouter-api-key | openrouter_key | sk-or-v1-<hex:64>
openshift-user-token | oc_token | sha256~<url:43>
pinecone-api-key | pinecone_api_key | pcsk_<base62:6>_<base62:63>
planetscale-oauth-token | pscale_token | pscale_oauth_<url:43>
planetscale-password | database_password | pscale_pw_<url:43>
replicate-api-token | replicate_api_token | r8_<base62:37>
rubygems-api-token | gem_host_api_key | rubygems_<hex:48>
scalingo-api-token | scalingo_token | tk-us-<url:48>
sentry-org-token | sentry_auth_token | sntrys_<base64 {\"iat\":17<digit:8>.<digit:6>,\"url\":\"https://sentry.example\",\"org\":\"acme\"}>_<base64:43>
sentry-user-token | sentry_auth_token | sntryu_<hex:64>
settlemint-application-access-token | settlemint_token | sm_aat_<base62:16>
settlemint-personal-access-token | settlemint_token | sm_pat_<base62:16>
shippo-api-token | shippo_token | shippo_live_<hex:40> or shippo_test_<hex:40>
shopify-access-token | shopify_token | shpat_<hex:32>
shopify-private-app-access-token | shopify_token | shppa_<hex:32>
shopify-shared-secret | shopify_secret | shpss_<hex:32>
slack-legacy-token | slack_token | xoxs-<digit:12>-<digit:12>-<digit:12>-<hex:10> or xoxo-<digit:12>-<digit:12>-<digit:12>-<hex:32>
stripe-webhook-secret | stripe_webhook_secret | whsec_<base62:32>
supabase-access-token | supabase_access_token | sbp_<hex:40> or sb_secret_<url:22>_<base62:8>
tailscale-key | tailscale_key | tskey-auth-k<base62:11>CNTRL-<base62:32> or tskey-api-k<base62:11>CNTRL-<base62:32>
tavily-api-key | tavily_api_key | tvly-<base62:32> or tvly-dev-<base62:32>
vault-service-token | vault_token | hvs.CAESI<url:90>
xai-api-key | xai_api_key | xai-<base62:80>
portcullis-api-key | portcullis_key | pcl_<hex:12>_<base62:49>
authress-service-client-access-key | service_client | sc_<base62:20>.<base36:4>.acc_<base36:24>.<base64:64> or ext_<base62:20>.<base36:4>.acc-<base36:24>.<base64:64>
azure-ad-client-secret | client_secret | <base62:3>8Q~<base62:34>
hashicorp-tf-api-token | tf_token | <base62:14>.atlasv1.<base62:67>
maxmind-license-key | license | <base62:6>_<base62:29>_mmk
telegram-bot-api-token | bot | <digit:10>:AA<url:33>
vault-short-service-token | vault | s.<base62:24>
";

/// Kind, a name that has one of the words by which its issuer's keys are told, and the formats.
pub(crate) const NAMED: &str = "
airtable-api-key | airtable_key | key<base62:14>
algolia-api-key | algolia_admin_key | <hex:32>
alibaba-secret-key | alibaba_cloud_secret | <base62:30>
asana-client-id | asana_client | <digit:16>
atlassian-short-api-token | jira_api_token | <base62:20><hex:4>
beamer-api-token | beamer_key | b_<url:44>
bitbucket-client-id | bitbucket_key | <base62:32>
cisco-meraki-api-key | meraki_dashboard_key | <hex:40>
cloudflare-global-api-key | cloudflare_global_key | <hex:37>
codecov-access-token | codecov_token | <base36:32>
confluent-access-token | confluent_cloud_key | <BASE36:16>
contentful-delivery-api-token | contentful_delivery_token | <url:43>
discord-client-secret | discord_client_secret | <url:32>
droneci-access-token | droneci_token | <base62:32>
dropbox-long-lived-api-token | dropbox_token | <base62:11>AAAAAAAAAA<url:43>
dropbox-short-lived-api-token | dropbox_token | sl.<url:135>
etsy-access-token | etsy_keystring | <base36:24>
facebook-secret | facebook_app_secret | <hex:32>
finicity-client-secret | finicity_partner_secret | <base62:20>
flickr-access-token | flickr_api_key | <hex:32>
freemius-secret-key | secret_key | sk_<visible:29>
freshbooks-access-token | freshbooks_token | <hex:64>
gitter-access-token | gitter_token | <hex:40>
gocardless-api-token | gocardless_token | live_<url:40>
hubspot-api-key | hubspot_api_key | <hex:8>-<hex:4>-<hex:4>-<hex:4>-<hex:12>
intercom-api-key | intercom_token | <url:60>
jfrog-api-key | jfrog_api_key | <base62:73>
kraken-access-token | kraken_private_key | <base64:86>
kucoin-secret-key | kucoin_secret | <hex:8>-<hex:4>-<hex:4>-<hex:4>-<hex:12>
linear-client-secret | linear_client_secret | <hex:32>
linkedin-client-secret | linkedin_client_secret | <base62:16>
lob-pub-api-key | lob_key | live_pub_<hex:31> or test_pub_<hex:31>
looker-client-id | looker_client | <base62:20>
mailchimp-api-key | mailchimp_api_key | <hex:32>-us<digit:2>
mailgun-private-api-token | mailgun_api_key | key-<hex:32>
mailgun-pub-key | mailgun_public_key | pubkey-<hex:32>
mailgun-signing-key | mailgun_signing_key | <hex:32>-<hex:8>-<hex:8>
mapbox-api-token | mapbox_token | pk.<base62:60>.<base62:22>
messagebird-api-token | messagebird_key | <base62:25>
new-relic-insert-key | new_relic_insert_key | NRII-<url:32>
new-relic-user-api-id | newrelic_user | <base62:64>
privateai-api-token | private_ai_key | <hex:32>
rapidapi-access-token | rapidapi_key | <base62:50>
sentry-access-token | sentry_token | <hex:64>
sourcegraph-hex-access-token | sourcegraph_token | <hex:40>
sumologic-access-id | sumo_access_id | su<base62:12>
sumologic-access-token | sumo_access_key | <base62:64>
twitter-access-secret | twitter_access_secret | <base62:45>
twitter-access-token | twitter_access_token | <digit:19>-<base62:30>
twitter-api-secret | twitter_api_secret | <base62:50>
twitter-bearer-token | twitter_bearer | AAAAAAAAAAAAAAAAAAAAAA<base62:82>
typeform-api-token | typeform_token | tfp_<url:59>
yandex-access-token | yandex_iam | t1.<base62:120>.<url:86>
yandex-aws-access-token | yandex_s3_key | YC<url:38>
";

/// A kind that only a place tells: its format, texts with `{}` for the value, and texts in which the value is none.
pub(crate) struct Placed {
    pub(crate) kind: &'static str,
    pub(crate) format: &'static str,
    pub(crate) good: &'static [&'static str],
    pub(crate) bad: &'static [&'static str],
}

pub(crate) const PLACED: &[Placed] = &[
    Placed {
        kind: "gitlab-session-cookie",
        format: "<hex:32>",
        good: &["Cookie: _gitlab_session={}; locale=en", "curl -b '_gitlab_session={}' https://git.example.com"],
        bad: &["Cookie: experiment_subject={}; locale=en", "Cookie: _gitlab_session=<redacted>; locale=en"],
    },
    Placed {
        kind: "sidekiq-sensitive-url",
        format: "<hex:8>:<hex:8>",
        good: &["source \"https://{}@gems.contribsys.com/\" do", "https://{}@enterprise.contribsys.com/gems"],
        bad: &["source \"https://{}.contribsys.com/\" do", "https://gems.contribsys.com/{}"],
    },
    Placed {
        kind: "curl-auth-header",
        format: "<base62:40>",
        good: &[
            "curl -H \"Authorization: Bearer {}\" https://api.example.com/v1/items",
            "GET /v1/items HTTP/1.1\nX-Api-Key: {}\nAccept: */*",
            "headers = {'Authorization': 'Token {}'}",
        ],
        bad: &[
            "curl -H \"Authorization: Bearer $TOKEN\" https://api.example.com/v1/items",
            "Authorization: Bearer <your token>",
            "GET /v1/items HTTP/1.1\nETag: {}\nAccept: */*",
        ],
    },
    Placed {
        kind: "kubernetes-secret-yaml",
        format: "<base64 <base62:20>>",
        good: &["apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ntype: Opaque\ndata:\n  user: {}\n"],
        bad: &[
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: db\ndata:\n  motd: {}\n",
            "kind: Secret\nmetadata:\n  name: db\ndata:\n  user: ${USER_BASE64}\n",
        ],
    },
    Placed {
        kind: "nuget-config-password",
        format: "<base62:18>",
        good: &["<add key=\"Password\" value=\"{}\" />", "<add key=\"ClearTextPassword\" value=\"{}\" />"],
        bad: &["<add key=\"Culture\" value=\"{}\" />", "<add key=\"Password\" value=\"%NUGET%\" />"],
    },
    Placed {
        kind: "password",
        format: "<base62:12>",
        good: &["db_password = \"{}\"", "password: '{}'", "const adminPassword = '{}';"],
        bad: &["password = \"${DB_PASSWORD}\"", "password: 'hunter-of-words'", "password_field = \"{}\""],
    },
    Placed {
        kind: "generic-api-key",
        format: "<base62:32>",
        good: &["payments_api_key = \"{}\"", "{\"accessToken\": \"{}\"}", "SIGNING_SECRET={}"],
        bad: &["cache_key = \"{}\"", "{\"etag\": \"{}\"}", "token_type={}", "API_KEY=<api key here>"],
    },
];
