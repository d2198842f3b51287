//! The command line. Exit codes: 0 ok or allow, 1 failure, 2 deny, 3 invalid input.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::connect::Connect;
use crate::credential::Credential;
use crate::exec::Exec;
use crate::tools::Tools;

/// One gate in front of everything an AI system touches: it verifies every interaction, enforces the answer, and keeps proof.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, max_term_width = 110, after_help = "Start with: portcullis quickstart")]
pub(crate) struct Cli {
    /// The data folder: keys, log, configuration.
    #[arg(long, global = true, env = "PORTCULLIS_DATA", default_value = "portcullis-data", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print JSON instead of text for people.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// `replay`.
#[derive(Debug, Args)]
#[command(after_help = "Without --config: the calls in the data folder's log, each against the bundle that was in force.\n\
With --config: conversations, one a line, in the shape of OpenAI chat completions:\n  \
{\"id\": …, \"agent\": …, \"user\": …, \"task\": {\"tools\": […]}, \"messages\": […]}\n\
One verdict per call that a model asks for, one a line:\n  \
{\"id\": …, \"call\": 0, \"tool\": …, \"verdict\": \"permit\"|\"deny\"|\"challenge\", \"reason\": …, \"because\": […], \"origins\": […]}")]
pub(crate) struct Replay {
    /// A request (req_…); with --config files of conversations, `-` for standard input.
    #[arg(value_name = "REQUEST|FILE")]
    pub(crate) what: Vec<String>,
    /// A folder with portcullis.yaml and policies: what would it say of conversations that were recorded elsewhere? Needs no gate.
    #[arg(long, value_name = "DIR")]
    pub(crate) config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a sample organisation, start the gate, take a tour against it, and stay up.
    Quickstart(Quickstart),
    /// Make an empty, production-shaped data folder and show the first operator's credential once.
    Init(Init),
    /// Start the gate.
    Run,
    /// Check portcullis.yaml and the policies without a running gate.
    Check,
    /// Put portcullis.yaml and the policies in force at the running gate: all or nothing.
    Apply {
        /// Only say what would change.
        #[arg(long)]
        dry_run: bool,
        /// Go on although forbids are lost by it.
        #[arg(long)]
        allow_removal: bool,
    },
    /// Put parties, models' groups and policies back in force as they were before; files on disk stay as they are.
    Rollback {
        /// The digest of a bundle, or at least eight digits of it. Default: the one before that in force.
        #[arg(value_name = "DIGEST")]
        bundle: Option<String>,
        /// Only say what would change.
        #[arg(long)]
        dry_run: bool,
        /// Go on although forbids are lost by it.
        #[arg(long)]
        allow_removal: bool,
    },
    /// List what was put in force, newest first.
    Bundles,
    /// Credentials.
    #[command(subcommand)]
    Key(Key),
    /// Credentials for upstreams that are a user's or an agent's own.
    #[command(subcommand)]
    Credential(Credential),
    /// Stop something for good.
    Revoke {
        /// credential:ID, user:NAME, agent:NAME, service:NAME, operator:NAME, model:NAME, server:NAME, tool:SERVER/NAME or all.
        target: String,
    },
    /// Stop something until `unlock`; running streams are cut at once.
    Kill {
        /// credential:ID, user:NAME, agent:NAME, service:NAME, operator:NAME, model:NAME, server:NAME, tool:SERVER/NAME or all.
        target: String,
    },
    /// Take a `kill` back.
    Unlock {
        /// What was killed.
        target: String,
    },
    /// What waits for an operator's approval: look at it, approve, refuse.
    #[command(subcommand)]
    Approvals(Approvals),
    /// Say why a request was answered as it was: policy file and line, facts read, and the smallest change that would flip it.
    Explain {
        /// The request id: req_…
        request: String,
    },
    /// Show where the values of a task's calls of tools came from: sources, values, calls. Shows no value.
    Flow {
        /// The task of a task token, or a credential: `explain` shows both.
        task: String,
        /// How to show it.
        #[arg(long, value_enum, default_value = "text")]
        format: crate::graph::Form,
    },
    /// The log.
    #[command(subcommand)]
    Audit(Audit),
    /// Decide every recorded call again, from the data folder alone, and compare; or decide the calls of recorded conversations.
    Replay(Replay),
    /// Look for secrets and personal data in files, folders, standard input or JSON Lines. Needs no gate.
    Scan(Scan),
    /// Write the data folder into one file, while the gate runs or not.
    Backup(Backup),
    /// Make a data folder from such a file, after verifying all of it.
    Restore(Restore),
    /// Erase content that is older than `retention` in portcullis.yaml allows. The gate does so by itself every hour.
    Retention {
        /// Only say what would be erased.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show what was used, what it cost, and what is left of budgets.
    Usage {
        /// Add up by this.
        #[arg(long, value_enum, default_value_t = By::User)]
        by: By,
        /// Calls since: 30m, 12h, 7d. Default: everything in the log.
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
    },
    /// Policies: test them, see what they would change, ask them. Needs no running gate.
    #[command(subcommand)]
    Policy(Policy),
    /// Tool servers: what is approved of them, what they say now, bringing that in, and ending a quarantine.
    #[command(subcommand)]
    Tools(Tools),
    /// Print, or write, what a client (Claude Code, Cursor, VS Code, Codex, Python) needs to reach the gate. Needs no running gate.
    Connect(Connect),
    /// Run a program, such as a tool server over stdio, so that it reaches only what a profile names.
    Exec(Exec),
    /// Show the state of the running gate.
    Status,
    /// Exit with 0 if the gate that runs on the data folder can serve; for health checks.
    Health,
    /// Look for what is to be mended: configuration, permissions, credential files, log, space, clock, upstreams, drift.
    Doctor(Doctor),
    /// Make a configuration from that of another gateway.
    #[command(subcommand)]
    Import(Import),
    /// Print a completion script.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write manual pages, one per command.
    Man {
        /// A folder; existing pages in it are replaced.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Print the JSON Schema of portcullis.yaml.
    Schema,
}

/// Requests for approval.
#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    /// List what waits.
    List {
        /// Also what is over.
        #[arg(long)]
        all: bool,
    },
    /// Show one in full: who, what exactly, which policies ask for it.
    Show {
        /// The request: arq_…
        id: String,
    },
    /// Show one in full, ask, and approve exactly what was shown. Not for whoever acts in it.
    Approve {
        /// The request: arq_…
        id: String,
        /// Only this of several things, counted from 1.
        #[arg(long, value_name = "NUMBER")]
        item: Option<u8>,
        /// Do not ask: it was looked at before.
        #[arg(long)]
        yes: bool,
    },
    /// Refuse one, or take an approval back; in force at once.
    Refuse {
        /// The request: arq_…
        id: String,
        /// Only this of several things, counted from 1.
        #[arg(long, value_name = "NUMBER")]
        item: Option<u8>,
    },
}

/// Packs of policies.
#[derive(Debug, Subcommand)]
pub(crate) enum Pack {
    /// List the packs, their files, and what each policy is for.
    List,
    /// Print the policies of a pack, with what each protects from and what it costs.
    Show {
        /// The pack, such as `baseline`.
        name: String,
    },
    /// Write the files of a pack into policies/; a file that is there stays as it is.
    Add {
        /// The pack, such as `baseline`.
        name: String,
        /// Only this file of it, such as `lethal-trifecta`; may be given several times.
        #[arg(long, value_name = "FILE")]
        only: Vec<String>,
    },
}

/// How `usage` adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// The party on whose behalf calls were made.
    User,
    /// The last agent of each call.
    Agent,
    /// The model.
    Model,
    /// The task: a credential over its rotations, or every task token of an agent for a subject.
    Task,
}

/// Options of `quickstart`.
#[derive(Debug, Args)]
pub(crate) struct Quickstart {
    /// Port of the data plane; the admin API takes the next one. 0 takes free ports.
    #[arg(long, default_value_t = 7700)]
    pub(crate) port: u16,
    /// Do not take the tour.
    #[arg(long)]
    pub(crate) no_tour: bool,
    /// Use this upstream (it has to speak the OpenAI or Anthropic API). Default: the provider whose key is in
    /// `OPENAI_API_KEY` or `ANTHROPIC_API_KEY`, else a built-in sample.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,
    /// The model's name at the upstream.
    #[arg(long, value_name = "NAME")]
    pub(crate) upstream_model: Option<String>,
    /// Leave when the tour is over instead of staying up.
    #[arg(long, conflicts_with = "no_tour")]
    pub(crate) once: bool,
}

/// Options of `init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Name of the first operator.
    #[arg(long, default_value = "root")]
    pub(crate) operator: String,
}

/// Options of `scan`.
#[derive(Debug, Args)]
#[command(
    after_help = "JSON Lines in:   {\"id\": 1, \"text\": \"…\", \"kind\": \"user\" | \"tool_output\" | \"document\"}   (other members are ignored)
JSON Lines out:  {\"id\", \"flagged\", \"injection\": {\"score\", \"windows\": [{\"start\", \"end\", \"score\"}]}, \"findings\": [{\"kind\", \"type\", \"start\", \"end\", \"confidence\"}]}
Offsets count Unicode code points. A text is flagged for a finding, or for an injection score of its kind's threshold or more
(docs/MODEL_INJECTION.md); files are documents, and so are rows without a kind.

Exit codes: 0 nothing found, 1 something could not be read, 2 something was found, 3 a line was invalid."
)]
pub(crate) struct Scan {
    /// Files and folders; `-` or nothing is standard input.
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// How to tell what was found. With `jsonl`, input that begins with `{` is read as JSON Lines, as `*.jsonl` always is.
    #[arg(long, value_enum, default_value_t = ScanFormat::Text)]
    pub(crate) format: ScanFormat,
    /// A file with rules of your own, in the TOML format of gitleaks, as under `inspection.rule_files`; can be given again.
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Vec<PathBuf>,
    /// Show findings whole instead of their first characters.
    #[arg(long)]
    pub(crate) show: bool,
}

/// Commands about policies.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Decide the cases that stand in tables beside the policies, and compare with the golden matrix if there is one.
    #[command(after_help = "A table of cases, in policies/*.cases.md:

| who | does | to | given | expect | because |
|--|--|--|--|--|--|
| user:ada | callModel | Model:small | | permit | everyone |
| user:ada → agent:desk | callModel | Model:small | stream=true | deny | no-streams |

docs/POLICIES.md says what may stand in the columns.

Exit codes: 0 all as expected, 1 something was decided otherwise, 3 a table or a policy is invalid.")]
    Test {
        /// Files of cases. Default: policies/*.cases.md and policies/matrix.golden in the data folder.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Print what every declared party may call, on its own and through each agent.
    Matrix {
        /// Write it to policies/matrix.golden, which `policy test` compares with.
        #[arg(long)]
        write: bool,
    },
    /// Decide a call that nobody has made, say why, and what would have to be otherwise.
    #[command(after_help = "Exit codes: 0 permit or challenge, 2 deny, 3 invalid input.")]
    Explain {
        /// The chain: user:NAME, or user:NAME → agent:NAME.
        #[arg(long)]
        who: String,
        /// The action.
        #[arg(long, default_value = "callModel")]
        does: String,
        /// The resource: Model:NAME, Tool:SERVER/TOOL, HostedTool:ID, Destination:HOST, KIND:ID of `access.resources`.
        #[arg(long)]
        to: String,
        /// Facts: fact=value; fact=value.
        #[arg(long, default_value = "")]
        given: String,
    },
    /// List what somebody could be allowed to call at all, with whatever arguments and under whatever circumstances.
    #[command(
        after_help = "could: some call is allowed. never: no call is. unknown: not found out; the call decides.\nExit codes: 0 listed, 3 invalid input."
    )]
    List {
        /// The chain: user:NAME, or user:NAME → agent:NAME.
        #[arg(long)]
        who: String,
    },
    /// Decide every recorded call again, and show which decisions would be others: with the policies on disk instead of those of
    /// the day, or with those of NEW instead of OLD.
    #[command(
        after_help = "OLD and NEW: a folder with portcullis.yaml and policies, a bundle's file, or at least eight digits of a \
                            bundle that `portcullis bundles` shows.\n\nExit codes: 0 none would change, 1 some would, 3 invalid \
                            input."
    )]
    Diff {
        /// What to compare with. Default: the decisions as they were taken.
        #[arg(value_name = "OLD")]
        old: Option<String>,
        /// What to compare. Default: the data folder.
        #[arg(value_name = "NEW", conflicts_with = "to")]
        new: Option<String>,
        /// A folder with another portcullis.yaml and other policies. Default: the data folder.
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Only calls since: 30m, 12h, 7d.
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Show instead what enforcing shadow policies would change: each alone and all together, or the one of this id.
        #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "", conflicts_with = "old")]
        enforce_shadow: Option<String>,
    },
    /// Prove claims for every request that there can be, by an SMT solver: that no policy ever errs, and the invariants of
    /// invariants/*.cedar.
    Prove(Prove),
    /// Policies to begin with: show them, or write them into the folder.
    #[command(subcommand)]
    Pack(Pack),
    /// Bring policies into Cedar's form; comments stay.
    Fmt {
        /// Files. Default: policies/*.cedar in the data folder.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Change nothing; exit with 1 if a file has another form.
        #[arg(long)]
        check: bool,
    },
}

/// Options of `policy prove`.
#[derive(Debug, Args)]
#[command(
    after_help = "An invariant is a policy: what a forbid speaks of may never be allowed, what a permit speaks of always is,
whatever the policies say. A claim that does not hold is shown with a request and entities against it.

The solver is cvc5 1.3.1 or newer as an executable; or the Python package cvc5 with packaging/solver/cvc5-repl.py.
Without a solver nothing is proved, and this says so.

Exit codes: 0 all is proved, 1 a claim was refuted or could not be proved, 3 invalid input."
)]
pub(crate) struct Prove {
    /// The solver's program. Default: $CVC5, else cvc5.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) solver: Option<String>,
    /// Prove instead that nothing is allowed that the policies of this folder do not allow.
    #[arg(long, value_name = "DIR")]
    pub(crate) against: Option<PathBuf>,
    /// And that all is allowed that they allow.
    #[arg(long, requires = "against")]
    pub(crate) equal: bool,
    /// Longest time for one question, in seconds.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(crate) timeout: u64,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 nothing to mend, 1 something to mend.")]
pub(crate) struct Doctor {
    /// Do not read the whole log.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Do not connect to upstreams.
    #[arg(long)]
    pub(crate) offline: bool,
}

/// Sources of `import`.
#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// From the `config.yaml` of a LiteLLM proxy. What has no counterpart is named line by line; secrets are never copied.
    #[command(after_help = "Without `--write` the configuration goes to standard output; the report goes to standard error.

Exit codes: 0 done, 3 the file cannot be read or holds no model that can be served.")]
    Litellm {
        /// The LiteLLM configuration.
        file: PathBuf,
        /// Write portcullis.yaml and policies into this folder; existing files are never overwritten.
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
}

/// Options of `backup`.
#[derive(Debug, Args)]
#[command(
    after_help = "Holds the log (entries, encrypted content, tiles, checkpoint), the configuration and its policies, and every bundle.
Not the keys, unless asked for: without them nobody can read content or sign, so keep them where you keep keys.
Not what `{file: …}` names in portcullis.yaml, and no credential: those are yours to keep."
)]
pub(crate) struct Backup {
    /// A file that does not exist yet, or a folder that gets one named after the time.
    #[arg(value_name = "FILE|DIR")]
    pub(crate) target: PathBuf,
    /// Take the keys along, encrypted under the passphrase in `--passphrase-file` or `PORTCULLIS_BACKUP_PASSPHRASE`.
    #[arg(long)]
    pub(crate) with_keys: bool,
    /// A file (0600) with the passphrase: at least 12 characters.
    #[arg(long, value_name = "FILE", requires = "with_keys")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// Options of `restore`.
#[derive(Debug, Args)]
#[command(
    after_help = "The folder is `--data`; it must not exist, or be empty. Digests, signatures, the whole tree and every content are
verified beside it before it is put in place: there is a sound folder afterwards, or none.

What was locked, revoked, erased or rotated after the backup is not in it: do it again before the gate starts."
)]
pub(crate) struct Restore {
    /// What `backup` has written.
    pub(crate) file: PathBuf,
    /// A file (0600) with the passphrase of the keys; else `PORTCULLIS_BACKUP_PASSPHRASE`.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Leave the keys in the archive alone.
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) without_keys: bool,
    /// Take the key files in this folder.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["passphrase_file", "without_keys"])]
    pub(crate) keys: Option<PathBuf>,
    /// The log's public key as you have kept it (`log/verifier`): refuses an archive of another log.
    #[arg(long, value_name = "KEY")]
    pub(crate) verifier: Option<String>,
    /// Verify all of it, and put nothing in place.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// How `scan` tells what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ScanFormat {
    /// A line per finding, for people.
    Text,
    /// A JSON object per text.
    Jsonl,
}

/// Commands on credentials.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a credential; it is shown once.
    Create {
        /// user:NAME, agent:NAME, service:NAME, pep:NAME (an enforcement point) or operator:NAME, as declared in portcullis.yaml.
        principal: String,
        /// For an agent or service: the user on whose behalf this key always acts.
        #[arg(long, value_name = "USER")]
        on_behalf_of: Option<String>,
        /// When it ends: 30m, 12h, 90d.
        #[arg(long, value_name = "TIME", default_value = "90d")]
        expires: String,
    },
    /// List credentials: id, holder, age, expiry. Never a secret.
    List,
    /// Make a successor that keeps the ledger.
    Rotate {
        /// The credential's id.
        id: String,
        /// How long the old one stays valid: 0s, 1h, 7d.
        #[arg(long, value_name = "TIME", default_value = "1h")]
        overlap: String,
    },
    /// Make a new key that signs task tokens. Tokens of the one before stay valid; those of the one before that end.
    RotateTokens,
    /// End a credential.
    Expire {
        /// The credential's id.
        id: String,
        /// When: 0s is now.
        #[arg(long = "in", value_name = "TIME", default_value = "0s")]
        within: String,
    },
}

/// Commands on the log.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Verify every entry, tile, checkpoint and commitment of the data folder; works with or without a running gate.
    Verify,
    /// Search the log's headers.
    Query {
        /// One request.
        #[arg(long)]
        request: Option<String>,
        /// A principal anywhere in the chain.
        #[arg(long)]
        principal: Option<String>,
        /// permit, challenge or deny.
        #[arg(long)]
        verdict: Option<String>,
        /// A reason code.
        #[arg(long)]
        reason: Option<String>,
        /// Not older than: 30m, 12h, 7d.
        #[arg(long)]
        since: Option<String>,
        /// Most rows.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Destroy the keys of everything that was recorded of a subject, for good: what its calls said can be read no more, in no
    /// copy of the log. Headers, hashes and proofs stay.
    Erase {
        /// user:NAME, agent:NAME, service:NAME or node: the head of the chain, as the log names it.
        subject: String,
        /// Say what would be erased, and erase nothing.
        #[arg(long)]
        dry_run: bool,
        /// The subject once more: there is no way back.
        #[arg(long, value_name = "SUBJECT", required_unless_present = "dry_run")]
        confirm: Option<String>,
    },
    /// Write an inclusion proof for a request's entries (C2SP tlog-proof), to be verified without the gate.
    Prove {
        /// The request id: req_…
        request: String,
    },
}

/// Reads a length of time such as `90d`; seconds.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a length of time: expected a number and s, m, h or d, like `90d`");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: u64 = text.strip_suffix(unit).and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{Cli, seconds};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lengths_of_time() {
        let facts = [("0s", Some(0)), ("30m", Some(1800)), ("12h", Some(43_200)), ("90d", Some(7_776_000))];
        for (text, expected) in facts {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
        for text in ["", "d", "1", "-1d", "1w", "1.5h", "99999999999999999999d", "１d"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
