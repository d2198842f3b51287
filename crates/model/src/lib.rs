//! The vocabulary of Portcullis: ids, principals, chains, interactions, labels, findings, verdicts and reason codes.
//!
//! Everything here is plain data. This crate knows no protocol, no policy language, no file, no socket and no clock: time and
//! randomness come in as parameters. Nothing here proves that a check was made; proofs live in `engine`.

mod access;
mod admin;
mod annotation;
mod answer;
mod approval;
mod around;
mod chain;
mod credential;
mod decision;
mod duty;
mod finding;
mod grant;
mod id;
mod interaction;
mod label;
mod lock;
mod operator;
mod place;
mod quarantine;
mod reason;
mod registry;
mod time;
mod usage;

pub use access::{Access, Asked, Claims, Foreign, Point, ResourceKind, Shape, Value, Verb};
pub use admin::AdminAct;
pub use annotation::{Annotation, ArgumentOrigin, Output, Sink};
pub use answer::{Answer, Challenge, LinkAnswer, PolicyRef, ShadowAnswer, Verdict};
pub use approval::{ApprovalAnswer, ApprovalAsk, ApprovalItem, Awaited};
pub use around::{Around, Origin, Posture, Remaining, Risk, SignIn, Spent, TaskBudget};
pub use chain::{Chain, ChainError, ChainKind, ChainShape, MAX_LINKS};
pub use credential::{Credential, Holder};
pub use decision::{Ask, DecisionInput, Facts, FindingCount};
pub use duty::{Act, Duties, Duty, DutyError, DutySide};
pub use finding::{Finding, FindingGroup, FindingKind, Side, Span};
pub use grant::{Federated, Grant, GrantError, MAX_GRANT_NAME, MAX_GRANT_NAMES, Mandate, Reach, Task};
pub use id::{CredentialId, Digest, IdError, ModelName, Name, PrincipalId, PrincipalKind, RequestId};
pub use interaction::{Action, Dialect, Effect, EffectKind, Resource};
pub use label::{Compartment, Integrity, Label, Level, MAX_ORIGINS, Origins, Readers};
pub use lock::{LockKind, LockSet, LockTarget};
pub use operator::{OperatorAct, OperatorRole};
pub use place::{host_of, place};
pub use quarantine::{Differing, Quarantines, Release};
pub use reason::{Fault, ReasonCode, Refusal};
pub use registry::{
    Address, Agent, Bundle, ClientFeature, Count, Counted, Document, Group, Model, Party, Registry, RemoteAgent, RuleFiles, Tool,
    ToolEffect, ToolServer, UserText,
};
pub use time::UnixMillis;
pub use usage::{Charge, MAX_TOKENS, Usage};
