//! Reason codes: stable names for every refusal, whose fault it is, and whether trying again can help.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Awaited;

/// Who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The caller sent something that cannot be served.
    Client,
    /// A policy says no; nobody made an error.
    Policy,
    /// The gate's operator has stopped it or left it misconfigured.
    Operator,
    /// The upstream failed.
    Upstream,
    /// The gate itself failed.
    Gate,
}

macro_rules! reason_codes {
    ($($variant:ident $code:literal $fault:ident $retryable:literal $text:literal)*) => {
        /// Why something was refused or cut. Stable: a code is never renamed, and each has a page in `docs/reasons`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ReasonCode {
            /// Nothing was refused.
            #[serde(rename = "permitted")]
            Permitted,
            $(#[doc = $text] #[serde(rename = $code)] $variant,)*
        }

        impl ReasonCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[Self::Permitted, $(Self::$variant,)*];

            /// The code as clients and logs see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { Self::Permitted => "permitted", $(Self::$variant => $code,)* }
            }

            /// Who can mend it.
            #[must_use]
            pub const fn fault(self) -> Fault {
                match self { Self::Permitted => Fault::Policy, $(Self::$variant => Fault::$fault,)* }
            }

            /// Whether the same request can succeed later without a change.
            #[must_use]
            pub const fn is_retryable(self) -> bool {
                match self { Self::Permitted => false, $(Self::$variant => $retryable,)* }
            }

            /// One line that the client may be told.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { Self::Permitted => "permitted", $(Self::$variant => $text,)* }
            }
        }
    };
}

reason_codes! {
    CredentialMissing "credential-missing" Client false "the request carries no credential"
    CredentialUnknown "credential-unknown" Client false "the credential is not known here"
    CredentialExpired "credential-expired" Client false "the credential has expired"
    CredentialRevoked "credential-revoked" Client false "the credential was revoked"
    CredentialLocked "credential-locked" Operator true "an operator has locked this credential"
    CredentialWrongPlane "credential-wrong-plane" Client false "this credential is not valid on this port"
    TokenMalformed "token-malformed" Client false "the token does not have a form that is accepted here"
    TokenUnverified "token-unverified" Client false "no key of a trusted issuer verifies the token"
    TokenAudienceWrong "token-audience-wrong" Client false "the token is meant for another receiver"
    TokenNotYetValid "token-not-yet-valid" Client true "the token begins to be valid later"
    TokenBound "token-bound" Client false "the token is bound to its sender, and the gate cannot check that yet"
    InsufficientScope "insufficient-scope" Client false "the token was not granted a scope that this needs"
    ConnectionMissing "connection-missing" Operator false "nobody has connected this party to the upstream"
    ConnectionEnded "connection-ended" Operator false "the connection of this party to the upstream has ended; it has to be connected again"
    IssuerKeysStale "issuer-keys-stale" Operator true "the keys of the token's issuer are missing or too old"
    GrantMalformed "grant-malformed" Client false "the authorization details are not of a form that is known here"
    GrantExceeded "grant-exceeded" Client false "the task was not granted this"
    ExchangeRefused "exchange-refused" Client false "the token endpoint does not serve this request"
    TwoCredentials "two-credentials" Client false "the request carries more than one credential"
    PrincipalUnknown "principal-unknown" Operator false "the credential's principal is not declared in the configuration"
    PrincipalLocked "principal-locked" Operator true "an operator has locked a party of this call"
    ModelLocked "model-locked" Operator true "an operator has locked this model"
    ClientToolUnknown "client-tool-unknown" Client false "a function or call of a tool that nobody has approved for this agent"
    ClientToolChanged "client-tool-changed" Client false "a function is not what was approved under its name"
    ToolLocked "tool-locked" Operator true "an operator has locked this tool or its server"
    ToolQuarantined "tool-quarantined" Operator true "the tool's server says something else of it than was approved; an operator has to look at it"
    GateLocked "gate-locked" Operator true "an operator has locked the gate"
    RoleInsufficient "role-insufficient" Client false "the operator's role does not allow this"
    HostNotAllowed "host-not-allowed" Client false "the Host or Origin header does not name this gate"
    RouteUnknown "route-unknown" Client false "the gate does not serve this path"
    MethodNotAllowed "method-not-allowed" Client false "the path does not take this method"
    FramingAmbiguous "framing-ambiguous" Client false "the request's length or headers can be read in two ways"
    TlsExpected "tls-expected" Client false "this port speaks TLS, and the request came without it"
    TlsHandshakeFailed "tls-handshake-failed" Client false "no TLS connection came about"
    HeadersTooLarge "headers-too-large" Client false "the request's headers exceed the limit"
    HeaderRefused "header-refused" Client false "a request header is not acceptable"
    BodyTooLarge "body-too-large" Client false "the request body exceeds the limit"
    BodyTimeout "body-timeout" Client true "the request body did not arrive in time"
    ContentTypeRefused "content-type-refused" Client false "the body is not `application/json`"
    EncodingRefused "encoding-refused" Client false "the body's content encoding is not accepted"
    BodyMalformed "body-malformed" Client false "the body is not valid JSON"
    BodyNotUtf8 "body-not-utf8" Client false "the body is not valid UTF-8"
    BodyTooDeep "body-too-deep" Client false "the body is nested too deeply or has too many values"
    KeyDuplicate "key-duplicate" Client false "an object has the same key twice"
    KeyConfusable "key-confusable" Client false "a key differs only by letter case from a known key"
    SurrogateInvalid "surrogate-invalid" Client false "a string has an unpaired surrogate escape"
    FieldMissing "field-missing" Client false "a required field is missing"
    FieldType "field-type" Client false "a field has the wrong type"
    FieldUnknown "field-unknown" Client false "a field is not known here and is not a plain text or number"
    PartUnknown "part-unknown" Client false "a content part has a type that is not known here"
    ToolTypeUnknown "tool-type-unknown" Client false "a tool has a type that is not known here"
    StatefulIdRefused "stateful-id-refused" Client false "the request refers to state kept at the provider"
    StoredNotFound "stored-not-found" Client false "this task has nothing stored under this id"
    StoredUpstreamGone "stored-upstream-gone" Operator false "the upstream that keeps what is named no longer serves its model here"
    BetaRefused "beta-refused" Client false "the request asks for a beta feature that is not known here"
    RemoteMalformed "remote-malformed" Client false "a remote reference is not an absolute http or https URL"
    ModelNotFound "model-not-found" Client false "the model does not exist or may not be used"
    ToolNotFound "tool-not-found" Client false "the tool or its server does not exist or may not be used"
    AgentNotFound "agent-not-found" Client false "the agent or its skill does not exist or may not be spoken to"
    DocumentNotFound "document-not-found" Client false "the document or prompt does not exist or may not be used"
    AddressInvalid "address-invalid" Client false "the address of a document has no single form"
    StateUnknown "state-unknown" Client false "this task has not been told this state for this request"
    ArgumentsInvalid "arguments-invalid" Client false "the arguments are not what the tool's schema demands"
    MessageInvalid "message-invalid" Client false "the body is not a message of the protocol that is spoken here"
    RpcMethodUnknown "rpc-method-unknown" Client false "the method does not exist or is not served here"
    ProtocolVersionUnsupported "protocol-version-unsupported" Client false "the revision of the protocol is not spoken here"
    HeaderMismatch "header-mismatch" Client false "a header does not say what the body says"
    SessionUnknown "session-unknown" Client false "this task has no session of this id"
    DialectNotSpoken "dialect-not-spoken" Client false "no upstream of this model speaks this API"
    PepUnregistered "pep-unregistered" Client false "the credential is not that of an enforcement point"
    QuestionRefused "question-refused" Operator false "this enforcement point may not ask this"
    QuestionUnknown "question-unknown" Client false "the question names something that is not declared here"
    SearchLimit "search-limit" Client true "this enforcement point has searched too often"
    PolicyDenied "policy-denied" Policy false "no policy permits this"
    PolicyForbidden "policy-forbidden" Policy false "a policy forbids this"
    PolicyError "policy-error" Operator false "a policy could not be evaluated"
    PlaceUndeclared "place-undeclared" Policy false "the place is another port of a declared one, or not written as places are"
    AgentWithoutUser "agent-without-user" Policy false "an agent acts without a user and is not registered as autonomous for this"
    LinkMissing "link-missing" Policy false "an agent acts without the agent that it is registered below"
    ApprovalRequired "approval-required" Policy true "somebody has to approve this call"
    ApprovalRefused "approval-refused" Policy false "somebody was asked to approve this call, and has refused"
    ApprovalNotRequestable "approval-not-requestable" Policy false "no approval can be asked for here"
    ApprovalUnbound "approval-unbound" Client false "the request for approval is not bound to the denial of this very question"
    ApprovalDenialExpired "approval-denial-expired" Client false "the denial is too old to ask for an approval; ask the question again"
    ApprovalUnknown "approval-unknown" Client false "no request for approval of this name is yours"
    ApprovalClosed "approval-closed" Client false "the request for approval is over"
    ApprovalKeyTaken "approval-key-taken" Client false "the idempotency key stands for another request"
    ApprovalLimit "approval-limit" Client true "too many requests for approval"
    StepUpRequired "step-up-required" Policy true "the user has to authenticate again"
    PostureRequired "posture-required" Policy true "the device has to prove its state"
    ContentDenied "content-denied" Policy false "the content holds something that policy refuses to pass"
    RequestLimit "request-limit" Policy true "a budget has no room for one more request now"
    TokenLimit "token-limit" Policy true "a budget has no room for the tokens of this request now"
    ConcurrencyLimit "concurrency-limit" Policy true "a budget has no room for one more request at the same time"
    BudgetSpent "budget-spent" Policy false "a budget of money, or of a day or a month, is spent"
    AmountLimit "amount-limit" Policy false "a budget has no room for what this call of a tool adds up to"
    AmountUnknown "amount-unknown" Client false "a budget counts an argument that this call does not have as a number"
    PriceUnknown "price-unknown" Operator false "a budget of money applies and the model has no price"
    UninspectedDenied "uninspected-denied" Policy false "a content part cannot be inspected and no policy names it"
    DutyImpossible "duty-impossible" Gate false "a duty of the permit cannot be performed"
    EvidenceUnavailable "evidence-unavailable" Gate true "the interaction cannot be recorded"
    Overloaded "overloaded" Gate true "the gate is at its limit of concurrent interactions"
    RulesPending "rules-pending" Gate true "the gate's rule files are not in force yet"
    Draining "draining" Gate true "the gate is shutting down"
    Internal "internal" Gate true "the gate could not come to an answer"
    UpstreamUnavailable "upstream-unavailable" Upstream true "no upstream of this model can be reached"
    UpstreamTimeout "upstream-timeout" Upstream true "the upstream did not answer in time"
    UpstreamRefusedGate "upstream-refused-gate" Upstream false "the upstream refused the gate's own credential"
    UpstreamResponseInvalid "upstream-response-invalid" Upstream true "the upstream's answer cannot be read safely"
    UpstreamResponseTooLarge "upstream-response-too-large" Upstream false "the upstream's answer exceeds the limit"
    UpstreamBrokeOff "upstream-broke-off" Upstream true "the upstream broke off in the middle of its answer"
    ClientTooSlow "client-too-slow" Client true "the client did not read its answer in time"
    ClientGone "client-gone" Client false "the client left before the answer was complete"
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for ReasonCode {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(())
    }
}

/// A refusal as it may be told: a code, and a detail that holds nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The stable code.
    pub code: ReasonCode,
    /// What exactly, for the caller: names a field, a limit, a position. Never content, never a secret, never another
    /// party's name that the caller does not know already.
    pub detail: Option<String>,
    /// The request for approval that would have to be answered first, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<Box<Awaited>>,
}

impl Refusal {
    /// A refusal without a detail.
    #[must_use]
    pub const fn new(code: ReasonCode) -> Self {
        Self { code, detail: None, awaited: None }
    }

    /// A refusal that says what exactly.
    #[must_use]
    pub fn because(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self { code, detail: Some(detail.into()), awaited: None }
    }

    /// The same, until a request for approval is answered.
    #[must_use]
    pub fn until(self, awaited: Awaited) -> Self {
        Self { awaited: Some(Box::new(awaited)), ..self }
    }
}

impl From<ReasonCode> for Refusal {
    fn from(code: ReasonCode) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code.text())?;
        match &self.detail {
            Some(detail) => write!(formatter, ": {detail}"),
            None => Ok(()),
        }
    }
}
