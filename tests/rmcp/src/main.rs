//! A client and a server on `rmcp`, for `tests/test_rmcp.py`.
//!
//! `serve` prints its address and ends with its standard input. `call URL KEY MODE` lists and calls tools, is refused twenty times in a
//! row, calls again, and prints what it saw as one line of JSON; MODE is `initialize`, `discover` or `auto`.

use std::error::Error;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolRequestParams, ClientConfig, ProtocolVersion, ServerCapabilities, ServerConfig};
use rmcp::service::{RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient, ServerHandler, schemars, tool, tool_handler, tool_router};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

const REFUSALS: usize = 20;

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Sum {
    a: i32,
    b: i32,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Order {
    offer: String,
    cents: i64,
}

#[derive(Debug, Clone)]
struct Shop {
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Shop {
    fn new() -> Self {
        Self { tool_router: Self::tool_router() }
    }

    #[tool(description = "Adds two numbers.")]
    fn add(&self, Parameters(Sum { a, b }): Parameters<Sum>) -> String {
        (a + b).to_string()
    }

    #[tool(description = "Places an order.")]
    fn order(&self, Parameters(Order { offer, cents }): Parameters<Order>) -> String {
        format!("ordered {offer} for {cents}")
    }

    #[tool(description = "Deletes every order.")]
    fn forget(&self) -> String {
        "gone".to_owned()
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Shop {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve"] => serve().await,
        ["call", url, key, mode] => call(url, key, mode).await,
        _ => Err("usage: serve | call URL KEY MODE".into()),
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let service: StreamableHttpService<Shop, LocalSessionManager> =
        StreamableHttpService::new(|| Ok(Shop::new()), std::sync::Arc::default(), StreamableHttpServerConfig::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/mcp", listener.local_addr()?);
    let router = axum::Router::new().nest_service("/mcp", service);
    let mut rest = Vec::new();
    let mut input = tokio::io::stdin();
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        _ = input.read_to_end(&mut rest) => {}
    }
    Ok(())
}

async fn call(url: &str, key: &str, mode: &str) -> Result<(), Box<dyn Error>> {
    let newest = vec![ProtocolVersion::V_2026_07_28];
    let mode = match mode {
        "initialize" => ClientLifecycleMode::Initialize,
        "discover" => ClientLifecycleMode::Discover { preferred_versions: newest },
        _ => ClientLifecycleMode::Auto { preferred_versions: newest, legacy_version: Some(ProtocolVersion::V_2025_11_25) },
    };
    let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(key);
    let client = ClientConfig::default().serve_with_lifecycle(StreamableHttpClientTransport::from_config(config), mode).await?;
    let tools: Vec<String> = client.list_all_tools().await?.into_iter().map(|tool| tool.name.to_string()).collect();
    let before = said(&client, "add", json!({"a": 1, "b": 2})).await;
    let mut refused = Vec::new();
    for round in 0..REFUSALS {
        refused.push(said(&client, "order", json!({"offer": "paper", "cents": 1001 + round})).await);
        refused.push(said(&client, "forget", json!({})).await);
    }
    let after = said(&client, "order", json!({"offer": "paper", "cents": 900})).await;
    println!("{}", json!({"tools": tools, "before": before, "refused": refused, "after": after}));
    client.cancel().await?;
    Ok(())
}

/// The text of a result, or code and reason of a refusal.
async fn said(client: &RunningService<RoleClient, ClientConfig>, tool: &'static str, arguments: Value) -> Value {
    let mut params = CallToolRequestParams::new(tool);
    if let Value::Object(arguments) = arguments {
        params = params.with_arguments(arguments);
    }
    match client.call_tool(params).await {
        Ok(result) => json!(result)["content"][0]["text"].clone(),
        Err(ServiceError::McpError(error)) => {
            let reason = error.data.as_ref().map(|data| data["reason"].clone());
            json!([error.code.0, reason])
        }
        Err(error) => json!(error.to_string()),
    }
}
