//! Regorus' part of `cargo xtask bench policy`: `peer-rego FOLDER SECONDS` reads what `crates/policy/examples/bench` wrote there.
//!
//! The policy is compiled once, inputs are values already: what is timed is one evaluation of `allow`. It ends with a failure if
//! an answer differs from the gate's.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use regorus::{CompiledPolicy, Engine, Value};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("a folder is missing")?);
    let seconds: f64 = arguments.next().ok_or("seconds are missing")?.parse()?;
    // More rules are more text than Regorus takes (1 MiB).
    for size in ["200", "2000"] {
        let (policy, requests) = read(&folder.join(size))?;
        for (input, allow) in requests.iter().take(200) {
            let said = policy.eval_with_input(input.clone())?;
            if said != Value::from(*allow) {
                return Err(format!("Rego says {said}, the gate {allow}: {input}").into());
            }
        }
        let (begun, mut took) = (Instant::now(), Vec::new());
        for (input, _) in requests.iter().take(64).cycle() {
            let one = Instant::now();
            black_box(policy.eval_with_input(input.clone())?);
            took.push(one.elapsed().as_secs_f64() * 1e6);
            if begun.elapsed().as_secs_f64() > seconds || took.len() >= 40_000 {
                break;
            }
        }
        took.sort_by(f64::total_cmp);
        for (metric, share) in [("p50_us", 50), ("p99_us", 99)] {
            let value = took[(took.len() * share / 100).min(took.len() - 1)];
            let row = serde_json::json!({"case": format!("evaluate/{size}"), "system": "regorus", "metric": metric, "value": value, "unit": "us"});
            println!("{row}");
        }
    }
    Ok(())
}

/// The compiled policy, and the inputs with the gate's answers.
fn read(folder: &Path) -> Result<(CompiledPolicy, Vec<(Value, bool)>), Failure> {
    let mut engine = Engine::new();
    engine.add_policy("policy.rego".to_owned(), std::fs::read_to_string(folder.join("policy.rego"))?)?;
    let policy = engine.compile_with_entrypoint(&"data.portcullis.allow".into())?;
    let mut requests = Vec::new();
    for line in std::fs::read_to_string(folder.join("requests.jsonl"))?.lines() {
        let request: serde_json::Value = serde_json::from_str(line)?;
        let input = Value::from_json_str(&request["input"].to_string())?;
        requests.push((input, request["allow"] == true));
    }
    Ok((policy, requests))
}
