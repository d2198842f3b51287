//! How much: which budgets apply to a call, what is left of them, and what a call costs.
//!
//! Cedar decides *whether* a call may happen, budgets decide *how much*. A call reserves the most that it may use before it
//! leaves, and settles on what it has used when it has ended. [`Rules`] and [`Prices`] are what operators write, immutable;
//! [`Counters`] are what was used, shared by all calls and free of locks where calls pass.
//!
//! This crate knows no clock (`now` is a parameter), no provider, no file and no log. It proves nothing; it counts.

mod amount;
mod bucket;
mod charged;
mod counters;
mod estimate;
mod level;
mod period;
mod price;
mod reserve;
mod rule;

pub use amount::{decimal, thousandths};
pub use bucket::MAX_AMOUNT;
pub use charged::charged;
pub use counters::{Counters, MAX_KEYS};
pub use estimate::{IMAGE, tokens};
pub use level::{Allowance, Level, Line};
pub use period::{Period, Window, day_number};
pub use price::{Price, PriceError, Prices};
pub use reserve::{Amounts, Exceeded, Reservation};
pub use rule::{Caller, Dimension, Measure, Past, Rule, Rules};
