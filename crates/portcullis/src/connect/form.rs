//! How each client wants to be told of a server. Sources: the clients' own pages, read 2026-11-22.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Client, Wanted};

/// The question by which Visual Studio Code asks for the key.
pub(super) const INPUT: &str = "portcullis-key";

/// As it is written on the command line.
pub(super) const fn name(client: Client) -> &'static str {
    match client {
        Client::Claude => "claude",
        Client::Cursor => "cursor",
        Client::Vscode => "vscode",
        Client::Codex => "codex",
        Client::Python => "python",
    }
}

/// The client's file: below a project's folder, or the user's.
pub(super) const fn place(client: Client) -> Option<&'static str> {
    match client {
        Client::Claude => Some(".mcp.json"),
        Client::Cursor => Some(".cursor/mcp.json"),
        Client::Vscode => Some(".vscode/mcp.json"),
        Client::Codex => Some("~/.codex/config.toml"),
        Client::Python => None,
    }
}

/// Whether its file is JSON that entries can be brought into.
pub(super) const fn is_json(client: Client) -> bool {
    matches!(client, Client::Claude | Client::Cursor | Client::Vscode)
}

/// The member of its file that holds the servers.
pub(super) const fn section(client: Client) -> &'static str {
    match client {
        Client::Vscode => "servers",
        _ => "mcpServers",
    }
}

/// What is said of one server.
pub(super) fn entry(client: Client, wanted: &Wanted, server: &str) -> Value {
    let address = wanted.address(server);
    let key = match client {
        Client::Cursor => format!("${{env:{}}}", wanted.key_env),
        Client::Vscode => format!("${{input:{INPUT}}}"),
        _ => format!("${{{}}}", wanted.key_env),
    };
    let headers = json!({"Authorization": format!("Bearer {key}")});
    match client {
        Client::Cursor => json!({"url": address, "headers": headers}),
        _ => json!({"type": "http", "url": address, "headers": headers}),
    }
}

/// The question for the key.
pub(super) fn input() -> Value {
    json!({"type": "promptString", "id": INPUT, "description": "Your key of the Portcullis gate", "password": true})
}

/// The whole text for a client that has nothing yet.
pub(super) fn text(client: Client, wanted: &Wanted) -> String {
    match client {
        Client::Codex => codex(wanted),
        Client::Python => python(wanted),
        Client::Claude | Client::Cursor | Client::Vscode => {
            let servers: serde_json::Map<String, Value> =
                wanted.servers.iter().map(|server| (server.clone(), entry(client, wanted, server))).collect();
            let mut whole = json!({section(client): servers});
            if let (Client::Vscode, Some(whole)) = (client, whole.as_object_mut()) {
                whole.insert("inputs".to_owned(), json!([input()]));
            }
            serde_json::to_string_pretty(&whole).unwrap_or_default() + "\n"
        }
    }
}

/// Names of servers are letters, digits and `_`, and addresses are checked: nothing here needs an escape.
fn codex(wanted: &Wanted) -> String {
    let Wanted { servers, url, key_env } = wanted;
    let mut text = format!(
        "[model_providers.portcullis]\nname = \"Portcullis\"\nbase_url = \"{url}/v1\"\nenv_key = \"{key_env}\"\nwire_api = \"responses\"\n"
    );
    for server in servers {
        let address = wanted.address(server);
        _ = write!(text, "\n[mcp_servers.{server}]\nurl = \"{address}\"\nbearer_token_env_var = \"{key_env}\"\n");
    }
    text
}

fn python(wanted: &Wanted) -> String {
    let mut text = format!(
        "import asyncio\nimport os\n\nimport httpx2\nfrom mcp import ClientSession\nfrom mcp.client.streamable_http import streamable_http_client\n\n\
         KEY = {{\"Authorization\": f\"Bearer {{os.environ['{}']}}\"}}\nSERVERS = [\n",
        wanted.key_env
    );
    for server in &wanted.servers {
        _ = writeln!(text, "    \"{}\",", wanted.address(server));
    }
    text.push_str(
        "]\n\n\nasync def main() -> None:\n    for url in SERVERS:\n        async with (\n            httpx2.AsyncClient(headers=KEY, timeout=60) as http,\n            \
         streamable_http_client(url, http_client=http) as (read, write, *_),\n            ClientSession(read, write) as session,\n        ):\n            \
         await session.initialize()\n            tools = await session.list_tools()\n            print(url, [tool.name for tool in tools.tools])\n\n\nasyncio.run(main())\n",
    );
    text
}
