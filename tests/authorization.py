"""An authorization server of the tests' own: it says everything that one, or somebody who poses as one, can say."""

import base64
import hashlib
import http.server
import json
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar


class AuthorizationServer:
    """The server; a context manager. People are signed in as `person` without being asked; refresh tokens are used once."""

    def __init__(self) -> None:
        self.person = "alice-there"
        self.expires_in: int | None = 3600
        self.said: list[dict[str, str]] = []
        """Every form that its token endpoint was sent."""
        self.sent: list[dict[str, str]] = []
        """Every query with which somebody was sent to it."""
        self.codes: dict[str, dict[str, str]] = {}
        self.refreshers: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        """Access token → whose it is."""
        self.metadata: dict[str, object] = {}
        """Changes of the metadata."""
        self.answers: dict[str, str] = {}
        """Changes of what comes back with a code; `None` takes it out."""
        self.answer: Callable[[dict[str, str]], tuple[int, bytes] | None] = lambda _: None
        """What its token endpoint answers instead."""
        self.reused = 0
        self.paths: list[str] = []

    def __enter__(self) -> "AuthorizationServer":
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def reply(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                address = urllib.parse.urlsplit(self.path)
                server.paths.append(address.path)
                query = dict(urllib.parse.parse_qsl(address.query))
                if address.path == "/.well-known/oauth-authorization-server":
                    self.reply(200, json.dumps(server.described()).encode())
                elif address.path == "/jwks" and hasattr(server, "key"):
                    self.reply(200, json.dumps({"keys": [server.key.jwk()]}).encode())
                elif address.path == "/authorize":
                    self.reply(302, b"", location=server.allowed(query))
                else:
                    self.reply(404, b"{}")

            def do_POST(self) -> None:
                server.paths.append(self.path)
                form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
                form["authorization"] = self.headers.get("authorization", "")
                server.said.append(form)
                status, body = server.answer(form) or server.given(form)
                self.reply(status, body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def described(self) -> dict:
        """Its metadata."""
        told = {
            "issuer": self.url, "authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token",
            "code_challenge_methods_supported": ["S256"], "authorization_response_iss_parameter_supported": True, **self.metadata,
        }  # fmt: skip
        return {name: value for name, value in told.items() if value is not None}

    def allowed(self, query: dict[str, str]) -> str:
        """Somebody allows it: where the browser goes."""
        self.sent.append(query)
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**query, "person": self.person}
        back = {"code": code, "state": query["state"], "iss": self.url, **self.answers}
        return f"{query['redirect_uri']}?{urllib.parse.urlencode({name: value for name, value in back.items() if value is not None})}"

    def given(self, form: dict[str, str]) -> tuple[int, bytes]:
        """What the token endpoint answers."""
        refused = lambda error: (400, json.dumps({"error": error}).encode())  # noqa: E731
        if form["grant_type"] == "authorization_code":
            asked = self.codes.pop(form["code"], None)
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if asked is None or asked["redirect_uri"] != form["redirect_uri"] or asked["code_challenge"] != proof:
                return refused("invalid_grant")
            return self.tokens_of(asked["person"])
        if form["grant_type"] == "refresh_token":
            person = self.refreshers.pop(form["refresh_token"], None)
            if person is None:
                self.reused += 1
                return refused("invalid_grant")
            return self.tokens_of(person)
        if form["grant_type"].endswith("token-exchange"):
            claims = json.loads(base64.urlsafe_b64decode(form["subject_token"].split(".")[1] + "=="))
            return self.tokens_of(f"{claims['sub']}-there", with_refresh=False)
        return refused("unsupported_grant_type")

    def tokens_of(self, person: str, with_refresh: bool = True) -> tuple[int, bytes]:
        """Fresh tokens of a person."""
        access, refresh = f"at-{secrets.token_urlsafe(12)}", f"rt-{secrets.token_urlsafe(12)}"
        self.tokens[access] = person
        told = {"access_token": access, "token_type": "Bearer"}
        if with_refresh:
            self.refreshers[refresh] = person
            told["refresh_token"] = refresh
        if self.expires_in is not None:
            told["expires_in"] = self.expires_in
        return 200, json.dumps(told).encode()


class Browser:
    """Follows redirects and keeps cookies, as a person's does."""

    def __init__(self) -> None:
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._step = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()), NoRedirect())

    def open(self, address: str) -> tuple[int, str]:
        """To the end of the way: status and page. What asks whether it goes on is told that it does."""
        try:
            if "/oauth/connect/" in address:
                self._opener.open(address, timeout=30).close()
            with self._opener.open(address, data=b"" if "/oauth/connect/" in address else None, timeout=30) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def step(self, address: str) -> tuple[int, str | None]:
        """One step: status, and where it would go on. What asks whether it goes on is told that it does."""
        try:
            if "/oauth/connect/" in address:
                self._step.open(address, timeout=30).close()
            with self._step.open(address, data=b"" if "/oauth/connect/" in address else None, timeout=30) as page:
                return page.status, page.headers.get("location")
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get("location")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Stays where it is."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def until(what: Callable[[], bool], seconds: float = 20) -> None:
    """Waits until something holds; asks often."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it does not come to be so"
        time.sleep(0.02)
