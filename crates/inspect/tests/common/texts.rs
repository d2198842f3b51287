//! Generated texts: prose, planted findings of every kind, near misses, and fragments that provoke overlaps.

/// A small deterministic generator (xorshift64*), so that every run tests the same texts.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let word = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(word).unwrap() % n
    }

    pub(crate) fn pick<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        &items[self.below(items.len())]
    }

    pub(crate) fn string(&mut self, alphabet: &str, length: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| *self.pick(&alphabet)).collect()
    }
}

pub(crate) const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
pub(crate) const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
pub(crate) const URL_SAFE: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
pub(crate) const HEX: &str = "0123456789abcdef";
pub(crate) const DIGITS: &str = "0123456789";

pub(crate) fn luhn(body: &str) -> String {
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0');
            if at % 2 == 1 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// An IBAN with the right check digits.
pub(crate) fn iban(random: &mut Random, country: &str, length: usize) -> String {
    let body = random.string(DIGITS, length - 4);
    let moved: String =
        format!("{body}{country}00").chars().map(|character| character.to_digit(36).unwrap().to_string()).collect();
    let value = moved.bytes().fold(0_u32, |rest, byte| (rest * 10 + u32::from(byte - b'0')) % 97);
    format!("{country}{:02}{body}", 98 - value)
}

fn grouped(text: &str, separator: &str) -> String {
    text.as_bytes().chunks(4).map(|chunk| String::from_utf8(chunk.to_vec()).unwrap()).collect::<Vec<_>>().join(separator)
}

pub(crate) fn pem(random: &mut Random, bytes: usize) -> String {
    let lines: Vec<String> = (0..bytes.div_ceil(64)).map(|_| random.string(ALNUM, 64)).collect();
    format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----", lines.join("\n"))
}

pub(crate) fn jwt(random: &mut Random, bytes: usize) -> String {
    format!("eyJhbGciOiJSUzI1NiJ9.eyJ{}.{}", random.string(URL_SAFE, bytes), random.string(URL_SAFE, 86))
}

/// What has to stand before a value of the kind, mostly nothing, and a value as its issuer would make it.
pub(crate) fn clue_and_value(kind: &str, random: &mut Random) -> (String, String) {
    super::context::example(kind, random).unwrap_or_else(|| (String::new(), planted(kind, random)))
}

/// A value of the kind, as its issuer would make it, behind what has to stand before it.
pub(crate) fn planted(kind: &str, random: &mut Random) -> String {
    let mut with = |prefix: &str, alphabet: &str, length: usize| format!("{prefix}{}", random.string(alphabet, length));
    match kind {
        "anthropic-api-key" => with("sk-ant-api03-", URL_SAFE, 93) + "AA",
        "anthropic-admin-api-key" => with("sk-ant-admin01-", URL_SAFE, 93) + "AA",
        "openai-api-key" => match with("", "01", 1).as_str() {
            "0" => with("sk-proj-", URL_SAFE, 74) + &with("T3BlbkFJ", URL_SAFE, 74),
            _ => with("sk-", ALNUM, 20) + &with("T3BlbkFJ", ALNUM, 20),
        },
        "aws-access-token" => with("AKIA", UPPER, 16),
        "github-fine-grained-pat" => with("github_pat_", ALNUM, 22) + &with("_", ALNUM, 59),
        "github-pat" => with("ghp_", ALNUM, 36),
        "github-oauth" => with("gho_", ALNUM, 36),
        "github-app-token" => with("ghs_", ALNUM, 36),
        "github-refresh-token" => with("ghr_", ALNUM, 36),
        "gitlab-pat" => with("glpat-", URL_SAFE, 20),
        "gitlab-ptt" => with("glptt-", HEX, 40),
        "gitlab-runner-authentication-token" => with("glrt-", URL_SAFE, 20),
        "slack-bot-token" => with("xoxb-", DIGITS, 12) + &with("-", DIGITS, 12) + &with("-", ALNUM, 24),
        "slack-user-token" => with("xoxp-", DIGITS, 12) + &with("-", DIGITS, 12) + &with("-", DIGITS, 12) + &with("-", ALNUM, 32),
        "slack-app-token" => with("xapp-1-", UPPER, 11) + &with("-", DIGITS, 13) + &with("-", HEX, 64),
        "slack-webhook-url" => {
            with("https://hooks.slack.com/services/T", UPPER, 10) + &with("/B", UPPER, 10) + &with("/", ALNUM, 24)
        }
        "gcp-api-key" => with("AIza", URL_SAFE, 35),
        "stripe-access-token" => with("sk_live_", ALNUM, 24),
        "npm-access-token" => with("npm_", ALNUM, 36),
        "pypi-upload-token" => with("pypi-AgEIcHlwaS5vcmc", URL_SAFE, 120),
        "huggingface-access-token" => with("hf_", ALNUM, 34),
        "sendgrid-api-token" => with("SG.", URL_SAFE, 22) + &with(".", URL_SAFE, 43),
        "twilio-api-key" => with("SK", HEX, 32),
        "digitalocean-pat" => with("dop_v1_", HEX, 64),
        "digitalocean-access-token" => with("doo_v1_", HEX, 64),
        "digitalocean-refresh-token" => with("dor_v1_", HEX, 64),
        "jwt" => match random.below(4) {
            0 => format!("eyA{}.ey{}.{}", random.string(URL_SAFE, 30), random.string(URL_SAFE, 60), random.string(URL_SAFE, 43)),
            _ => jwt(random, 90),
        },
        "private-key" => pem(random, 128),
        "portcullis-api-key" => with("pcl_", HEX, 12) + &with("_", ALNUM, 49),
        "CREDIT_CARD" => {
            let head: &str = random.pick::<&str>(&["4", "51", "2221", "37", "6011", "3530"]);
            let length = if head == "37" { 14 } else { 15 };
            let number = luhn(&format!("{head}{}", random.string(DIGITS, length - head.len())));
            let separator = *random.pick(&["", " ", "-"]);
            grouped(&number, separator)
        }
        "IBAN_CODE" => {
            let compact = iban(random, "DE", 22);
            let separator = *random.pick(&["", " "]);
            grouped(&compact, separator)
        }
        "US_SSN" => format!("{}-{}-{}", 100 + random.below(500), 10 + random.below(89), 1000 + random.below(8999)),
        "EMAIL_ADDRESS" => format!("{}@{}.com", random.string("abcdefghij.", 9), random.string("abcdefghij", 7)),
        other if personal(other).is_some() => {
            let (words, values) = personal(other).unwrap();
            format!("{words}{}", random.pick::<&str>(values))
        }
        other => {
            if let Some((clue, value)) = super::context::example(other, random) {
                return clue + &value;
            }
            let (prefix, class, min) = super::oracle::example(other).unwrap_or_else(|| panic!("no example of `{other}`"));
            let alphabet = match class {
                "hex" => HEX,
                "upper" | "upper-" => UPPER,
                _ => ALNUM,
            };
            // A few more, so that enough of them differ.
            format!("{prefix}{}", random.string(alphabet, min.max(12)))
        }
    }
}

/// Texts that must not be found, and scraps that provoke the machine.
const SCRAPS: &[&str] = &[
    "ghp_",
    "ghp_ghp_ghp_",
    "gh",
    "sk-",
    "sk-proj-",
    "sk-proj-sk-proj-",
    "sk-ant-",
    "sk-sk-sk-",
    "AKIA",
    "AKIAXXXXXXXXXXXXXXXX",
    "ey",
    "eyJ",
    "eyJhbGciOi",
    ".ey",
    "eyey.eyey",
    "-----",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN CERTIFICATE-----",
    "-----END PRIVATE KEY-----",
    "-----END ",
    "------",
    "-----begin rsa private key-----",
    "xoxb-",
    "hooks.slack.com/services/",
    "hooks.slack.com",
    "glpat-",
    "pcl_",
    "pclop_",
    "SG.",
    "SK",
    "hf_",
    "npm_",
    "pypi-",
    "dop_v1_",
    "github_pat_",
    "@",
    "@@",
    "a@",
    "@b.co",
    "a@b.co",
    "a@b",
    "a@b.c",
    "a@b.co@c.de",
    "a@b..co",
    "a@.co",
    "a.b@c.d.e.f.uk.",
    ".",
    "..",
    "_",
    "-",
    "%",
    "+",
    "1",
    "12",
    "123",
    "4",
    "41",
    "4111",
    "123-45-6789",
    "666-45-6789",
    "123-45-678",
    "000-00-0000",
    "123 45 6789",
    "4111 1111 1111 1111",
    "4111111111111111",
    "4111-1111 1111-1111",
    "api_key = ",
    "password=\"",
    "discord",
    "Authorization: Basic ",
    "twitter_id:'",
    " is ",
    "curl -u a1:",
    "=",
    ": ",
    "12345678-1234-1234-1234-123456789abc",
    "00112233445566778899aabbccddeeff",
    "0.4111111111111111",
    "41111111111111112",
    "37",
    "GB",
    "GB6",
    "GB69 ",
    "gb69pmnj",
    "DE89370400440532013000",
    "DE89 3704 0044 0532 0130 00",
    "DE8937040044053201300",
    "NO93 8601 1117 947",
    "no",
    "de",
    "x",
    "é",
    "中文",
    "😀",
    "\u{a0}",
    "The quick brown fox",
    "they keep the keys",
    "ask the desk",
    "SKELETON",
    "HTTPS",
    "skill-set",
    "phone ",
    "call +1 ",
    "order ",
    "+49 30 ",
    "(030) 90 18",
    "00 49",
    " office",
    "x12",
    "2024-08-31",
    "August ",
    "May 5, 2001",
    "born",
    "10.0.0.",
    "1.2.3.4",
    "version ",
    "2001:db8:",
    "::",
    "12:34:56",
    "https:/",
    "https://",
    "www.",
    "example.com",
    ".co.uk/",
    "X-",
    "AB 12 ",
    "RSSMRA85",
    "passport ",
    "ssn ",
    "P<UTO<<",
    "1234567",
    "99.99.99-",
    "\n",
    "\t",
    "\"",
    "{\"a\":",
    "}",
    "https://",
    "user=",
    "Bearer ",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ",
];

const JOINTS: &[&str] = &["", "", "", " ", " ", "\n", "@", ".", "-", "_", ", ", "4", "x", "="];

/// One text of some scraps and findings, often cut in the middle of one.
pub(crate) fn mixed(random: &mut Random, kinds: &[String]) -> String {
    let mut text = String::new();
    for _ in 0..=random.below(5) {
        let mut fragment = match random.below(5) {
            0 | 1 => planted(random.pick::<String>(kinds), random),
            2 => {
                let mut value = planted(random.pick::<String>(kinds), random);
                let length = value.floor_char_boundary(random.below(value.len() + 1));
                value.truncate(length);
                value
            }
            _ => (*random.pick(SCRAPS)).to_owned(),
        };
        if random.below(8) == 0 {
            let length = 1 + random.below(90);
            fragment.push_str(&random.string(URL_SAFE, length));
        }
        text.push_str(&fragment);
        text.push_str(random.pick::<&str>(JOINTS));
    }
    text
}

/// The words that stand in front of a planted value and are not replaced with it.
pub(crate) fn words(kind: &str) -> &'static str {
    personal(kind).map_or("", |(words, _)| words)
}

/// Words that a kind of personal data needs before it, and values of it: examples that their issuers publish, or made by their
/// rule.
fn personal(kind: &str) -> Option<(&'static str, &'static [&'static str])> {
    let found: (&str, &[&str]) = match kind {
        "IP_ADDRESS" => ("", &["192.0.2.17", "203.0.113.254", "2001:db8::17", "2001:db8:85a3:8d3:1319:8a2e:370:7348"]),
        "DOMAIN_NAME" => ("", &["https://www.example.com/", "example.org", "ftp://files.example.net", "shop.example.co.uk"]),
        "PHONE_NUMBER" => ("", &["+49 30 901820", "(212) 555-2368", "001-212-555-2368x12", "+442079460018", "01 42 68 53 00"]),
        "DATE_OF_BIRTH" => (" born ", &["1970-08-31", "8/31/1970", "31 August 1970", "August 31, 1970", "31.8.70"]),
        "CRYPTO" => (
            "",
            &[
                "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            ],
        ),
        "PASSPORT" => (" passport ", &["C01X00T47", "912803456", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]),
        "US_DRIVER_LICENSE" => (" driver's license ", &["A5631933", "LH329609T", "M943688896309"]),
        "US_ITIN" => (" itin ", &["912-70-1234", "912701234"]),
        "US_NPI" => (" NPI ", &["1234567893", "1245319599"]),
        "MEDICAL_LICENSE" => (" DEA: ", &["AB1234563", "F91234563"]),
        "MEDICAL_RECORD" => (" MRN ", &["00482913", "A123456"]),
        "DE_TAX_ID" => (" Steuer-ID ", &["86095742719", "47 036 892 816"]),
        "DE_ID_CARD" => (" Ausweis ", &["T220001293", "L01X00T471"]),
        "FR_NIR" => (" NIR ", &["269054958815780", "2 69 05 49 588 157 80"]),
        "IT_FISCAL_CODE" => ("", &["RSSMRA85T10A562S", "MRTMTT91D08F205J"]),
        "ES_NIF" => ("", &["12345678Z", "12.345.678-Z"]),
        "ES_NIE" => ("", &["X1234567L", "Y-1234567-X"]),
        "PL_PESEL" => (" pesel ", &["44051401359", "02070803628"]),
        "RO_CNP" => (" CNP ", &["1800101221144"]),
        "NL_BSN" => (" BSN ", &["111222333", "1234.56.782"]),
        "BE_NATIONAL_NUMBER" => (" rijksregister ", &["85.07.30-033.28", "17073003384"]),
        "CZ_BIRTH_NUMBER" => (" rodné ", &["710319/2745", "7103192745"]),
        "SE_PERSONNUMMER" => (" personnummer ", &["811218-9876", "19811218-9876", "8112189876"]),
        "PT_NIF" => (" contribuinte ", &["123456789"]),
        "GR_AMKA" => (" ΑΜΚΑ ", &["01018012342"]),
        "GR_AFM" => (" ΑΦΜ ", &["094259216"]),
        "UK_NHS" => (" NHS ", &["943 476 5919", "4010232137"]),
        "UK_NINO" => ("", &["AB123456C", "AB 12 34 56 C"]),
        _ => return None,
    };
    Some(found)
}
