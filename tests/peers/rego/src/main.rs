//! Regorus' part of `cargo xtask bench policy`: `peer-rego FOLDER SECONDS` reads what `crates/policy/examples/bench` wrote there.
//!
//! The policy is compiled once. *evaluate*: inputs are values already, and what is timed is one evaluation of `allow`. *decide*: one
//! evaluation for each link of the chain, the input from JSON, as for Cedar. It ends with a failure if an answer differs from the gate's.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use regorus::{CompiledPolicy, Engine, Value};

type Failure = Box<dyn std::error::Error>;

/// Cases: size of the store, file of the questions, how many answers are held against the gate's.
const CASES: [(&str, &str, &str, usize); 7] = [
    ("evaluate/200", "200", "evaluate", 200),
    ("evaluate/2000", "2000", "evaluate", 200),
    // Tens of milliseconds each.
    ("evaluate/20000", "20000", "evaluate", 20),
    ("decide/200/1", "200", "decide-1", 200),
    ("decide/200/3", "200", "decide-3", 200),
    ("decide/2000/1", "2000", "decide-1", 100),
    ("decide/2000/3", "2000", "decide-3", 100),
];

/// What is asked: an input per link as JSON, and what the gate answers.
struct Question {
    inputs: Vec<String>,
    allow: bool,
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("a folder is missing")?);
    let seconds: f64 = arguments.next().ok_or("seconds are missing")?.parse()?;
    for (case, size, file, n_held) in CASES {
        let policy = compiled(&folder.join(size))?;
        let questions = questions(&folder.join(size).join(format!("{file}.jsonl")))?;
        let values: Vec<Value> =
            questions.iter().map(|question| Value::from_json_str(&question.inputs[0])).collect::<Result<_, _>>()?;
        for question in questions.iter().take(n_held) {
            let said = decided(&policy, question)?;
            if said != question.allow {
                return Err(format!("Rego says {said}, the gate {}: {:?}", question.allow, question.inputs).into());
            }
        }
        let (begun, mut took) = (Instant::now(), Vec::new());
        for (question, value) in questions.iter().zip(&values).take(64).cycle() {
            let one = Instant::now();
            if file == "evaluate" {
                black_box(policy.eval_with_input(value.clone())?);
            } else {
                black_box(decided(&policy, question)?);
            }
            took.push(one.elapsed().as_secs_f64() * 1e6);
            if begun.elapsed().as_secs_f64() > seconds || took.len() >= 40_000 {
                break;
            }
        }
        took.sort_by(f64::total_cmp);
        for (metric, share) in [("p50_us", 50), ("p99_us", 99)] {
            let value = took[(took.len() * share / 100).min(took.len() - 1)];
            let row = serde_json::json!({"case": case, "system": "regorus", "metric": metric, "value": value, "unit": "us"});
            println!("{row}");
        }
    }
    Ok(())
}

/// Whether every link is allowed.
fn decided(policy: &CompiledPolicy, question: &Question) -> Result<bool, Failure> {
    for input in &question.inputs {
        if policy.eval_with_input(Value::from_json_str(input)?)? != Value::from(true) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The files of one package, compiled together.
fn compiled(folder: &Path) -> Result<CompiledPolicy, Failure> {
    let mut engine = Engine::new();
    for at in 0.. {
        let file = format!("policy-{at}.rego");
        match std::fs::read_to_string(folder.join(&file)) {
            Ok(text) => engine.add_policy(file, text)?,
            Err(_) if at > 0 => break,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(engine.compile_with_entrypoint(&"data.portcullis.allow".into())?)
}

fn questions(file: &Path) -> Result<Vec<Question>, Failure> {
    let mut questions = Vec::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let question: serde_json::Value = serde_json::from_str(line)?;
        let inputs = question["inputs"].as_array().into_iter().flatten().map(ToString::to_string).collect();
        questions.push(Question { inputs, allow: question["allow"] == true });
    }
    Ok(questions)
}
