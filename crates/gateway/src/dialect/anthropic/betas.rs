//! The names of beta features, by the official Python package (2.11).
//!
//! An effect is decided like any other. Refused are betas whose purpose is something that no row of the tables lets through:
//! other models, state at the provider, remote servers, administration.

use model::ReasonCode;

use crate::dialect::table::{Beta, Class, Consequence};

const fn decided(name: &'static str) -> Beta {
    Beta { name, class: Class::Effect(Consequence::Beta) }
}

const fn refused(name: &'static str) -> Beta {
    Beta { name, class: Class::Refused(ReasonCode::BetaRefused) }
}

pub(super) const BETAS: &[Beta] = &[
    decided("computer-use-2024-10-22"),
    decided("computer-use-2025-01-24"),
    decided("computer-use-2025-11-24"),
    decided("output-128k-2025-02-19"),
    decided("output-300k-2026-03-24"),
    decided("dev-full-thinking-2025-05-14"),
    decided("interleaved-thinking-2025-05-14"),
    decided("code-execution-2025-05-22"),
    decided("context-1m-2025-08-07"),
    decided("context-management-2025-06-27"),
    decided("model-context-window-exceeded-2025-08-26"),
    decided("fast-mode-2026-02-01"),
    decided("thinking-token-count-2026-05-13"),
    decided("thinking-display-updates-2026-08-18"),
    decided("thinking-binding-controls-2026-08-01"),
    decided("mid-conversation-tool-changes-2026-07-01"),
    decided("mid-conversation-output-config-2026-07-01"),
    decided("mid-conversation-system-clear-at-2026-08-21"),
    decided("inline-tools-2026-09-15"),
    decided("compact-2026-01-12"),
    decided("compact-2026-09-04"),
    decided("structured-outputs-2025-11-13"),
    decided("task-budgets-2026-03-13"),
    decided("prompt-caching-2024-07-31"),
    decided("extended-cache-ttl-2025-04-11"),
    decided("pdfs-2024-09-25"),
    decided("token-counting-2024-11-01"),
    decided("token-efficient-tools-2025-02-19"),
    decided("files-api-2025-04-14"),
    refused("mcp-client-2025-04-04"),
    refused("mcp-client-2025-11-20"),
    refused("mcp-client-2026-09-15"),
    refused("mcp-tunnels-2026-06-22"),
    refused("advisor-tool-2026-03-01"),
    refused("server-side-fallback-2026-06-01"),
    refused("server-side-fallback-2026-07-01"),
    refused("fallback-credit-2026-06-01"),
    refused("fallback-credit-2026-07-01"),
    refused("message-threads-2026-08-12"),
    refused("message-batches-2024-09-24"),
    refused("skills-2025-10-02"),
    refused("agent-memory-2026-07-22"),
    refused("managed-agents-2026-04-01"),
    refused("dreaming-2026-04-21"),
    refused("cache-diagnosis-2026-04-07"),
    refused("user-profiles-2026-03-24"),
    refused("user-profiles-2026-08-18"),
    refused("user-profiles-2026-09-04"),
    refused("user-profiles-billing-2026-10-01"),
    refused("ce-plugins-2026-09-01"),
    refused("ce-user-management-2026-07-13"),
    refused("ce-claude-code-managed-settings-2026-10-06"),
    refused("spend-limit-reads-2026-09-26"),
    refused("telemetry-destinations-2026-08-11"),
    refused("webhooks-2026-10-07"),
    refused("admin-user-sign-out-2026-10-08"),
    refused("analytics-usage-cost-2026-08-24"),
    refused("experimental-claude-tag-2026-10-21"),
];
