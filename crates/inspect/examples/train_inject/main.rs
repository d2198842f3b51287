//! Trains the detector of injections: `cargo xtask train inject` runs this.
//!
//! `train_inject DATA WEIGHTS [--check | --card FILE COMMIT | --try [SOURCE]…]`: writes the weights; compares them; measures them on what
//! was held out and writes the model card; measures on the fold for development, trained without some sources.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a program for developers over fixed data: what is wrong with it should stop it"
)]

mod card;
mod data;
mod learn;
mod made;
mod measure;
mod plant;
mod random;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use data::{Fold, Row, fold};
use inspect::signal::Weights;
use plant::Instructions;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<bool, String> {
    let [folder, file, rest @ ..] = words else { return Err("usage: train_inject DATA WEIGHTS [OPTION]".to_owned()) };
    let begun = Instant::now();
    let rows = all(Path::new(folder))?;
    println!("{} rows after {:.1} s", rows.len(), begun.elapsed().as_secs_f64());
    let file = Path::new(file);
    match rest {
        ["--try", without @ ..] => {
            println!("{}", card::developed(&rows, without));
            Ok(true)
        }
        [] | ["--check"] | ["--card", _, _] => {
            let (weights, train) = trained(&rows, &[Fold::Train, Fold::Develop], &[]);
            println!("trained on {} rows after {:.1} s", train.len(), begun.elapsed().as_secs_f64());
            let bytes = weights.written();
            let is_same = std::fs::read(file).is_ok_and(|kept| kept == bytes);
            match rest {
                ["--check"] if !is_same => println!("{}: not what training gives", file.display()),
                ["--check"] => println!("{} is what training gives", file.display()),
                ["--card", ..] if !is_same => return Err(format!("{} is not what training gives: train first", file.display())),
                ["--card", page, commit] => {
                    let text = card::written(&rows, &weights, &train, commit, bytes.len());
                    std::fs::write(page, text).map_err(|error| format!("{page}: {error}"))?;
                    println!("wrote {page} after {:.1} s", begun.elapsed().as_secs_f64());
                }
                _ => {
                    std::fs::write(file, &bytes).map_err(|error| format!("{}: {error}", file.display()))?;
                    println!("wrote {} ({} bytes)", file.display(), bytes.len());
                }
            }
            Ok(is_same || *rest != ["--check"])
        }
        _ => Err("unknown option".to_owned()),
    }
}

/// The rows of the folder and our own, placed and grouped.
fn all(folder: &Path) -> Result<Vec<Row>, String> {
    let mut rows = data::read(folder)?;
    let instructions = Instructions::of(&rows);
    instructions.place(&mut rows);
    rows.extend(plant::composed(&rows));
    rows.extend(made::rows());
    for wanted in [Fold::Train, Fold::Develop, Fold::Calibrate, Fold::Test] {
        let planted = plant::planted(&rows, &instructions.foreign, wanted);
        let times = if wanted == Fold::Train { 60 } else { 3 };
        rows.extend(
            made::disguised(&rows, &|row| fold(row) == wanted, times)
                .into_iter()
                .map(|row| Row { source: format!("{}/{wanted:?}", row.source), ..row }),
        );
        // Their fold is that of what they are made of: it is kept in the group's name.
        rows.extend(planted.into_iter().map(|row| Row {
            group: String::new(),
            source: format!("{}/{wanted:?}", row.source),
            ..row
        }));
    }
    Ok(rows)
}

/// The fold of any row: what was made of rows of a fold stays there.
fn fold_of(row: &Row) -> Fold {
    match row.source.rsplit_once('/') {
        Some((_, "Train")) => Fold::Train,
        Some((_, "Develop")) => Fold::Develop,
        Some((_, "Calibrate")) => Fold::Calibrate,
        Some((_, "Test")) => Fold::Test,
        _ => fold(row),
    }
}

/// The rows of a fold.
fn of_fold(rows: &[Row], wanted: Fold, without: &[&str]) -> Vec<Row> {
    let is_left_out = |row: &Row| without.iter().any(|source| row.source.contains(source));
    // To measure with, a few rows of each template are enough.
    let most = if wanted == Fold::Train { usize::MAX } else { 3 };
    let mut counts = std::collections::BTreeMap::new();
    let mut is_enough = |row: &Row| {
        let count = counts.entry((row.source.clone(), row.group.clone())).or_insert(0);
        *count += 1;
        *count > most && row.source.starts_with("made/") && !row.group.is_empty()
    };
    let chosen = rows.iter().filter(|row| fold_of(row) == wanted && !is_left_out(row) && !is_enough(row));
    chosen
        .map(|row| Row {
            source: row
                .source
                .trim_end_matches("/Train")
                .trim_end_matches("/Develop")
                .trim_end_matches("/Calibrate")
                .trim_end_matches("/Test")
                .to_owned(),
            ..row.clone()
        })
        .collect()
}

/// Learns from some folds, without some sources; what was learned from, too.
fn trained(rows: &[Row], folds: &[Fold], without: &[&str]) -> (Weights, Vec<Row>) {
    let train: Vec<Row> = folds.iter().flat_map(|fold| of_fold(rows, *fold, without)).collect();
    let learned = learn::learn(&train);
    let calibrate = data::without_repeats(of_fold(rows, Fold::Calibrate, without), &train);
    (measure::calibrated(&learned, &calibrate), train)
}
