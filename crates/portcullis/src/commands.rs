//! One function per command.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use http::Method;
use serde_json::{Value, json};

use crate::admin_client::{self, AdminAnswer};
use crate::approve;
use crate::audit;
use crate::backup;
use crate::bring;
use crate::certificates;
use crate::cli::{Audit, Cli, Command, Import, Init, Key, Replay, seconds};
use crate::connect;
use crate::credential;
use crate::doctor;
use crate::files;
use crate::gate::{now, random};
use crate::graph;
use crate::import;
use crate::man;
use crate::output;
use crate::policies;
use crate::quickstart;
use crate::run;
use crate::scan::{self, visible};
use crate::tokens;
use crate::tools;
use crate::usage;

/// Exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok,
    Failure,
    Deny,
    Invalid,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failure => 1,
            Exit::Deny => 2,
            Exit::Invalid => 3,
        })
    }
}

/// Runs one command.
pub(crate) async fn execute(cli: &Cli) -> anyhow::Result<Exit> {
    let data = cli.data.as_path();
    match &cli.command {
        Command::Quickstart(options) => {
            start_logging(None);
            quickstart::quickstart(data, options).await.map(|()| Exit::Ok)
        }
        Command::Init(options) => init(cli, data, options).await,
        Command::Run => serve(data).await,
        Command::Check => Ok(check(cli, data)),
        Command::Apply { dry_run, allow_removal } => apply(cli, data, *dry_run, *allow_removal, None).await,
        Command::Rollback { bundle, dry_run, allow_removal } => {
            apply(cli, data, *dry_run, *allow_removal, Some(bundle.as_deref().unwrap_or("previous"))).await
        }
        Command::Bundles => bundles(cli, data).await,
        Command::Key(key) => keys(cli, data, key).await,
        Command::Credential(command) => credential::command(cli, command).await,
        Command::Revoke { target } => lock(cli, data, target, "revoke").await,
        Command::Kill { target } => lock(cli, data, target, "kill").await,
        Command::Unlock { target } => {
            let done = ask(data, "/admin/v1/unlock", &json!({"target": target})).await?;
            Ok(show(cli, done, |_| format!("unlocked {target}")))
        }
        Command::Approvals(command) => approve::command(cli, data, command).await,
        Command::Explain { request } => explain(cli, data, request).await,
        Command::Flow { task, format } => flow(cli, data, task, *format).await,
        Command::Audit(command) => audit_command(cli, data, command).await,
        Command::Replay(options) => replayed(cli, data, options),
        Command::Scan(options) => Ok(scan::scan(options, cli.json)),
        Command::Backup(options) => backup::backup(data, options, cli.json).await,
        Command::Restore(options) => backup::restore(data, options, cli.json).await,
        Command::Retention { dry_run } => {
            let answer = ask(data, "/admin/v1/retention", &json!({"dry_run": dry_run})).await?;
            Ok(show(cli, answer, |value| retained(value, *dry_run)))
        }
        Command::Usage { by, since } => usage::command(cli, data, *by, since.as_deref()).await,
        Command::Policy(command) => policies::command(cli, data, command).await,
        Command::Tools(command) => tools::command(cli, data, command).await,
        Command::Connect(options) => connect::command(cli, data, options),
        Command::Exec(_) => anyhow::bail!("`exec` has no runtime: it begins before there is one"),
        Command::Status => status(cli, data).await,
        Command::Health => health(cli, data).await,
        Command::Doctor(options) => doctor::doctor(data, options, cli.json).await,
        Command::Import(Import::Litellm { file, write }) => import::litellm(file, write.as_deref(), cli.json),
        Command::Man { folder } => man::write(&Cli::command(), folder),
        Command::Completion { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "portcullis", &mut std::io::stdout());
            Ok(Exit::Ok)
        }
        Command::Schema => {
            output::line(config::json_schema().trim_end());
            Ok(Exit::Ok)
        }
    }
}

/// Runs the gate until it is told to end.
async fn serve(data: &Path) -> anyhow::Result<Exit> {
    start_logging(Some(data));
    let running = run::start(data, run::Ports::default(), BTreeMap::new()).await?;
    output::line(&format!("data plane {}\nadmin      {}", running.data_url(), running.admin_url()));
    let running = running.until_active().await?;
    let signals = run::Signals::listen()?;
    output::line("ready");
    running.until_signal(signals).await.map(|()| Exit::Ok)
}

/// What was put in force.
async fn bundles(cli: &Cli, data: &Path) -> anyhow::Result<Exit> {
    let answer = admin_client::call(data, Method::GET, "/admin/v1/bundles", None).await?;
    Ok(show(cli, answer, |value| output::table(value.get("bundles"), &["at", "by", "digest", "files", "state"])))
}

/// In which state the running gate is.
async fn status(cli: &Cli, data: &Path) -> anyhow::Result<Exit> {
    let status = admin_client::call(data, Method::GET, "/admin/v1/status", None).await?;
    Ok(show(cli, status, |value| serde_json::to_string_pretty(value).unwrap_or_default()))
}

/// Whether the gate that runs on this folder can serve.
async fn health(cli: &Cli, data: &Path) -> anyhow::Result<Exit> {
    let ready = admin_client::call_socket(data, Method::GET, "/healthz/ready", None).await.context("not ready")?;
    Ok(show(cli, ready, |_| "ready".to_owned()))
}

/// Structured messages to standard error; `PORTCULLIS_LOG` wins over the configuration.
fn start_logging(data: Option<&Path>) {
    let logging = data.and_then(|data| bring::read(data, &BTreeMap::new()).ok()).map(|(config, _)| config.settings.logging);
    let level = logging.map_or("warn", |logging| logging.level);
    let filter = tracing_subscriber::EnvFilter::try_from_env("PORTCULLIS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber in one process would be refused; there is none.
    if logging.is_some_and(|logging| logging.is_json) {
        builder.json().try_init().ok();
    } else {
        builder.try_init().ok();
    }
}

async fn init(cli: &Cli, data: &Path, options: &Init) -> anyhow::Result<Exit> {
    let files = config::templates::init(&options.operator);
    files::create_folder(data)?;
    // Files that were written by hand or by `import` stay, and are checked before anything is made.
    let has_own = data.join("portcullis.yaml").exists() && !data.join("log").exists();
    if !has_own {
        files::write_new(data, &files)?;
    }
    let (config, _) = bring::read(data, &BTreeMap::new()).map_err(|problems| anyhow::anyhow!(problems.join("\n")))?;
    let spec =
        gateway::admin::KeySpec { principal: format!("operator:{}", options.operator), on_behalf_of: None, expires_in: None };
    let holder = crate::office::holder(&config.bundle.registry, &spec).map_err(|refusal| anyhow::anyhow!(refusal.to_string()))?;
    store::Store::init(data, now())?;
    let random = random().map_err(|_| anyhow::anyhow!("the system has no randomness"))?;
    let issued = identity::issue(random, holder, now(), Some(now().plus_seconds(90 * 86_400)));
    let opened = {
        let data = data.to_owned();
        tokio::task::spawn_blocking(move || store::Store::open(&data, store::Options::default())).await??
    };
    let act = model::AdminAct::CredentialCreated { credential: issued.credential.clone() };
    opened.administer(act, store::By::default()).await?;
    tokio::task::spawn_blocking(move || opened.close()).await??;
    let secret = issued.secret.expose();
    if cli.json {
        output::line(
            &json!({"data": data, "operator": options.operator, "id": issued.credential.id, "secret": secret}).to_string(),
        );
    } else {
        output::line(&format!(
            "made {folder}\n\n  operator     {name} (admin)\n  credential   {secret}\n               shown once, valid for 90 days; for the admin API: PORTCULLIS_OPERATOR\n\n  next         edit {folder}/portcullis.yaml and policies/, then\n               portcullis --data {folder} check\n               portcullis --data {folder} run",
            folder = data.display(),
            name = options.operator
        ));
    }
    Ok(Exit::Ok)
}

fn check(cli: &Cli, data: &Path) -> Exit {
    let checked = bring::read(data, &offline()).and_then(|(config, mut warnings)| {
        warnings.extend(certificates::check(data, &config.settings.listen)?);
        bring::telemetry(&config.settings)?;
        tokens::trusted(&config.settings)?;
        let (snapshot, _) = bring::snapshot(&config.bundle, &config.settings)?;
        warnings.extend(snapshot.policy.warnings().iter().map(ToString::to_string));
        Ok((snapshot, warnings))
    });
    match checked {
        Ok((snapshot, warnings)) if cli.json => {
            output::line(
                &json!({"ok": true, "digest": snapshot.digest, "policies": snapshot.policy.n_policies(), "warnings": warnings})
                    .to_string(),
            );
            Exit::Ok
        }
        Ok((snapshot, warnings)) => {
            warnings.iter().for_each(|warning| output::note(&format!("warning: {warning}")));
            let n_shadow = snapshot.policy.shadow_policies().len();
            let in_shadow = if n_shadow > 0 { format!(" ({n_shadow} of them shadow)") } else { String::new() };
            output::line(&format!(
                "ok: {} policies{in_shadow}, {} models, bundle {}",
                snapshot.policy.n_policies(),
                snapshot.routes.len(),
                snapshot.digest
            ));
            Exit::Ok
        }
        Err(problems) => {
            if cli.json {
                output::line(&json!({"ok": false, "problems": problems}).to_string());
            } else {
                problems.iter().for_each(|problem| output::note(problem));
                output::note(&format!("{} problem(s)", problems.len()));
            }
            Exit::Invalid
        }
    }
}

/// What the files of `quickstart` need besides the process's environment: the sample upstream has an address only while it runs.
pub(crate) fn offline() -> BTreeMap<String, String> {
    let name = "PORTCULLIS_SAMPLE_URL";
    let is_set = std::env::var_os(name).is_some();
    if is_set { BTreeMap::new() } else { BTreeMap::from([(name.to_owned(), "http://127.0.0.1:9".to_owned())]) }
}

async fn apply(cli: &Cli, data: &Path, dry_run: bool, allow_removal: bool, bundle: Option<&str>) -> anyhow::Result<Exit> {
    let spec = json!({"dry_run": dry_run, "allow_removal": allow_removal, "bundle": bundle});
    let answer = ask(data, "/admin/v1/apply", &spec).await?;
    Ok(show(cli, answer, |value| {
        let mut lines: Vec<String> =
            strings(value, "warnings").into_iter().map(|warning| format!("warning: {warning}")).collect();
        let changes = strings(value, "changes");
        lines.extend(changes.iter().map(|change| format!("  {change}")));
        let digest = value.get("digest").and_then(Value::as_str).unwrap_or("");
        lines.push(match (dry_run, changes.is_empty()) {
            (true, true) => format!("nothing would change: {digest}"),
            (true, false) => format!("would apply {digest}"),
            (false, _) => format!("applied {digest}"),
        });
        lines.join("\n")
    }))
}

async fn keys(cli: &Cli, data: &Path, key: &Key) -> anyhow::Result<Exit> {
    let wrong = |message: String| anyhow::anyhow!(message);
    let secret = |value: &Value| {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        format!("{}\n\n  id {}; shown once, hand it to its holder", text("secret"), text("id"))
    };
    match key {
        Key::Create { principal, on_behalf_of, expires } => {
            let mut spec = json!({"principal": principal, "expires_in": seconds(expires).map_err(wrong)?});
            if let (Some(fields), Some(user)) = (spec.as_object_mut(), on_behalf_of) {
                fields.insert("on_behalf_of".to_owned(), json!(user));
            }
            let answer = ask(data, "/admin/v1/keys", &spec).await?;
            Ok(show(cli, answer, secret))
        }
        Key::List => {
            let answer = admin_client::call(data, Method::GET, "/admin/v1/keys", None).await?;
            Ok(show(cli, answer, |value| output::table(value.get("keys"), &["id", "state", "holder", "created", "expires"])))
        }
        Key::Rotate { id, overlap } => {
            let answer =
                ask(data, "/admin/v1/keys/rotate", &json!({"id": id, "overlap": seconds(overlap).map_err(wrong)?})).await?;
            Ok(show(cli, answer, secret))
        }
        Key::RotateTokens => {
            let answer = ask(data, "/admin/v1/tokens/rotate", &json!({})).await?;
            Ok(show(cli, answer, |value| format!("{} signs from now on", value.get("id").and_then(Value::as_str).unwrap_or(""))))
        }
        Key::Expire { id, within } => {
            let answer =
                ask(data, "/admin/v1/keys/expire", &json!({"id": id, "in_seconds": seconds(within).map_err(wrong)?})).await?;
            Ok(show(cli, answer, |_| format!("{id} expires in {within}")))
        }
    }
}

async fn lock(cli: &Cli, data: &Path, target: &str, kind: &str) -> anyhow::Result<Exit> {
    let answer = ask(data, "/admin/v1/locks", &json!({"target": target, "kind": kind})).await?;
    Ok(show(cli, answer, |value| {
        let is = |key: &str| value.get(key).and_then(Value::as_bool).unwrap_or(false);
        let mut text = format!("{kind} {target}: in force");
        if !is("recorded") {
            text.push_str(", not recorded yet: the log cannot be written now");
        }
        if !is("known") {
            text.push_str("\nwarning: nothing of this name is declared; check the spelling");
        }
        text
    }))
}

async fn explain(cli: &Cli, data: &Path, request: &str) -> anyhow::Result<Exit> {
    let answer = admin_client::call(data, Method::GET, &format!("/admin/v1/explain/{request}"), None).await?;
    let is_deny = matches!(&answer, AdminAnswer::Done(value) if value.get("verdict").and_then(Value::as_str) == Some("deny"));
    let exit = show(cli, answer, |value| format!("{request}\n{}", strings(value, "lines").join("\n")));
    Ok(if exit == Exit::Ok && is_deny { Exit::Deny } else { exit })
}

async fn flow(cli: &Cli, data: &Path, task: &str, form: graph::Form) -> anyhow::Result<Exit> {
    if model::Name::new(task).is_err() {
        anyhow::bail!("`{}` is no task and no credential: `portcullis explain` and `audit query` show them", visible(task));
    }
    let answer = admin_client::call(data, Method::GET, &format!("/admin/v1/flow/{task}"), None).await?;
    Ok(show(cli, answer, |value| match serde_json::from_value::<graph::Graph>(value.clone()) {
        Ok(graph) => match form {
            graph::Form::Text => graph::text(&graph),
            graph::Form::Dot => graph::dot(&graph),
            graph::Form::Svg => graph::svg(&graph),
        },
        Err(_) => "the gate's answer cannot be read: is it of another version?".to_owned(),
    }))
}

async fn audit_command(cli: &Cli, data: &Path, command: &Audit) -> anyhow::Result<Exit> {
    match command {
        Audit::Verify if cli.json => output::line(&audit::verify(data)?.to_string()),
        Audit::Verify => output::line(&format!("verified: {}", audit::verify_text(data)?)),
        Audit::Query { request, principal, verdict, reason, since, limit } => {
            let since = since.as_deref().map(seconds).transpose().map_err(|message| anyhow::anyhow!(message))?;
            let since = since.map(|seconds| now().0.saturating_sub(seconds.saturating_mul(1000)));
            let query = json!({"request": request, "principal": principal, "verdict": verdict, "reason": reason, "since": since, "limit": limit});
            let answer = ask(data, "/admin/v1/query", &query).await?;
            let columns =
                ["index", "at", "kind", "request", "principal", "action", "resource", "verdict", "reason", "result", "count"];
            return Ok(show(cli, answer, |value| output::table(value.get("rows"), &columns)));
        }
        Audit::Erase { subject, dry_run, confirm } => return erase(cli, data, subject, *dry_run, confirm.as_deref()).await,
        Audit::Prove { request } => {
            for (_, proof) in audit::prove(data, request)? {
                output::line(&proof);
            }
        }
    }
    Ok(Exit::Ok)
}

async fn erase(cli: &Cli, data: &Path, subject: &str, dry_run: bool, confirm: Option<&str>) -> anyhow::Result<Exit> {
    if confirm.is_some_and(|confirm| confirm != subject) {
        output::note(&format!("`--confirm` names another subject than `{subject}`: nothing was erased"));
        return Ok(Exit::Invalid);
    }
    let answer = ask(data, "/admin/v1/erase", &json!({"subject": subject, "dry_run": dry_run})).await?;
    Ok(show(cli, answer, |value| {
        let keys = value.get("keys").and_then(Value::as_u64).unwrap_or(0);
        match dry_run {
            true => format!("{keys} keys of {subject} would be destroyed; to do it: --confirm {subject}"),
            false => format!(
                "{keys} keys of {subject} were destroyed, on record. Archives that hold keys can still open what was in them: delete those."
            ),
        }
    }))
}

/// What was recorded here, or what was recorded elsewhere.
fn replayed(cli: &Cli, data: &Path, options: &Replay) -> anyhow::Result<Exit> {
    match (&options.config, options.what.as_slice()) {
        (Some(folder), files) => Ok(crate::traces::replay(cli, folder, files)),
        (None, []) => replay(cli, data, None),
        (None, [request]) => replay(cli, data, Some(request)),
        (None, [..]) => {
            output::note("without --config one request at most: portcullis replay req_…");
            Ok(Exit::Invalid)
        }
    }
}

fn replay(cli: &Cli, data: &Path, request: Option<&str>) -> anyhow::Result<Exit> {
    let replayed = audit::replay(data, request)?;
    let audit::Replayed { equal, different, erased, undecided, decisions } = &replayed;
    if cli.json {
        output::line(
            &json!({"equal": equal, "different": different, "erased": erased, "undecided": undecided, "decisions": decisions})
                .to_string(),
        );
    } else {
        different.iter().for_each(|line| output::line(line));
        output::line(&format!(
            "decided again: {equal} equal, {} different, {undecided} refused before a decision, {erased} not re-evaluable: erased",
            different.len()
        ));
    }
    Ok(if different.is_empty() { Exit::Ok } else { Exit::Failure })
}

fn retained(value: &Value, dry_run: bool) -> String {
    let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
    if value.get("content_days").is_none_or(Value::is_null) {
        return format!(
            "content is kept until its subject is erased: portcullis.yaml sets no `retention` ({} keys)",
            number("keys")
        );
    }
    let mut text = match number("n_aged") {
        0 => String::new(),
        _ => format!("{}\n", output::table(value.get("aged"), &["key", "subject", "through"])),
    };
    let (days, aged, keys) = (number("content_days"), number("n_aged"), number("keys"));
    let what = if dry_run { format!("{aged} would be erased") } else { format!("{} were erased", number("erased")) };
    text.push_str(&format!("content is kept for {days} days: of {keys} keys {what}; headers and proofs stay"));
    text
}

pub(crate) async fn ask(data: &Path, path: &str, body: &Value) -> anyhow::Result<AdminAnswer> {
    admin_client::call(data, Method::POST, path, Some(body)).await.context("the running gate could not be asked")
}

/// Prints an answer: JSON as it is, text as `text` makes it.
pub(crate) fn show(cli: &Cli, answer: AdminAnswer, text: impl Fn(&Value) -> String) -> Exit {
    match answer {
        AdminAnswer::Done(value) => {
            output::line(&if cli.json { value.to_string() } else { text(&value) });
            Exit::Ok
        }
        AdminAnswer::Refused { code, message } => {
            if cli.json {
                output::line(&json!({"error": {"code": code, "message": message}}).to_string());
            } else {
                output::note(&format!("refused ({code}): {message}"));
            }
            Exit::Invalid
        }
    }
}

fn strings(value: &Value, key: &str) -> Vec<String> {
    let items = value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}
