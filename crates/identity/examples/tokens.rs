//! What it costs to verify a token: `cargo run --release -p portcullis-identity --example tokens`.

#![expect(clippy::disallowed_methods, reason = "a program that measures")]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::token::{Algorithm, IssuerRules, KeySet, Unverified, digest_of, verify_access};
use model::{Name, UnixMillis};
use serde_json::{Value, json};

const ROUNDS: u32 = 2_000;
const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let random = SystemRandom::new();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let okp = Ed25519KeyPair::generate()?;
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let point = ec.public_key().as_ref().get(1..).unwrap_or_default().to_vec();
    let (x, y) = point.split_at(32);
    // RSAPublicKey in DER, of 2048 bits: nine bytes in front of the modulus; the exponent is 65537.
    let n = rsa.public_key().as_ref().get(9..265).unwrap_or_default();
    let set = json!({"keys": [
        {"kty": "OKP", "crv": "Ed25519", "kid": "EdDSA", "x": encode(okp.public_key().as_ref())},
        {"kty": "EC", "crv": "P-256", "kid": "ES256", "x": encode(x), "y": encode(y)},
        {"kty": "RSA", "kid": "RS256", "n": encode(n), "e": "AQAB"},
    ]});
    let keys = KeySet::parse(set.to_string().as_bytes())?;
    let rules = IssuerRules {
        name: Name::new("idp")?,
        url: "https://idp.example".to_owned(),
        audiences: BTreeSet::from(["https://gate.example".to_owned()]),
        algorithms: Algorithm::ALL.into_iter().collect(),
        any_type: false,
        skew: 30,
        groups: None,
    };
    let now = NOW.seconds();
    let claims = json!({"iss": rules.url, "aud": "https://gate.example", "sub": "ada", "client_id": "app", "jti": "1",
        "iat": now, "exp": now + 600, "groups": ["eng", "everyone"], "name": "Ada", "scope": "openid call"});
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let header: Value = json!({"alg": algorithm, "kid": algorithm, "typ": "at+jwt"});
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = match algorithm {
            "EdDSA" => okp.sign(signed.as_bytes()).as_ref().to_vec(),
            "ES256" => ec.sign(&random, signed.as_bytes())?.as_ref().to_vec(),
            _ => {
                let mut signature = vec![0; rsa.public_modulus_len()];
                rsa.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)?;
                signature
            }
        };
        let token = format!("{signed}.{}", encode(&signature));
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            Unverified::parse(&token)?;
        }
        let parsed = begun.elapsed() / ROUNDS;
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            verify_access(&Unverified::parse(&token)?, &rules, &keys, NOW)?;
        }
        let verified = begun.elapsed() / ROUNDS;
        // What remains where a verified token is remembered, beside one look-up in a map.
        let bearer = verify_access(&Unverified::parse(&token)?, &rules, &keys, NOW)?;
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            black_box((digest_of(black_box(&token)), bearer.clone()));
        }
        let remembered = begun.elapsed() / ROUNDS;
        #[expect(clippy::print_stdout, reason = "what the example is for")]
        {
            println!("{algorithm}: parse {parsed:?}, parse and verify {verified:?}, digest and copy {remembered:?}");
        }
    }
    Ok(())
}
