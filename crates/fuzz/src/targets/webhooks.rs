//! Signed messages: the three headers and the body, before anybody is known.

use identity::webhook::{FRESH, Message, WebhookError, WebhookKey};
use model::UnixMillis;

use super::{Outcome, Target, ensure, magnitude, seen, texts};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: u64 = 1_614_265_330;

pub(super) const TARGET: Target = Target {
    name: "webhooks",
    what: "signed messages, a header per line and the body behind them: only what the key has signed is taken, fresh, with an id without a point",
    seeds: || {
        texts(&[
            "msg_p5jXN8AQM9LWM0D4loKWxJek\n1614265330\nv1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\n{\"test\": 2432232314}",
            "a.1\n2\nv1,AAAA v2,BBBB v1a,x\nx",
            "m\n0\nv1, v1,= v1,====\n",
        ])
    },
    words: &[
        "\n",
        "v1,",
        "v2,",
        " ",
        ".",
        "0",
        "1614265330",
        "1614265000",
        "=",
        "msg_",
        "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ],
    max_len: 2000,
    run,
    hostile: &["v1,AAAA ", "1", "a", ".", "\n"],
    floor: 2000.0,
};

fn run(bytes: &[u8]) -> Outcome {
    let mut parts = bytes.splitn(4, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (id, at, signatures, body) = (part(), part(), part(), part());
    let key = WebhookKey::parse(KEY).map_err(|error| error.to_string())?;
    let now = UnixMillis(NOW * 1000);
    let taken = Message::read(&[id], &[at], &[signatures], body);
    for doubled in [
        Message::read(&[id, id], &[at], &[signatures], body),
        Message::read(&[id], &[at, at], &[signatures], body),
        Message::read(&[id], &[at], &[signatures, signatures], body),
        Message::read(&[], &[at], &[signatures], body),
    ] {
        ensure(doubled == Err(WebhookError::Malformed), || "a header that stands twice".to_owned())?;
    }
    let message = match taken {
        Ok(message) => message,
        Err(error) => return Ok(seen(error.to_string())),
    };
    ensure(!message.id.contains('.') && (1..=128).contains(&message.id.len()), || format!("the id {:?}", message.id))?;
    let told = message.signer([("anna", &key)].into_iter(), now).map(|(name, _)| name);
    // A second reader: the signature over what was told, written anew.
    let ours = key.sign(message.id, message.at, body);
    let is_ours = signatures.split(|byte| *byte == b' ').take(64).any(|one| one == ours.as_bytes());
    match told {
        Ok(_) => ensure(is_ours && message.at.abs_diff(NOW) <= FRESH, || "what nobody has signed lately".to_owned())?,
        Err(WebhookError::Stale) => ensure(message.at.abs_diff(NOW) > FRESH, || "fresh, and called stale".to_owned())?,
        Err(_) => {}
    }
    Ok(seen((told.map_err(|error| error.to_string()), magnitude(id.len()), magnitude(signatures.len()))))
}
