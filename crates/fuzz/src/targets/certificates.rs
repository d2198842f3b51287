//! Certificates and keys as files have them: PEM, and what stands in it.

use gateway::connect::{Trust, client_config};
use gateway::tls::{Material, check, not_after};

use super::{Outcome, Target, ensure, seen};

const PEM: &[u8] = include_bytes!("../../seeds/certificate.pem");

pub(super) const TARGET: Target = Target {
    name: "certificates",
    what: "PEM files of listeners and clients, and the dates in certificates: usable, or which part is not and why",
    seeds: || {
        let text = String::from_utf8_lossy(PEM);
        let parts: Vec<Vec<u8>> =
            text.split_inclusive("-----END CERTIFICATE-----\n").map(|part| part.as_bytes().to_vec()).collect();
        // A certificate as it is inside: a sequence of a sequence with its dates.
        let der =
            b"\x30\x30\x30\x2e\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x00\x30\x00\x30\x1e\x17\x0d260101000000Z\x17\x0d360101000000Z"
                .to_vec();
        [vec![PEM.to_vec(), der], parts].concat()
    },
    words: &[
        "-----BEGIN CERTIFICATE-----\n",
        "-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\n",
        "-----END PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\n",
        "-----BEGIN ",
        "-----",
        "MIIB",
        "MAA=",
        "AAAA",
        "=",
        "\r\n",
        "\n",
        "\u{0}",
        "\x30\x03",
        "\x17\x0d",
        "\x18\x0f20500101000000Z",
        "\u{7f}",
    ],
    max_len: 4000,
    run,
    hostile: &[
        "-----BEGIN CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        "-",
        "MIIB",
        "\x30\x03",
        "\n",
    ],
    floor: 200.0,
};

fn run(bytes: &[u8]) -> Outcome {
    let own = Material { certificate: PEM, key: PEM, client_ca: None };
    let usable = [
        check(&Material { certificate: bytes, ..own }),
        check(&Material { key: bytes, ..own }),
        check(&Material { client_ca: Some(bytes), ..own }),
        client_config(&Trust { ca: Some(bytes), ..Trust::default() }).map(|_| None),
        client_config(&Trust { client: Some((bytes, bytes)), ..Trust::default() }).map(|_| None),
    ];
    let lines: Vec<&str> = std::str::from_utf8(bytes).map(|text| text.lines().collect()).unwrap_or_default();
    let mut ways = Vec::new();
    for one in usable {
        ways.push(one.map_err(|error| {
            let said = error.to_string();
            (error.part, said)
        }));
    }
    for (_, said) in ways.iter().filter_map(|way| way.as_ref().err()) {
        ensure(!said.contains('\n') && said.len() < 1024, || format!("{} bytes: {said:?}", said.len()))?;
        let is_told = lines.iter().any(|line| line.len() >= 32 && !line.starts_with("-----") && said.contains(line));
        ensure(!is_told, || format!("what stands in the file is told: {said}"))?;
    }
    let ends = not_after(bytes);
    // Dates of certificates have four digits for the year.
    ensure(ends.is_none_or(|ends| ends < 253_402_300_800), || format!("a certificate ends in {ends:?}"))?;
    Ok(seen((ways, ends.is_some())))
}
