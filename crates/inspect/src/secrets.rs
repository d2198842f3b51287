//! Secrets that are no tokens, as data: what stands before them, and what they look like. `docs/SCANNERS.md` says the same in a
//! table; both change together.

mod clues;
mod generic;
pub(crate) use generic::STRONG;
#[cfg(test)]
mod tests;

use crate::class::Class;
use crate::context::{Clue, ContextRule, Form, form, run, some, text};

const AL: Class = Class::ALNUM;
const DIGIT: Class = Class::DIGIT;
const HEX: Class = Class::HEX;
const US: Class = Class::URL_SAFE;
const USE: Class = Class::URL_SAFE.or(Class::EQUALS);
const ALNUM_DASH: Class = Class::ALNUM.or(Class::DASH);
const AZURE: Class = Class::WORD.or(Class::DOT).or(Class::TILDE);
const BASE64: Class = Class::BASE64.or(Class::URL_SAFE);
const HEADER: Class = BASE64.or(Class::DOT).or(Class::TILDE).or(Class::AT);
const PERCENT: Class = Class::ALNUM.or(Class::PERCENT);
const TYPEFORM: Class = USE.or(Class::DOT);
const DASH: Class = Class::DASH.or(Class::UNDERSCORE);
const PLAIN: Class = Class::ALNUM.or(Class::PLUS).or(Class::SLASH);
/// Every printable byte but quotes and the space.
const VISIBLE: Class = Class::VISIBLE;

const fn assigned(kind: &'static str, words: &'static [&'static str], forms: &'static [Form]) -> ContextRule {
    ContextRule { kind, clue: Clue::Assigned(words), forms }
}

const fn shaped(kind: &'static str, forms: &'static [Form]) -> ContextRule {
    ContextRule { kind, clue: Clue::None, forms }
}

/// Five groups of hex digits, behind a literal if it is not empty.
const UUID: Form =
    form([run(HEX, 8), text("-"), run(HEX, 4), text("-"), run(HEX, 4), text("-"), run(HEX, 4), text("-"), run(HEX, 12)]);

const fn plaid(stage: &'static str) -> Form {
    form([
        text(stage),
        run(HEX, 8),
        text("-"),
        run(HEX, 4),
        text("-"),
        run(HEX, 4),
        text("-"),
        run(HEX, 4),
        text("-"),
        run(HEX, 12),
    ])
}

const fn authress(prefix: &'static str) -> Form {
    form([
        text(prefix),
        some(AL, 5, 30),
        text("."),
        some(AL, 4, 6),
        text(".acc"),
        run(DASH, 1),
        some(ALNUM_DASH, 10, 32),
        text("."),
        some(BASE64, 30, 120),
    ])
}

/// A run of one class.
const fn only(class: Class, length: usize) -> Form {
    form([run(class, length)])
}

/// A literal and a run.
const fn behind(literal: &'static str, class: Class, length: usize) -> Form {
    form([text(literal), run(class, length)])
}

const JFROG: &[&str] = &["jfrog", "artifactory", "bintray", "xray"];
const LINKED_IN: &[&str] = &["linkedin", "linked_in", "linked-in"];
const MESSAGE_BIRD: &[&str] = &["messagebird", "message_bird", "message-bird"];
const NEW_RELIC: &[&str] = &["newrelic", "new_relic", "new-relic"];

/// The rules in order: at one start the first that fits counts.
pub(crate) const SECRETS: &[ContextRule] = &[
    shaped("airtable-personnal-access-token", &[form([text("pat"), run(AL, 14), text("."), run(HEX, 64)])]),
    shaped(
        "authress-service-client-access-key",
        &[authress("sc_"), authress("ext_"), authress("scauth_"), authress("authress_")],
    ),
    shaped(
        "azure-ad-client-secret",
        &[form([run(AZURE, 3), run(DIGIT, 1), text("Q~"), some(AZURE.or(Class::DASH), 31, 34)]).entropy(3.0)],
    ),
    shaped(
        "facebook-access-token",
        &[
            form([some(DIGIT, 15, 16), text("|"), some(US, 27, 40)]).entropy(3.0),
            form([some(DIGIT, 15, 16), text("%"), some(US, 27, 40)]).entropy(3.0),
        ],
    ),
    shaped(
        "harness-api-key",
        &[
            form([text("pat."), run(US, 22), text("."), run(AL, 24), text("."), run(AL, 20)]),
            form([text("sat."), run(US, 22), text("."), run(AL, 24), text("."), run(AL, 20)]),
        ],
    ),
    shaped("hashicorp-tf-api-token", &[form([run(AL, 14), text(".atlasv1."), some(USE, 60, 70)]).entropy(3.5)]),
    shaped("maxmind-license-key", &[form([run(AL, 6), text("_"), run(AL, 29), text("_mmk")]).entropy(4.0)]),
    shaped(
        "sidekiq-sensitive-url",
        &[
            form([run(HEX, 8), text(":"), run(HEX, 8), text("@gems.contribsys.com")]).open(),
            form([run(HEX, 8), text(":"), run(HEX, 8), text("@enterprise.contribsys.com")]).open(),
        ],
    ),
    shaped(
        "telegram-bot-api-token",
        &[
            form([some(DIGIT, 5, 16), text(":A"), run(US, 34)]),
            form([text("bot"), some(DIGIT, 5, 16), text(":A"), run(US, 34)]).open(),
        ],
    ),
    shaped("vault-short-service-token", &[behind("s.", AL, 24).entropy(3.5)]),
    assigned("adafruit-api-key", &["adafruit"], &[only(US, 32)]),
    assigned("adobe-client-id", &["adobe"], &[only(HEX, 32).entropy(2.0)]),
    assigned("airtable-api-key", &["airtable"], &[only(AL, 17)]),
    assigned("algolia-api-key", &["algolia"], &[only(AL, 32)]),
    assigned("alibaba-secret-key", &["alibaba"], &[only(AL, 30).entropy(2.0)]),
    assigned("asana-client-id", &["asana"], &[only(DIGIT, 16)]),
    assigned("asana-client-secret", &["asana"], &[only(AL, 32)]),
    assigned("atlassian-short-api-token", &["atlassian", "confluence", "jira"], &[form([run(AL, 20), run(HEX, 4)]).entropy(3.5)]),
    assigned("beamer-api-token", &["beamer"], &[behind("b_", USE, 44)]),
    assigned("bitbucket-client-id", &["bitbucket"], &[only(AL, 32)]),
    assigned("bitbucket-client-secret", &["bitbucket"], &[only(USE, 64)]),
    assigned("bittrex-secret-key", &["bittrexsecret", "bittrex_secret", "bittrex-secret"], &[only(AL, 32)]),
    assigned("bittrex-access-key", &["bittrex"], &[only(AL, 32)]),
    assigned("cisco-meraki-api-key", &["meraki"], &[only(HEX, 40).entropy(3.0)]),
    assigned("cloudflare-global-api-key", &["cloudflare"], &[only(HEX, 37).entropy(2.0)]),
    assigned("cloudflare-api-key", &["cloudflare"], &[only(US, 40).entropy(2.0)]),
    assigned("codecov-access-token", &["codecov"], &[only(AL, 32)]),
    assigned("cohere-api-token", &["cohere", "co_api_key"], &[only(AL, 40).entropy(4.0)]),
    assigned("coinbase-access-token", &["coinbase"], &[only(US, 64)]),
    assigned("confluent-access-token", &["confluent"], &[only(AL, 16)]),
    assigned("confluent-secret-key", &["confluent"], &[only(AL, 64)]),
    assigned("contentful-delivery-api-token", &["contentful"], &[only(USE, 43)]),
    assigned("datadog-access-token", &["datadog"], &[only(AL, 40)]),
    assigned("defined-networking-api-token", &["dnkey"], &[form([text("dnkey-"), run(USE, 26), text("-"), run(USE, 52)])]),
    assigned("discord-api-token", &["discord"], &[only(HEX, 64)]),
    assigned("discord-client-id", &["discord"], &[only(DIGIT, 18).entropy(2.0)]),
    assigned("discord-client-secret", &["discord"], &[only(USE, 32).entropy(2.0)]),
    assigned("droneci-access-token", &["droneci"], &[only(AL, 32)]),
    assigned("dropbox-api-token", &["dropbox"], &[only(AL, 15)]),
    assigned("dropbox-long-lived-api-token", &["dropbox"], &[form([run(AL, 11), text("AAAAAAAAAA"), run(USE, 43)])]),
    assigned("dropbox-short-lived-api-token", &["dropbox"], &[behind("sl.", USE, 135)]),
    assigned("etsy-access-token", &["etsy"], &[only(AL, 24).entropy(3.0)]),
    assigned("facebook-secret", &["facebook"], &[only(HEX, 32).entropy(3.0)]),
    assigned("fastly-api-token", &["fastly"], &[only(USE, 32)]),
    assigned("finicity-api-token", &["finicity"], &[only(HEX, 32)]),
    assigned("finicity-client-secret", &["finicity"], &[only(AL, 20)]),
    assigned("finnhub-access-token", &["finnhub"], &[only(AL, 20)]),
    assigned("flickr-access-token", &["flickr"], &[only(AL, 32)]),
    assigned("freemius-secret-key", &["secret_key"], &[behind("sk_", VISIBLE, 29)]),
    assigned("freshbooks-access-token", &["freshbooks"], &[only(AL, 64)]),
    assigned("gitter-access-token", &["gitter"], &[only(US, 40)]),
    assigned("gocardless-api-token", &["gocardless"], &[behind("live_", USE, 40)]),
    assigned("heroku-api-key", &["heroku"], &[UUID]),
    assigned("hubspot-api-key", &["hubspot"], &[UUID]),
    assigned("intercom-api-key", &["intercom"], &[only(USE, 60)]),
    assigned("jfrog-api-key", JFROG, &[only(AL, 73)]),
    assigned("jfrog-identity-token", JFROG, &[only(AL, 64)]),
    assigned("kraken-access-token", &["kraken"], &[form([some(BASE64, 80, 90)])]),
    assigned("kucoin-access-token", &["kucoin"], &[only(HEX, 24)]),
    assigned("kucoin-secret-key", &["kucoin"], &[UUID]),
    assigned("launchdarkly-access-token", &["launchdarkly"], &[only(USE, 40)]),
    assigned("linear-client-secret", &["linear"], &[only(HEX, 32).entropy(2.0)]),
    assigned("linkedin-client-id", LINKED_IN, &[only(AL, 14).entropy(2.0)]),
    assigned("linkedin-client-secret", LINKED_IN, &[only(AL, 16).entropy(2.0)]),
    assigned("lob-pub-api-key", &["lob"], &[behind("test_pub_", HEX, 31), behind("live_pub_", HEX, 31)]),
    assigned("lob-api-key", &["lob"], &[behind("test_", HEX, 35), behind("live_", HEX, 35)]),
    assigned("looker-client-id", &["looker"], &[only(AL, 20)]),
    assigned("looker-client-secret", &["looker"], &[only(AL, 24)]),
    assigned("mailchimp-api-key", &["mailchimp"], &[form([run(HEX, 32), text("-us"), run(DIGIT, 2)])]),
    assigned("mailgun-private-api-token", &["mailgun"], &[behind("key-", HEX, 32)]),
    assigned("mailgun-pub-key", &["mailgun"], &[behind("pubkey-", HEX, 32)]),
    assigned("mailgun-signing-key", &["mailgun"], &[form([run(AL, 32), text("-"), run(AL, 8), text("-"), run(AL, 8)])]),
    assigned("mapbox-api-token", &["mapbox"], &[form([text("pk."), run(AL, 60), text("."), run(AL, 22)])]),
    assigned("mattermost-access-token", &["mattermost"], &[only(AL, 26)]),
    assigned("messagebird-api-token", MESSAGE_BIRD, &[only(AL, 25)]),
    assigned("messagebird-client-id", MESSAGE_BIRD, &[UUID]),
    assigned("netlify-access-token", &["netlify"], &[form([some(USE, 40, 46)])]),
    assigned("new-relic-browser-api-token", NEW_RELIC, &[behind("NRJS-", HEX, 19)]),
    assigned("new-relic-insert-key", NEW_RELIC, &[behind("NRII-", US, 32)]),
    assigned("new-relic-user-api-id", NEW_RELIC, &[only(AL, 64)]),
    assigned("nytimes-access-token", &["nytimes", "newyorktimes", "new-york-times"], &[only(USE, 32)]),
    assigned("okta-access-token", &["okta"], &[behind("00", USE, 40).entropy(4.0)]),
    assigned(
        "plaid-api-token",
        &["plaid"],
        &[plaid("access-sandbox-"), plaid("access-development-"), plaid("access-production-")],
    ),
    assigned("plaid-client-id", &["plaid"], &[only(AL, 24).entropy(3.5)]),
    assigned("plaid-secret-key", &["plaid"], &[only(AL, 30).entropy(3.5)]),
    assigned("privateai-api-token", &["privateai", "private_ai", "private-ai"], &[only(AL, 32).entropy(3.0)]),
    assigned("rapidapi-access-token", &["rapidapi"], &[only(US, 50)]),
    assigned("sendbird-access-id", &["sendbird"], &[UUID]),
    assigned("sendbird-access-token", &["sendbird"], &[only(HEX, 40)]),
    assigned("sentry-access-token", &["sentry"], &[only(HEX, 64).entropy(3.0)]),
    assigned(
        "sidekiq-secret",
        &["bundle_enterprise__contribsys__com", "bundle_gems__contribsys__com"],
        &[form([run(HEX, 8), text(":"), run(HEX, 8)])],
    ),
    assigned("snyk-api-token", &["snyk"], &[UUID]),
    assigned(
        "sonar-api-token",
        &["sonar"],
        &[behind("squ_", USE, 40), behind("sqp_", USE, 40), behind("sqa_", USE, 40), only(USE, 40)],
    ),
    assigned("sourcegraph-hex-access-token", &["sourcegraph"], &[only(HEX, 40).entropy(3.0)]),
    assigned("squarespace-access-token", &["squarespace"], &[UUID]),
    assigned("sumologic-access-id", &["sumo"], &[behind("su", AL, 12).entropy(3.0)]),
    assigned("sumologic-access-token", &["sumo"], &[only(AL, 64).entropy(3.0)]),
    assigned("travisci-access-token", &["travis"], &[only(AL, 22)]),
    assigned("twitch-api-token", &["twitch"], &[only(AL, 30)]),
    assigned("twitter-access-secret", &["twitter"], &[only(AL, 45)]),
    assigned("twitter-access-token", &["twitter"], &[form([some(DIGIT, 15, 25), text("-"), some(AL, 20, 40)])]),
    assigned("twitter-api-key", &["twitter"], &[only(AL, 25)]),
    assigned("twitter-api-secret", &["twitter"], &[only(AL, 50)]),
    assigned("twitter-bearer-token", &["twitter"], &[form([text("AAAAAAAAAAAAAAAAAAAAAA"), some(PERCENT, 80, 100)])]),
    assigned("typeform-api-token", &["typeform"], &[behind("tfp_", TYPEFORM, 59)]),
    assigned(
        "yandex-access-token",
        &["yandex"],
        &[form([text("t1."), some(US, 1, 200), some(Class::EQUALS, 0, 2), text("."), run(US, 86), some(Class::EQUALS, 0, 2)])],
    ),
    assigned("yandex-api-key", &["yandex"], &[form([text("AQVN"), some(US, 35, 38)])]),
    assigned("yandex-aws-access-token", &["yandex"], &[behind("YC", US, 38)]),
    assigned("zendesk-secret-key", &["zendesk"], &[only(AL, 40)]),
    ContextRule {
        kind: "curl-auth-header",
        clue: Clue::Own(clues::authorization),
        forms: &[form([some(HEADER, 8, 256)]).entropy(2.75)],
    },
    ContextRule {
        kind: "curl-auth-user",
        clue: Clue::Own(clues::curl_user),
        forms: &[form([some(VISIBLE, 3, 128)]).open().check(clues::is_login)],
    },
    ContextRule {
        kind: "kubernetes-secret-yaml",
        clue: Clue::Own(clues::kubernetes),
        forms: &[form([some(PLAIN, 10, 256), some(Class::EQUALS, 0, 3)])],
    },
    ContextRule {
        kind: "nuget-config-password",
        clue: Clue::Own(clues::nuget),
        forms: &[form([some(VISIBLE, 8, 128)]).open().entropy(1.0)],
    },
    ContextRule { kind: "password", clue: Clue::Own(clues::password), forms: &[form([some(USE, 8, 20)]).entropy(2.0)] },
    ContextRule {
        kind: "generic-api-key",
        clue: Clue::Own(generic::is_secret_key),
        forms: &[form([some(HEADER, 10, 150)]).entropy(3.5).check(generic::is_random)],
    },
];
