//! What may be asked of a response that the provider keeps: to show it, to list what it was asked with, to stop it, to delete it.
//!
//! The query is read against a table like the body of a call is: what no row names is refused, and what goes out is written anew.

use engine::ports::{Aim, Demand, Kept, ModelCall, Understood};
use http::Method;
use model::{ReasonCode, Refusal};

/// Where responses are, at the provider.
const RESPONSES: &str = "/v1/responses/";
/// Where they are here: as at the provider, and in Azure's two forms.
const PREFIXES: [&str; 3] = [RESPONSES, "/openai/v1/responses/", "/openai/responses/"];
/// What may be shown in addition: the names of the official Python package (3.52).
const INCLUDABLE: &[&str] = &[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
];
/// Longest query that is read, in bytes.
const MAX_QUERY: usize = 2048;

/// What is done with a stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Show it, or what of it has come so far.
    Show,
    /// List what it was asked with.
    Items,
    /// Stop what runs in the background.
    Cancel,
    /// Make the provider forget it.
    Delete,
}

/// One request for a stored response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its id, as the client wrote it.
    id: String,
    act: Act,
    asked: Result<Asked, Refusal>,
}

/// What the query says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Asked {
    /// As it goes out, with its question mark.
    query: String,
    is_stream: bool,
    /// The number of the last event that the client has.
    after: Option<u64>,
}

/// How the values of a parameter look.
enum Takes {
    Flag,
    Includable,
    /// Digits, at most so many.
    Number(usize),
    Order,
    /// The id of an item: it only says where in this very list to go on.
    Id,
}

impl Act {
    const fn method(self) -> Method {
        match self {
            Self::Show | Self::Items => Method::GET,
            Self::Cancel => Method::POST,
            Self::Delete => Method::DELETE,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Show => "show",
            Self::Items => "items",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
        }
    }

    const fn below(self) -> &'static str {
        match self {
            Self::Show | Self::Delete => "",
            Self::Items => "/input_items",
            Self::Cancel => "/cancel",
        }
    }

    const fn parameters(self) -> &'static [(&'static str, Takes)] {
        match self {
            Self::Show => &[
                ("include", Takes::Includable),
                ("include_obfuscation", Takes::Flag),
                ("stream", Takes::Flag),
                ("starting_after", Takes::Number(9)),
            ],
            Self::Items => &[
                ("include", Takes::Includable),
                ("limit", Takes::Number(3)),
                ("order", Takes::Order),
                ("after", Takes::Id),
                ("before", Takes::Id),
            ],
            Self::Cancel | Self::Delete => &[],
        }
    }
}

/// What a path asks of a stored response, and the id.
///
/// # Errors
/// The path is there, and takes another method.
#[must_use = "a path that is none of these is asked of something else"]
pub fn at<'p>(path: &'p str, method: &Method) -> Option<Result<(Act, &'p str), Refusal>> {
    let rest = PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix))?;
    let (id, below) = rest.split_once('/').unwrap_or((rest, ""));
    let act = match (below, method) {
        _ if id.is_empty() => return None,
        ("", &Method::DELETE) => Act::Delete,
        ("", _) if rest == id => Act::Show,
        ("input_items", _) => Act::Items,
        ("cancel", _) => Act::Cancel,
        _ => return None,
    };
    let is_right = act.method() == *method;
    let wrong = || Refusal::because(ReasonCode::MethodNotAllowed, format!("use {}", act.method()));
    Some(if is_right { Ok((act, id)) } else { Err(wrong()) })
}

impl Stored {
    /// Reads a request. What is wrong with the query is told once the caller is known.
    #[must_use]
    pub fn new(id: String, act: Act, query: Option<&str>) -> Self {
        Self { id, act, asked: asked(act, query.unwrap_or_default()) }
    }

    /// What is asked for.
    ///
    /// # Errors
    /// The query holds what no row names.
    pub fn understood(&self) -> Result<Understood, Refusal> {
        let asked = self.asked.clone()?;
        let kept = Kept {
            name: self.id.clone(),
            act: self.act.word(),
            method: self.act.method(),
            before: RESPONSES,
            after: format!("{}{}", self.act.below(), asked.query),
        };
        Ok(Understood {
            aim: Aim::Model(ModelCall {
                model: String::new(),
                model_span: 0..0,
                handles: Vec::new(),
                kept: Some(kept),
                unstored: None,
                // What it used was charged to the call that made it.
                demand: Demand::default(),
                functions: Vec::new(),
            }),
            stream: asked.is_stream,
            effects: Vec::new(),
            uninspected: Vec::new(),
            joined: Vec::new(),
        })
    }

    /// Whether the client has the event with this number already.
    ///
    /// The provider is asked for all of them: whoever could choose where a stream begins could have a secret begin in its middle.
    pub(crate) fn has(&self, number: Option<u64>) -> bool {
        let after = self.asked.as_ref().ok().and_then(|asked| asked.after);
        after.zip(number).is_some_and(|(after, number)| number <= after)
    }
}

fn asked(act: Act, query: &str) -> Result<Asked, Refusal> {
    if query.len() > MAX_QUERY {
        return Err(Refusal::because(ReasonCode::FieldUnknown, format!("the query has more than {MAX_QUERY} bytes")));
    }
    let mut asked = Asked::default();
    let mut seen: Vec<&str> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (written, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = ["[]", "%5B%5D", "%5b%5d"].iter().find_map(|list| written.strip_suffix(list)).unwrap_or(written);
        // Azure's version of the API says nothing to the gate, and upstreams are reached by the plain paths.
        if name == "api-version" {
            continue;
        }
        let row = act.parameters().iter().find(|(known, _)| *known == name);
        let Some((name, takes)) = row else {
            return Err(Refusal::because(ReasonCode::FieldUnknown, "a parameter of the query is not known here"));
        };
        let is_list = matches!(takes, Takes::Includable);
        let is_twice = seen.contains(&pair) || (!is_list && seen.iter().any(|other| other.starts_with(&format!("{name}="))));
        if !takes.admits(value) || is_twice || (written != *name && !is_list) {
            return Err(Refusal::because(ReasonCode::FieldType, format!("the parameter `{name}` of the query")));
        }
        seen.push(pair);
        match *name {
            "starting_after" => {
                asked.after = value.parse().ok();
                continue;
            }
            "stream" => asked.is_stream = value == "true",
            _ => {}
        }
        let separator = if asked.query.is_empty() { '?' } else { '&' };
        let list = if is_list { "[]" } else { "" };
        asked.query.push_str(&format!("{separator}{name}{list}={value}"));
    }
    if asked.after.is_some() && !asked.is_stream {
        return Err(Refusal::because(ReasonCode::FieldType, "`starting_after` is for streams: ask with `stream=true`"));
    }
    Ok(asked)
}

impl Takes {
    fn admits(&self, value: &str) -> bool {
        match self {
            Self::Flag => matches!(value, "true" | "false"),
            Self::Includable => INCLUDABLE.contains(&value),
            Self::Number(most) => (1..=*most).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Order => matches!(value, "asc" | "desc"),
            Self::Id => {
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
                (1..=128).contains(&value.len()) && value.bytes().all(is_plain)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use model::ReasonCode;

    use super::{Act, Stored, at};

    #[test]
    fn paths_and_methods() {
        let facts = [
            ("/v1/responses/r", Method::GET, Some(Ok((Act::Show, "r")))),
            ("/v1/responses/r", Method::DELETE, Some(Ok((Act::Delete, "r")))),
            ("/openai/v1/responses/r/input_items", Method::GET, Some(Ok((Act::Items, "r")))),
            ("/openai/responses/r/cancel", Method::POST, Some(Ok((Act::Cancel, "r")))),
            ("/v1/responses/r", Method::POST, Some(Err("use GET"))),
            ("/v1/responses/r/cancel", Method::GET, Some(Err("use POST"))),
            ("/v1/responses/r/input_items", Method::DELETE, Some(Err("use GET"))),
            ("/v1/responses/r/", Method::GET, None),
            ("/v1/responses/", Method::GET, None),
            ("/v1/responses//cancel", Method::POST, None),
            ("/v1/responses/r/more", Method::GET, None),
            ("/v1/responses/r/cancel/x", Method::POST, None),
            ("/v1/responses", Method::GET, None),
        ];
        for (path, method, expected) in facts {
            let found = at(path, &method).map(|found| found.map_err(|refusal| refusal.detail.unwrap()));
            assert_eq!(found, expected.map(|found| found.map_err(ToOwned::to_owned)), "{method} {path}");
        }
    }

    #[test]
    fn what_goes_out_of_a_query() {
        let facts = [
            (Act::Show, "", Ok("")),
            (Act::Show, "api-version=2025-04-01-preview", Ok("")),
            (
                Act::Show,
                "include%5B%5D=reasoning.encrypted_content&include[]=message.output_text.logprobs&stream=true&starting_after=7",
                Ok("?include[]=reasoning.encrypted_content&include[]=message.output_text.logprobs&stream=true"),
            ),
            (Act::Items, "limit=5&order=asc&after=msg_1", Ok("/input_items?limit=5&order=asc&after=msg_1")),
            (Act::Cancel, "api-version=1", Ok("/cancel")),
            (Act::Delete, "stream=true", Err(ReasonCode::FieldUnknown)),
            (Act::Show, "limit=1", Err(ReasonCode::FieldUnknown)),
            (Act::Show, "include=secrets", Err(ReasonCode::FieldType)),
            (Act::Show, "stream=1", Err(ReasonCode::FieldType)),
            (Act::Show, "stream=true&stream=false", Err(ReasonCode::FieldType)),
            (Act::Show, "stream[]=true", Err(ReasonCode::FieldType)),
            (Act::Show, "starting_after=3", Err(ReasonCode::FieldType)),
            (Act::Show, "stream=true&starting_after=-1", Err(ReasonCode::FieldType)),
            (Act::Items, "after=../x", Err(ReasonCode::FieldType)),
            (Act::Items, "after=a%26b", Err(ReasonCode::FieldType)),
            (Act::Items, "limit=1000", Err(ReasonCode::FieldType)),
        ];
        for (act, query, expected) in facts {
            let asked = Stored::new("r".to_owned(), act, Some(query)).understood();
            let after =
                asked.map(|understood| understood.model().unwrap().kept.clone().unwrap().after).map_err(|refusal| refusal.code);
            assert_eq!(after, expected.map(ToOwned::to_owned), "{act:?} {query}");
        }
        let long = "a".repeat(5000);
        assert!(Stored::new("r".to_owned(), Act::Show, Some(&long)).understood().is_err());
    }

    #[test]
    fn what_the_client_has_already() {
        let stored = |query| Stored::new("r".to_owned(), Act::Show, Some(query));
        let resumed = stored("stream=true&starting_after=3");
        assert!(resumed.has(Some(0)) && resumed.has(Some(3)) && !resumed.has(Some(4)) && !resumed.has(None));
        assert!(!stored("stream=true").has(Some(0)));
    }
}
