//! The command line of `portcullis tools`.

use std::path::PathBuf;

use clap::Subcommand;

/// Commands on tool servers.
#[derive(Debug, Subcommand)]
pub(crate) enum Tools {
    /// List every declared tool: effects, whether it is withdrawn, the digest of its definition, and what to look at in it.
    #[command(after_help = "Exit codes: 0 listed, 3 invalid input.")]
    List,
    /// Print a section for portcullis.yaml from what a server answers to `tools/list`: to be read and mended, not an approval.
    #[command(after_help = "Effects are guessed from names; what the server says of itself only ever adds to them.

Exit codes: 0 printed, 3 invalid input.")]
    Propose {
        /// What the server answers to `tools/list`: the result or the whole JSON-RPC answer. Or a request to a model: the functions
        /// that it offers, for a section with `runs: client`. `-` is standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The server's name in portcullis.yaml: letters, digits and `_`.
        #[arg(long, value_name = "NAME")]
        server: String,
    },
    /// Show what a server says now that is otherwise than approved: new, gone and changed tools, member by member.
    #[command(
        after_help = "Hidden and control characters are written out. Long values are cut, with a mark; --json has them whole.

Exit codes: 0 all that is approved is as it was, 1 something of it changed or is gone, 3 invalid input."
    )]
    Diff {
        /// What the server answers to `tools/list`: the result or the whole JSON-RPC answer; `-` is standard input. Without it the
        /// running gate asks the server.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// The server's name in portcullis.yaml.
        #[arg(long, value_name = "NAME")]
        server: String,
    },
    /// Show what an agent's card says now that is otherwise than approved, member by member, and whether it is signed.
    #[command(
        after_help = "Hidden and control characters are written out. Long values are cut, with a mark; --json has them whole.

Exit codes: 0 as approved, 1 changed or not signed by a key of `card_keys`, 3 invalid input."
    )]
    Card {
        /// What the agent publishes at `/.well-known/agent-card.json`; `-` is standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The agent's name in portcullis.yaml.
        #[arg(long, value_name = "NAME")]
        agent: String,
    },
    /// Show what changed, ask, and write the new definitions of declared tools into the server's file of definitions.
    #[command(
        after_help = "The file as it was stays beside it, with the ending `.before`. Nothing is put in force: that is `portcullis apply`.

Exit codes: 0 written, or nothing to write; 1 not written; 3 invalid input."
    )]
    Approve {
        /// What the server answers to `tools/list`: the result or the whole JSON-RPC answer; `-` is standard input. Without it the
        /// running gate asks the server.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// The server's name in portcullis.yaml.
        #[arg(long, value_name = "NAME")]
        server: String,
        /// Do not ask: it was looked at before.
        #[arg(long)]
        yes: bool,
    },
    /// End the quarantine of a tool without approving what its server says: it is called by what was approved before.
    #[command(
        after_help = "What the server says now may go on to stand there; anything else is quarantined again. To approve what it says,
use `portcullis tools approve`, then check and apply: that ends the quarantine by itself.

Exit codes: 0 released, 3 refused."
    )]
    Release {
        /// SERVER/NAME.
        #[arg(value_name = "TOOL")]
        tool: String,
        /// Why, for the log: at most 200 characters.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Propose, from approved definitions, what you say of tools: effects, what arguments decide (`sinks`), how far results can be trusted.
    #[command(
        after_help = "For review: everything is guessed from names, types, formats, descriptions and what servers say of themselves (hints are
suggestions), and each line says from which. Nothing is put into portcullis.yaml.

Exit codes: 0 printed or written, 1 not written, 3 invalid input."
    )]
    Annotate {
        /// One server's name in portcullis.yaml. Default: all of them.
        #[arg(long, value_name = "NAME")]
        server: Option<String>,
        /// Write it into this file, which must not be there yet.
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
    },
}
