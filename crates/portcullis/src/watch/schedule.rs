//! When which server is asked again. Times are those of a clock that never goes back.
//!
//! A server can have itself asked at once by saying that its tools are others now. It says so as often as it likes: what it is asked
//! does not grow with that.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Name;

/// What a server's own word costs: one look in this time, after [`BURST`] at once.
const PERIOD: Duration = Duration::from_secs(10);
/// Looks that a server's own word brings about without a pause.
const BURST: u32 = 3;
/// Looks at the same time.
const AT_ONCE: usize = 8;

/// Every server that is watched.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    rows: BTreeMap<Name, Row>,
}

#[derive(Debug, Default)]
struct Row {
    every: Duration,
    due: Duration,
    is_running: bool,
    /// It has said that its tools are others now, and was not asked since.
    is_called: bool,
    /// When everything that its word has brought about is paid for.
    paid: Duration,
}

impl Row {
    /// The next time at which its word counts.
    fn allowed(&self, now: Duration) -> Duration {
        now.max(self.paid.saturating_sub(PERIOD.saturating_mul(BURST.saturating_sub(1))))
    }
}

impl Schedule {
    /// From now on these are watched. A new one is due at once.
    pub(super) fn set(&mut self, watched: &BTreeMap<Name, Option<Duration>>, now: Duration) {
        self.rows.retain(|server, _| watched.get(server).is_some_and(Option::is_some));
        for (server, every) in watched.iter().filter_map(|(server, every)| Some((server, (*every)?))) {
            let row = self.rows.entry(server.clone()).or_insert_with(|| Row { due: now, every, ..Row::default() });
            row.due = if row.every == every { row.due } else { row.due.min(now.saturating_add(every)) };
            row.every = every;
        }
    }

    /// A server says that its tools are others now.
    pub(super) fn call(&mut self, server: &str, now: Duration) {
        let Some(row) = Name::new(server).ok().and_then(|server| self.rows.get_mut(&server)) else { return };
        if !row.is_called {
            row.is_called = true;
            row.due = row.due.min(row.allowed(now));
        }
    }

    /// Whoever is due, and is from now on being asked.
    pub(super) fn take(&mut self, now: Duration) -> Vec<Name> {
        let n_running = self.rows.values().filter(|row| row.is_running).count();
        let mut due: Vec<(Duration, Name)> = self
            .rows
            .iter()
            .filter(|(_, row)| !row.is_running && row.due <= now)
            .map(|(name, row)| (row.due, name.clone()))
            .collect();
        // Who has waited longest comes first: nobody waits for ever.
        due.sort();
        due.truncate(AT_ONCE.saturating_sub(n_running));
        for (_, name) in &due {
            let Some(row) = self.rows.get_mut(name) else { continue };
            row.is_running = true;
            if std::mem::take(&mut row.is_called) {
                row.paid = row.paid.max(now).saturating_add(PERIOD);
            }
        }
        due.into_iter().map(|(_, name)| name).collect()
    }

    /// A server was asked. `part`, from 0 to 255, moves the next time a little: servers of many gates are not asked all at once.
    pub(super) fn ended(&mut self, server: &Name, now: Duration, part: u8) {
        let Some(row) = self.rows.get_mut(server) else { return };
        row.is_running = false;
        let tenth = row.every.checked_div(10).unwrap_or_default();
        let moved = tenth.saturating_mul(u32::from(part)).checked_div(255).unwrap_or_default();
        row.due = now.saturating_add(row.every.saturating_sub(moved));
        if row.is_called {
            row.due = row.due.min(row.allowed(now));
        }
    }

    /// How long nobody is due; `None` if nobody ever is without an event.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        let n_running = self.rows.values().filter(|row| row.is_running).count();
        let waiting = self.rows.values().filter(|row| !row.is_running && n_running < AT_ONCE);
        waiting.map(|row| row.due.saturating_sub(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use model::Name;

    use super::{AT_ONCE, Schedule};

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn watched(names: &[&str], every: Option<u64>) -> BTreeMap<Name, Option<Duration>> {
        names.iter().map(|name| (Name::new(name).unwrap(), every.map(seconds))).collect()
    }

    fn named(taken: &[Name]) -> Vec<&str> {
        taken.iter().map(Name::as_str).collect()
    }

    #[test]
    fn everybody_is_asked_at_once_and_then_every_so_often() {
        let mut schedule = Schedule::default();
        schedule.set(&watched(&["a", "b"], Some(300)), seconds(5));
        assert_eq!(named(&schedule.take(seconds(5))), ["a", "b"]);
        assert!(schedule.take(seconds(999)).is_empty(), "once at a time");
        schedule.ended(&"a".parse().unwrap(), seconds(7), 0);
        assert_eq!(schedule.wait(seconds(7)), Some(seconds(300)));
        assert!(schedule.take(seconds(306)).is_empty());
        assert_eq!(named(&schedule.take(seconds(307))), ["a"]);
        schedule.ended(&"a".parse().unwrap(), seconds(400), 255);
        assert_eq!(schedule.wait(seconds(400)), Some(seconds(270)), "a tenth earlier at most");
    }

    #[test]
    fn who_is_not_watched_is_not_asked() {
        let mut schedule = Schedule::default();
        schedule.set(&watched(&["a"], None), seconds(0));
        schedule.call("a", seconds(1));
        schedule.call("stranger", seconds(1));
        schedule.call("no name\u{1b}", seconds(1));
        assert!(schedule.take(seconds(9_999)).is_empty());
        assert_eq!(schedule.wait(seconds(0)), None);
        schedule.set(&watched(&["a"], Some(10)), seconds(2));
        assert_eq!(named(&schedule.take(seconds(2))), ["a"]);
        schedule.set(&watched(&["a"], None), seconds(3));
        schedule.ended(&"a".parse().unwrap(), seconds(4), 0);
        assert!(schedule.take(seconds(9_999)).is_empty());
    }

    #[test]
    fn a_flood_of_its_own_words_has_a_server_asked_only_so_often() {
        let mut schedule = Schedule::default();
        let name: Name = "a".parse().unwrap();
        schedule.set(&watched(&["a"], Some(86_400)), seconds(0));
        schedule.take(seconds(0));
        schedule.ended(&name, seconds(0), 0);
        let mut asked = Vec::new();
        for second in 1..=60 {
            for _ in 0..1000 {
                schedule.call("a", seconds(second));
            }
            for taken in schedule.take(seconds(second)) {
                asked.push(second);
                // It goes on while it is asked.
                schedule.call("a", seconds(second));
                schedule.ended(&taken, seconds(second), 0);
            }
        }
        assert_eq!(asked, [1, 2, 3, 11, 21, 31, 41, 51]);
    }

    #[test]
    fn a_word_while_it_is_asked_is_not_lost() {
        let mut schedule = Schedule::default();
        let name: Name = "a".parse().unwrap();
        schedule.set(&watched(&["a"], Some(300)), seconds(0));
        assert_eq!(schedule.take(seconds(0)).len(), 1);
        schedule.call("a", seconds(1));
        assert!(schedule.take(seconds(1)).is_empty());
        schedule.ended(&name, seconds(2), 0);
        assert_eq!(schedule.take(seconds(2)).len(), 1, "what it says may be newer than its answer");
        schedule.ended(&name, seconds(3), 0);
        assert!(schedule.take(seconds(3)).is_empty());
    }

    #[test]
    fn many_are_asked_some_at_a_time_and_nobody_waits_for_ever() {
        let names: Vec<String> = (0..=AT_ONCE).map(|number| format!("s{number:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut schedule = Schedule::default();
        schedule.set(&watched(&names, Some(10)), seconds(0));
        let first = schedule.take(seconds(0));
        assert_eq!(first.len(), AT_ONCE);
        assert_eq!(schedule.wait(seconds(0)), None, "an end wakes");
        for name in &first {
            schedule.ended(name, seconds(50), 0);
        }
        assert_eq!(schedule.wait(seconds(50)), Some(seconds(0)));
        assert_eq!(named(&schedule.take(seconds(60))).first(), names.last());
    }
}
