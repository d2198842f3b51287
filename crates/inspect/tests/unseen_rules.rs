//! Secrets of the kinds that the shared set has no rows for: credentials made by their issuers' formats, in the places where they
//! are met, and what only looks like them. Recall and precision are asserted, and every rule has to do its part.

#![cfg(test)]

mod common;
mod formats;

use std::collections::{BTreeMap, BTreeSet};

use common::shared::{rows, spans};
use common::texts::Random;
use formats::table::{MARKED, NAMED, PLACED};
use formats::{Fill, fill, value};
use inspect::{Hit, Scanners};
use model::FindingGroup;

/// Credentials, and texts without one, of each kind.
const TIMES: usize = 20;
/// Of a hundred credentials or findings, so many are right at least, over all kinds.
const LEAST: usize = 95;
/// The same of the credentials of one kind: of sixteen letters, one in twenty has no digit, and is not found.
const LEAST_OF_A_KIND: usize = 75;

/// A text, and where a credential of a kind stands in it.
struct Sample {
    kind: &'static str,
    text: String,
    start: usize,
    end: usize,
}

/// Places for a value and its name, in which the name is seen.
const NAMED_PLACES: &[&str] = &[
    "export {NAME}={}\n",
    "{\"region\": \"eu\", \"{name}\": \"{}\", \"retries\": 3}",
    "service:\n  {name}: {}\n  timeout: 30\n",
    "{name} = \"{}\"  # rotate in May\n",
    "# staging\n{NAME}='{}'\nDEBUG=1\n",
    "The {words} is {}, please keep it safe.",
];

/// Places for a value that tells itself.
const BARE_PLACES: &[&str] = &[
    "please try {} and tell me if it still works",
    "GET https://api.example.com/v1/items?page=2&auth={}&sort=asc",
    "[12:04:11] WARN login with {} failed (attempt 3)",
    "<config><value>{}</value></config>",
];

/// Places for what is no credential: nothing there calls it one.
const QUIET_PLACES: &[&str] = &["\"etag\": \"{}\"", "build: {}", "see {} in the notes", "row {} of 12"];

/// What stands in the place of a credential.
const REFERENCES: &[&str] =
    &["${{NAME}}", "<{name}>", "os.environ[\"{NAME}\"]", "{{ secrets.{NAME} }}", "your-{name}-here", "$(vault read app/{name})"];

fn named(template: &str, name: &str) -> String {
    template.replace("{NAME}", &name.to_uppercase()).replace("{name}", name).replace("{words}", &name.replace('_', " "))
}

/// The rows of a table: kind, name, formats.
fn table(text: &'static str) -> impl Iterator<Item = [&'static str; 3]> {
    text.trim().lines().map(|line| line.splitn(3, " | ").collect::<Vec<_>>().try_into().unwrap())
}

fn sample(kind: &'static str, template: &str, value: &str) -> Sample {
    let start = template.find("{}").unwrap();
    Sample { kind, text: template.replacen("{}", value, 1), start, end: start + value.len() }
}

/// Credentials of every kind, in their places.
fn credentials(random: &mut Random) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (rows, places) in [(MARKED, [NAMED_PLACES, BARE_PLACES].concat()), (NAMED, NAMED_PLACES.to_vec())] {
        for [kind, name, formats] in table(rows) {
            for _ in 0..TIMES {
                let value = value(formats, random);
                samples.push(sample(kind, &named(random.pick::<&str>(&places), name), &value));
            }
        }
    }
    for placed in PLACED {
        for _ in 0..TIMES {
            let value = value(placed.format, random);
            samples.push(sample(placed.kind, random.pick::<&str>(placed.good), &value));
        }
    }
    samples
}

/// Texts without a credential, of each kind a quarter each: a placeholder, a reference, the beginning of one, and a value of its
/// form whose mark or name is another.
fn near_misses(random: &mut Random) -> Vec<(&'static str, String)> {
    let mut texts = Vec::new();
    for (rows, is_marked) in [(MARKED, true), (NAMED, false)] {
        for [kind, name, formats] in table(rows) {
            let formats: Vec<&str> = formats.split(" or ").collect();
            for time in 0..TIMES {
                let format = *random.pick::<&str>(&formats);
                let place = random.pick::<&str>(if time % 4 < 2 { NAMED_PLACES } else { QUIET_PLACES });
                let value = match time % 4 {
                    0 => fill(format, &mut Fill::Placeholder),
                    1 => (*random.pick::<&str>(REFERENCES)).to_owned(),
                    2 => beginning(format, random),
                    _ if is_marked => fill(&other_mark(format), &mut Fill::Random(random)),
                    _ => fill(format, &mut Fill::Random(random)),
                };
                texts.push((kind, named(&place.replacen("{}", &value, 1), name)));
            }
        }
    }
    for placed in PLACED {
        for _ in 0..TIMES {
            let value = value(placed.format, random);
            texts.push((placed.kind, random.pick::<&str>(placed.bad).replacen("{}", &value, 1)));
        }
    }
    texts
}

/// A mark and a few letters, as documents show what a key looks like.
fn beginning(format: &str, random: &mut Random) -> String {
    let mark = format.split('<').next().unwrap().len();
    let value: String = fill(format, &mut Fill::Random(random)).chars().take(mark + 6).collect();
    value + "…"
}

/// The format with the letters of its first mark, and of what is encoded in it, as others.
fn other_mark(format: &str) -> String {
    let format = format.replace("<base64url ", "<base64 ").replace("<base64 ", "<base64 ~~");
    let mut is_inside = 0;
    let mut is_done = false;
    let mut written = String::new();
    for letter in format.chars() {
        is_inside += i32::from(letter == '<') - i32::from(letter == '>');
        let is_mark = is_inside == 0 && letter.is_ascii_alphanumeric();
        is_done |= !is_mark && written.ends_with('q');
        written.push(if is_mark && !is_done { 'q' } else { letter });
    }
    written
}

/// Whether nearly all of a credential is found under its kind: a number of a version may hang on it.
fn finds(scanners: &Scanners, sample: &Sample) -> bool {
    let hits = scanners.scan(&sample.text);
    let mut found = hits.iter().flat_map(Hit::matches);
    let (start, end) = (sample.start, sample.end - (sample.end - sample.start) / 10);
    found.any(|(kind, _, at)| kind.as_str() == sample.kind && at.start <= start && end <= at.end)
}

/// Of each kind, how many of its credentials are found, and how many there are.
fn recall(scanners: &Scanners, samples: &[Sample]) -> BTreeMap<&'static str, [usize; 2]> {
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for sample in samples {
        let count = counts.entry(sample.kind).or_default();
        *count = [count[0] + usize::from(finds(scanners, sample)), count[1] + 1];
    }
    counts
}

/// The kinds of which too few are found.
fn missing(counts: &BTreeMap<&'static str, [usize; 2]>) -> Vec<&'static str> {
    counts.iter().filter(|(_, [found, all])| found * 100 < all * LEAST_OF_A_KIND).map(|(kind, _)| *kind).collect()
}

#[test]
fn every_secret_has_rows_in_the_shared_set_or_a_format_here() {
    let mut known: BTreeSet<String> =
        rows("secrets/gitleaks_strings.jsonl.xz").iter().flat_map(spans).map(|(kind, ..)| kind).collect();
    known.extend([MARKED, NAMED].into_iter().flat_map(table).map(|[kind, ..]| kind.to_owned()));
    known.extend(PLACED.iter().map(|placed| placed.kind.to_owned()));
    let secrets = Scanners::kinds().into_iter().filter(|(_, group)| *group == FindingGroup::Secret);
    let unknown: Vec<String> = secrets.map(|(kind, _)| kind.to_string()).filter(|kind| !known.contains(kind)).collect();
    assert_eq!(unknown, [""; 0], "add a format to tests/formats/table.rs");
}

#[test]
fn credentials_are_found_and_what_looks_like_them_is_not() {
    let scanners = Scanners::all();
    let random = &mut Random::new(61);
    let counts = recall(&scanners, &credentials(random));
    let [found, all] = counts.values().fold([0, 0], |sum, count| [sum[0] + count[0], sum[1] + count[1]]);
    let mut alarms = Vec::new();
    let near = near_misses(random);
    for (kind, text) in &near {
        let hits = scanners.scan(text);
        alarms.extend(hits.into_iter().filter(|hit| hit.group == FindingGroup::Secret).map(|hit| (kind, hit.kind, text)));
    }
    alarms.iter().for_each(|alarm| println!("alarm: {alarm:?}"));
    counts.iter().filter(|(_, [found, all])| found < all).for_each(|(kind, count)| println!("missed: {kind} {count:?}"));
    println!("{} kinds: {found} of {all} found, {} alarms in {} texts", counts.len(), alarms.len(), near.len());
    assert_eq!(missing(&counts), [""; 0]);
    assert!(counts.len() > 140 && found * 100 >= all * LEAST, "{found} of {all} found");
    assert!(found * 100 >= (found + alarms.len()) * LEAST, "{} alarms", alarms.len());
}

/// Names of programs that begin like a token and go on in words, as they are written and with a letter or two more.
const NAMES: &[&str] = &[
    "npm_configRegistryCacheDirectoryAndPrefix1",
    "hf_transformerAttentionHeadProjectionLayer",
    "hf_requiredCharacteristicTypesForDisplayMetadata",
    "hf_servingcellpriorityparametersdescription",
    "ghp_pullRequestReviewCommentThreadResolved2",
    "gho_organisationMembershipInvitationAccepted",
    "ghs_serverSideRenderingHydrationMismatchWarning",
    "ghr_refreshTokenRotationGracePeriodInSeconds",
    "pnu_notificationUnsubscribeConfirmationPage",
    "gsk_graphSamplingKernelParameterDescription",
];

#[test]
fn names_in_words_are_no_tokens() {
    let scanners = Scanners::all();
    for name in NAMES {
        for place in QUIET_PLACES {
            let text = place.replacen("{}", name, 1);
            assert_eq!(scanners.scan(&text).len(), 0, "{text}");
        }
        // Random letters behind the same mark are a token, whatever their checksum.
        let mark = name.split_once('_').unwrap().0;
        let token = value(&format!("{mark}_<base62:60>"), &mut Random::new(5));
        assert_eq!(scanners.scan(&format!("see {token} in the notes")).len(), 1, "{token}");
    }
}

/// The test above would fail with any rule off.
#[test]
fn no_rule_can_be_off() {
    let samples = credentials(&mut Random::new(67));
    let kinds: BTreeSet<&str> = samples.iter().map(|sample| sample.kind).collect();
    for kind in kinds {
        let scanners = Scanners::all().without(&[kind]);
        let n_found = samples.iter().filter(|sample| sample.kind == kind && finds(&scanners, sample)).count();
        assert_eq!(missing(&BTreeMap::from([(kind, [n_found, TIMES])])), [kind]);
    }
}
