//! Every reason code has a page, every page a code, and every page says what a page has to say.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use model::ReasonCode;

fn pages() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reasons")
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let codes: BTreeSet<String> = ReasonCode::ALL.iter().map(|code| format!("{code}.md")).collect();
    let files: BTreeSet<String> =
        fs::read_dir(pages()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let files: BTreeSet<String> = files.into_iter().filter(|file| file != "README.md").collect();
    let missing: Vec<&String> = codes.difference(&files).collect();
    let orphaned: Vec<&String> = files.difference(&codes).collect();
    assert!(missing.is_empty(), "write docs/reasons/CODE.md for {missing:?}");
    assert!(orphaned.is_empty(), "no code has these pages: {orphaned:?}");
}

#[test]
fn every_page_agrees_with_the_code() {
    for code in ReasonCode::ALL.iter().filter(|code| **code != ReasonCode::Permitted) {
        let page = fs::read_to_string(pages().join(format!("{code}.md"))).unwrap();
        let fault = format!("{:?}", code.fault()).to_lowercase();
        let retry = if code.is_retryable() { "yes" } else { "no" };
        let head = format!(
            "# {code}\n\n> {}\n\n| fault | same request may succeed later |\n|---|---|\n| {fault} | {retry} |\n",
            code.text()
        );
        assert!(page.starts_with(&head), "the head of {code}.md has to read\n{head}");
        for section in ["## What it means\n", "## As the caller\n", "## As the operator\n", "## Example\n"] {
            assert!(page.contains(section), "{code}.md lacks `{}`", section.trim());
        }
        assert!(page.lines().all(|line| line.chars().count() <= 400), "{code}.md has a line that nobody reads");
    }
}

#[test]
fn the_index_names_every_page() {
    let index = fs::read_to_string(pages().join("README.md")).unwrap();
    for code in ReasonCode::ALL {
        assert!(index.contains(&format!("({code}.md)")), "docs/reasons/README.md does not name {code}");
    }
}
