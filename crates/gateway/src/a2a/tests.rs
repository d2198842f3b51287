use super::{Verb, at};

#[test]
fn paths_name_an_agent_and_what_is_wanted_of_it() {
    let facts = [
        ("/a2a/travel", Some(Ok(("travel", Verb::Tell)))),
        ("/a2a/travel/.well-known/agent-card.json", Some(Ok(("travel", Verb::Card)))),
        ("/a2a/", Some(Err(&()))),
        ("/a2a/travel/", Some(Err(&()))),
        ("/a2a/travel/message:send", Some(Err(&()))),
        ("/a2a/travel/.well-known/agent.json", Some(Err(&()))),
        ("/a2a/.well-known/agent-card.json", Some(Err(&()))),
        ("/a2a/a/b/.well-known/agent-card.json", Some(Err(&()))),
        ("/mcp/travel", None),
        ("/a2a", None),
    ];
    for (path, expected) in facts {
        let found = at(path);
        let found = found.as_ref().map(|found| found.as_ref().map(|(name, verb)| (name.as_str(), *verb)));
        assert_eq!(found, expected, "{path}");
    }
}
