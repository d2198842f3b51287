//! `portcullis replay --config`: what a configuration would say of the calls in recorded conversations. The decision is the live one
//! ([`engine::trial`]); what it knows of origins comes from the conversation as it went ([`flow::Conversation`]).

mod judge;
mod read;

use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::bring;
use crate::cli::Cli;
use crate::commands::Exit;
use crate::output;
use crate::policies::{blindly, told};
use judge::{Judge, Tally};

/// Longest line, in bytes.
const MAX_LINE: u64 = 64 << 20;
/// Work that takes longer says how far it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Replays conversations under the configuration in `folder`; standard input where no file is named.
pub(crate) fn replay(cli: &Cli, folder: &Path, files: &[String]) -> Exit {
    let judge = blindly(folder).and_then(|config| {
        let (snapshot, _) = bring::snapshot(&config.bundle, &config.settings)?;
        Judge::new(snapshot, config.bundle.registry)
    });
    let judge = match judge {
        Ok(judge) => judge,
        Err(problems) => return told(cli, &problems),
    };
    let mut run =
        Run { judge, tally: Tally::default(), wrong: 0, told: Instant::now(), out: BufWriter::new(io::stdout().lock()) };
    let standard = ["-".to_owned()];
    let mut is_open = true;
    for name in if files.is_empty() { &standard } else { files } {
        let read = match name.as_str() {
            "-" => run.lines("standard input", io::stdin().lock()),
            name => std::fs::File::open(name).and_then(|file| run.lines(name, BufReader::new(file))),
        };
        if let Err(error) = read {
            if error.kind() == io::ErrorKind::BrokenPipe {
                return Exit::Ok;
            }
            output::note(&format!("{name}: {error}"));
            is_open = false;
        }
    }
    if run.out.flush().is_err() {
        return Exit::Ok;
    }
    run.tally.lines().iter().for_each(|line| output::note(line));
    if is_open && run.wrong == 0 { Exit::Ok } else { Exit::Invalid }
}

struct Run<'a> {
    judge: Judge,
    tally: Tally,
    wrong: u64,
    told: Instant,
    out: BufWriter<io::StdoutLock<'a>>,
}

impl Run<'_> {
    fn lines(&mut self, name: &str, mut from: impl BufRead) -> io::Result<()> {
        for number in 1_u64.. {
            let mut line = Vec::new();
            let n = io::Read::take(&mut from, MAX_LINE).read_until(b'\n', &mut line)?;
            if n == 0 {
                return Ok(());
            }
            if u64::try_from(n).is_ok_and(|n| n == MAX_LINE) && line.last() != Some(&b'\n') {
                return Err(io::Error::other(format!("line {number} is longer than {MAX_LINE} bytes")));
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match read::trace(&line) {
                Ok(trace) => {
                    for verdict in self.judge.verdicts(&trace, &mut self.tally) {
                        writeln!(self.out, "{verdict}")?;
                    }
                }
                Err(what) => {
                    self.wrong = self.wrong.saturating_add(1);
                    output::note(&format!("{name}:{number}: {what}"));
                }
            }
            self.progress();
        }
        Ok(())
    }

    fn progress(&mut self) {
        if io::stderr().is_terminal() && self.told.elapsed() >= PATIENCE {
            self.told = Instant::now();
            output::note(&format!("{} conversations, {} calls …", self.tally.n_traces, self.tally.n_calls()));
        }
    }
}

#[cfg(test)]
mod tests;
