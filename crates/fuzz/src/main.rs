//! Fuzzes one target or all of them for some seconds each; writes a failing input to a file.
//!
//! `fuzz [TARGET] [--seconds N] [--seed N] [--replay FILE] [--list]`. Exits with 1 if something failed.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuzz::{Budget, Failure, Target, fuzz, replay, speed, targets};

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| arguments.iter().skip_while(|word| *word != name).nth(1);
    let name = arguments.first().filter(|word| !word.starts_with("--"));
    let chosen: Vec<&Target> = targets::ALL.iter().filter(|target| name.is_none_or(|name| name == target.name)).collect();
    let mut out = io::stdout();
    if arguments.iter().any(|word| word == "--list") || chosen.is_empty() {
        for target in &targets::ALL {
            writeln!(out, "{:10} {}", target.name, target.what)?;
        }
        return Ok(if chosen.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    // A panic is caught and told with its input; its own words would come thousands of times while the input is made small.
    std::panic::set_hook(Box::new(|_| {}));
    let mut is_well = true;
    for target in chosen {
        let failed = match value("--replay") {
            Some(file) => replay(target, &std::fs::read(file)?).map(|_| ()),
            None => run(&mut out, target, &value)?,
        };
        if let Err(failure) = failed {
            is_well = false;
            let file = std::env::temp_dir().join(format!("fuzz-{}.bin", failure.target));
            std::fs::write(&file, &failure.input)?;
            writeln!(out, "FAILED {failure}\nkept in {}", file.display())?;
        }
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run<'a>(
    out: &mut impl Write,
    target: &Target,
    value: &impl Fn(&str) -> Option<&'a String>,
) -> io::Result<Result<(), Failure>> {
    let number = |name: &str| value(name).and_then(|value| value.parse::<u64>().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seed = number("--seed").unwrap_or(now);
    let time = Duration::from_secs(number("--seconds").unwrap_or(10));
    let report = match fuzz(target, Budget { inputs: u64::MAX, time, seed }) {
        Ok(report) => report,
        Err(failure) => return Ok(Err(failure)),
    };
    let slowest = match speed(target) {
        Ok((_, found)) if found.is_infinite() => "no hostile patterns".to_owned(),
        Ok((pattern, found)) => format!("slowest pattern {pattern:?} at {:.1} MB/s", found / 1e3),
        Err(slow) => {
            return Ok(Err(Failure { target: target.name, input: slow.pattern.as_bytes().to_vec(), said: slow.to_string() }));
        }
    };
    writeln!(
        out,
        "{:10} ok: {} inputs, {} outcomes, {:.1} MB, seed {seed}; {slowest}",
        target.name,
        report.inputs,
        report.outcomes,
        f64::from(u32::try_from(report.bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
    )?;
    Ok(Ok(()))
}
