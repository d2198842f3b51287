//! What policies are made of: Cedar text, definitions of tools, arguments of calls, what enforcement points say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use model::{
    Action, Agent, Ask, Bundle, Chain, DecisionInput, Dialect, Facts, Group, Label, Level, Mandate, Model, Name, Party, Registry,
    Resource, Tool, ToolEffect, ToolServer, UnixMillis, UserText, Verdict,
};
use policy::{PolicySnapshot, check_tool, excess, lost_forbids, parse_file};

use super::{Outcome, Target, ensure, magnitude, seen, texts};

const FILE: &str = "policies/p.cedar";

pub(super) const TARGET: Target = Target {
    name: "policies",
    what: "policies in Cedar: a checked set that decides, or problems that have a place in the file",
    seeds: || {
        let mut seeds = texts(&[
            "permit (principal, action, resource);\n",
            "@id(\"a\") @duty(\"both:redact:pii\")\npermit (principal in Portcullis::Group::\"staff\", action == Portcullis::Action::\"callModel\", resource is Portcullis::Model)\nwhen { context.flow.level < 2 && resource has clearance };\n",
            "@challenge(\"approval\") @mode(\"shadow\")\nforbid (principal is Portcullis::Agent, action in [Portcullis::Action::\"callModel\"], resource in Portcullis::ModelGroup::\"open\")\nunless { context.findings.contains(\"pii\") || \"a*\" like \"\\*\" };\n// end\n",
        ]);
        // Deeper than the parser's stack is long, and as long as inputs are.
        for (open, close) in [("(", ")"), ("[", "]"), ("{a:", "}"), ("if ", " then 1 else 1"), ("!", ""), ("-", "")] {
            let n_levels = 1300 / (open.len() + close.len());
            let nested = format!("{}1{}", open.repeat(n_levels), close.repeat(n_levels));
            seeds.push(format!("permit (principal, action, resource) when {{ {nested} == 1 }};").into_bytes());
        }
        seeds
    },
    words: &[
        "permit (",
        "forbid (",
        "principal",
        "action",
        "resource",
        "context",
        ");",
        " when { ",
        " unless { ",
        " }",
        "@id(\"b\") ",
        "@duty(\"both:deny:secret\") ",
        "@challenge(\"step-up\") ",
        "@mode(\"shadow\") ",
        "Portcullis::User::\"ada\"",
        "Portcullis::Action::\"callModel\"",
        " in [",
        " == ",
        " is ",
        " has ",
        " like \"*\"",
        ".contains(",
        ".flow.level",
        "if true then ",
        " else ",
        " && ",
        " || ",
        "!",
        "-",
        "datetime(\"2026-01-01\")",
        "9223372036854775808",
        "\"\\u{110000}\"",
        "?principal",
        "//",
        "\r",
        ";",
    ],
    max_len: 1500,
    run,
    hostile: &["(", "[", "{", "!", "-", "a.", "@a", "\"", "permit(principal,action,resource);", "if ", "&&", "// \n", "::"],
    floor: 20.0,
};

pub(super) const TOOLS: Target = Target {
    name: "tools",
    what: "JSON Schemas of tools, and arguments behind a NUL: types that Cedar takes, nothing rounded, every gap told",
    seeds: || {
        texts(&[
            "{\"type\":\"object\",\"properties\":{\"title\":{\"type\":\"string\"},\"priority\":{\"type\":\"integer\"},\"labels\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"target\":{\"type\":\"object\",\"properties\":{\"repo\":{\"type\":\"string\"}},\"required\":[\"repo\"]}},\"required\":[\"title\"]}\u{0}{\"title\":\"a\",\"priority\":3,\"labels\":[\"x\"],\"target\":{\"repo\":\"r\"}}",
            "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/n\"},\"b\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]},\"w\":{\"type\":\"number\"}},\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"n\":{\"$ref\":\"#/$defs/n\"}}}}}\u{0}{\"a\":{},\"b\":null,\"w\":1.5,\"x\":1}",
            "{\"type\":\"object\"}\u{0}{}",
        ])
    },
    words: &[
        "\u{0}",
        "\"type\":\"object\"",
        "\"type\":\"integer\"",
        "\"type\":[\"string\",\"null\"]",
        "\"properties\":{",
        "\"items\":{",
        "\"required\":[",
        "\"$ref\":\"#/$defs/n\"",
        "\"$ref\":\"#\"",
        "\"anyOf\":[",
        "\"enum\":[",
        "\"const\":1",
        "\"additionalProperties\":{}",
        "\"__entity\":{}",
        "\"__extn\":{}",
        "\\u0000",
        "\\\"",
        "9223372036854775808",
        "1.0",
        "1e2",
        "{}",
        "[]",
        ",",
        "null",
    ],
    max_len: 3000,
    run: tools,
    hostile: &["{\"properties\":", "{\"a\":", "[", "{\"type\":\"array\",\"items\":"],
    floor: 200.0,
};

/// One small organisation.
fn registry() -> Result<Registry, model::IdError> {
    let name = |text: &str| Name::new(text);
    let of = |group: &str| Ok::<_, model::IdError>(BTreeSet::from([name(group)?]));
    let agent = Agent {
        groups: of("staff")?,
        autonomous: BTreeSet::from([Action::CallModel]),
        user_text: UserText::Mixed,
        below: BTreeSet::new(),
    };
    let model = Model { groups: of("open")?, dialects: BTreeSet::from([Dialect::Openai]), clearance: Level::Internal };
    Ok(Registry {
        groups: BTreeMap::from([(name("staff")?, Group::default())]),
        users: BTreeMap::from([(name("ada")?, Party { groups: of("staff")? })]),
        agents: BTreeMap::from([(name("bot")?, agent)]),
        model_groups: BTreeMap::from([(name("open")?, Group::default())]),
        models: BTreeMap::from([(name("small")?, model)]),
        ..Registry::default()
    })
}

static REGISTRY: LazyLock<Option<Registry>> = LazyLock::new(|| registry().ok());
static SCHEMA: LazyLock<Option<cedar_policy::Schema>> = LazyLock::new(|| policy::schema(&bundle("").ok()?).ok());

fn bundle(text: &str) -> Result<Bundle, String> {
    Ok(Bundle {
        format: 1,
        registry: REGISTRY.clone().ok_or("no registry")?,
        policies: BTreeMap::from([(FILE.to_owned(), text.to_owned())]),
        rules: model::RuleFiles::default(),
    })
}

fn targets() -> BTreeSet<String> {
    ["secret", "pii", "CREDIT_CARD"].into_iter().map(ToOwned::to_owned).collect()
}

/// A call of Ada's bot.
fn call(action: Action, resource: Resource, arguments: Option<String>) -> Result<DecisionInput, String> {
    let words = |error: model::IdError| error.to_string();
    let links = ["user:ada", "agent:bot"].map(str::parse).into_iter().collect::<Result<Vec<_>, _>>().map_err(words)?;
    Ok(DecisionInput {
        chain: Chain::new(links).map_err(|error| error.to_string())?,
        asks: vec![Ask { action, resource }],
        facts: Facts {
            now: UnixMillis(1_795_000_000_000),
            credential: Name::new("k1").map_err(words)?,
            credential_age: 60,
            dialect: Some(Dialect::Openai),
            stream: false,
            findings: BTreeMap::new(),
            label: Label::default(),
            ledger_version: 0,
            answered: BTreeSet::new(),
            mandate: Mandate::default(),
            arguments,
            around: model::Around::default(),
        },
    })
}

fn run(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(seen("not text")) };
    // As where it is applied: against what is in force, before it is compiled.
    let lost = lost_forbids(&bundle("forbid (principal, action, resource);")?, &bundle(text)?);
    let loaded = PolicySnapshot::load(&bundle(text)?, &targets());
    ensure(loaded.is_err() || excess(FILE, text).is_empty(), || "too intricate, and loaded".to_owned())?;
    let schema = SCHEMA.as_ref().ok_or("no schema")?;
    // The other reader of the same text, that of proofs.
    let parsed = parse_file(FILE, text, schema);
    let problems = match loaded {
        Ok(snapshot) => {
            let own = parsed.map_err(|problems| format!("loaded, and not parsed: {problems:?}"))?;
            let model = Resource::Model(Name::new("small").map_err(|error| error.to_string())?);
            let answer = snapshot.decide(&call(Action::CallModel, model, None)?);
            ensure(!own.is_empty() || answer.verdict != Verdict::Permit, || "no policy, and a permit".to_owned())?;
            let n_errors: usize = answer.links.iter().map(|link| link.errors.len()).sum();
            ensure(n_errors == 0 || answer.verdict != Verdict::Permit, || "an error is a permit".to_owned())?;
            return Ok(seen((
                magnitude(own.len()),
                format!("{:?}", answer.verdict),
                format!("{:?}", answer.duties()).len(),
                n_errors.min(2),
            )));
        }
        Err(problems) => problems,
    };
    ensure(!problems.is_empty(), || "refused without a word".to_owned())?;
    let n_lines = text.matches('\n').count() + 1;
    for problem in &problems {
        let line = usize::try_from(problem.line).unwrap_or(usize::MAX);
        let said = problem.to_string();
        let is_inside = problem.file != FILE || (1..=n_lines).contains(&line);
        ensure(is_inside && !said.contains(['\n', '\r']), || format!("line {line} of {n_lines}: {said:?}"))?;
    }
    let first = problems.first().map(|problem| problem.message.chars().take(24).collect::<String>());
    Ok(seen((first, problems.len().min(3), parsed.is_ok(), lost.len())))
}

fn tools(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(seen("not text")) };
    let (schema, arguments) = text.split_once('\u{0}').unwrap_or((text, "{}"));
    let tool = Tool { effects: BTreeSet::from([ToolEffect::Read]), input: schema.to_owned(), ..Tool::default() };
    let server = Name::new("kb").map_err(|error| error.to_string())?;
    let gaps = match check_tool(&server, "t", &tool) {
        Ok(gaps) => gaps,
        Err(why) => {
            ensure(!why.is_empty() && why.len() < 16_384, || format!("{} bytes of words", why.len()))?;
            return Ok(seen(why.chars().take(24).collect::<String>()));
        }
    };
    ensure(gaps.len() <= 1000, || format!("{} gaps are told", gaps.len()))?;
    let pieces: BTreeSet<String> = gaps.iter().map(|gap| gap.why.chars().take(16).collect()).collect();
    let mut bundle = bundle("permit (principal, action, resource);")?;
    let tools = BTreeMap::from([("t".to_owned(), tool)]);
    bundle.registry.tool_servers.insert(server, ToolServer { clearance: Level::Internal, tools, ..ToolServer::default() });
    let snapshot = PolicySnapshot::load(&bundle, &targets()).map_err(|problems| format!("a checked tool: {problems:?}"))?;
    let call = call(Action::CallTool, Resource::Tool("kb/t".to_owned()), Some(arguments.to_owned()))?;
    let answer = snapshot.decide(&call);
    let told = snapshot.explanation_of_own(&call);
    ensure(told.answer == answer && told.changes.n_tried <= 200, || format!("explained after {} trials", told.changes.n_tried))?;
    let is_object = serde_json::from_str::<serde_json::Value>(arguments).is_ok_and(|value| value.is_object());
    ensure(is_object || answer.verdict != Verdict::Permit, || "arguments that are no object are permitted".to_owned())?;
    let error = answer.links.iter().flat_map(|link| &link.errors).next().map(|error| error.chars().take(24).collect::<String>());
    Ok(seen((pieces, format!("{:?}", answer.verdict), error)))
}
