//! What servers may ask of clients: announced, asked and answered only as far as operators allow it.

use std::collections::BTreeSet;
use std::ops::Range;

use mcp::Method;
use model::ClientFeature;
use text::{Document, Kind, NodeId};

/// Edits of a document: what stands in the place of which bytes.
pub(super) type Edits = Vec<(Range<usize>, String)>;

/// The children of `container` without those that are not kept; nothing, where all are.
pub(super) fn only(document: &Document<'_>, container: NodeId, is_kept: impl Fn(NodeId) -> bool) -> Edits {
    let whole =
        |child: NodeId| document.key_span(child).map_or(document.span(child).start, |key| key.start)..document.span(child).end;
    let all: Vec<(Range<usize>, bool)> = document.children(container).map(|child| (whole(child), is_kept(child))).collect();
    let (Some((first, _)), Some((last, _))) = (all.first(), all.last()) else { return Vec::new() };
    let mut edits: Edits = Vec::new();
    // Where the last one that is kept ends, and whether something was left out since.
    let (mut end, mut is_open) = (None, false);
    for (span, is_kept) in &all {
        if !*is_kept {
            is_open = true;
            continue;
        }
        if std::mem::take(&mut is_open) {
            let (from, told) = end.map_or((first.start, ""), |end| (end, ","));
            edits.push((from..span.start, told.to_owned()));
        }
        end = Some(span.end);
    }
    if is_open {
        edits.push((end.unwrap_or(first.start)..last.end, String::new()));
    }
    edits
}

/// What a client says that it can do, without what this server is not told of.
pub(super) fn announced(document: &Document<'_>, capabilities: NodeId, features: &BTreeSet<ClientFeature>) -> Edits {
    let has = |feature| features.contains(&feature);
    let is_object = |node: NodeId| document.kind(node) == Kind::Object;
    // Without a word about modes it is forms.
    let forms = |node: NodeId| document.get(node, "form").is_some() || document.children(node).next().is_none();
    let is_kept = |member: NodeId| match document.key(member).as_deref() {
        Some("sampling") => has(ClientFeature::Sampling) && is_object(member),
        Some("roots") => has(ClientFeature::Roots) && is_object(member),
        Some("elicitation") if is_object(member) => {
            let is_url = document.get(member, "url").is_some() && has(ClientFeature::ElicitationUrl);
            is_url || forms(member) && has(ClientFeature::Elicitation)
        }
        _ => false,
    };
    let mut edits = only(document, capabilities, is_kept);
    if let Some(elicitation) = document.get(capabilities, "elicitation").filter(|member| is_kept(*member)) {
        let is_kept = |mode: NodeId| match document.key(mode).as_deref() {
            Some("form") => has(ClientFeature::Elicitation),
            Some("url") => has(ClientFeature::ElicitationUrl),
            _ => false,
        };
        edits.extend(only(document, elicitation, is_kept));
    }
    edits
}

/// What a server asks for with this method and these params; none if clients have no such thing, or it is not asked as it has to be.
pub(super) fn asked(document: &Document<'_>, method: &str, params: Option<NodeId>) -> Option<ClientFeature> {
    let get = |key| params.and_then(|params| document.get(params, key));
    match Method::named(method)? {
        Method::Sample => Some(ClientFeature::Sampling),
        Method::ListRoots => Some(ClientFeature::Roots),
        Method::Elicit => match get("mode").map(|mode| document.text(mode)) {
            None => Some(ClientFeature::Elicitation),
            Some(mode) if mode.as_deref() == Some("form") => Some(ClientFeature::Elicitation),
            Some(mode) if mode.as_deref() == Some("url") => {
                let url = get("url").and_then(|url| document.text(url))?;
                is_sure(&url).then_some(ClientFeature::ElicitationUrl)
            }
            Some(_) => None,
        },
        _ => None,
    }
}

/// Whether a user may be sent there: what is said on the way is nobody else's.
fn is_sure(url: &str) -> bool {
    url.strip_prefix("https://").is_some_and(|rest| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        !authority.is_empty() && !authority.contains('@') && is_plain
    })
}

/// Whether everything that a result asks for may be asked.
pub(super) fn may_ask(document: &Document<'_>, requests: NodeId, features: &BTreeSet<ClientFeature>) -> bool {
    let may = |request: NodeId| {
        let method = document.get(request, "method").and_then(|method| document.text(method));
        let feature = method.and_then(|method| asked(document, &method, document.get(request, "params")));
        feature.is_some_and(|feature| features.contains(&feature))
    };
    document.kind(requests) == Kind::Object && document.children(requests).all(may)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::ClientFeature;
    use text::{Document, Limits, Splices};

    use super::{announced, asked, may_ask, only};

    fn edited(json: &str, of: impl Fn(&Document<'_>) -> super::Edits) -> String {
        let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
        let mut splices = Splices::new();
        of(&document).into_iter().for_each(|(span, told)| splices.replace(span, told));
        String::from_utf8(splices.apply(json.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn what_is_not_kept_leaves_no_trace() {
        for mask in 0..16_u32 {
            let json = "[ 10 , 20,30 ,40 ]";
            let kept = |at: u32| mask & (1 << at) != 0;
            let shown = edited(json, |document| {
                only(document, document.root(), |child| {
                    let at: u32 = document.lexeme(child).parse().unwrap();
                    kept(at / 10 - 1)
                })
            });
            let expected: Vec<u32> = (0..4).filter(|at| kept(*at)).map(|at| 10 * (at + 1)).collect();
            assert_eq!(serde_json::from_str::<Vec<u32>>(&shown).unwrap(), expected, "{shown}");
        }
        assert_eq!(edited("{}", |document| only(document, document.root(), |_| false)), "{}");
        let json = r#"{"a":1 ,"b":[2], "c":3}"#;
        let shown = edited(json, |document| only(document, document.root(), |child| document.key(child).as_deref() == Some("b")));
        assert_eq!(shown, r#"{"b":[2]}"#);
    }

    #[test]
    fn servers_are_told_of_what_they_may_ask() {
        use ClientFeature::{Elicitation, ElicitationUrl, Roots, Sampling};
        let whole =
            r#"{"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true},"experimental":{"x":1}}"#;
        let facts: [(&str, &[ClientFeature], &str); 8] = [
            (whole, &[], "{}"),
            (whole, &[Sampling], r#"{"sampling":{"tools":{}}}"#),
            (whole, &[Elicitation], r#"{"elicitation":{"form":{}}}"#),
            (whole, &[ElicitationUrl, Roots], r#"{"elicitation":{"url":{}},"roots":{"listChanged":true}}"#),
            (r#"{"elicitation":{}}"#, &[Elicitation], r#"{"elicitation":{}}"#),
            // It can only do what it may not be asked for.
            (r#"{"elicitation":{"url":{}}}"#, &[Elicitation], "{}"),
            (r#"{"elicitation":{}}"#, &[ElicitationUrl], "{}"),
            (r#"{"sampling":true,"roots":[]}"#, &[Sampling, Roots], "{}"),
        ];
        for (told, features, expected) in facts {
            let features: BTreeSet<ClientFeature> = features.iter().copied().collect();
            assert_eq!(edited(told, |document| announced(document, document.root(), &features)), expected, "{told} {features:?}");
        }
    }

    #[test]
    fn what_is_asked_is_known() {
        let facts = [
            (r#"{"method":"sampling/createMessage","params":{}}"#, Some(ClientFeature::Sampling)),
            (r#"{"method":"roots/list"}"#, Some(ClientFeature::Roots)),
            (r#"{"method":"elicitation/create","params":{}}"#, Some(ClientFeature::Elicitation)),
            (r#"{"method":"elicitation/create","params":{"mode":"form"}}"#, Some(ClientFeature::Elicitation)),
            (
                r#"{"method":"elicitation/create","params":{"mode":"url","url":"https://a.example/x"}}"#,
                Some(ClientFeature::ElicitationUrl),
            ),
            (r#"{"method":"elicitation/create","params":{"mode":"url","url":"http://a.example/x"}}"#, None),
            (r#"{"method":"elicitation/create","params":{"mode":"url","url":"https://a@b/x"}}"#, None),
            (r#"{"method":"elicitation/create","params":{"mode":"url","url":"https:///x"}}"#, None),
            (r#"{"method":"elicitation/create","params":{"mode":"url"}}"#, None),
            (r#"{"method":"elicitation/create","params":{"mode":"URL"}}"#, None),
            (r#"{"method":"elicitation/create","params":{"mode":7}}"#, None),
            (r#"{"method":"tools/call","params":{}}"#, None),
            (r#"{"method":"ping"}"#, None),
        ];
        for (json, expected) in facts {
            let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
            let root = document.root();
            let method = document.text(document.get(root, "method").unwrap()).unwrap();
            assert_eq!(asked(&document, &method, document.get(root, "params")), expected, "{json}");
            let all = BTreeSet::from([ClientFeature::Sampling, ClientFeature::Elicitation, ClientFeature::ElicitationUrl]);
            let one = format!(r#"{{"a":{json}}}"#);
            let document = Document::parse(one.as_bytes(), &Limits::default()).unwrap();
            let may = expected.is_some_and(|feature| feature != ClientFeature::Roots);
            assert_eq!(may_ask(&document, document.root(), &all), may, "{json}");
        }
    }
}
