//! Agents outside: what is declared is what was approved, and by whom it was signed.

use identity::token::{Ed25519Signer, Signer, sign_detached};
use model::Level;
use serde_json::{Value, json};

use super::{lines, load_with};
use crate::Texts;

const MAIN: &str = "\
operators: {root: admin}
upstreams: {u: {kind: a2a, base_url: 'http://127.0.0.1:1/rpc'}}
remote_agents:
  travel:
    upstream: u
    card: agents/travel.json
    card_keys: agents/keys.json
    clearance: confidential
    skills: [book]
";

fn card() -> Value {
    json!({
        "name": "Travel", "description": "", "version": "1",
        "supportedInterfaces": [{"url": "https://a.example", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
        "capabilities": {}, "skills": [{"id": "book", "name": "B", "description": "B", "tags": []}, {"id": "see", "name": "S"}],
    })
}

fn signer(seed: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(&[seed; 32]).unwrap()
}

/// The card with a signature over `payload`.
fn signed(payload: &str, signer: &Ed25519Signer) -> String {
    let (protected, signature) = sign_detached(payload.as_bytes(), signer).unwrap();
    let mut card = card();
    card["signatures"] = json!([{"protected": "e30", "signature": "AAAA"}, {"protected": protected, "signature": signature}]);
    card.to_string()
}

fn texts(card: &str) -> Texts {
    let keys = json!({"keys": [signer(1).jwk()]}).to_string();
    Texts::new().with("policies/a.cedar", "").with("agents/travel.json", card).with("agents/keys.json", keys)
}

#[test]
fn a_card_that_is_signed_is_in_the_bundle() {
    let read = a2a::Card::read(card().to_string().as_bytes()).unwrap();
    // As it is written, and as it is without what is empty: SDKs sign the one or the other.
    for payload in read.payloads() {
        let (config, _) =
            load_with(texts(&signed(&payload, &signer(1))), MAIN).unwrap_or_else(|problems| panic!("{:#?}", lines(&problems)));
        let travel = &config.bundle.registry.remote_agents[&"travel".parse().unwrap()];
        assert_eq!(travel.clearance, Level::Confidential);
        assert_eq!(travel.skills.iter().collect::<Vec<_>>(), ["book"]);
        assert_eq!(travel.card, read.canonical());
        assert_eq!(config.settings.agent_upstreams[&"travel".parse().unwrap()].as_str(), "u");
    }
    // Without keys it counts because an operator has read it.
    let unsigned = MAIN.replace("    card_keys: agents/keys.json\n", "");
    assert!(load_with(texts(&card().to_string()), &unsigned).is_ok());
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let good = signed(&a2a::Card::read(card().to_string().as_bytes()).unwrap().canonical(), &signer(1));
    let told = |card: &str, main: &str| lines(&load_with(texts(card), main).map(drop).expect_err(main));
    let of_main = |from: &str, to: &str| {
        assert!(MAIN.contains(from), "{from}");
        told(&good, &MAIN.replace(from, to))
    };
    let other = signed("{}", &signer(1));
    let forged = signed(&a2a::Card::read(card().to_string().as_bytes()).unwrap().canonical(), &signer(2));
    let facts = [
        (
            told(&forged, MAIN),
            "portcullis.yaml:7:16: remote_agents.travel.card_keys: none of the card's signatures is of one of these keys",
        ),
        (told(&other, MAIN), "remote_agents.travel.card_keys: none of the card's signatures is of one of these keys"),
        (told(&card().to_string(), MAIN), "remote_agents.travel.card_keys: the card has no signature"),
        (told("{}", MAIN), "agents/travel.json:1:1: /name: expected a text"),
        (of_main("[book]", "[boock]"), "remote_agents.travel.skills[0]: the card has no skill `boock`, did you mean `book`?"),
        (of_main("[book]", "[see, see]"), "remote_agents.travel.skills[1]: `see` stands twice in this list"),
        (of_main("card: agents/travel.json", "card: /etc/travel.json"), "is not a JSON file below this file"),
        (of_main("card_keys: agents/keys.json", "card_keys: agents/../keys.json"), "is not a JSON file below this file"),
        (
            of_main("card_keys: agents/keys.json", "card_keys: agents/travel.json"),
            "agents/travel.json:1:1: expected a JSON object with a list `keys`",
        ),
        (of_main("upstream: u", "upstream: v"), "remote_agents.travel.upstream: no upstream is named `v`"),
        (
            of_main("kind: a2a", "kind: mcp"),
            "remote_agents.travel.upstream: `u` is no agent: expected an upstream with `kind: a2a`",
        ),
        (of_main("  travel:", "  tra/vel:"), "it stands in a path"),
        (of_main("clearance", "clearence"), "portcullis.yaml:8:"),
    ];
    for (told, expected) in facts {
        assert!(told.iter().any(|line| line.contains(expected)), "{told:#?} is not {expected}");
    }
}
