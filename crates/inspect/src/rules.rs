//! The rules as data. `docs/SCANNERS.md` says the same in prose; both change together.

use model::{FindingGroup, FindingKind};

use crate::class::Class;

/// What may not stand directly before a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Anything may.
    Any,
    /// No letter, digit or `_`.
    Word,
    /// No letter, digit, `_` or `-`.
    UrlSafe,
}

impl Left {
    pub(crate) fn admits(self, before: Option<u8>) -> bool {
        let barred = match self {
            Self::Any => return true,
            Self::Word => Class::WORD,
            Self::UrlSafe => Class::URL_SAFE,
        };
        before.is_none_or(|byte| !barred.has(byte))
    }
}

/// One way in which a token can look.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// A literal, then at least `min` bytes of `class`; the match takes the whole run.
    Run { prefix: &'static str, left: Left, class: Class, min: usize, distinct: usize },
    /// Two base64url segments that both begin with `ey`, joined by a dot; see [`crate::token`].
    Segments,
    /// A PEM private key; see [`crate::token`].
    Pem,
}

impl Shape {
    /// The literal that every match begins with.
    pub(crate) const fn prefix(&self) -> &'static str {
        match self {
            Self::Run { prefix, .. } => prefix,
            Self::Segments => "ey",
            Self::Pem => "-----",
        }
    }
}

/// A kind of token with everything it can look like; the first shape that matches counts.
#[derive(Debug)]
pub(crate) struct TokenRule {
    pub(crate) kind: &'static str,
    pub(crate) shapes: &'static [Shape],
}

/// A literal and a run behind it that needs at least six distinct bytes among its first `min`.
const fn token(prefix: &'static str, left: Left, class: Class, min: usize) -> Shape {
    Shape::Run { prefix, left, class, min, distinct: 6 }
}

/// Characters of a compact JWS or JWE.
pub(crate) const JWT: Class = Class::URL_SAFE.or(Class::BASE64).or(Class::DOT);

/// A JOSE header whose first member can be told from its first ten characters.
const fn jose(prefix: &'static str) -> Shape {
    Shape::Run { prefix, left: Left::Any, class: JWT, min: 20, distinct: 0 }
}

const SENDGRID: Class = Class::URL_SAFE.or(Class::EQUALS).or(Class::DOT);
const ALNUM_DASH: Class = Class::ALNUM.or(Class::DASH);
const UPPER_DIGIT: Class = Class::UPPER.or(Class::DIGIT);
const URL_SAFE_DOT: Class = Class::URL_SAFE.or(Class::DOT);
const PATH: Class = Class::ALNUM.or(Class::PLUS).or(Class::SLASH);

/// All token rules; the place in this list is the rule's number and breaks ties.
pub(crate) static TOKENS: &[TokenRule] = &[
    TokenRule {
        kind: "anthropic-api-key",
        shapes: &[
            token("sk-ant-api", Left::Word, Class::URL_SAFE, 40),
            token("sk-ant-sid", Left::Word, Class::URL_SAFE, 40),
            token("sk-ant-oat", Left::Word, Class::URL_SAFE, 40),
            token("sk-ant-ort", Left::Word, Class::URL_SAFE, 40),
        ],
    },
    TokenRule { kind: "anthropic-admin-api-key", shapes: &[token("sk-ant-admin", Left::Word, Class::URL_SAFE, 40)] },
    TokenRule {
        kind: "openai-api-key",
        shapes: &[
            token("sk-proj-", Left::Word, Class::URL_SAFE, 20),
            token("sk-svcacct-", Left::Word, Class::URL_SAFE, 20),
            token("sk-admin-", Left::Word, Class::URL_SAFE, 20),
            token("sk-None-", Left::Word, Class::URL_SAFE, 20),
            token("sk-", Left::Word, Class::ALNUM, 32),
        ],
    },
    TokenRule {
        kind: "aws-access-token",
        shapes: &[
            token("AKIA", Left::Word, UPPER_DIGIT, 16),
            token("ASIA", Left::Word, UPPER_DIGIT, 16),
            token("ABIA", Left::Word, UPPER_DIGIT, 16),
            token("ACCA", Left::Word, UPPER_DIGIT, 16),
            token("A3T", Left::Word, UPPER_DIGIT, 17),
        ],
    },
    TokenRule { kind: "github-fine-grained-pat", shapes: &[token("github_pat_", Left::Any, Class::WORD, 36)] },
    TokenRule { kind: "github-pat", shapes: &[token("ghp_", Left::Any, Class::ALNUM, 36)] },
    TokenRule { kind: "github-oauth", shapes: &[token("gho_", Left::Any, Class::ALNUM, 36)] },
    TokenRule {
        kind: "github-app-token",
        shapes: &[token("ghu_", Left::Any, Class::ALNUM, 36), token("ghs_", Left::Any, Class::ALNUM, 36)],
    },
    TokenRule { kind: "github-refresh-token", shapes: &[token("ghr_", Left::Any, Class::ALNUM, 36)] },
    TokenRule { kind: "gitlab-pat", shapes: &[token("glpat-", Left::Any, URL_SAFE_DOT, 20)] },
    TokenRule { kind: "gitlab-ptt", shapes: &[token("glptt-", Left::Any, Class::URL_SAFE, 40)] },
    TokenRule { kind: "gitlab-runner-authentication-token", shapes: &[token("glrt-", Left::Any, URL_SAFE_DOT, 20)] },
    TokenRule { kind: "slack-bot-token", shapes: &[token("xoxb-", Left::Any, ALNUM_DASH, 20)] },
    TokenRule {
        kind: "slack-user-token",
        shapes: &[token("xoxp-", Left::Any, ALNUM_DASH, 20), token("xoxe-", Left::Any, ALNUM_DASH, 20)],
    },
    TokenRule { kind: "slack-app-token", shapes: &[token("xapp-", Left::Any, ALNUM_DASH, 20)] },
    TokenRule {
        kind: "slack-webhook-url",
        shapes: &[
            token("https://hooks.slack.com/services/", Left::Any, PATH, 36),
            token("https://hooks.slack.com/workflows/", Left::Any, PATH, 36),
            token("https://hooks.slack.com/triggers/", Left::Any, PATH, 36),
            token("http://hooks.slack.com/services/", Left::Any, PATH, 36),
            token("http://hooks.slack.com/workflows/", Left::Any, PATH, 36),
            token("http://hooks.slack.com/triggers/", Left::Any, PATH, 36),
            token("hooks.slack.com/services/", Left::Any, PATH, 36),
            token("hooks.slack.com/workflows/", Left::Any, PATH, 36),
            token("hooks.slack.com/triggers/", Left::Any, PATH, 36),
        ],
    },
    TokenRule { kind: "gcp-api-key", shapes: &[token("AIza", Left::Word, Class::URL_SAFE, 35)] },
    TokenRule {
        kind: "stripe-access-token",
        shapes: &[
            token("sk_live_", Left::Word, Class::ALNUM, 10),
            token("sk_test_", Left::Word, Class::ALNUM, 10),
            token("sk_prod_", Left::Word, Class::ALNUM, 10),
            token("rk_live_", Left::Word, Class::ALNUM, 10),
            token("rk_test_", Left::Word, Class::ALNUM, 10),
            token("rk_prod_", Left::Word, Class::ALNUM, 10),
        ],
    },
    TokenRule { kind: "npm-access-token", shapes: &[token("npm_", Left::Word, Class::ALNUM, 36)] },
    TokenRule {
        kind: "pypi-upload-token",
        shapes: &[
            token("pypi-AgEIcHlwaS5vcmc", Left::Any, Class::URL_SAFE, 50),
            token("pypi-AgENdGVzdC5weXBpLm9yZw", Left::Any, Class::URL_SAFE, 50),
        ],
    },
    TokenRule { kind: "huggingface-access-token", shapes: &[token("hf_", Left::Word, Class::ALNUM, 34)] },
    TokenRule { kind: "sendgrid-api-token", shapes: &[token("SG.", Left::Word, SENDGRID, 66)] },
    TokenRule { kind: "twilio-api-key", shapes: &[token("SK", Left::Word, Class::HEX, 32)] },
    TokenRule { kind: "digitalocean-pat", shapes: &[token("dop_v1_", Left::Word, Class::HEX, 64)] },
    TokenRule { kind: "digitalocean-access-token", shapes: &[token("doo_v1_", Left::Word, Class::HEX, 64)] },
    TokenRule { kind: "digitalocean-refresh-token", shapes: &[token("dor_v1_", Left::Word, Class::HEX, 64)] },
    TokenRule {
        kind: "jwt",
        shapes: &[
            jose("eyJhbGciOi"),
            jose("eyJ0eXAiOi"),
            jose("eyJraWQiOi"),
            jose("eyJlbmMiOi"),
            jose("eyJjdHkiOi"),
            jose("eyJqa3UiOi"),
            jose("eyJ4NXUiOi"),
            jose("eyJ4NXQiOi"),
            jose("eyJ4NWMiOl"),
            jose("eyJqd2siOn"),
            Shape::Segments,
        ],
    },
    TokenRule { kind: "private-key", shapes: &[Shape::Pem] },
    TokenRule {
        kind: "portcullis-api-key",
        shapes: &[token("pcl_", Left::Any, Class::URL_SAFE, 20), token("pclop_", Left::Any, Class::URL_SAFE, 20)],
    },
];

/// The bounded rules, numbered after the tokens.
static BOUNDED: &[&str] = &["CREDIT_CARD", "IBAN_CODE", "US_SSN", "EMAIL_ADDRESS"];

/// A rule's number: the token rules first, then the bounded ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleId(pub(crate) u8);

/// How many rules there are. At most 64: sets of rules are bit masks.
pub(crate) const N_RULES: usize = 33;

/// How many of them are token rules.
pub(crate) const N_TOKENS: u8 = 29;

impl RuleId {
    pub(crate) const CARD: Self = Self(N_TOKENS);
    pub(crate) const IBAN: Self = Self(N_TOKENS + 1);
    pub(crate) const SSN: Self = Self(N_TOKENS + 2);
    pub(crate) const EMAIL: Self = Self(N_TOKENS + 3);

    /// Every rule, in order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..N_TOKENS + 4).map(Self)
    }

    /// Whether a match of the rule runs until it is terminated, however long that takes.
    pub(crate) const fn is_open_ended(self) -> bool {
        self.0 < N_TOKENS
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) const fn bit(self) -> u64 {
        1 << self.0
    }

    fn name(self) -> &'static str {
        let token = TOKENS.get(self.index()).map(|rule| rule.kind);
        token.or_else(|| BOUNDED.get(self.index().saturating_sub(TOKENS.len())).copied()).unwrap_or_default()
    }

    pub(crate) fn kind(self) -> FindingKind {
        FindingKind::known(self.name())
    }

    pub(crate) const fn group(self) -> FindingGroup {
        if self.is_open_ended() { FindingGroup::Secret } else { FindingGroup::Pii }
    }
}

#[cfg(test)]
mod tests {
    use super::{BOUNDED, N_RULES, N_TOKENS, RuleId, TOKENS};

    #[test]
    fn the_rules_are_numbered_without_a_gap() {
        assert_eq!(TOKENS.len(), usize::from(N_TOKENS));
        assert_eq!(TOKENS.len() + BOUNDED.len(), N_RULES);
        const { assert!(N_RULES <= 64) };
        let names: Vec<_> = RuleId::all().map(RuleId::name).collect();
        assert_eq!(names.len(), N_RULES);
        assert_eq!(names.last(), Some(&"EMAIL_ADDRESS"));
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), N_RULES, "a name stands twice or is empty");
    }
}
