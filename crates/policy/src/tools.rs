//! Tools in Cedar: each pinned definition is an action of its server's namespace with typed arguments in `context.input`.
//!
//! A tool `create_issue` of the server `github` is the action `github::Action::"create_issue"` on the resource
//! `Portcullis::Tool::"github/create_issue"`, in the group `Portcullis::Action::"callTool"` and one group per effect. What is
//! wrong with one server disables that server alone: its tools are denied, and the policies that name it wait unvalidated.

mod argument;
pub(crate) mod edit;
#[cfg(test)]
#[path = "tools/tests/generated.rs"]
mod generated;
mod shape;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{Context, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema};
use model::{Name, Registry, ToolServer};
use serde_json::{Map, Value};
use text::{Document, JsonError, Kind, Limits};

use crate::context;
use crate::entities::strings;
use crate::vocabulary::{SCHEMA, action_group};
use argument::Arguments;
pub use shape::Unmodelled;
pub(crate) use shape::{Record, Shape};

/// Longest schema of one tool's arguments, in bytes.
const MAX_SCHEMA: usize = 64 << 10;
/// Most tools of all servers.
const MAX_TOOLS: usize = 5_000;
/// Longest arguments of one call, in bytes.
const MAX_ARGUMENTS: usize = 1 << 20;
/// Words that cannot name a namespace: Cedar's own, and ours.
const RESERVED: [&str; 15] = [
    "if",
    "then",
    "else",
    "true",
    "false",
    "in",
    "is",
    "like",
    "has",
    "principal",
    "action",
    "resource",
    "context",
    "Portcullis",
    "Access",
];

/// What was found in the definition of a tool server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ToolReport {
    /// The server is disabled: why.
    Disabled {
        /// The server.
        server: Name,
        /// Why, one line, with the tool where one is to blame.
        why: String,
    },
    /// An argument that policies cannot see.
    Unmodelled {
        /// The tool, `server/tool`.
        tool: String,
        /// Where in its schema, and why.
        argument: Unmodelled,
    },
}

impl std::fmt::Display for ToolReport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Disabled { server, why } => write!(formatter, "tool server `{server}` is disabled: {why}"),
            Self::Unmodelled { tool, argument } => {
                write!(formatter, "tool `{}`: {argument}: policies cannot see it", tool.escape_debug())
            }
        }
    }
}

/// The tools of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    declared: HashMap<String, Declared>,
    /// The schema that they stand in, with all of them; `None` where there are no tools.
    pub(crate) schema: Option<Schema>,
    pub(crate) reports: Vec<ToolReport>,
}

#[derive(Debug)]
struct Declared {
    action: EntityUid,
    arguments: Record,
    is_withdrawn: bool,
}

/// One call of a tool, as policies see it.
#[derive(Debug)]
pub(crate) struct ToolCall {
    pub(crate) action: EntityUid,
    pub(crate) context: Context,
}

impl Tools {
    /// Compiles the definitions, to stand beside what `base` has: the gate's own schema, and operators' words. Total: a server that
    /// does not compile is disabled, and told.
    pub(crate) fn new(registry: &Registry, base: &str) -> Self {
        let mut tools = Self::default();
        if registry.tool_servers.is_empty() {
            return tools;
        }
        let mut text = base.to_owned();
        for (name, server) in &registry.tool_servers {
            match compile(name, server, tools.declared.len()) {
                Ok(compiled) => {
                    text.push_str(&compiled.text);
                    tools.declared.extend(compiled.tools);
                    tools.reports.extend(compiled.reports);
                }
                Err(why) => tools.reports.push(ToolReport::Disabled { server: name.clone(), why }),
            }
        }
        match Schema::from_cedarschema_str(&text) {
            Ok((schema, _)) => tools.schema = Some(schema),
            // Each was checked alone, so this is two that do not go together: then none of them goes.
            Err(error) => {
                let why = format!("the definitions do not go together: {error}");
                let disabled = |server: &Name| ToolReport::Disabled { server: server.clone(), why: why.clone() };
                tools.reports.extend(registry.tool_servers.keys().map(disabled));
                tools.declared.clear();
            }
        }
        tools.reports.sort();
        tools
    }

    /// The servers that are disabled.
    pub(crate) fn disabled(&self) -> impl Iterator<Item = &Name> {
        self.reports.iter().filter_map(|report| match report {
            ToolReport::Disabled { server, .. } => Some(server),
            ToolReport::Unmodelled { .. } => None,
        })
    }

    /// Every tool that is declared and was not withdrawn, in no order.
    pub(crate) fn offered(&self) -> impl Iterator<Item = &str> {
        self.declared.iter().filter(|(_, declared)| !declared.is_withdrawn).map(|(tool, _)| tool.as_str())
    }

    /// The arguments of a tool.
    pub(crate) fn record(&self, tool: &str) -> Option<&Record> {
        self.declared.get(tool).map(|declared| &declared.arguments)
    }

    /// The action of a tool.
    pub(crate) fn action(&self, tool: &str) -> Option<EntityUid> {
        self.declared.get(tool).map(|declared| declared.action.clone())
    }

    /// A call of `tool` with `arguments` (JSON text; none is no arguments), within the context that it shares with other asks.
    ///
    /// # Errors
    /// One line: a tool that nobody pinned, or that was withdrawn; arguments that are not of its types.
    pub(crate) fn call(&self, tool: &str, arguments: Option<&str>, context: &Context) -> Result<ToolCall, String> {
        let Some(declared) = self.declared.get(tool) else {
            return Err(format!("tool `{}` is not declared", tool.escape_debug()));
        };
        if declared.is_withdrawn {
            return Err(format!("tool `{}` was withdrawn", tool.escape_debug()));
        }
        let text = arguments.unwrap_or("{}");
        if text.len() > MAX_ARGUMENTS {
            return Err(format!("arguments have at most {MAX_ARGUMENTS} bytes"));
        }
        let values = object(text)?;
        let Arguments { input, unmodelled } = argument::read(&declared.arguments, &values)?;
        let unmodelled = strings(unmodelled.iter().map(String::as_str));
        let own: [(String, RestrictedExpression); 2] = [("input".to_owned(), input), ("unmodelled".to_owned(), unmodelled)];
        let context = context::with(context.clone(), &context::evaluated(own)?)?;
        Ok(ToolCall { action: declared.action.clone(), context })
    }
}

/// What policies see of the reading of a document: `input.uri`.
static DOCUMENT: LazyLock<Record> = LazyLock::new(|| {
    let uri = shape::Field { shape: Shape::Text, is_required: true };
    Record(BTreeMap::from([("uri".to_owned(), uri)]))
});

/// The arguments of the reading of a document.
pub(crate) fn document() -> &'static Record {
    &DOCUMENT
}

/// The reading of a document with `arguments` (JSON text), within the context that it shares with other asks.
///
/// # Errors
/// One line: they are not the one address.
pub(crate) fn read(arguments: Option<&str>, context: Context) -> Result<Context, String> {
    let values = object(arguments.unwrap_or("{}"))?;
    let Arguments { input, unmodelled } = argument::read(document(), &values)?;
    if !unmodelled.is_empty() {
        return Err("a document is read by its address alone".to_owned());
    }
    context::with(context, &context::evaluated([("input".to_owned(), input)])?)
}

/// What policies see of what is said to an agent, with what stands there where nothing is said: where another enforcement point asks.
static MESSAGE: LazyLock<(Record, Value)> = LazyLock::new(|| {
    let texts = || Shape::Set(Box::new(Shape::Text));
    let fields = [
        ("method", Shape::Text, Value::from("")),
        ("skill", Shape::Text, Value::from("")),
        ("parts", texts(), Value::Array(Vec::new())),
        ("hosts", texts(), Value::Array(Vec::new())),
        ("bytes", Shape::Long, Value::from(0)),
        ("isBlocking", Shape::Bool, Value::from(false)),
        ("isNew", Shape::Bool, Value::from(false)),
    ];
    let nothing = fields.iter().map(|(name, _, value)| ((*name).to_owned(), value.clone())).collect();
    let record = fields.into_iter().map(|(name, shape, _)| (name.to_owned(), shape::Field { shape, is_required: true }));
    (Record(record.collect()), Value::Object(nothing))
});

/// Something that is said to an agent, with what is known of it (JSON text; what is not there is as if nothing were said), within
/// the context that it shares with other asks.
///
/// # Errors
/// One line: it is not of its types, or has more than policies see.
pub(crate) fn said(arguments: Option<&str>, context: Context) -> Result<Context, String> {
    let (record, nothing) = &*MESSAGE;
    let mut values = object(arguments.unwrap_or("{}"))?;
    for (name, value) in nothing.as_object().into_iter().flatten() {
        values.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let Arguments { input, unmodelled } = argument::read(record, &values)?;
    if !unmodelled.is_empty() {
        return Err("something is told of a message that no policy can see".to_owned());
    }
    context::with(context, &context::evaluated([("input".to_owned(), input)])?)
}

/// Reads arguments as strictly as the gate reads requests: where two readers could see different values, there is none.
fn object(text: &str) -> Result<Map<String, Value>, String> {
    let document = Document::parse(text.as_bytes(), &Limits::default()).map_err(|error| match error {
        // Its name is the caller's.
        JsonError::DuplicateKey { .. } => "a name stands twice in the arguments".to_owned(),
        error => format!("the arguments cannot be read: {error}"),
    })?;
    match serde_json::from_str(&with_exact_numbers(text, &document)) {
        Ok(Value::Object(values)) => Ok(values),
        _ => Err("the arguments are no JSON object".to_owned()),
    }
}

/// What stands for a number that no reader is sure to take for what it is: too large for every type.
const INEXACT: &str = "1e300";

/// The text with each number as a double holds it exactly. Below, numbers are doubles: what would be rounded there is [`INEXACT`], and what is
/// whole (`10.0`, which JSON Schema takes for an integer; some models write every number so) has no decimals.
fn with_exact_numbers<'t>(text: &'t str, document: &Document<'_>) -> Cow<'t, str> {
    let mut exact = String::new();
    let mut end = 0;
    for node in document.nodes().filter(|node| document.kind(*node) == Kind::Number) {
        let (span, lexeme) = (document.span(node), document.lexeme(node));
        let form = exact_form(lexeme);
        if form != lexeme {
            exact.push_str(text.get(end..span.start).unwrap_or_default());
            exact.push_str(form);
            end = span.end;
        }
    }
    if end == 0 {
        return Cow::Borrowed(text);
    }
    exact.push_str(text.get(end..).unwrap_or_default());
    Cow::Owned(exact)
}

/// A number of at most eleven digits and four decimals is the shortest text of its double.
fn exact_form(lexeme: &str) -> &str {
    if lexeme.contains(['e', 'E']) {
        return INEXACT;
    }
    let Some((whole, decimals)) = lexeme.split_once('.') else { return lexeme };
    let n_digits = whole.trim_start_matches('-').len();
    match decimals.trim_end_matches('0').len() {
        0 if n_digits <= 18 => whole,
        1..=4 if n_digits <= 11 => lexeme,
        _ => INEXACT,
    }
}

struct Compiled {
    text: String,
    tools: HashMap<String, Declared>,
    reports: Vec<ToolReport>,
}

fn compile(name: &Name, server: &ToolServer, n_before: usize) -> Result<Compiled, String> {
    if !is_identifier(name.as_str()) {
        return Err("its name is no Cedar identifier: expected letters, digits and `_`, and none of Cedar's own words".to_owned());
    }
    if server.tools.len().saturating_add(n_before) > MAX_TOOLS {
        return Err(format!("there are more than {MAX_TOOLS} tools"));
    }
    let kind = EntityTypeName::from_str(&format!("{name}::Action")).map_err(|error| error.to_string())?;
    let mut compiled = Compiled { text: format!("\nnamespace {name} {{\n"), tools: HashMap::new(), reports: Vec::new() };
    for (tool, pinned) in &server.tools {
        let told = |why: String| format!("tool `{}`: {why}", tool.escape_debug());
        if pinned.input.len() > MAX_SCHEMA {
            return Err(told(format!("the schema of its arguments has more than {MAX_SCHEMA} bytes")));
        }
        let schema: Value = serde_json::from_str(&pinned.input).map_err(|error| told(error.to_string()))?;
        let (arguments, unmodelled) = shape::read(&schema).map_err(told)?;
        let groups: Vec<String> =
            std::iter::once("callTool").chain(pinned.effects.iter().map(|effect| effect.as_str())).map(action_group).collect();
        _ = writeln!(compiled.text, "  action {} in [{}] appliesTo {{", quoted(tool), groups.join(", "));
        _ = writeln!(compiled.text, "    principal: [Portcullis::User, Portcullis::Service, Portcullis::Agent],");
        _ = writeln!(compiled.text, "    resource: [Portcullis::Tool],");
        _ = writeln!(compiled.text, "    context: {{ {} input: {}, unmodelled: Set<String> }}", facts(), record(&arguments));
        compiled.text.push_str("  };\n");
        let id = format!("{name}/{tool}");
        compiled.reports.extend(unmodelled.into_iter().map(|argument| ToolReport::Unmodelled { tool: id.clone(), argument }));
        let action = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(tool));
        compiled.tools.insert(id, Declared { action, arguments, is_withdrawn: pinned.is_withdrawn });
    }
    compiled.text.push_str("}\n");
    // Alone, so that what Cedar refuses is this server's; its warnings are about shapes, and shadow nothing.
    match Schema::from_cedarschema_str(&format!("{SCHEMA}{}", compiled.text)) {
        Ok(_) => Ok(compiled),
        Err(error) => Err(error.to_string()),
    }
}

/// The attributes that every context has, as the schema writes them.
fn facts() -> &'static str {
    let body = SCHEMA.split_once("type Facts = {").and_then(|(_, rest)| rest.split_once("};"));
    body.map_or("", |(body, _)| body)
}

fn record(record: &Record) -> String {
    let field = |(name, field): (&String, &shape::Field)| {
        format!("{}{}: {}", quoted(name), if field.is_required { "" } else { "?" }, written(&field.shape))
    };
    format!("{{ {} }}", record.0.iter().map(field).collect::<Vec<_>>().join(", "))
}

fn written(shape: &Shape) -> String {
    match shape {
        Shape::Bool => "__cedar::Bool".to_owned(),
        Shape::Long => "__cedar::Long".to_owned(),
        Shape::Decimal => "__cedar::decimal".to_owned(),
        Shape::Text => "__cedar::String".to_owned(),
        Shape::Set(item) => format!("Set<{}>", written(item)),
        Shape::Record(fields) => record(fields),
    }
}

/// Names of tools and arguments are a server's: nothing in them ends the string that they stand in.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.escape_default())
}

fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    let starts_well = letters.next().is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_');
    starts_well
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !RESERVED.contains(&name)
        && !name.starts_with("__cedar")
}

/// By tool, what policies cannot see of its arguments: for whoever pins a definition, before it is applied.
///
/// # Errors
/// One line, where the definition cannot be used at all.
pub fn check_tool(server: &Name, tool: &str, pinned: &model::Tool) -> Result<Vec<Unmodelled>, String> {
    let alone = ToolServer { tools: BTreeMap::from([(tool.to_owned(), pinned.clone())]), ..ToolServer::default() };
    let reports = compile(server, &alone, 0)?.reports;
    let arguments = reports.into_iter().filter_map(|report| match report {
        ToolReport::Unmodelled { argument, .. } => Some(argument),
        ToolReport::Disabled { .. } => None,
    });
    Ok(arguments.collect())
}
