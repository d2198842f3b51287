"""Access tokens of a real OpenID provider (npm `oidc-provider`): discovery, keys, two algorithms, users and clients."""

import json
import pathlib
import shutil
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from issuer import payload
from tokens import GATE, TokenGate, until
from upstream import Upstream

FOLDER = pathlib.Path(__file__).parent / "node"
SECRET = "a secret of the test"


@dataclass(frozen=True)
class Provider:
    """The provider's address."""

    url: str

    def tokens(self, client: str, grant: str, **more: str) -> dict:
        """What its token endpoint answers."""
        form = {"grant_type": grant, "client_id": client, "client_secret": SECRET, "resource": GATE, **more}
        data = urllib.parse.urlencode(form).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/token", data, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def user(self, name: str, algorithm: str = "RS256") -> dict:
        """A user's tokens."""
        return self.tokens(f"app-{algorithm}", "by-name", username=name)

    def machine(self, algorithm: str = "RS256") -> str:
        """A client's own token."""
        return self.tokens(f"machine-{algorithm}", "client_credentials", scope="call")["access_token"]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """The provider, as a child process."""
    if (node := shutil.which("node")) is None:
        raise RuntimeError("`node` is not installed")
    process = subprocess.Popen([node, "issuer.mjs"], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    timer = threading.Timer(300, process.kill)
    timer.start()
    try:
        process.stdin.write(f"{GATE}\n")
        process.stdin.flush()
        while not (line := process.stdout.readline()).startswith("{"):
            assert line, "issuer.mjs ended before it was ready: its reason stands on the standard error output"
        yield Provider(json.loads(line)["url"])
        process.stdin.close()
        process.wait(timeout=20)
    finally:
        timer.cancel()
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def gate(provider: Provider) -> Iterator[TokenGate]:
    """The gate, which trusts the provider."""
    groups = {"claim": "groups", "map": {"of-ada": "research", "of-ben": "staff", "machines": "staff"}}
    trusted = {"url": provider.url, "audiences": [GATE], "groups": groups, "refetch_seconds": 1}
    with Upstream() as upstream, TokenGate(upstream.url, {"provider": trusted}) as gate:
        until(lambda: gate.chat(provider.machine())[0] == 200)
        yield gate


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_users_of_the_provider_call_models(gate: TokenGate, provider: Provider, algorithm: str) -> None:
    ada, ben = (provider.user(name, algorithm)["access_token"] for name in ("ada", "ben"))
    assert [gate.chat(ada, model=model)[0] for model in ("small", "large")] == [200, 200]
    assert [gate.chat(ben, model=model)[0] for model in ("small", "large")] == [200, 404]
    assert gate.chat(provider.user("eve", algorithm)["access_token"])[0] == 404


def test_a_client_of_the_provider_is_a_service(gate: TokenGate, provider: Provider) -> None:
    status, headers, _ = gate.chat(provider.machine("ES256"))
    assert status == 200
    chain = gate.admin("GET", f"/admin/v1/explain/{headers['x-request-id']}")["chain"]
    assert chain == ["service:provider:machine-ES256"]


def test_its_id_tokens_open_nothing(gate: TokenGate, provider: Provider) -> None:
    assert gate.refusal(provider.user("ada")["id_token"]) == "token-malformed"


def test_its_tokens_are_exchanged(gate: TokenGate, provider: Provider) -> None:
    token = gate.task("helper", provider.user("ada")["access_token"])
    assert (payload(token)["sub"], payload(token)["act"]) == ("user:provider:ada", {"sub": "agent:helper"})
    assert gate.chat(token)[0] == 200
    assert gate.refusal(token, model="large") == "grant-exceeded"
