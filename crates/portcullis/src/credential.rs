//! `portcullis credential`: credentials for upstreams that are a user's or an agent's own, at the running gate.

use std::io::{IsTerminal as _, Read as _};
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::admin_client::{self, AdminAnswer};
use crate::cli::Cli;
use crate::commands::{Exit, show};
use crate::output;

/// Longest secret that is read.
const MAX_SECRET: u64 = 16 << 10;
/// Between two looks at a connection.
const PAUSE: Duration = Duration::from_secs(1);

/// Credentials for upstreams that are somebody's own.
#[derive(Debug, Subcommand)]
pub(crate) enum Credential {
    /// List whose credentials are kept, never what they are.
    List,
    /// Keep a fixed secret of a user or an agent for an upstream; it is read from standard input.
    Set {
        /// The upstream, as in portcullis.yaml.
        upstream: String,
        /// Whose it is: alice, user:okta:ada, agent:helper.
        #[arg(long = "for", value_name = "WHO")]
        holder: String,
    },
    /// Print the address at which a user connects an account at the upstream, and wait until that is done.
    Connect {
        /// The upstream, as in portcullis.yaml.
        upstream: String,
        /// Whose account it will be used for: alice, user:okta:ada, agent:helper.
        #[arg(long = "for", value_name = "WHO")]
        holder: String,
        /// Do not wait.
        #[arg(long)]
        no_wait: bool,
    },
    /// Take a credential away for good. What it was is erased here; at the upstream it may still be good.
    Remove {
        /// Its id: uc_…
        id: String,
    },
}

/// Runs one of the commands.
pub(crate) async fn command(cli: &Cli, command: &Credential) -> anyhow::Result<Exit> {
    let data = cli.data.as_path();
    match command {
        Credential::List => {
            let answer = admin_client::call(data, Method::GET, "/admin/v1/credentials", None).await?;
            let columns = ["id", "upstream", "holder", "kind", "state", "changed", "expires"];
            Ok(show(cli, answer, |value| output::table(value.get("credentials"), &columns)))
        }
        Credential::Set { upstream, holder } => {
            let secret = read_secret()?;
            let spec = json!({"upstream": upstream, "holder": holder, "secret": *secret});
            let answer = admin_client::call(data, Method::POST, "/admin/v1/credentials", Some(&spec)).await?;
            Ok(show(cli, answer, |value| format!("{} is kept", value.get("id").and_then(Value::as_str).unwrap_or(""))))
        }
        Credential::Connect { upstream, holder, no_wait } => connect(cli, upstream, holder, *no_wait).await,
        Credential::Remove { id } => {
            let answer = admin_client::call(data, Method::POST, "/admin/v1/credentials/remove", Some(&json!({"id": id}))).await?;
            Ok(show(cli, answer, |_| format!("{id} is taken away")))
        }
    }
}

/// One line from standard input; what people type is not theirs alone on a screen, so they are told.
fn read_secret() -> anyhow::Result<Zeroizing<String>> {
    if std::io::stdin().is_terminal() {
        output::note("paste the secret and end with Ctrl-D; better: pipe it in, so that it is not shown");
    }
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().take(MAX_SECRET.saturating_add(1)).read_to_string(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_SECRET {
        bail!("what stands on standard input is longer than {MAX_SECRET} bytes");
    }
    Ok(Zeroizing::new(text.trim().to_owned()))
}

async fn connect(cli: &Cli, upstream: &str, holder: &str, no_wait: bool) -> anyhow::Result<Exit> {
    let data = cli.data.as_path();
    let spec = json!({"upstream": upstream, "holder": holder});
    let begun = admin_client::call(data, Method::POST, "/admin/v1/credentials/connect", Some(&spec)).await?;
    let AdminAnswer::Done(begun) = begun else { return Ok(show(cli, begun, |_| String::new())) };
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    if cli.json {
        output::line(&begun.to_string());
    } else {
        output::line(&format!(
            "open this address, once, in the browser of the person whose account it is; it holds for ten minutes:\n\n  {}\n",
            text(&begun, "address")
        ));
    }
    if no_wait {
        return Ok(Exit::Ok);
    }
    let until = Instant::now() + Duration::from_secs(begun.get("seconds").and_then(Value::as_u64).unwrap_or(600) + 30);
    let path = format!("/admin/v1/credentials/connect/{}", text(&begun, "id"));
    while Instant::now() < until {
        let answer = admin_client::call(data, Method::GET, &path, None).await?;
        let AdminAnswer::Done(value) = &answer else { return Ok(show(cli, answer, |_| String::new())) };
        match text(value, "state").as_str() {
            "connected" => return Ok(show(cli, answer, |value| format!("connected: {}", text(value, "detail")))),
            "failed" if cli.json => {
                output::line(&value.to_string());
                return Ok(Exit::Failure);
            }
            "failed" => bail!("not connected: {}", text(value, "detail")),
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
    bail!("not connected: nobody came back in time")
}
