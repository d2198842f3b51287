//! Bodies and credentials of the token endpoint: `/oauth/token`, `/oauth/introspect`, `/oauth/revoke`.

use std::collections::BTreeMap;

use identity::token::{Unverified, grant_of};
use identity::{Form, basic};
use model::Name;

use super::{Outcome, Target, ensure, magnitude, seen, texts};

pub(super) const TARGET: Target = Target {
    name: "forms",
    what: "forms of the token endpoint, and Basic credentials: one value for each name, as a second reader reads it",
    seeds: || {
        texts(&[
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=eyJhbGciOiJub25lIn0.e30.&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&authorization_details=%5B%7B%22type%22%3A%22call_model%22%2C%22models%22%3A%5B%22small%22%5D%7D%5D&purpose=travel",
            "token=eyJhbGciOiJFZERTQSJ9.e30.AA&token_type_hint=access_token&client_id=agent%3Abot&client_secret=pcl_x",
            "a=1&b=x+y&c=%C3%A9&&d",
            "Basic YWdlbnQlM0Fib3Q6cGNsX3g=",
        ])
    },
    words: &[
        "&",
        "=",
        "%",
        "+",
        "%3D",
        "%26",
        "%25",
        "%00",
        "%ff",
        "%C3%A9",
        "grant_type=",
        "subject_token=",
        "token=",
        "client_secret=",
        "authorization_details=",
        "%5B%7B%22type%22%3A%22call_model%22%7D%5D",
        "purpose=",
        "scope=",
        "actor_token=",
        "a=1&a=2",
        "Basic ",
        "OmM=",
    ],
    max_len: 4000,
    run,
    hostile: &["a=1&", "%41", "&", "+", "%", "Basic YTpi"],
    floor: 2000.0,
};

fn run(bytes: &[u8]) -> Outcome {
    let told = basic(bytes);
    if let Some((user, _)) = &told {
        ensure(!user.is_empty() || bytes.len() < 9000, || "an endless user".to_owned())?;
    }
    let form = match Form::parse(bytes) {
        Ok(form) => form,
        Err(error) => return Ok(seen((error.to_string(), told.is_some()))),
    };
    let again = second(bytes).ok_or("a form that the second reader refuses")?;
    ensure(again.len() <= 32, || format!("{} parameters", again.len()))?;
    let printed = format!("{form:?}");
    for (name, value) in &again {
        let expected = Some(value.as_str()).filter(|value| !value.is_empty());
        ensure(form.get(name) == expected, || format!("{name:?} reads in two ways"))?;
        let is_told =
            value.len() >= 8 && printed.contains(value.as_str()) && !again.keys().any(|name| name.contains(value.as_str()));
        ensure(!is_told, || format!("the value of {name:?} prints"))?;
    }
    let grant = form.get("authorization_details").map(|text| grant_of(text.as_bytes()).map(|grant| grant.lines().len()));
    let tokens = ["subject_token", "token"].map(|name| form.get(name).map(Unverified::parse));
    let tokens = tokens.map(|token| token.map(|token| token.map(|_| ()).map_err(|error| error.to_string())));
    Ok(seen((magnitude(again.len()), grant, tokens, form.get("purpose").map(|text| Name::new(text).is_ok()))))
}

/// A second reader, slow and plain. Nothing where a name stands twice or an escape is none.
fn second(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for pair in bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) =
            at.map_or((pair, &[][..]), |at| (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default()));
        if found.insert(plain(name)?, plain(value)?).is_some() {
            return None;
        }
    }
    Some(found)
}

fn plain(text: &[u8]) -> Option<String> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(rest.get(..2)?)
                    .ok()
                    .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
                rest = rest.get(2..)?;
            }
            other => out.push(*other),
        }
    }
    String::from_utf8(out).ok()
}
