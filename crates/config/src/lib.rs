//! `portcullis.yaml`: read as written, checked as a whole, turned into types that cannot hold a wrong configuration.
//!
//! `yaml` (a tree with positions) → `shape` (held against the generated JSON Schema) → `raw` (as written) → `check` (as meant)
//! → [`Config`]. Every problem is reported at once, with file, line, column and field.
//!
//! This crate opens no file and reads no environment: files come through [`Source`], variables through a function. It does not
//! parse Cedar (that is `policy`) and does not connect anything (that is the binary).

mod check;
mod declared;
mod exec;
pub mod litellm;
mod load;
mod placeholder;
mod problem;
mod raw;
mod raw_access;
mod raw_agents;
mod raw_approvals;
mod raw_budgets;
mod raw_client_tools;
mod raw_credentials;
mod raw_exec;
mod raw_issuers;
mod raw_limits;
mod raw_net;
mod raw_tools;
mod schema;
mod settings;
mod shape;
mod source;
pub mod templates;

mod yaml;

pub use check::is_signed;
pub use declared::{
    DeclaredAgent, DeclaredServer, DeclaredTool, declared_agents, declared_tool_servers, declared_virtual_servers,
};
pub use exec::{Layer, SandboxLimits, SandboxProfile, Watched, profile_schema, sandbox_profile};
pub use load::Config;
pub use problem::{Position, Problem, Warning};
pub use schema::json_schema;
pub use settings::{
    Approving, BaseUrl, Budgets, ClientMode, ClientTool, ClientTools, Control, Danger, Evidence, Exec, ForwardedHeader, Issuer,
    KeyHeader, Lending, LendingSource, Limits, Listen, Logging, OauthSettings, Per, Priced, Proxy, Refusals, RefusedCall,
    Retention, Route, Settings, Signal, StepUp, Telemetry, Tls, ToolScopes, Trust, Upstream, Webhook,
};
pub use source::{Source, SourceError, Texts};

#[cfg(test)]
mod tests;
