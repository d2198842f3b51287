//! The facts of a call as a Cedar context; built once and shared by all links.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::LazyLock;

use cedar_policy::{Context, RestrictedExpression};
use model::{Around, ChainShape, Challenge, Facts, Integrity, Remaining, TaskBudget, UnixMillis};

use crate::entities::{level, strings};
use crate::foreign;
use crate::vocabulary::answered;

/// Contexts that a thread keeps. Calls of one credential within the same second mostly have the same one, and making it costs
/// more than evaluating it.
const MAX_KEPT: usize = 16;

struct Kept {
    shape: ChainShape,
    facts: Facts,
    context: Context,
}

thread_local! {
    static KEPT: RefCell<VecDeque<Kept>> = const { RefCell::new(VecDeque::new()) };
}

/// The context of a call; the same one again if nothing in it has changed. A context depends on its arguments alone, so it does
/// not matter which thread answers.
pub(crate) fn of(shape: &ChainShape, facts: &Facts) -> Result<Context, String> {
    KEPT.with_borrow_mut(|kept| {
        let is_same = |kept: &&Kept| {
            let Facts {
                now,
                credential,
                credential_age,
                dialect,
                stream,
                findings,
                label,
                ledger_version,
                answered,
                mandate,
                // Not in the context that all asks share.
                arguments: _,
                around,
            } = facts;
            // `now` as the context has it; everything else as it is.
            seconds(kept.facts.now) == seconds(*now)
                && kept.facts.credential == *credential
                && kept.facts.credential_age == *credential_age
                && kept.facts.dialect == *dialect
                && kept.facts.stream == *stream
                && kept.facts.findings == *findings
                && kept.facts.label == *label
                && kept.facts.ledger_version == *ledger_version
                && kept.facts.answered == *answered
                && kept.facts.mandate == *mandate
                && kept.facts.around == *around
                && kept.shape == *shape
        };
        if let Some(found) = kept.iter().find(is_same) {
            return Ok(found.context.clone());
        }
        let context = build(shape, facts)?;
        if kept.len() >= MAX_KEPT {
            kept.pop_back();
        }
        let facts = Facts { arguments: None, ..facts.clone() };
        kept.push_front(Kept { shape: shape.clone(), facts, context: context.clone() });
        Ok(context)
    })
}

/// Policies see time in whole seconds.
const fn seconds(now: UnixMillis) -> u64 {
    now.0 / 1000
}

/// Builds the context.
fn build(shape: &ChainShape, facts: &Facts) -> Result<Context, String> {
    let known;
    let around = match &*UNKNOWN_AROUND {
        Some(unknown) if facts.around.is_unknown() => unknown,
        _ => {
            known = around(&facts.around)?;
            &known
        }
    };
    let [auth, device, risk, network, usage] = around;
    let pairs = [
        ("credential", credential(facts)?),
        ("chain", chain(shape)?),
        ("request", request(facts)?),
        ("content", content(facts)?),
        ("flow", flow(facts)?),
        ("answered", answers(facts)?),
        ("task", task(facts)?),
        ("auth", auth.clone()),
        ("device", device.clone()),
        ("risk", risk.clone()),
        ("network", network.clone()),
        ("usage", usage.clone()),
        ("now", RestrictedExpression::new_datetime(timestamp(seconds(facts.now).saturating_mul(1000)))),
    ];
    let pep = facts.mandate.asked_by.as_deref().map(foreign::pep).transpose()?.flatten().map(|pep| ("pep", pep));
    let pairs = pairs.into_iter().chain(pep).map(|(name, value)| (name.to_owned(), value));
    Context::from_pairs(pairs).map_err(|error| error.to_string())
}

fn credential(facts: &Facts) -> Result<RestrictedExpression, String> {
    record([("id", string(facts.credential.as_str())), ("ageSeconds", long(facts.credential_age))])
}

fn chain(shape: &ChainShape) -> Result<RestrictedExpression, String> {
    let missing = strings(shape.missing.iter().map(String::as_str));
    record([("kind", string(shape.kind.as_str())), ("depth", long(u64::from(shape.depth))), ("missing", missing)])
}

fn request(facts: &Facts) -> Result<RestrictedExpression, String> {
    let dialect = facts.dialect.map_or("", model::Dialect::as_str);
    record([("dialect", string(dialect)), ("stream", RestrictedExpression::new_bool(facts.stream))])
}

fn content(facts: &Facts) -> Result<RestrictedExpression, String> {
    let groups = facts.findings.values().map(|count| count.group.as_str());
    record([("kinds", strings(facts.findings.keys().map(String::as_str))), ("groups", strings(groups))])
}

fn flow(facts: &Facts) -> Result<RestrictedExpression, String> {
    let label = &facts.label;
    let integrity = match label.integrity {
        Integrity::Untrusted => 0,
        Integrity::Identifier => 1,
        Integrity::Trusted => 2,
        Integrity::User => 3,
    };
    record([
        ("level", RestrictedExpression::new_long(level(label.level))),
        ("compartments", strings(label.compartments.iter().map(model::Name::as_str))),
        ("integrity", long(integrity)),
        ("version", long(facts.ledger_version)),
        ("tainted", RestrictedExpression::new_bool(label.integrity < Integrity::Trusted)),
        ("untrusted", strings(facts.around.untrusted.iter().map(String::as_str))),
    ])
}

fn answers(facts: &Facts) -> Result<RestrictedExpression, String> {
    let fact = |challenge: Challenge| (answered(challenge), RestrictedExpression::new_bool(facts.answered.contains(&challenge)));
    record([fact(Challenge::Approval), fact(Challenge::StepUp), fact(Challenge::Posture)])
}

fn task(facts: &Facts) -> Result<RestrictedExpression, String> {
    let task = facts.mandate.asked.as_ref().or(facts.mandate.task.as_ref());
    let id = task.map_or("", |task| task.id.as_str());
    let purpose = task.and_then(|task| task.purpose.as_ref()).map_or("", |purpose| purpose.as_str());
    let grant = task.map(|task| task.grant.lines()).unwrap_or_default();
    let always = [
        ("id", string(id)),
        ("purpose", string(purpose)),
        ("grant", strings(grant.iter().map(String::as_str))),
        ("mayAct", RestrictedExpression::new_bool(facts.mandate.may_act)),
    ];
    record(always.into_iter().chain(facts.around.budget.map(budget).transpose()?.map(|budget| ("budget", budget))))
}

fn budget(mut budget: TaskBudget) -> Result<RestrictedExpression, String> {
    let mut known = Vec::new();
    for (name, part) in budget.parts() {
        if let Some(Remaining { most, left }) = *part {
            known.push((name, record([("most", long(most)), ("left", long(left))])?));
        }
    }
    record(known)
}

/// Where nobody vouches for a thing, policies see what is least in the caller's favour.
const UNKNOWN: u64 = u64::MAX;

/// What policies see where nobody vouches for anything, which is most often: made once.
static UNKNOWN_AROUND: LazyLock<Option<[RestrictedExpression; 5]>> = LazyLock::new(|| around(&Around::default()).ok());

fn around(facts: &Around) -> Result<[RestrictedExpression; 5], String> {
    Ok([sign_in(facts)?, posture(facts)?, risk(facts)?, network(facts)?, usage(facts)?])
}

fn sign_in(around: &Around) -> Result<RestrictedExpression, String> {
    let known = around.sign_in.as_ref();
    let means = strings(known.iter().flat_map(|known| known.means.iter().map(String::as_str)));
    let class = string(known.map_or("", |known| &known.class));
    record([("acr", class), ("amr", means), ("ageSeconds", long(known.map_or(UNKNOWN, |known| known.age)))])
}

fn posture(around: &Around) -> Result<RestrictedExpression, String> {
    let known = around.posture.as_ref();
    record([
        ("id", string(known.map_or("", |known| known.device.as_str()))),
        ("managed", RestrictedExpression::new_bool(known.is_some_and(|known| known.is_managed))),
        ("facts", strings(known.iter().flat_map(|known| known.facts.iter().map(String::as_str)))),
        ("ageSeconds", long(known.map_or(UNKNOWN, |known| known.age))),
    ])
}

fn risk(around: &Around) -> Result<RestrictedExpression, String> {
    let of = |part: fn(&model::Risk) -> u8| long(around.risk.as_ref().map_or(100, |known| u64::from(part(known))));
    record([("user", of(|risk| risk.user)), ("agent", of(|risk| risk.agent)), ("task", of(|risk| risk.task))])
}

fn network(around: &Around) -> Result<RestrictedExpression, String> {
    let known = around.origin.as_ref();
    let segment = string(known.map_or("", |known| known.segment.as_str()));
    record([("peer", string(known.map_or("", |known| &known.peer))), ("segment", segment)])
}

fn usage(around: &Around) -> Result<RestrictedExpression, String> {
    let of = |part: fn(&model::Spent) -> u64| long(around.spent.as_ref().map_or(UNKNOWN, part));
    record([("calls", of(|spent| spent.calls)), ("tokens", of(|spent| spent.tokens)), ("micros", of(|spent| spent.micros))])
}

fn record<'n>(fields: impl IntoIterator<Item = (&'n str, RestrictedExpression)>) -> Result<RestrictedExpression, String> {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
    RestrictedExpression::new_record(fields).map_err(|error| error.to_string())
}

fn string(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

/// A count as Cedar's 64-bit signed number; what does not fit is the largest, never a smaller one.
fn long(value: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(value).unwrap_or(i64::MAX))
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
mod tests {
    use super::{parse_instant, timestamp};

    #[test]
    fn timestamps() {
        let facts = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_219_199_999, "2026-11-20T23:59:59.999Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
        ];
        for (millis, text) in facts {
            assert_eq!(timestamp(millis), text);
            assert_eq!(parse_instant(text), Some(millis));
        }
        for (text, millis) in [("2000-02-29", Some(951_782_400_000)), ("2000-02-29T00:00:01Z", Some(951_782_401_000))] {
            assert_eq!(parse_instant(text), millis);
        }
        for text in ["", "2000", "2000-13-01", "1969-12-31", "+2000-01-01", "2000-01-01T00:00:00", "2000-01-01T00:00:00+0100"] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }
}
