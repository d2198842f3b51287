//! Recall and precision on the shared data sets, for the kinds that exist here. Figures are asserted, not only printed.

#![cfg(test)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use inspect::{Hit, Scanners};
use model::FindingGroup;
use serde_json::Value;

/// The folder of shared data: `PORTCULLIS_SHARED`, or the `shared` folder beside a folder that holds this crate.
#[expect(clippy::disallowed_methods, reason = "a test may read its environment")]
fn shared() -> PathBuf {
    if let Some(folder) = std::env::var_os("PORTCULLIS_SHARED") {
        return PathBuf::from(folder);
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = own.ancestors().map(|folder| folder.join("shared")).find(|folder| folder.join("data").is_dir());
    beside.expect("no `shared/data` folder beside this workspace: set PORTCULLIS_SHARED to the folder of the shared data sets")
}

/// The rows of an xz-compressed file of JSON lines.
fn rows(path: &str) -> Vec<Value> {
    let file = shared().join("data").join(path);
    let script = "import lzma,sys; sys.stdout.buffer.write(lzma.open(sys.argv[1]).read())";
    let output = Command::new("python3").args(["-c", script]).arg(&file).output().expect("python3 is needed to read .xz files");
    assert!(output.status.success(), "cannot read {}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.len() > 500, "{} has only {} rows", file.display(), rows.len());
    rows
}

/// The row's spans as type and byte range.
fn spans(row: &Value) -> Vec<(String, usize, usize)> {
    let text = row["text"].as_str().unwrap();
    let byte = |characters: &Value| {
        let n = usize::try_from(characters.as_u64().unwrap()).unwrap();
        text.char_indices().nth(n).map_or(text.len(), |(at, _)| at)
    };
    let spans = row["spans"].as_array().unwrap().iter();
    spans.map(|span| (span["type"].as_str().unwrap().to_owned(), byte(&span["start"]), byte(&span["end"]))).collect()
}

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

/// Every token of our kinds is found. What else is found in strings of the set, outside of every span it marks, is listed:
/// documented examples and shortened keys that we would rather redact, and camel-case names behind `hf_`. What is missed is forty
/// digits that only their surroundings make a key.
#[test]
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
        ("adobe-client-secret", 1, 0, 0),
        ("anthropic-admin-api-key", 0, 0, 1),
        ("anthropic-api-key", 2, 0, 2),
        ("artifactory-reference-token", 1, 0, 0),
        ("aws-access-token", 12, 0, 1),
        ("aws-amazon-bedrock-api-key-short-lived", 12, 0, 1),
        ("cloudflare-origin-ca-key", 0, 0, 2),
        ("duffel-api-token", 12, 0, 0),
        ("dynatrace-api-token", 12, 0, 0),
        ("easypost-api-token", 12, 0, 1),
        ("facebook-page-access-token", 3, 0, 0),
        ("flutterwave-secret-key", 12, 0, 0),
        ("github-oauth", 12, 0, 0),
        ("github-refresh-token", 12, 0, 0),
        ("gitlab-feature-flag-client-token", 12, 0, 0),
        ("gitlab-ptt", 12, 0, 0),
        ("heroku-api-key-v2", 12, 0, 0),
        ("huggingface-access-token", 12, 0, 2),
        ("infracost-api-token", 12, 0, 1),
        ("jwt", 12, 0, 0),
        ("linear-api-key", 12, 0, 0),
        ("notion-api-token", 3, 0, 1),
        ("octopus-deploy-api-key", 2, 0, 1),
        ("perplexity-api-key", 12, 0, 0),
        ("planetscale-api-token", 12, 0, 0),
        ("postman-api-token", 12, 0, 0),
        ("prefect-api-token", 12, 0, 0),
        ("private-key", 3, 0, 0),
        ("pulumi-api-token", 12, 0, 0),
        ("pypi-upload-token", 12, 0, 0),
        ("readme-api-token", 12, 0, 0),
        ("sendinblue-api-token", 12, 0, 0),
        ("settlemint-service-access-token", 12, 0, 0),
        ("shopify-custom-access-token", 12, 0, 0),
        ("slack-legacy-workspace-token", 12, 0, 0),
        ("slack-user-token", 0, 0, 1),
        ("slack-webhook-url", 11, 0, 0),
        ("sourcegraph-access-token", 4, 1, 3),
        ("square-access-token", 12, 0, 0),
        ("stripe-access-token", 12, 0, 0),
        ("vault-batch-token", 12, 0, 0),
    ];
    assert_eq!(scores, expected);
}

/// Prompts that people publish hold hardly any secret: what is found there would nearly always be a false alarm. Nearly 4 MB hold
/// four addresses, and links, hosts and networks that are what they are called (of three dates one is a party's), and nothing else.
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
    let expected = [("DATE_OF_BIRTH", 3), ("DOMAIN_NAME", 159), ("EMAIL_ADDRESS", 4), ("IP_ADDRESS", 12), ("PHONE_NUMBER", 1)];
    assert_eq!(found, expected);
}
