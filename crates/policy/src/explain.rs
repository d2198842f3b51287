//! An answer in sentences.

use model::{Answer, LinkAnswer, Verdict};

/// One line per link and ask, the deciding ones first.
#[must_use]
pub fn explain(answer: &Answer) -> Vec<String> {
    let mut links: Vec<&LinkAnswer> = answer.links.iter().collect();
    links.sort_by_key(|link| std::cmp::Reverse(link.verdict));
    let mut lines: Vec<String> = links.into_iter().map(line).collect();
    if lines.is_empty() {
        lines.push("no link was asked".to_owned());
    }
    lines
}

fn line(link: &LinkAnswer) -> String {
    let asked = format!("{} {} \"{}\"", link.action.as_str(), link.resource.type_name(), link.resource.id());
    let policies: Vec<String> = link.policies.iter().map(ToString::to_string).collect();
    let by = if policies.is_empty() { String::new() } else { format!(" by {}", policies.join(", ")) };
    let verdict = match link.verdict {
        Verdict::Permit => "permit",
        Verdict::Challenge => "challenge",
        Verdict::Deny => "deny",
    };
    let mut text =
        format!("{verdict}: {} may {}{asked}{by}", link.principal, if link.verdict == Verdict::Permit { "" } else { "not " });
    if link.verdict != Verdict::Permit {
        text.push_str(&format!(" ({}: {})", link.reason, link.reason.text()));
    }
    for error in &link.errors {
        text.push_str(&format!("; {error}"));
    }
    if !link.duties.is_empty() {
        let duties: Vec<String> = link.duties.iter().map(ToString::to_string).collect();
        text.push_str(&format!("; duties {}", duties.join(", ")));
    }
    text
}
