//! Recall and precision on the shared data sets, for the kinds that exist here. Figures are asserted, not only printed.

#![cfg(test)]

mod common;

use std::collections::BTreeMap;

use common::shared::{rows, spans};
use inspect::{Hit, Scanners, inspect_document};
use model::FindingGroup;
use text::{Document, Limits};

#[derive(Debug, Default, PartialEq, Eq)]
struct Score {
    hit: usize,
    missed: usize,
    extra: usize,
}

fn covers(hit: &Hit, start: usize, end: usize) -> bool {
    hit.span.start <= start && end <= hit.span.end
}

#[test]
fn personal_data_is_found_where_it_is_and_nowhere_else() {
    let scanners = Scanners::all();
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for row in rows("pii/presidio_synth.jsonl.xz") {
        let hits = scanners.scan(row["text"].as_str().unwrap());
        let spans = spans(&row);
        for (kind, start, end) in &spans {
            if Scanners::kinds().iter().any(|(known, _)| known.as_str() == kind) {
                let score = scores.entry(kind.clone()).or_default();
                let is_hit = hits.iter().any(|hit| hit.kind.as_str() == kind && covers(hit, *start, *end));
                *(if is_hit { &mut score.hit } else { &mut score.missed }) += 1;
            }
        }
        for hit in &hits {
            // The set marks dates of birth as dates.
            if hit.kind.as_str() == "DATE_OF_BIRTH" {
                continue;
            }
            if !spans.iter().any(|(kind, start, end)| kind == hit.kind.as_str() && *start < hit.span.end && hit.span.start < *end)
            {
                scores.entry(hit.kind.to_string()).or_default().extra += 1;
            }
        }
    }
    let scores: Vec<_> = scores.iter().map(|(kind, score)| (kind.as_str(), score.hit, score.missed, score.extra)).collect();
    let expected = [
        ("CREDIT_CARD", 212, 0, 0),
        ("DOMAIN_NAME", 26, 0, 0),
        ("EMAIL_ADDRESS", 58, 0, 0),
        ("IBAN_CODE", 28, 0, 0),
        ("IP_ADDRESS", 11, 0, 0),
        ("PHONE_NUMBER", 136, 0, 0),
        ("US_DRIVER_LICENSE", 12, 0, 0),
        ("US_SSN", 44, 0, 0),
    ];
    assert_eq!(scores, expected);
}

/// Kind by kind, with the whole span and under its name. What else is found in strings of the set, outside of every span it marks, is
/// listed: documented examples and shortened keys that we would rather redact, and camel-case names behind `hf_`. What is missed: the
/// two keys of one issuer that look alike have one name; of a login only the part that begins with a letter or digit is taken, as far
/// as the next quote; `cafebabe:deadbeef` holds no digit; a webhook's link is named as the domain that it begins with, and found all
/// the same.
#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn tokens_are_found_where_they_are() {
    let scanners = Scanners::all();
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for row in rows("secrets/gitleaks_strings.jsonl.xz") {
        let text = row["text"].as_str().unwrap();
        let hits = scanners.scan(text);
        let spans = spans(&row);
        for (rule, start, end) in &spans {
            if Scanners::kinds().iter().any(|(known, _)| known.as_str() == rule) {
                let score = scores.entry(rule.clone()).or_default();
                let is_hit = hits.iter().any(|hit| hit.kind.as_str() == rule && covers(hit, *start, *end));
                *(if is_hit { &mut score.hit } else { &mut score.missed }) += 1;
            }
        }
        for hit in hits.iter().filter(|hit| hit.group == FindingGroup::Secret) {
            if !spans.iter().any(|(_, start, end)| *start < hit.span.end && hit.span.start < *end) {
                scores.entry(hit.kind.to_string()).or_default().extra += 1;
            }
        }
    }
    let scores: Vec<_> = scores.iter().map(|(kind, score)| (kind.as_str(), score.hit, score.missed, score.extra)).collect();
    let expected = [
        ("1password-secret-key", 12, 0, 0),
        ("adafruit-api-key", 12, 0, 0),
        ("adobe-client-id", 12, 0, 0),
        ("adobe-client-secret", 1, 0, 0),
        ("airtable-personnal-access-token", 12, 0, 0),
        ("anthropic-admin-api-key", 0, 0, 1),
        ("anthropic-api-key", 2, 0, 2),
        ("artifactory-reference-token", 1, 0, 0),
        ("asana-client-secret", 12, 0, 0),
        ("aws-access-token", 12, 0, 1),
        ("aws-amazon-bedrock-api-key-short-lived", 12, 0, 1),
        ("bitbucket-client-secret", 12, 0, 0),
        ("bittrex-access-key", 12, 0, 0),
        ("bittrex-secret-key", 0, 12, 0),
        ("cloudflare-api-key", 12, 0, 0),
        ("cloudflare-global-api-key", 0, 0, 3),
        ("cloudflare-origin-ca-key", 0, 0, 2),
        ("cohere-api-token", 2, 0, 0),
        ("coinbase-access-token", 12, 0, 0),
        ("confluent-secret-key", 12, 0, 0),
        ("curl-auth-user", 3, 8, 0),
        ("datadog-access-token", 12, 0, 0),
        ("defined-networking-api-token", 12, 0, 0),
        ("discord-api-token", 12, 0, 0),
        ("discord-client-id", 12, 0, 0),
        ("dropbox-api-token", 12, 0, 0),
        ("duffel-api-token", 12, 0, 0),
        ("dynatrace-api-token", 12, 0, 0),
        ("easypost-api-token", 12, 0, 1),
        ("facebook-access-token", 3, 0, 0),
        ("facebook-page-access-token", 3, 0, 0),
        ("fastly-api-token", 12, 0, 0),
        ("finicity-api-token", 12, 0, 0),
        ("finnhub-access-token", 12, 0, 0),
        ("flutterwave-secret-key", 12, 0, 0),
        ("generic-api-key", 0, 0, 1),
        ("github-oauth", 12, 0, 0),
        ("github-refresh-token", 12, 0, 0),
        ("gitlab-feature-flag-client-token", 12, 0, 0),
        ("gitlab-ptt", 12, 0, 0),
        ("harness-api-key", 12, 0, 0),
        ("heroku-api-key", 12, 0, 0),
        ("heroku-api-key-v2", 12, 0, 0),
        ("huggingface-access-token", 12, 0, 0),
        ("infracost-api-token", 12, 0, 1),
        ("jfrog-identity-token", 12, 0, 0),
        ("jwt", 12, 0, 0),
        ("kucoin-access-token", 12, 0, 0),
        ("launchdarkly-access-token", 12, 0, 0),
        ("linear-api-key", 12, 0, 0),
        ("linkedin-client-id", 12, 0, 0),
        ("lob-api-key", 12, 0, 0),
        ("looker-client-secret", 12, 0, 0),
        ("mattermost-access-token", 12, 0, 0),
        ("messagebird-client-id", 12, 0, 0),
        ("microsoft-teams-webhook", 0, 1, 0),
        ("netlify-access-token", 12, 0, 0),
        ("new-relic-browser-api-token", 12, 0, 0),
        ("new-relic-user-api-key", 12, 0, 0),
        ("notion-api-token", 3, 0, 1),
        ("nytimes-access-token", 12, 0, 0),
        ("octopus-deploy-api-key", 2, 0, 1),
        ("okta-access-token", 12, 0, 0),
        ("perplexity-api-key", 12, 0, 0),
        ("plaid-api-token", 12, 0, 0),
        ("plaid-client-id", 12, 0, 0),
        ("plaid-secret-key", 12, 0, 0),
        ("planetscale-api-token", 12, 0, 0),
        ("postman-api-token", 12, 0, 0),
        ("prefect-api-token", 12, 0, 0),
        ("private-key", 3, 0, 0),
        ("pulumi-api-token", 12, 0, 0),
        ("pypi-upload-token", 12, 0, 0),
        ("readme-api-token", 12, 0, 0),
        ("sendbird-access-id", 12, 0, 0),
        ("sendbird-access-token", 12, 0, 0),
        ("sendinblue-api-token", 12, 0, 0),
        ("settlemint-service-access-token", 12, 0, 0),
        ("shopify-custom-access-token", 12, 0, 0),
        ("sidekiq-secret", 11, 1, 0),
        ("slack-config-access-token", 12, 0, 0),
        ("slack-config-refresh-token", 12, 0, 0),
        ("slack-legacy-workspace-token", 12, 0, 0),
        ("slack-user-token", 0, 0, 1),
        ("slack-webhook-url", 11, 0, 0),
        ("snyk-api-token", 12, 0, 0),
        ("sonar-api-token", 12, 0, 0),
        ("sourcegraph-access-token", 4, 1, 3),
        ("square-access-token", 12, 0, 0),
        ("squarespace-access-token", 12, 0, 0),
        ("stripe-access-token", 12, 0, 0),
        ("travisci-access-token", 12, 0, 0),
        ("twitch-api-token", 12, 0, 0),
        ("twitter-api-key", 12, 0, 0),
        ("vault-batch-token", 12, 0, 0),
        ("yandex-api-key", 12, 0, 0),
        ("zendesk-secret-key", 12, 0, 0),
    ];
    assert_eq!(scores, expected);
}

/// Recall and precision by rows, as a reader of the set would count: a row is found if something secret overlaps its span, and a
/// clean row, which no other rule of the file matches either, raises an alarm if anything secret is found in it. What is missed are
/// values without a digit; alarms are documented examples, shortened keys, and names that look like keys.
#[test]
fn nearly_every_secret_is_found_and_nearly_nothing_else() {
    let scanners = Scanners::all();
    let (mut found, mut missed, mut clean, mut alarms) = (0, Vec::new(), 0, 0);
    for row in rows("secrets/gitleaks_strings.jsonl.xz") {
        let hits = scanners.scan(row["text"].as_str().unwrap());
        let mut secrets = hits.iter().flat_map(Hit::matches).filter(|(_, group, _)| *group == FindingGroup::Secret);
        if row["label"] == "secret" {
            let spans = spans(&row);
            let is_found = secrets.any(|(.., at)| spans.iter().any(|(_, start, end)| *start < at.end && at.start < *end));
            found += usize::from(is_found);
            missed.extend((!is_found).then(|| row["rule"].as_str().unwrap().to_owned()));
        } else if row["also_matches"].as_array().is_some_and(Vec::is_empty) {
            clean += 1;
            alarms += usize::from(secrets.next().is_some());
        }
    }
    assert_eq!((found, clean, alarms), (1005, 93, 13));
    assert_eq!(missed, ["curl-auth-user", "curl-auth-user", "sidekiq-secret"]);
}

/// Ids, digests and pictures are no secrets, whatever ordinary name stands before them.
#[test]
fn ordinary_random_values_raise_no_alarm() {
    let scanners = Scanners::all();
    let values = [
        "0d5ff9a7-3f8a-4c8e-9a51-6b1f0a3d2c77",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
        "d41d8cd98f00b204e9800998ecf8427e",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    ];
    for name in [
        "id: ",
        "\"request_id\": \"",
        "commit ",
        "sha256:",
        "checksum = \"",
        "ETag: \"",
        "revision=",
        "hash = ",
        "data:image/png;base64,",
        "public_key: ",
        "credentialsId: '",
        "\"keyHash\":\"",
        "token_type=",
        "author = \"",
        "monkey: ",
        "accessor: ",
        "keyword=",
        "session ",
    ] {
        for value in values {
            let text = format!("{name}{value}\"");
            assert_eq!(scanners.scan(&text), [], "{text}");
        }
    }
}

/// What people and tools write has no more readings than are read, but for two documents of more than a hundred kilobytes: not to be
/// read in full is a reason to be refused.
#[test]
fn ordinary_texts_are_read_in_full() {
    let scanners = Scanners::all();
    let sets = [
        "text/awesome_prompts.jsonl.xz",
        "text/bipia_in_tool_outputs.jsonl.xz",
        "text/slabs_train.jsonl.xz",
        "text/neuralchemy_train.jsonl.xz",
    ];
    let (mut n_texts, mut n_cut) = (0, 0);
    for set in sets {
        for row in rows(set) {
            let text = serde_json::to_string(row.get("text").unwrap_or(&row)).unwrap();
            let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
            let leaves = inspect_document(&scanners, &document);
            n_texts += 1;
            n_cut += usize::from(leaves.iter().any(|leaf| leaf.is_cut));
            assert!(text.len() > 100_000 || leaves.iter().all(|leaf| !leaf.is_cut), "{set}: {text}");
        }
    }
    assert!(n_texts > 15_000 && n_cut <= 2, "{n_cut} of {n_texts}");
}

/// In plain texts the readings find what stands there and hardly anything else: three places in 4 MB of prompts.
#[test]
fn readings_raise_no_alarm_of_their_own() {
    let scanners = Scanners::all();
    let told = |hits: Vec<Hit>| -> Vec<String> {
        hits.iter().flat_map(Hit::matches).map(|(kind, _, span)| format!("{kind} {span:?}")).collect()
    };
    let mut alarms = BTreeMap::new();
    for set in ["pii/presidio_synth.jsonl.xz", "text/awesome_prompts.jsonl.xz"] {
        for row in rows(set) {
            let text = row["text"].as_str().unwrap();
            let plain = told(scanners.scan(text));
            for more in told(scanners.scan_layers(text)).into_iter().filter(|more| !plain.contains(more)) {
                *alarms.entry((set, more.split(' ').next().unwrap().to_owned())).or_insert(0) += 1;
            }
        }
    }
    let kinds: Vec<_> = alarms.iter().map(|((set, kind), n)| (*set, kind.as_str(), *n)).collect();
    let prompts = "text/awesome_prompts.jsonl.xz";
    assert_eq!(kinds, [(prompts, "DOMAIN_NAME", 1), (prompts, "EMAIL_ADDRESS", 1), (prompts, "PHONE_NUMBER", 1)]);
}

/// Prompts that people publish hold hardly any secret: what is found there would nearly always be a false alarm. Nearly 4 MB hold
/// four addresses, and links, hosts and networks that are what they are called (of three dates one is a party's), twice `Bearer token123`,
/// and nothing else.
#[test]
fn published_prompts_raise_no_false_alarm() {
    let scanners = Scanners::all();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut bytes = 0;
    for row in rows("text/awesome_prompts.jsonl.xz") {
        let text = row["text"].as_str().unwrap();
        bytes += text.len();
        for hit in scanners.scan(text) {
            *found.entry(hit.kind.to_string()).or_default() += 1;
        }
    }
    assert!(bytes > 3_000_000);
    let found: Vec<_> = found.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
    let expected = [
        ("DATE_OF_BIRTH", 3),
        ("DOMAIN_NAME", 159),
        ("EMAIL_ADDRESS", 4),
        ("IP_ADDRESS", 12),
        ("PHONE_NUMBER", 1),
        ("curl-auth-header", 2),
    ];
    assert_eq!(found, expected);
}
