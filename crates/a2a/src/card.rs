//! An agent card: what an agent says of itself, with the texts that its signatures are over, and the card that the gate serves
//! in its place.
//!
//! A card names addresses, keys and schemes of its own. None of them is used: where the agent is reached, whose keys sign its card,
//! and how callers show who they are is said by operators. Who reads the served card knows the gate, and nothing behind it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use text::{Document, Kind, Limits};

use crate::version::VERSION;

/// Longest card in bytes.
pub const MAX_CARD: usize = 256 << 10;
/// Most signatures of a card.
const MAX_SIGNATURES: usize = 16;
/// Most skills of a card.
const MAX_SKILLS: usize = 1_000;
/// Bounds of the JSON of a card.
const LIMITS: Limits = Limits { max_depth: 32, max_nodes: 50_000 };
/// Whole numbers beyond are read differently by readers of JSON, and have no canonical form (RFC 8785, RFC 7493).
const SAFE: u64 = (1 << 53) - 1;
/// How callers of the gate show who they are, as the served card calls it.
const SCHEME: &str = "gate";
/// What the served card says beside as the agent has said it.
const KEPT: [&str; 6] = ["name", "description", "version", "provider", "defaultInputModes", "defaultOutputModes"];
/// Likewise of a skill.
const KEPT_OF_SKILL: [&str; 7] = ["id", "name", "description", "tags", "examples", "inputModes", "outputModes"];

/// Why something is no card that can stand behind the gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// It is longer than 256 KiB.
    #[error("longer than 256 KiB")]
    TooLong,
    /// It is no JSON that every reader reads alike.
    #[error("{0}")]
    Json(String),
    /// A whole number above 2^53, which has no canonical form.
    #[error("it holds a whole number above 2^53")]
    Number,
    /// A member is not as it has to be: which, and what was expected.
    #[error("{0}: {1}")]
    Member(String, &'static str),
}

/// One signature of a card (RFC 7515, flattened, without the payload).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The protected header, base64url.
    pub protected: String,
    /// The signature, base64url.
    pub signature: String,
}

/// An agent card.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Without its signatures.
    members: Map<String, Value>,
    signatures: Vec<Signature>,
    skills: Vec<String>,
}

impl Card {
    /// Reads a card.
    ///
    /// # Errors
    /// See [`CardError`].
    pub fn read(bytes: &[u8]) -> Result<Self, CardError> {
        if bytes.len() > MAX_CARD {
            return Err(CardError::TooLong);
        }
        let document = Document::parse(bytes, &LIMITS).map_err(|error| CardError::Json(error.to_string()))?;
        let is_exact = |lexeme: &str| {
            let is_whole = lexeme.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
            !is_whole || lexeme.trim_start_matches('-').parse::<u64>().is_ok_and(|number| number <= SAFE)
        };
        if !document.nodes().filter(|node| document.kind(*node) == Kind::Number).all(|node| is_exact(document.lexeme(node))) {
            return Err(CardError::Number);
        }
        let whole = serde_json::from_slice(bytes).map_err(|error| CardError::Json(error.to_string()))?;
        let Value::Object(mut members) = whole else { return Err(member("", "expected an object")) };
        let signatures = signatures(members.remove("signatures"))?;
        for name in ["name", "version"] {
            text(members.get(name)).filter(|text| !text.is_empty()).ok_or_else(|| member(name, "expected a text"))?;
        }
        let skills = skills(members.get("skills"))?;
        interfaces(members.get("supportedInterfaces"))?;
        extensions(members.get("capabilities"))?;
        Ok(Self { members, signatures, skills })
    }

    /// The card without its signatures as one text (RFC 8785): what is approved.
    #[must_use]
    pub fn canonical(&self) -> String {
        canonical(&Value::Object(self.members.clone()))
    }

    /// The texts that a signature may be over: the card as it is written, and the card without what is empty, which is how agents
    /// write what they have signed, and what they sign of what they read.
    //= https://a2a-protocol.org/v1.0.0/specification#841-canonicalization-requirements
    //# Default values: Fields with default values MUST be omitted unless the field is marked as REQUIRED or has the optional keyword.
    #[must_use]
    pub fn payloads(&self) -> [String; 2] {
        [self.canonical(), signed_form(&Value::Object(self.members.clone()))]
    }

    /// Its signatures.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The ids of its skills, in its order.
    #[must_use]
    pub fn skills(&self) -> &[String] {
        &self.skills
    }

    /// Whether the agent says that it streams.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.members.get("capabilities").and_then(|capabilities| capabilities.get("streaming")) == Some(&Value::Bool(true))
    }

    /// The card that is served: the agent's words, the gate's address and the gate's way to show who one is, and of the skills those
    /// that are shown. Nothing in it is empty, so every reader signs and verifies the same text.
    #[must_use]
    pub fn served(&self, url: &str, is_shown: impl Fn(&str) -> bool) -> Value {
        let mut served: Map<String, Value> =
            KEPT.iter().filter_map(|name| Some(((*name).to_owned(), self.members.get(*name)?.clone()))).collect();
        let skills = self.members.get("skills").and_then(Value::as_array).into_iter().flatten();
        let shown = skills.filter(|skill| text(skill.get("id")).is_some_and(&is_shown)).map(|skill| {
            let kept = KEPT_OF_SKILL.iter().filter_map(|name| Some(((*name).to_owned(), skill.get(*name)?.clone())));
            Value::Object(kept.collect())
        });
        served.insert("skills".to_owned(), shown.collect());
        let capabilities = json!({"streaming": self.streams(), "pushNotifications": false, "extendedAgentCard": false});
        served.insert("capabilities".to_owned(), capabilities);
        let interface = json!({"url": url, "protocolBinding": "JSONRPC", "protocolVersion": VERSION});
        served.insert("supportedInterfaces".to_owned(), json!([interface]));
        served.insert("securitySchemes".to_owned(), json!({SCHEME: {"httpAuthSecurityScheme": {"scheme": "Bearer"}}}));
        // The role that a caller needs: a permit for this.
        served.insert("securityRequirements".to_owned(), json!([{"schemes": {SCHEME: {"list": ["sendMessage"]}}}]));
        without_empty(Value::Object(served)).unwrap_or_default()
    }
}

/// The text that is signed of a card: without what is empty, as RFC 8785 writes it.
#[must_use]
pub fn signed_form(card: &Value) -> String {
    canonical(&without_empty(card.clone()).unwrap_or_else(|| Value::Object(Map::new())))
}

fn canonical(value: &Value) -> String {
    // Only numbers that are none can fail, and JSON has none of these.
    serde_json_canonicalizer::to_string(value).unwrap_or_default()
}

/// A value without empty texts, lists and objects in it, and without null; none if nothing is left. As deep as [`LIMITS`].
fn without_empty(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then_some(Value::String(text)),
        Value::Array(items) => {
            let items: Vec<Value> = items.into_iter().filter_map(without_empty).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(members) => {
            let members: Map<String, Value> =
                members.into_iter().filter_map(|(name, value)| Some((name, without_empty(value)?))).collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        value => Some(value),
    }
}

fn member(place: &str, why: &'static str) -> CardError {
    CardError::Member(format!("/{place}"), why)
}

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str)
}

fn signatures(listed: Option<Value>) -> Result<Vec<Signature>, CardError> {
    let Some(listed) = listed else { return Ok(Vec::new()) };
    let listed = listed.as_array().filter(|listed| listed.len() <= MAX_SIGNATURES);
    let listed = listed.ok_or_else(|| member("signatures", "expected a list of at most 16"))?;
    let read = |(at, one): (usize, &Value)| {
        let part = |name: &str| text(one.get(name)).map(ToOwned::to_owned);
        let both = part("protected").zip(part("signature")).map(|(protected, signature)| Signature { protected, signature });
        both.ok_or_else(|| member(&format!("signatures/{at}"), "expected `protected` and `signature`"))
    };
    listed.iter().enumerate().map(read).collect()
}

fn skills(listed: Option<&Value>) -> Result<Vec<String>, CardError> {
    let Some(listed) = listed else { return Ok(Vec::new()) };
    let listed = listed.as_array().filter(|listed| listed.len() <= MAX_SKILLS);
    let listed = listed.ok_or_else(|| member("skills", "expected a list of at most 1000"))?;
    let mut known = BTreeSet::new();
    let mut skills = Vec::with_capacity(listed.len());
    for (at, skill) in listed.iter().enumerate() {
        let place = format!("skills/{at}/id");
        let id = text(skill.get("id")).filter(|id| !id.is_empty() && id.len() <= 128);
        let id = id.ok_or_else(|| member(&place, "expected a text of at most 128 bytes"))?;
        if !known.insert(id) {
            return Err(member(&place, "two skills have this id"));
        }
        skills.push(id.to_owned());
    }
    Ok(skills)
}

/// One of the addresses has to speak what is spoken here. Where it is, is not read.
fn interfaces(listed: Option<&Value>) -> Result<(), CardError> {
    let listed = listed.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_spoken = |interface: &&Value| {
        text(interface.get("protocolBinding")) == Some("JSONRPC") && crate::is_spoken(text(interface.get("protocolVersion")))
    };
    let spoken = listed.iter().find(is_spoken);
    let spoken = spoken.ok_or_else(|| member("supportedInterfaces", "expected one with `JSONRPC` and version 1.0"))?;
    if text(spoken.get("tenant")).is_some_and(|tenant| !tenant.is_empty()) {
        return Err(member("supportedInterfaces", "a `tenant` is not served yet"));
    }
    Ok(())
}

/// What an agent cannot do without, and nobody here knows.
fn extensions(capabilities: Option<&Value>) -> Result<(), CardError> {
    let extensions = capabilities.and_then(|capabilities| capabilities.get("extensions")).and_then(Value::as_array);
    if extensions.into_iter().flatten().any(|extension| extension.get("required") == Some(&Value::Bool(true))) {
        return Err(member("capabilities/extensions", "an extension that is `required` is not served"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
