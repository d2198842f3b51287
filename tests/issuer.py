"""An issuer of tokens whose keys the tests hold: it can say everything that an issuer, or somebody who poses as one, can say."""

import base64
import hashlib
import hmac
import http.server
import json
import ssl
import threading
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils


def encode(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value: object) -> str:
    """One part of a token."""
    return encode(value if isinstance(value, bytes) else json.dumps(value).encode())


def number(value: int) -> str:
    """A number of a JWK."""
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Key:
    """A key of an algorithm."""

    def __init__(self, kid: str, algorithm: str = "RS256") -> None:
        self.kid, self.algorithm = kid, algorithm
        if algorithm == "RS256":
            self.private = rsa.generate_private_key(65537, 2048)
        elif algorithm == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()

    def sign(self, data: bytes) -> bytes:
        """The signature in the form of JWS."""
        if self.algorithm == "RS256":
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        if self.algorithm == "ES256":
            r, s = utils.decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.private.sign(data)

    def pem(self) -> bytes:
        """The public key as everybody can have it."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def jwk(self) -> dict:
        """The public key as published."""
        common = {"kid": self.kid, "alg": self.algorithm, "use": "sig"}
        if self.algorithm == "RS256":
            numbers = self.private.public_key().public_numbers()
            return {**common, "kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        if self.algorithm == "ES256":
            numbers = self.private.public_key().public_numbers()
            x, y = (encode(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
            return {**common, "kty": "EC", "crv": "P-256", "x": x, "y": y}
        raw = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {**common, "kty": "OKP", "crv": "Ed25519", "x": encode(raw)}


class Issuer:
    """The issuer; a context manager. `keys` is what it publishes and may be changed; `is_down` closes its mouth."""

    def __init__(
        self, audience: str, algorithm: str = "RS256", kid: str = "one", tls: ssl.SSLContext | None = None, host: str | None = None
    ) -> None:
        """`tls`: it speaks TLS. `host`: what it calls itself, if not where it is."""
        self.audience = audience
        self._tls, self._host = tls, host
        self.keys = [Key(kid, algorithm)]
        self.fetches: list[str] = []
        self.is_down = False
        self.redirect: str | None = None

    def __enter__(self) -> "Issuer":
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetches.append(self.path)
                if issuer.redirect is not None:
                    self.send_response(302)
                    self.send_header("location", issuer.redirect)
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                found = None if issuer.is_down else issuer.documents().get(self.path)
                body = json.dumps(found).encode() if found is not None else b"no"
                self.send_response(503 if found is None else 200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        place = self._host or f"127.0.0.1:{self.port}"
        self.url = f"{'http' if self._tls is None else 'https'}://{place}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def documents(self) -> dict[str, object]:
        """What it serves."""
        discovery = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
        return {"/.well-known/openid-configuration": discovery, "/jwks": {"keys": [key.jwk() for key in self.keys]}}

    def n_key_fetches(self) -> int:
        """How often its keys were fetched."""
        return self.fetches.count("/jwks")

    def claims(self, subject: str = "ada", **changes: object) -> dict:
        """The claims of a good token, changed; `None` takes a claim out."""
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": self.audience, "sub": subject, "client_id": "app", "jti": f"{time.monotonic_ns()}",
            "iat": now, "exp": now + 600, "groups": ["eng"], **changes,
        }  # fmt: skip
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, subject: str = "ada", *, header: dict | None = None, key: Key | None = None, **changes: object) -> str:
        """A signed token; good unless something is changed."""
        key = key or self.keys[0]
        head = {"alg": key.algorithm, "kid": key.kid, "typ": "at+jwt", **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        signed = f"{part(head)}.{part(self.claims(subject, **changes))}"
        return f"{signed}.{encode(key.sign(signed.encode()))}"

    def unsigned(self, alg: str = "none") -> str:
        """A token that nobody has signed."""
        return f"{part({'alg': alg, 'typ': 'at+jwt'})}.{part(self.claims())}."

    def confused(self) -> str:
        """HMAC, with the public key as if it were a secret."""
        signed = f"{part({'alg': 'HS256', 'kid': self.keys[0].kid, 'typ': 'at+jwt'})}.{part(self.claims())}"
        return f"{signed}.{encode(hmac.new(self.keys[0].pem(), signed.encode(), hashlib.sha256).digest())}"


def payload(token: str) -> dict:
    """The claims of a token, whoever signed it."""
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
