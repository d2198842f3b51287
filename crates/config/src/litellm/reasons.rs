//! Why keys are not taken over.

/// The reason for a key of a section; `section` is a top-level key, `parameters`, `deployment`, `settings` or
/// `model_group_alias`.
pub(super) fn of(section: &str, key: &str) -> &'static str {
    match (section, key) {
        ("parameters", _) => parameter(key),
        ("deployment", "model_info") => "only informs LiteLLM; clearance and groups of a model are set under `models`",
        ("deployment", _) | ("model_group_alias", _) => "not known to this import",
        ("settings", _) => setting(key),
        ("general_settings", "master_key") => {
            "never copied: operators and callers have credentials of their own, `portcullis init` and `portcullis key create`"
        }
        ("general_settings", "database_url" | "database_type" | "database_connection_pool_limit" | "store_model_in_db") => {
            "the gate keeps its own log and needs no database"
        }
        ("general_settings", "pass_through_endpoints") => {
            "nothing passes through unread: every path the gate serves is one it understands"
        }
        ("general_settings", "alerting" | "alerting_threshold" | "alert_types") => "alerts come from `/metrics`",
        ("general_settings", "enable_jwt_auth" | "litellm_jwtauth" | "custom_auth" | "custom_sso") => {
            "who is asking is decided here in its own way: declare issuers, users, agents and services"
        }
        ("general_settings", "max_parallel_requests" | "global_max_parallel_requests") => "see `limits.concurrent`",
        ("general_settings", _) => "a setting of LiteLLM's own server",
        ("environment_variables", _) => "never copied: set it in the environment of the gate if something here names it",
        ("guardrails", _) => "scanners run always, what becomes of findings is said by `@obligation` in policies",
        ("mcp_servers" | "mcp_tools", _) => "tools are not served yet",
        ("credential_list", _) => "never copied: write the key of each deployment as `api_key: os.environ/NAME` and import again",
        ("model_list", _) => "expected a list of deployments",
        ("router_settings" | "litellm_settings", _) => "expected a mapping",
        ("include", _) => "other files are not read: import each by itself",
        ("vector_store_registry" | "files_settings" | "finetune_settings" | "search_tools" | "assistant_settings", _) => {
            "the gate does not serve this"
        }
        _ => "not known to this import",
    }
}

fn parameter(key: &str) -> &'static str {
    match key {
        "max_budget" | "budget_duration" => "write it as a budget of the model, with prices: see docs/BUDGETS.md",
        "weight" | "order" => "destinations are tried in the order of the file",
        "timeout" | "stream_timeout" => {
            "one setting for all: `limits.first_byte_seconds`, `limits.idle_seconds`, `limits.stream_seconds`"
        }
        "max_retries" | "num_retries" => {
            "a call goes to each destination once, and to the next only before the first byte of an answer"
        }
        "api_version" => "the address below `/openai/v1` takes no version",
        "organization" | "project" | "extra_headers" | "headers" | "default_headers" => {
            "the gate adds no headers of yours to calls"
        }
        "drop_params" | "additional_drop_params" | "allowed_openai_params" => {
            "nothing is dropped in silence: unknown fields pass as text or are refused, see `fields`"
        }
        "temperature"
        | "max_tokens"
        | "top_p"
        | "seed"
        | "stop"
        | "n"
        | "presence_penalty"
        | "frequency_penalty"
        | "extra_body"
        | "max_completion_tokens"
        | "reasoning_effort"
        | "thinking"
        | "stream"
        | "response_format"
        | "tools" => "parameters of a call are its caller's, the gate adds none",
        "tags" | "access_groups" => "who may use a model is said by policies",
        "mock_response" | "mock_timeout" => "the gate never makes up an answer",
        "merge_reasoning_content_in_choices" => "answers are not rewritten but by duties",
        "litellm_credential_name" => "its key stands in `credential_list`, which is not taken over",
        _ if key.contains("cost_per") => "prices do not stand with destinations",
        _ if key.starts_with("aws_") || key.starts_with("vertex_") || key.starts_with("azure_") || key.contains("tenant") => {
            "a way to sign in that the gate does not have; never copied"
        }
        _ => "not known to this import",
    }
}

fn setting(key: &str) -> &'static str {
    match key {
        "context_window_fallbacks" | "content_policy_fallbacks" | "default_fallbacks" => {
            "another destination is tried only when one cannot be reached, never for what an answer says"
        }
        "num_retries" | "max_fallbacks" | "retry_policy" | "model_group_retry_policy" | "retry_after" => {
            "a call goes to each destination once, and to the next only before the first byte of an answer"
        }
        "allowed_fails" | "cooldown_time" | "allowed_fails_policy" | "disable_cooldowns" => {
            "a destination that failed three times in a row is tried last for five seconds"
        }
        "request_timeout" | "timeout" | "stream_timeout" => {
            "see `limits.first_byte_seconds`, `limits.idle_seconds`, `limits.stream_seconds`"
        }
        "routing_strategy" | "routing_strategy_args" => "destinations are tried in the order of the file",
        "redis_host" | "redis_port" | "redis_password" | "redis_url" => "never copied: one gate needs no shared state",
        "cache" | "cache_params" | "cache_responses" | "caching_groups" => {
            "answers are not kept for others: their labels would be lost"
        }
        "callbacks"
        | "success_callback"
        | "failure_callback"
        | "service_callback"
        | "callback_settings"
        | "audit_log_callbacks" => "every call is in the gate's own log: `portcullis audit query`, `/metrics`",
        "set_verbose" | "json_logs" | "log_raw_request_response" => "see `logging`; content is never logged",
        "turn_off_message_logging" | "redact_user_api_key_info" | "redact_messages_in_exceptions" => {
            "content is always encrypted in the log and never in messages; see `retention`"
        }
        "drop_params" | "modify_params" | "additional_drop_params" => {
            "nothing is dropped in silence: unknown fields pass as text or are refused, see `fields`"
        }
        "default_internal_user_params"
        | "default_team_settings"
        | "default_team_params"
        | "max_budget"
        | "budget_duration"
        | "max_internal_user_budget"
        | "upperbound_key_generate_params" => "users, groups and limits are declared in portcullis.yaml",
        "ssl_verify" | "ssl_certificate" => "certificates of upstreams are always verified",
        "enable_pre_call_checks" => "requests are checked before every call",
        _ => "not known to this import",
    }
}
