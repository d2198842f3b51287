//! The `portcullis` command: one gate in front of everything an AI system touches.

mod admin_client;
mod applying;
mod approvals;
mod approve;
mod audit;
mod backup;
mod bridges;
mod bring;
mod certificates;
mod cli;
mod commands;
mod connect;
mod credential;
mod doctor;
mod exec;
mod explain;
mod files;
mod gate;
mod graph;
mod import;
mod man;
mod office;
mod output;
mod policies;
mod quickstart;
mod retention;
mod rules;
mod run;
mod sample;
mod scan;
mod tokens;
mod tools;
mod tour;
mod traces;
mod usage;
mod wallet;
mod warm;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use commands::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Before there are threads.
    if let Command::Exec(options) = &cli.command {
        return exec::exec(options, cli.json);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::note(&format!("error: no threads: {error}"));
            return Exit::Failure.into();
        }
    };
    match runtime.block_on(commands::execute(&cli)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            // The one place that prints an error, with its chain.
            let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
            output::note(&format!("error: {}", chain.join(": ")));
            Exit::Failure.into()
        }
    }
}
