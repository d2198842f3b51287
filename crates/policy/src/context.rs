//! The facts of a call as a Cedar context; made once and shared by all links.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use cedar_policy::{Context, RestrictedExpression};
use cedar_policy_core::ast::{self, Literal, Value};
use model::{Around, ChainShape, Challenge, Facts, Integrity, Name, Remaining, Sink, TaskBudget, UnixMillis};

use crate::entities::level;
use crate::foreign;
use crate::vocabulary::answered;

thread_local! {
    /// The second that was asked for last, and what [`now`] made of it.
    static LATEST: RefCell<Option<(u64, Context)>> = const { RefCell::new(None) };
}

/// Policies see time in whole seconds.
const fn seconds(now: UnixMillis) -> u64 {
    now.0 / 1000
}

/// The context of a call, of Cedar's own values: to write it as expressions and have Cedar evaluate them takes longer than to decide
/// (decision 0038). A test holds it against that.
pub(crate) fn of(shape: &ChainShape, facts: &Facts) -> Result<Context, String> {
    let [auth, device, risk, network, usage] = around(&facts.around);
    let pairs = [
        ("credential", credential(facts)),
        ("chain", chain(shape)),
        ("request", request(facts)),
        ("content", content(facts)),
        ("flow", flow(facts)),
        ("answered", answers(facts)),
        ("task", task(facts)),
        ("auth", auth),
        ("device", device),
        ("risk", risk),
        ("network", network),
        ("usage", usage),
    ];
    let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value));
    let context = ast::Context::Value(Arc::new(pairs.collect())).into();
    let context = with(context, &now(seconds(facts.now))?)?;
    match facts.mandate.asked_by.as_deref().map(foreign::pep).transpose()?.flatten() {
        Some(pep) => with(context, &evaluated([("pep".to_owned(), pep)])?),
        None => Ok(context),
    }
}

/// `now`, as a context of its own. Only an expression makes it; most calls of a thread ask within the same second.
fn now(seconds: u64) -> Result<Context, String> {
    LATEST.with_borrow_mut(|latest| {
        if let Some((_, context)) = latest.as_ref().filter(|(of, _)| *of == seconds) {
            return Ok(context.clone());
        }
        let instant = RestrictedExpression::new_datetime(timestamp(seconds.saturating_mul(1000)));
        let context = evaluated([("now".to_owned(), instant)])?;
        *latest = Some((seconds, context.clone()));
        Ok(context)
    })
}

/// Expressions as a context of their own.
pub(crate) fn evaluated(pairs: impl IntoIterator<Item = (String, RestrictedExpression)>) -> Result<Context, String> {
    Context::from_pairs(pairs).map_err(|error| error.to_string())
}

/// Both contexts as one; a name that stands in both is an error. Unlike [`Context::merge`], nothing is evaluated again.
pub(crate) fn with(context: Context, more: &Context) -> Result<Context, String> {
    let (ast::Context::Value(mut all), ast::Context::Value(more)) = (context.as_ref().clone(), more.as_ref()) else {
        return Err("a context has values that are not known".to_owned());
    };
    drop(context);
    let values = Arc::make_mut(&mut all);
    for (name, value) in more.iter() {
        if values.insert(name.clone(), value.clone()).is_some() {
            return Err(format!("`{name}` stands twice in a context"));
        }
    }
    Ok(ast::Context::Value(all).into())
}

fn credential(facts: &Facts) -> Value {
    record([("id", string(facts.credential.as_str())), ("ageSeconds", long(facts.credential_age))])
}

fn chain(shape: &ChainShape) -> Value {
    let missing = strings(shape.missing.iter().map(String::as_str));
    record([("kind", string(shape.kind.as_str())), ("depth", long(u64::from(shape.depth))), ("missing", missing)])
}

fn request(facts: &Facts) -> Value {
    let dialect = facts.dialect.map_or("", model::Dialect::as_str);
    record([("dialect", string(dialect)), ("stream", facts.stream.into())])
}

fn content(facts: &Facts) -> Value {
    let groups = facts.findings.values().map(|count| count.group.as_str());
    record([("kinds", strings(facts.findings.keys().map(String::as_str))), ("groups", strings(groups))])
}

fn flow(facts: &Facts) -> Value {
    let label = &facts.label;
    let always = [
        ("level", level(label.level).into()),
        ("compartments", strings(label.compartments.iter().map(Name::as_str))),
        ("integrity", integrity(label.integrity)),
        ("version", long(facts.ledger_version)),
        ("tainted", (label.integrity < Integrity::Trusted).into()),
        ("untrusted", strings(facts.around.untrusted.iter().map(String::as_str))),
    ];
    let sinks = facts.around.sinks.as_ref().map(|sinks| {
        let named = |sink: Sink| if sink == Sink::Content { "links" } else { sink.as_str() };
        record(sinks.iter().map(|(sink, of)| (named(*sink), integrity(*of))))
    });
    record(always.into_iter().chain(sinks.map(|sinks| ("sinks", sinks))))
}

fn integrity(integrity: Integrity) -> Value {
    long(match integrity {
        Integrity::Untrusted => 0,
        Integrity::Identifier => 1,
        Integrity::Trusted => 2,
        Integrity::User => 3,
    })
}

fn answers(facts: &Facts) -> Value {
    let fact = |challenge: Challenge| (answered(challenge), Value::from(facts.answered.contains(&challenge)));
    record([fact(Challenge::Approval), fact(Challenge::StepUp), fact(Challenge::Posture)])
}

fn task(facts: &Facts) -> Value {
    let task = facts.mandate.asked.as_ref().or(facts.mandate.task.as_ref());
    let id = task.map_or("", |task| task.id.as_str());
    let purpose = task.and_then(|task| task.purpose.as_ref()).map_or("", |purpose| purpose.as_str());
    let grant = task.map(|task| task.grant.lines()).unwrap_or_default();
    let always = [
        ("id", string(id)),
        ("purpose", string(purpose)),
        ("grant", strings(grant.iter().map(String::as_str))),
        ("mayAct", facts.mandate.may_act.into()),
    ];
    record(always.into_iter().chain(facts.around.budget.map(budget).map(|budget| ("budget", budget))))
}

fn budget(mut budget: TaskBudget) -> Value {
    let known = budget.parts().into_iter().filter_map(|(name, part)| {
        let Remaining { most, left } = (*part)?;
        Some((name, record([("most", long(most)), ("left", long(left))])))
    });
    record(known)
}

/// Where nobody vouches for a thing, policies see what is least in the caller's favour.
const UNKNOWN: u64 = u64::MAX;

/// What policies see where nobody vouches for anything, as for most of it most often: made once.
static UNKNOWN_AROUND: LazyLock<[Value; 5]> = LazyLock::new(|| {
    let nothing = Around::default();
    [sign_in(&nothing), posture(&nothing), risk(&nothing), network(&nothing), usage(&nothing)]
});

fn around(facts: &Around) -> [Value; 5] {
    let [no_sign_in, no_posture, no_risk, nowhere, no_usage] = &*UNKNOWN_AROUND;
    let seen = |is_known: bool, of: fn(&Around) -> Value, unknown: &Value| if is_known { of(facts) } else { unknown.clone() };
    [
        seen(facts.sign_in.is_some(), sign_in, no_sign_in),
        seen(facts.posture.is_some(), posture, no_posture),
        seen(facts.risk.is_some(), risk, no_risk),
        seen(facts.origin.is_some(), network, nowhere),
        seen(facts.spent.is_some(), usage, no_usage),
    ]
}

fn sign_in(around: &Around) -> Value {
    let known = around.sign_in.as_ref();
    let means = strings(known.iter().flat_map(|known| known.means.iter().map(String::as_str)));
    let class = string(known.map_or("", |known| &known.class));
    record([("acr", class), ("amr", means), ("ageSeconds", long(known.map_or(UNKNOWN, |known| known.age)))])
}

fn posture(around: &Around) -> Value {
    let known = around.posture.as_ref();
    record([
        ("id", string(known.map_or("", |known| known.device.as_str()))),
        ("managed", known.is_some_and(|known| known.is_managed).into()),
        ("facts", strings(known.iter().flat_map(|known| known.facts.iter().map(String::as_str)))),
        ("ageSeconds", long(known.map_or(UNKNOWN, |known| known.age))),
    ])
}

fn risk(around: &Around) -> Value {
    let of = |part: fn(&model::Risk) -> u8| long(around.risk.as_ref().map_or(100, |known| u64::from(part(known))));
    record([("user", of(|risk| risk.user)), ("agent", of(|risk| risk.agent)), ("task", of(|risk| risk.task))])
}

fn network(around: &Around) -> Value {
    let known = around.origin.as_ref();
    let segment = string(known.and_then(|known| known.segment.as_ref()).map_or("", Name::as_str));
    record([("peer", string(known.map_or("", |known| &known.peer))), ("segment", segment)])
}

fn usage(around: &Around) -> Value {
    let of = |part: fn(&model::Spent) -> u64| long(around.spent.as_ref().map_or(UNKNOWN, part));
    record([("calls", of(|spent| spent.calls)), ("tokens", of(|spent| spent.tokens)), ("micros", of(|spent| spent.micros))])
}

fn record<'n>(fields: impl IntoIterator<Item = (&'n str, Value)>) -> Value {
    Value::record(fields, None)
}

fn string(value: &str) -> Value {
    value.into()
}

fn strings<'a>(values: impl Iterator<Item = &'a str>) -> Value {
    Value::set_of_lits(values.map(Literal::from), None)
}

/// A count as Cedar's 64-bit signed number; what does not fit is the largest, never a smaller one.
fn long(value: u64) -> Value {
    i64::try_from(value).unwrap_or(i64::MAX).into()
}

/// An instant as policies see it, to the second.
pub(crate) fn instant(now: UnixMillis) -> String {
    timestamp(seconds(now).saturating_mul(1000)).replace(".000Z", "Z")
}

/// Milliseconds since 1970 as Cedar's datetime text. Days by the civil calendar algorithm of H. Hinnant.
fn timestamp(millis: u64) -> String {
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let shifted = days.saturating_add(719_468);
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second, milli) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
    format!("{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", year.min(9999))
}

/// Reads a date, or a date and a time in UTC, as policies write them; milliseconds since 1970. Other forms are not read.
pub(crate) fn parse_instant(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let number = |part: &str| part.parse::<u64>().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()));
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (number(date.next()?)?, number(date.next()?)?, number(date.next()?)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let time = time.strip_suffix('Z')?;
    let (time, millis) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':');
    let (hour, minute, second) = (number(time.next()?)?, number(time.next()?)?, number(time.next()?)?);
    // H. Hinnant's days from the civil calendar, as above the other way round.
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    let of_day = hour.min(23) * 3_600_000 + minute.min(59) * 60_000 + second.min(59) * 1000;
    Some(days * 86_400_000 + of_day + number(millis)?.min(999))
}

#[cfg(test)]
mod tests;
