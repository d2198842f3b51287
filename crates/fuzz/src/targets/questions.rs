//! Questions of other enforcement points: `AuthZEN`'s requests, paths that proxies forward, Envoy's messages.

use engine::ports::{Asking, Head, Question, Searching, Sought, Subject};
use gateway::access::forward::{Forwarded, Line};
use gateway::access::{Evaluator, Searcher, grpc};
use http::HeaderMap;
use model::{Point, Reach, Refusal};
use text::Limits;

use super::{Outcome, Target, ensure, magnitude, seen, texts};

pub(super) const TARGET: Target = Target {
    name: "questions",
    what: "questions of enforcement points: bounded whatever is sent, paths in one reading",
    seeds: || {
        let mut seeds = texts(&[
            r#"{"subject":{"type":"user","id":"alice"},"action":{"name":"read"},"resource":{"type":"record","id":"1"}}"#,
            r#"{"subject":{"type":"user","id":"a"},"action":{"name":"r"},"options":{"evaluations_semantic":"deny_on_first_deny"},"evaluations":[{"resource":{"type":"record","id":"1","properties":{"a":[1,true]}}},{}]}"#,
            r#"{"subject":{"type":"user"},"action":{"name":"read"},"resource":{"type":"record","id":"1"},"page":{"limit":1,"token":"1.1.a"},"context":{"agent":"b","supported_obligations":["custom"]}}"#,
            "/todos/7?x=1",
            "/todos/../admin",
        ]);
        // A CheckRequest of GET /todos with one header.
        seeds.push(b"\x0a\x22\x22\x20\x12\x1e\x12\x03GET\x1a\x0f\x0a\x01a\x12\x0aBearer x-y\x22\x06/todos".to_vec());
        seeds
    },
    words: &[
        "\"subject\":",
        "\"action\":",
        "\"resource\":",
        "\"context\":",
        "\"evaluations\":[",
        "\"options\":",
        "\"page\":",
        "\"id\":",
        "\"type\":",
        "\"name\":",
        "\"properties\":{}",
        "\"Subject\":",
        "null",
        "true",
        "{",
        "}",
        "[",
        "]",
        ",",
        "1e9",
        "-1",
        "%2e",
        "..",
        "//",
        ";",
        "?",
    ],
    max_len: 4096,
    run,
    hostile: &["{\"evaluations\":[", "{},", "/a", "\x0a\x02"],
    floor: 500.0,
};

fn run(bytes: &[u8]) -> Outcome {
    let limits = Limits { max_depth: 64, max_nodes: 200_000 };
    let head =
        Head { peer: String::new(), is_proxy: false, certificate: None, headers: HeaderMap::new(), query: None, trace: None };
    let every = || Reach::new(["*".to_owned()]).map_err(|error| error.to_string());
    let (subjects, actions, resources) = (every()?, every()?, every()?);
    let routes = vec!["/".to_owned(), "/todos/{id}".to_owned()];
    let point = Point { subjects, actions, resources, agents: true, searches: 1, routes };
    let mut ways = Vec::new();
    for takes_many in [false, true] {
        let read = Evaluator::new(&HeaderMap::new(), takes_many).understand(&head, bytes, &limits, &point);
        match read {
            Ok(questions) => {
                ensure((1..=100).contains(&questions.each.len()), || "too many questions, or none".to_owned())?;
                for question in &questions.each {
                    match question {
                        Ok(question) => bounded(question)?,
                        Err(refusal) => silent(refusal)?,
                    }
                }
                ways.push((0, magnitude(questions.each.len())));
            }
            Err(refusal) => {
                silent(&refusal)?;
                ways.push((1, u32::from(refusal.code.is_retryable())));
            }
        }
    }
    for sought in [Sought::Subjects, Sought::Resources, Sought::Actions] {
        match Searcher::new(&HeaderMap::new(), sought).understand(&head, bytes, &limits) {
            Ok(search) => bounded(&search.question)?,
            Err(refusal) => silent(&refusal)?,
        }
    }
    ways.push((2, u32::from(grpc::is_check(bytes))));
    if let Ok(target) = std::str::from_utf8(bytes) {
        ways.push((3, u32::from(forwarded(target, &head, &limits, &point)?)));
    }
    Ok(seen(ways))
}

/// Whether a path is asked about; then it has nothing that another server would read otherwise.
fn forwarded(target: &str, head: &Head, limits: &Limits, point: &Point) -> Result<bool, String> {
    let line = Line::Own { method: "GET".to_owned(), target: target.to_owned() };
    let mut head_with_key =
        Head { headers: head.headers.clone(), peer: String::new(), is_proxy: false, certificate: None, query: None, trace: None };
    head_with_key.headers.insert("x-portcullis-pep", http::HeaderValue::from_static("k"));
    let asked = Forwarded::new(&HeaderMap::new(), line).understand(&head_with_key, &[], limits, point);
    let asked = asked.map_err(|refusal| refusal.to_string())?;
    let Some(Ok(question)) = asked.each.first() else { return Ok(false) };
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let is_odd = ["//", "/./", "/../", "%", "\\", ";", " "].iter().any(|odd| format!("{path}/").contains(odd));
    ensure(!is_odd || path.ends_with('/'), || format!("{target:?} was asked about"))?;
    ensure(point.routes.contains(&question.id), || format!("{target:?} fits no template"))?;
    Ok(true)
}

pub(super) fn bounded(question: &Question) -> Result<(), String> {
    let Subject::Named { kind, id, .. } = &question.subject else { return Err("nobody has shown anything".to_owned()) };
    let words = [kind, &question.action, &question.kind];
    ensure(words.iter().all(|word| (1..=128).contains(&word.len())), || format!("a word is too long: {words:?}"))?;
    ensure([id, &question.id].iter().all(|id| (1..=1024).contains(&id.len())), || "an id is too long".to_owned())
}

/// What a refusal tells is a place and the gate's own words: bounded, and harmless in a terminal.
pub(super) fn silent(refusal: &Refusal) -> Result<(), String> {
    let detail = refusal.detail.as_deref().unwrap_or_default();
    ensure(detail.len() < 8192, || format!("a long detail: {} bytes", detail.len()))?;
    let is_visible = detail.chars().all(|letter| !letter.is_control());
    ensure(is_visible, || format!("a detail that a terminal would obey: {detail:?}"))
}
