//! The gate as a client of authorization servers in front of upstreams: where their endpoints are, and what their token endpoints
//! answer. Whose tokens these are, and where they are kept, is for others to know.
//!
//! Answers are bounded in bytes and time and read in one way. What a document of the server names is reached through a screen; an issuer
//! that is reached by TLS sends the gate nowhere else.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderValue, StatusCode};
use identity::{Pkce, Secret, client_secret_basic, escaped, form};
use ipnet::IpNet;
use serde_json::Value;
use text::Document;

use crate::connect::Proxy;
use crate::screen::Screen;
use crate::tls::UnusableMaterial;
use crate::web::{Sent, Web, WebError, is_tls};

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest document of a server.
const MAX_ANSWER: usize = 64 << 10;
/// Longest token.
const MAX_TOKEN: usize = 8 << 10;
/// How long metadata hold.
const HOLDS: Duration = Duration::from_secs(300);
/// The grant type and token type of RFC 8693.
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Errors that a token endpoint can answer with (RFC 6749, 5.2; RFC 8707).
const ERRORS: [&str; 7] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
];

/// How the gate is known to an authorization server.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The server's issuer identifier.
    pub issuer: String,
    /// Where people are sent, if not where its metadata say.
    pub authorization_endpoint: Option<String>,
    /// Where codes are redeemed, if not where its metadata say.
    pub token_endpoint: Option<String>,
    /// The gate's name there.
    pub client_id: String,
    /// Its secret there, if it has one.
    pub client_secret: Option<Secret>,
    /// Whether the secret stands in the form instead of `Authorization: Basic`.
    pub secret_in_form: bool,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// For which resource (RFC 8707).
    pub resource: Option<String>,
    /// For which audience, where a token is exchanged.
    pub audience: Option<String>,
    /// The authorities of the server's certificate, instead of Mozilla's: PEM.
    pub ca: Option<Vec<u8>>,
    /// The proxy on the way.
    pub proxy: Option<Proxy>,
    /// Networks beside the public internet in which its documents may name addresses.
    pub networks: Vec<IpNet>,
}

/// What is known of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMetadata {
    /// Where people are sent; none for a server at which tokens are only exchanged.
    pub authorization_endpoint: Option<String>,
    /// Where codes are redeemed.
    pub token_endpoint: String,
    /// Whether its answers say who gives them (RFC 9207).
    pub tells_issuer: bool,
}

/// Tokens, as a server has answered.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// What upstreams are shown.
    pub access: Secret,
    /// What renews it.
    pub refresh: Option<Secret>,
    /// Seconds that it holds, if that is told.
    pub expires_in: Option<u64>,
}

/// Why there are no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers, now.
    #[error(transparent)]
    Web(#[from] WebError),
    /// Another status than 200, without a reason.
    #[error("the authorization server answers {0}")]
    Status(StatusCode),
    /// With a reason, of those in the standards.
    #[error("the authorization server refuses: {0}")]
    Refused(&'static str),
    /// Cannot be used.
    #[error("the answer of the authorization server cannot be used: {0}")]
    Invalid(&'static str),
}

impl ClientError {
    /// Whether what was shown is good for nothing any more.
    #[must_use]
    pub fn is_final(&self) -> bool {
        *self == Self::Refused("invalid_grant")
    }
}

/// One authorization server, spoken to as one client.
pub struct OauthClient {
    config: ClientConfig,
    web: Web,
    known: Mutex<Option<(Instant, Arc<ServerMetadata>)>>,
}

impl fmt::Debug for OauthClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OauthClient").field("issuer", &self.config.issuer).finish_non_exhaustive()
    }
}

impl OauthClient {
    /// A client as configured.
    ///
    /// # Errors
    /// The authorities cannot be used.
    pub fn new(config: ClientConfig) -> Result<Self, UnusableMaterial> {
        let own = [Some(&config.issuer), config.token_endpoint.as_ref()];
        let screen = Screen::new(&config.networks, own.into_iter().flatten().map(String::as_str));
        let web = Web::new(config.ca.as_deref(), config.proxy.clone(), screen, PATIENCE)?;
        Ok(Self { config, web, known: Mutex::default() })
    }

    /// The server's issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// Where the server's endpoints are: as configured, else as its metadata say.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn metadata(&self) -> Result<Arc<ServerMetadata>, ClientError> {
        if let Some(token_endpoint) = &self.config.token_endpoint {
            let authorization_endpoint = self.config.authorization_endpoint.clone();
            return Ok(Arc::new(ServerMetadata {
                authorization_endpoint,
                token_endpoint: token_endpoint.clone(),
                tells_issuer: false,
            }));
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, known)) = known.filter(|(at, _)| at.elapsed() < HOLDS) {
            return Ok(known);
        }
        let issuer = &self.config.issuer;
        let mut last = ClientError::Invalid("it has no metadata");
        for address in metadata_addresses(issuer) {
            match self.web.ask(&address, is_tls(issuer), None, MAX_ANSWER).await? {
                (StatusCode::OK, document) => {
                    let read = Arc::new(server_metadata(&document, issuer)?);
                    *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(&read)));
                    return Ok(read);
                }
                (status, _) => last = ClientError::Status(status),
            }
        }
        Err(last)
    }

    /// Where a person is sent to allow it.
    ///
    /// # Errors
    /// [`ClientError`]: the server has no such place.
    pub async fn authorization_address(&self, redirect_uri: &str, state: &str, pkce: &Pkce) -> Result<String, ClientError> {
        let metadata = self.metadata().await?;
        let endpoint = metadata.authorization_endpoint.as_deref().ok_or(ClientError::Invalid("no `authorization_endpoint`"))?;
        let scope = self.config.scopes.join(" ");
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", self.config.client_id.as_str()),
            ("redirect_uri", redirect_uri),
            ("state", state),
            ("code_challenge", pkce.challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        parameters.extend((!scope.is_empty()).then_some(("scope", scope.as_str())));
        parameters.extend(self.config.resource.as_deref().map(|resource| ("resource", resource)));
        let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let join = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{join}{}", query.join("&")))
    }

    /// Redeems a code.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn redeem(&self, code: &str, verifier: &Secret, redirect_uri: &str) -> Result<Tokens, ClientError> {
        let grant = [("code", code), ("redirect_uri", redirect_uri), ("code_verifier", verifier.expose())];
        self.tokens("authorization_code", &grant).await
    }

    /// Renews.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn refresh(&self, refresh: &Secret) -> Result<Tokens, ClientError> {
        self.tokens("refresh_token", &[("refresh_token", refresh.expose())]).await
    }

    /// Exchanges a token of a subject for one that is for the upstream (RFC 8693).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn exchange(&self, subject: &Secret) -> Result<Tokens, ClientError> {
        let scope = self.config.scopes.join(" ");
        let mut grant = vec![
            ("subject_token", subject.expose()),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", ACCESS_TOKEN),
        ];
        grant.extend(self.config.audience.as_deref().map(|audience| ("audience", audience)));
        grant.extend((!scope.is_empty()).then_some(("scope", scope.as_str())));
        self.tokens(EXCHANGE, &grant).await
    }

    async fn tokens(&self, grant_type: &str, grant: &[(&str, &str)]) -> Result<Tokens, ClientError> {
        let metadata = self.metadata().await?;
        let config = &self.config;
        let mut parameters = vec![("grant_type", grant_type)];
        parameters.extend_from_slice(grant);
        parameters.extend(config.resource.as_deref().map(|resource| ("resource", resource)));
        let mut authorization = None;
        match &config.client_secret {
            Some(secret) if !config.secret_in_form => {
                let value = HeaderValue::from_str(&client_secret_basic(&config.client_id, secret));
                let mut value = value.map_err(|_| ClientError::Invalid("the client's name cannot be sent"))?;
                value.set_sensitive(true);
                authorization = Some(value);
            }
            secret => {
                parameters.push(("client_id", &config.client_id));
                parameters.extend(secret.as_ref().map(|secret| ("client_secret", secret.expose())));
            }
        }
        let form = form(&parameters);
        let sent = Sent { form: &form, authorization };
        let needs_tls = is_tls(&config.issuer);
        let (status, answer) = self.web.ask(&metadata.token_endpoint, needs_tls, Some(sent), MAX_ANSWER).await?;
        token_answer(status, &answer)
    }
}

//= https://www.rfc-editor.org/rfc/rfc8414#section-3
//# the well-known URI string "/.well-known/oauth-authorization-server" is formed by inserting it between the host component and the path component, if any
fn metadata_addresses(issuer: &str) -> [String; 2] {
    let issuer = issuer.trim_end_matches('/');
    let host = issuer.find("://").and_then(|at| issuer.get(at + 3..)?.find('/').map(|end| at + 3 + end)).unwrap_or(issuer.len());
    let (origin, path) = issuer.split_at(host);
    [format!("{origin}/.well-known/oauth-authorization-server{path}"), format!("{issuer}/.well-known/openid-configuration")]
}

fn read(document: &[u8]) -> Option<Value> {
    let limits = text::Limits { max_depth: 16, max_nodes: 4096 };
    Document::parse(document, &limits).ok().and_then(|_| serde_json::from_slice(document).ok())
}

/// What a server's metadata say. Whether their addresses may be reached is for whoever reaches them.
///
/// # Errors
/// [`ClientError::Invalid`]: they are another issuer's, or leave something out that is needed.
//= https://www.rfc-editor.org/rfc/rfc8414#section-3.3
//# If these values are not identical, the data contained in the response MUST NOT be used.
pub fn server_metadata(document: &[u8], issuer: &str) -> Result<ServerMetadata, ClientError> {
    let value = read(document).ok_or(ClientError::Invalid("the metadata are no JSON that has one reading"))?;
    if value.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(ClientError::Invalid("the metadata are those of another issuer"));
    }
    let address = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let authorization_endpoint = address("authorization_endpoint");
    // Whoever does not know of it would take a code from anybody who has it.
    let methods = value.get("code_challenge_methods_supported").and_then(Value::as_array);
    let has_s256 = methods.is_some_and(|methods| methods.iter().any(|method| method == "S256"));
    if authorization_endpoint.is_some() && !has_s256 {
        return Err(ClientError::Invalid("the metadata do not say that the server knows PKCE with S256"));
    }
    let can_be_sent_to = |address: &str| crate::issuers::is_fetchable(address) && !address.contains('#');
    if !authorization_endpoint.as_deref().is_none_or(can_be_sent_to) {
        return Err(ClientError::Invalid("`authorization_endpoint` is neither https nor on this machine"));
    }
    let token_endpoint = address("token_endpoint").ok_or(ClientError::Invalid("the metadata name no `token_endpoint`"))?;
    let tells_issuer = value.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true));
    Ok(ServerMetadata { authorization_endpoint, token_endpoint, tells_issuer })
}

/// What a token endpoint has answered.
///
/// # Errors
/// [`ClientError`]: no token, or none that can be shown as a bearer token.
pub fn token_answer(status: StatusCode, answer: &[u8]) -> Result<Tokens, ClientError> {
    if status != StatusCode::OK {
        let told = read(answer).and_then(|value| value.get("error")?.as_str().map(str::to_owned));
        // A server that fails may say so in the same words.
        let known = told.filter(|_| status.is_client_error()).and_then(|told| ERRORS.into_iter().find(|known| *known == told));
        return Err(known.map_or(ClientError::Status(status), ClientError::Refused));
    }
    let value = read(answer).ok_or(ClientError::Invalid("it is no JSON that has one reading"))?;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(ClientError::Invalid("`token_type` is not `Bearer`"));
    }
    let token = |name: &str| -> Result<Option<Secret>, ClientError> {
        let Some(token) = value.get(name).filter(|token| !token.is_null()) else { return Ok(None) };
        let token = token.as_str().filter(|token| is_sendable(token));
        token.map(|token| Some(Secret::new(token.to_owned()))).ok_or(ClientError::Invalid("a token of it cannot be shown"))
    };
    let access = token("access_token")?.ok_or(ClientError::Invalid("there is no `access_token`"))?;
    let expires_in = match value.get("expires_in") {
        None | Some(Value::Null) => None,
        Some(seconds) => Some(seconds.as_u64().ok_or(ClientError::Invalid("`expires_in` is no number of seconds"))?),
    };
    Ok(Tokens { access, refresh: token("refresh_token")?, expires_in })
}

/// Whether a text can be shown as a credential in a header: visible characters of ASCII, at most 8 KiB.
#[must_use]
pub fn is_sendable(text: &str) -> bool {
    (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::{ClientError, metadata_addresses, server_metadata, token_answer};

    #[test]
    fn where_metadata_are() {
        let facts = [
            ("https://a.example", "https://a.example/.well-known/oauth-authorization-server"),
            ("https://a.example/t/1/", "https://a.example/.well-known/oauth-authorization-server/t/1"),
        ];
        for (issuer, expected) in facts {
            assert_eq!(metadata_addresses(issuer)[0], expected);
        }
        assert_eq!(metadata_addresses("https://a.example/t")[1], "https://a.example/t/.well-known/openid-configuration");
    }

    #[test]
    fn metadata_are_the_servers_own() {
        let good = json!({"issuer": "https://a.example", "authorization_endpoint": "https://a.example/auth",
            "token_endpoint": "https://a.example/token", "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true});
        let read = server_metadata(good.to_string().as_bytes(), "https://a.example").unwrap();
        assert!(read.tells_issuer && read.token_endpoint == "https://a.example/token");
        let changes = [
            ("issuer", json!("https://b.example")),
            ("issuer", json!("https://a.example/")),
            ("token_endpoint", json!(null)),
            ("code_challenge_methods_supported", json!(["plain"])),
            ("code_challenge_methods_supported", json!(null)),
            ("authorization_endpoint", json!("javascript:alert(1)")),
            ("authorization_endpoint", json!("http://a.example/auth")),
            ("authorization_endpoint", json!("https://a.example/auth#x")),
        ];
        for (name, change) in changes {
            let mut value = good.clone();
            value[name] = change.clone();
            assert!(server_metadata(value.to_string().as_bytes(), "https://a.example").is_err(), "{name} {change}");
        }
        assert!(server_metadata(br#"{"issuer":"https://a.example","issuer":"https://b.example"}"#, "https://b.example").is_err());
    }

    #[test]
    fn what_a_token_endpoint_answers() {
        let good = json!({"access_token": "at", "token_type": "bearer", "expires_in": 60, "refresh_token": "rt"});
        let read = token_answer(StatusCode::OK, good.to_string().as_bytes()).unwrap();
        assert_eq!((read.access.expose(), read.expires_in), ("at", Some(60)));
        assert!(!format!("{read:?}").contains("\"at\""));
        let changes = [
            ("access_token", json!("a b")),
            ("access_token", json!("a\r\nX: y")),
            ("access_token", json!("")),
            ("access_token", json!(null)),
            ("access_token", json!("a".repeat(9000))),
            ("token_type", json!("DPoP")),
            ("token_type", json!(null)),
            ("expires_in", json!(-1)),
            ("expires_in", json!("60")),
            ("refresh_token", json!(["x"])),
        ];
        for (name, change) in changes {
            let mut value = good.clone();
            value[name] = change.clone();
            assert!(token_answer(StatusCode::OK, value.to_string().as_bytes()).is_err(), "{name}");
        }
        let facts = [
            (400, json!({"error": "invalid_grant"}), ClientError::Refused("invalid_grant")),
            (401, json!({"error": "invalid_client"}), ClientError::Refused("invalid_client")),
            (500, json!({"error": "invalid_grant"}), ClientError::Status(StatusCode::INTERNAL_SERVER_ERROR)),
            (400, json!({"error": "<script>"}), ClientError::Status(StatusCode::BAD_REQUEST)),
            (302, json!({}), ClientError::Status(StatusCode::FOUND)),
        ];
        for (status, body, expected) in facts {
            let told = token_answer(StatusCode::from_u16(status).unwrap(), body.to_string().as_bytes()).unwrap_err();
            assert_eq!((told.is_final(), &told), (told == ClientError::Refused("invalid_grant"), &expected));
        }
    }
}
