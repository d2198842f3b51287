//! Facts about whole configurations.

mod access;
mod agents;
mod budgets;
mod client_tools;
mod credentials;
mod examples;
mod fuzz;
mod issuers;
mod network;
mod policies;
mod problems;
mod reasons;
mod rules;

mod schema;
mod templates;
mod tools;

use crate::{Config, Problem, Texts, Warning};

/// What the tests' environment holds.
fn env(name: &str) -> Option<String> {
    match name {
        "EMPTY" => Some(String::new()),
        "DUMMY" => Some("your-key-here".to_owned()),
        "UNSET" => None,
        "LOCAL_URL" | "MODELS_URL" => Some("http://127.0.0.1:8080".to_owned()),
        _ => Some("sk-Zk3vT9qLw2Rb7YxN4mHc8FdGpJ5sVu1e".to_owned()),
    }
}

fn load(main: &str) -> Result<(Config, Vec<Warning>), Vec<Problem>> {
    load_with(Texts::new().with("policies/a.cedar", ""), main)
}

fn load_with(texts: Texts, main: &str) -> Result<(Config, Vec<Warning>), Vec<Problem>> {
    Config::load(&texts.with("portcullis.yaml", main), &env)
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
