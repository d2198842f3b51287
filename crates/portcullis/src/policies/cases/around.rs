//! What others vouch for, in the words of policies: sign-in, device, risk, network, use.
//!
//! Whoever says one of a group says nothing of the rest: that stays what is least in the caller's favour.

use std::collections::BTreeSet;

use model::{Around, Name, Origin, Posture, Remaining, Risk, SignIn, Spent};

use super::given::names;

/// The words.
pub(super) const WORDS: [&str; 20] = [
    "auth.acr",
    "auth.amr",
    "auth.ageSeconds",
    "device.id",
    "device.managed",
    "device.facts",
    "device.ageSeconds",
    "risk.user",
    "risk.agent",
    "risk.task",
    "network.peer",
    "network.segment",
    "usage.calls",
    "usage.tokens",
    "usage.micros",
    "task.budget.requests",
    "task.budget.inputTokens",
    "task.budget.outputTokens",
    "task.budget.tokens",
    "task.budget.micros",
];

/// Sets the fact of that name; whether there is one. `flow.untrusted` is one too.
pub(super) fn set(around: &mut Around, path: &str, value: &str) -> Result<bool, String> {
    let wrong = |wanted: &str| format!("`{path}={value}`: expected {wanted}");
    let texts = || -> BTreeSet<String> { super::words(value).into_iter().collect() };
    let count = || value.parse::<u64>().map_err(|_| wrong("a whole number"));
    let name = || Name::new(value).map_err(|error| wrong(&error.to_string()));
    let share = || value.parse::<u8>().ok().filter(|share| *share <= 100).ok_or_else(|| wrong("a number from 0 to 100"));
    match path {
        "auth.acr" => sign_in(around).class = value.to_owned(),
        "auth.amr" => sign_in(around).means = texts(),
        "auth.ageSeconds" => sign_in(around).age = count()?,
        "device.id" => posture(around)?.device = name()?,
        "device.managed" => posture(around)?.is_managed = value.parse().map_err(|_| wrong("true or false"))?,
        "device.facts" => posture(around)?.facts = texts(),
        "device.ageSeconds" => posture(around)?.age = count()?,
        "risk.user" => risk(around).user = share()?,
        "risk.agent" => risk(around).agent = share()?,
        "risk.task" => risk(around).task = share()?,
        "network.peer" => origin(around).peer = value.to_owned(),
        "network.segment" => origin(around).segment = Some(name()?),
        "usage.calls" => spent(around).calls = count()?,
        "usage.tokens" => spent(around).tokens = count()?,
        "usage.micros" => spent(around).micros = count()?,
        "flow.untrusted" => around.untrusted = names(value)?.iter().map(ToString::to_string).collect(),
        _ => {
            let Some(name) = path.strip_prefix("task.budget.") else { return Ok(false) };
            let mut budget = around.budget.unwrap_or_default();
            let Some(part) = budget.part(name) else { return Ok(false) };
            *part = Some(remaining(value).ok_or_else(|| wrong("what is left and the most, as 5/100"))?);
            around.budget = Some(budget);
        }
    }
    Ok(true)
}

/// What is left of the most: `5/100`.
fn remaining(text: &str) -> Option<Remaining> {
    let (left, most) = text.split_once('/')?;
    let (left, most) = (left.trim().parse().ok()?, most.trim().parse().ok()?);
    (left <= most).then_some(Remaining { most, left })
}

fn sign_in(around: &mut Around) -> &mut SignIn {
    around.sign_in.get_or_insert_with(|| SignIn { class: String::new(), means: BTreeSet::new(), age: u64::MAX })
}

fn posture(around: &mut Around) -> Result<&mut Posture, String> {
    let device = Name::new("case").map_err(|error| error.to_string())?;
    Ok(around.posture.get_or_insert_with(|| Posture { device, is_managed: false, facts: BTreeSet::new(), age: u64::MAX }))
}

fn risk(around: &mut Around) -> &mut Risk {
    around.risk.get_or_insert(Risk { user: 100, agent: 100, task: 100 })
}

fn origin(around: &mut Around) -> &mut Origin {
    around.origin.get_or_insert_with(|| Origin { peer: String::new(), segment: None })
}

fn spent(around: &mut Around) -> &mut Spent {
    around.spent.get_or_insert(Spent { calls: u64::MAX, tokens: u64::MAX, micros: u64::MAX })
}
