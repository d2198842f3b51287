//! Other enforcement points: what is declared for them, and what is wrong with it.

use std::collections::BTreeSet;

use model::{PrincipalKind, Shape, Value};

use super::{lines, load};

const BASE: &str = "\
operators: {root: admin}
users: {ada: {attributes: {email: ada@example.com}}, ben: {}}
agents: {bot: {}}
";

const GOOD: &str = "\
enforcement_points:
  app: {subjects: [user, identity], actions: [read, callModel], resources: [record, Model], searches_per_minute: 60}
  front: {subjects: ['*'], actions: ['*'], resources: [route], routes: [/, '/todos/{id}'], agent_in_context: true}
access:
  url: https://gate.example.com
  step_up: {acr: 'urn:example:loa:3', amr: [mfa]}
  subjects: {identity: user}
  subject_properties: {role: string}
  context: {ip: string}
  resources:
    route: {open: true, properties: {path: string}}
    record:
      attributes: {owner: user, editors: users, status: string, pages: integer, sealed: boolean, tags: strings}
      properties: {status: string}
      entities:
        a b: {owner: ada, editors: [ada, ben], status: active, pages: 7, sealed: true, tags: [x, y]}
        c: {}
  actions:
    read: {resources: [record]}
    delete: {resources: [record], properties: {soft: boolean}}
    GET: {resources: [route]}
";

#[test]
fn what_is_declared_is_in_the_bundle() {
    let (config, _) = load(&format!("{BASE}{GOOD}")).unwrap_or_else(|problems| panic!("{:#?}", lines(&problems)));
    assert_eq!(config.settings.access_url.as_deref(), Some("https://gate.example.com"));
    let step_up = crate::StepUp { acr: "urn:example:loa:3".to_owned(), amr: vec!["mfa".to_owned()] };
    assert_eq!(config.settings.step_up, Some(step_up));
    let access = &config.bundle.registry.access;
    let app = &access.points[&"app".parse().unwrap()];
    assert_eq!((app.searches, app.agents, app.routes.len()), (60, false, 0));
    assert!(app.actions.holds("callModel") && !app.actions.holds("delete") && !app.resources.holds("route"));
    let front = &access.points[&"front".parse().unwrap()];
    assert!(front.agents && front.subjects.holds("user") && front.routes == ["/", "/todos/{id}"]);
    let record = &access.resources["record"];
    assert!(!record.is_open && record.attributes["owner"] == Shape::Party(PrincipalKind::User));
    let ada: model::PrincipalId = "user:ada".parse().unwrap();
    assert_eq!(record.entities["a b"]["owner"], Value::Party(ada.clone()));
    assert_eq!(record.entities["a b"]["editors"], Value::Parties(BTreeSet::from([ada.clone(), "user:ben".parse().unwrap()])));
    assert_eq!(record.entities["a b"]["pages"], Value::Number(7));
    assert_eq!(access.tags[&ada]["email"], "ada@example.com");
    // A bundle is read as it was written, and one without any of this is written as it was before.
    let written = serde_json::to_string(&config.bundle).unwrap();
    assert_eq!(serde_json::from_str::<model::Bundle>(&written).unwrap(), config.bundle);
    let (without, _) = load("operators: {root: admin}\nusers: {ada: {}}\n").unwrap();
    assert!(!serde_json::to_string(&without.bundle).unwrap().contains("access"));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let replaced = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        load(&format!("{BASE}{}", GOOD.replacen(from, to, 1))).map(|_| ()).map_err(|problems| lines(&problems))
    };
    let facts = [
        ("[user, identity]", "[usr]", "enforcement_points.app.subjects[0]: `usr` is not declared"),
        ("[read, callModel]", "[raed]", "enforcement_points.app.actions[0]: `raed` is not declared, did you mean `read`?"),
        ("[read, callModel]", "[]", "expected at least 1 in this list"),
        ("[read, callModel]", "['*', read]", "`*` stands alone"),
        ("[record, Model]", "[recrd]", "enforcement_points.app.resources[0]: `recrd` is not declared, did you mean `record`?"),
        ("[/, '/todos/{id}']", "[todos]", "`todos` is no template"),
        ("[/, '/todos/{id}']", "['/a%20b']", "`/a%20b` is no template"),
        ("    route: {open: true, properties: {path: string}}\n", "", "declare it under `access.resources`"),
        ("url: https://gate.example.com", "url: http://gate.example.com", "by `https` only"),
        ("url: https://gate.example.com", "url: https://gate.example.com/x", "an address without a path"),
        ("acr: 'urn:example:loa:3'", "acr: ''", "access.step_up.acr: expected"),
        ("acr: 'urn:example:loa:3'", "acr: 'two words'", "access.step_up.acr: expected 1 to 128 visible characters"),
        ("acr: 'urn:example:loa:3', amr", "amr", "acr"),
        ("amr: [mfa]", "amr: [mfa, 'é']", "access.step_up.amr[1]: expected 1 to 128 visible characters"),
        ("amr: [mfa]", "amr: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q]", "access.step_up.amr"),
        ("subjects: {identity: user}", "subjects: {user: agent}", "`user` is known already"),
        ("subjects: {identity: user}", "subjects: {'a b': user}", "is no word"),
        ("    route: {open", "    Model: {}\n    route: {open", "the word `Model` is taken"),
        ("    route: {open", "    Tool: {}\n    route: {open", "the word `Tool` is taken"),
        ("    route: {open", "    in: {}\n    route: {open", "the word `in` is taken"),
        ("    route: {open", "    re-cord: {}\n    route: {open", "`re-cord` is no word for a kind"),
        ("{owner: ada,", "{owner: adda,", "no user is named `adda`, did you mean `ada`?"),
        ("{owner: ada,", "{owner: [ada],", "expected the name of a party"),
        ("pages: 7", "pages: '7'", "expected a whole number"),
        ("pages: 7", "pages: 18446744073709551615", "expected a whole number"),
        ("sealed: true", "seeled: true", "`seeled` is not declared under `attributes`, did you mean `sealed`?"),
        ("read: {resources: [record]}", "read: {resources: [recrd]}", "`recrd` is not declared under `access.resources`"),
        ("path: string", "status: integer", "never"),
        ("read: {resources: [record]}", "'re\"ad': {resources: [record]}", "is no word"),
        ("read: {resources: [record]}", "'*': {resources: [record]}", "is no word"),
        ("agent_in_context: true", "agents: true", "the key `agents` is not known here"),
    ];
    for (from, to, expected) in facts {
        let found = replaced(from, to);
        if expected == "never" {
            assert_eq!(found, Ok(()), "no action applies to both");
            continue;
        }
        let found = found.unwrap_err();
        assert!(found.iter().any(|line| line.contains(expected)), "{to}: {found:#?}");
    }
    let both =
        GOOD.replace("path: string", "status: integer").replace("GET: {resources: [route]}", "GET: {resources: [route, record]}");
    let found = lines(&load(&format!("{BASE}{both}")).unwrap_err());
    assert!(found.iter().any(|line| line.contains("the property `status` of `route` has another kind of value")), "{found:#?}");
}

#[test]
fn checks_are_served_on_this_machine_only() {
    let facts = [
        ("127.0.0.1:7703", None),
        ("'[::1]:0'", None),
        ("0.0.0.0:7703", Some("this port speaks no TLS")),
        ("localhost:7703", Some("expected an address and a port")),
        ("127.0.0.1:7700", Some("is taken by another listener")),
    ];
    for (address, expected) in facts {
        let loaded = load(&format!("operators: {{root: admin}}\nlisten: {{ext_authz: {address}}}\n"));
        match expected {
            None => assert!(loaded.unwrap().0.settings.listen.ext_authz.is_some(), "{address}"),
            Some(expected) => {
                let found = lines(&loaded.unwrap_err());
                assert!(found.iter().any(|line| line.contains(expected)), "{address}: {found:#?}");
            }
        }
    }
}
