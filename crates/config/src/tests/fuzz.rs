//! Whatever stands in the file: no panic, and either a configuration or problems with a place.

use proptest::prelude::*;

use super::load;

const SEED: &str = include_str!("../../templates/init/portcullis.yaml");

/// A whole file with every section, so that a mutation can hit any of them.
fn seed() -> String {
    let sections = "\
upstreams:
  local: {kind: openai, dialects: [openai, anthropic], base_url: 'http://127.0.0.1:8080', api_key: '${KEY}'}
models:
  small:
    upstreams:
      - {name: local, model: smol}
    clearance: internal
    groups: [everyday]
model_groups: {everyday: {}}
groups: {staff: {}, research: {groups: [staff]}}
users: {ada: {groups: [research]}}
agents: {desk: {autonomous: [callModel]}}
services: {billing: {}}
operators: {root: admin}
limits: {depth: 32, nodes: 1000}
danger: {off: [inspection], scanners_off: [jwt]}
";
    let head: String = SEED.lines().take_while(|line| !line.starts_with("upstreams")).map(|line| format!("{line}\n")).collect();
    head + sections
}

fn holds(text: &str) -> Result<(), TestCaseError> {
    let n_lines = text.lines().count() + 1;
    if let Err(problems) = load(text) {
        prop_assert!(!problems.is_empty(), "refused without a word: {:?}", text);
        for problem in &problems {
            let said = problem.to_string();
            let (line, column) = (problem.position.line, problem.position.column);
            prop_assert!(line >= 1 && column >= 1, "{}", said);
            prop_assert!(problem.file != "portcullis.yaml" || usize::try_from(line).unwrap() <= n_lines, "{}", said);
            prop_assert!(!said.contains('\n'), "{:?}", said);
            prop_assert!(!said.contains("please report this"), "{:?} {}", text, said);
            prop_assert!(!problem.message.is_empty());
        }
    }
    Ok(())
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn the_seed_itself_is_good() {
    assert!(load(&seed()).is_ok(), "{:?}", load(&seed()));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_mutated_file(cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "[\\PC\n\t]{0,6}"), 1..4)) {
        let mut characters: Vec<char> = seed().chars().collect();
        for (at, length, inserted) in cuts {
            let start = at.index(characters.len());
            let end = (start + length).min(characters.len());
            characters.splice(start..end, inserted.chars());
        }
        holds(&characters.into_iter().collect::<String>())?;
    }

    #[test]
    fn swapped_words(first in any::<prop::sample::Index>(), second in any::<prop::sample::Index>()) {
        let text = seed();
        let mut words: Vec<&str> = text.split_inclusive([' ', '\n', ',', '{', '}', ':']).collect();
        let (first, second) = (first.index(words.len()), second.index(words.len()));
        words.swap(first, second);
        holds(&words.concat())?;
    }

    #[test]
    fn yaml_marks_everywhere(at in any::<prop::sample::Index>(), mark in "[&*!%@`|>?:\\-#'\"\\[\\]{}~]{1,3} ?") {
        let mut text = seed();
        let position = at.index(text.len());
        text.insert_str(position, &mark);
        holds(&text)?;
    }

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        holds(&text)?;
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let source = crate::Texts::new().with("portcullis.yaml", bytes);
        if let Err(problems) = crate::Config::load(&source, &super::env) {
            prop_assert!(!problems.is_empty());
        }
    }
}
