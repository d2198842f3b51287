//! How a run ended.

use std::fmt;

use serde::Serialize;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// By itself, with this code; 128 and the number of the signal if one ended it.
    Exited(i32),
    /// Ended: its time was over.
    WallLimit,
    /// Ended: all its processes together used more memory than they may.
    MemoryLimit,
    /// Ended: it had more processes and threads than it may.
    ProcessLimit,
    /// Ended: its input had ended, and it stayed.
    InputClosed,
    /// Ended: nobody read its output any more.
    OutputClosed,
    /// Ended: it uses real-time signals, under which nothing can be watched.
    Unwatchable,
}

impl Ending {
    /// The exit code for whoever started it.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Exited(code) => u8::try_from(code).unwrap_or(1),
            // Its input has ended: that it was not quick to leave is no failure of the caller's.
            Self::InputClosed | Self::OutputClosed => 0,
            // As for whatever is killed.
            Self::WallLimit | Self::MemoryLimit | Self::ProcessLimit | Self::Unwatchable => 137,
        }
    }

    /// Numbers for what is shared between threads; 0 is none.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Exited(_) => 0,
            Self::WallLimit => 1,
            Self::MemoryLimit => 2,
            Self::ProcessLimit => 3,
            Self::InputClosed => 4,
            Self::OutputClosed => 5,
            Self::Unwatchable => 6,
        }
    }

    pub(crate) const fn of_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::WallLimit,
            2 => Self::MemoryLimit,
            3 => Self::ProcessLimit,
            4 => Self::InputClosed,
            5 => Self::OutputClosed,
            6 => Self::Unwatchable,
            _ => return None,
        })
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(formatter, "it ended with code {code}"),
            Self::WallLimit => formatter.write_str("it was ended: `limits.wall_seconds` were over"),
            Self::MemoryLimit => formatter.write_str("it was ended: it used more than `limits.memory_mb`"),
            Self::ProcessLimit => formatter.write_str("it was ended: it had more processes than `limits.processes`"),
            Self::InputClosed => formatter.write_str("it was ended: its input had ended and `limits.grace_seconds` were over"),
            Self::OutputClosed => formatter.write_str("it was ended: nobody read its output any more"),
            Self::Unwatchable => formatter.write_str(
                "it was ended: it uses real-time signals, which cannot be watched: write `report: none` in the profile",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ending;

    #[test]
    fn numbers_are_of_one_ending() {
        for number in 1..=6 {
            assert_eq!(Ending::of_number(number).unwrap().number(), number);
        }
        assert_eq!(Ending::of_number(Ending::Exited(3).number()), None);
        assert_eq!((Ending::Exited(3).code(), Ending::WallLimit.code(), Ending::Exited(-1).code()), (3, 137, 1));
    }
}
