"""Credentials for tool servers that are a user's or an agent's own: whose a call gets, and every way in which it must get none."""

import json
import pathlib
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator

import pytest
from authorization import AuthorizationServer, Browser
from gate import binary
from issuer import Issuer
from test_mcp import TOOLS, result, text
from test_operations import call, replace
from test_tool_audiences import reason, speak
from tokens import GATE, TokenGate, configured, trust, until
from upstream import Peer, Request, Upstream, answer

SECRET = "s3cret-of-alice-at-the-tool-server"
POLICIES = """
@id("staff-talk")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"listTools", resource is Portcullis::ToolServer);
@id("staff-tools")
permit (principal in Portcullis::Group::"staff", action in [Portcullis::Action::"read", Portcullis::Action::"write"], resource);
@id("helpers-talk")
permit (principal in Portcullis::Group::"helpers", action == Portcullis::Action::"listTools", resource is Portcullis::ToolServer);
@id("helpers-tools")
permit (principal in Portcullis::Group::"helpers", action in [Portcullis::Action::"read", Portcullis::Action::"write"], resource);
"""


async def tool_server(request: Request, _: Peer) -> list[bytes]:
    """Says who it takes its caller for."""
    asked = request.json() if request.body else {}
    if "id" not in asked:
        return [b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"]
    if request.header("authorization") is None:
        return answer(401, b"{}")
    return result(asked, text("done"))


def configure(address: str, server: AuthorizationServer, issuers: dict[str, dict], **more: object):
    """The sample organisation with a tool server for each way of getting a credential."""
    oauth = {"issuer": server.url, "client_id": "gate", "client_secret": {"file": "client.secret"}, "scopes": ["a", "b:c"]}
    ways = {
        "fixed": {"static": {"per": "user"}},
        "bots": {"static": {"per": "agent"}},
        "web": {"oauth": {"per": "user", **oauth, **more}},
        "swap": {"exchange": {**oauth, "audience": "tools"}},
    }

    def change(data: pathlib.Path) -> None:
        configured(issuers)(data)
        main = data / "portcullis.yaml"
        replace(main, "agents:\n", "agents:\n  robot: {groups: [helpers], autonomous: [callTool]}\n")
        servers = "".join(
            f"\n  {name}: {{kind: mcp, base_url: '{address}/{name}', credential: {json.dumps(way)}}}" for name, way in ways.items()
        )
        replace(main, "\nupstreams:\n", f"\nupstreams:{servers}\n")
        told = "\ntool_servers:\n"
        for name in ways:
            told += f"  {name}:\n    upstream: {name}\n    watch: off\n    definitions: tools/kb.json\n    tools:\n      search: {{effects: [read]}}\n"
        main.write_text(main.read_text() + told)
        (data / "client.secret").write_text("of-the-gate")
        (data / "client.secret").chmod(0o600)
        (data / "tools").mkdir()
        (data / "tools/kb.json").write_text(json.dumps({"tools": TOOLS}))
        (data / "policies/servers.cedar").write_text(POLICIES)

    return change


class LendingGate(TokenGate):
    """The gate, known by the address that it listens on: people come back to it."""

    def __init__(self, upstream: Upstream, server: AuthorizationServer, okta: Issuer, **more: object) -> None:
        super().__init__(upstream.url, {}, configure=configure(upstream.url, server, {"okta": trust(okta)}, **more))
        self.settle_address()

    def settle_address(self) -> None:
        """Writes where it listens now."""
        main = self.data / "portcullis.yaml"
        lines = [line for line in main.read_text().splitlines() if not line.startswith("tokens: ")]
        main.write_text("\n".join(lines) + f"\ntokens: {json.dumps({'url': self.url.rstrip('/'), 'lifetime_seconds': 300})}\n")
        applied = self.cli("apply")
        assert applied.returncode == 0, applied.stderr + applied.stdout

    def keep(self, upstream: str, holder: str, secret: str) -> subprocess.CompletedProcess:
        """`portcullis credential set`."""
        command = [binary(), "credential", "--data", self.data, "set", upstream, "--for", holder]
        return subprocess.run(command, input=secret, capture_output=True, text=True, timeout=60, check=False)

    def begin(self, holder: str, upstream: str = "web") -> dict:
        """Begins to connect somebody."""
        return self.admin("POST", "/admin/v1/credentials/connect", {"upstream": upstream, "holder": holder})

    def state(self, begun: dict) -> tuple[str, str]:
        """How far that has come."""
        told = self.admin("GET", f"/admin/v1/credentials/connect/{begun['id']}")
        return told["state"], told["detail"]

    def connected(self, holder: str) -> None:
        """Somebody connects as they should."""
        begun = self.begin(holder)
        status, page = Browser().open(begun["address"])
        assert (status, "Connected" in page) == (200, True), page
        assert self.state(begun)[0] == "connected"

    def credentials(self) -> dict[tuple[str, str], dict]:
        """What is kept."""
        listed = self.cli("credential", "list", "--json")
        assert listed.returncode == 0, listed.stderr
        return {(row["upstream"], row["holder"]): row for row in json.loads(listed.stdout)["credentials"]}

    def clear(self) -> None:
        """Takes all of them away."""
        for row in self.credentials().values():
            assert self.cli("credential", "remove", row["id"]).returncode == 0


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[LendingGate, AuthorizationServer, Issuer, Upstream]]:
    with Upstream(script=tool_server) as upstream, AuthorizationServer() as server, Issuer(GATE) as okta:
        with LendingGate(upstream, server, okta) as gate:
            until(lambda: call(f"{gate.url}/v1/models", okta.token())[0] == 200)
            yield gate, server, okta, upstream


@pytest.fixture
def gate(world: tuple) -> Iterator[LendingGate]:
    yield world[0]
    world[0].clear()


@pytest.fixture
def server(world: tuple) -> Iterator[AuthorizationServer]:
    server = world[1]
    yield server
    server.person, server.expires_in, server.metadata, server.answers, server.answer = "alice-there", 3600, {}, {}, lambda _: None


@pytest.fixture
def okta(world: tuple) -> Issuer:
    return world[2]


@pytest.fixture
def upstream(world: tuple) -> Upstream:
    world[3].requests.clear()
    return world[3]


def shown(upstream: Upstream) -> list[str | None]:
    """What the tool server was shown, call by call."""
    return [request.header("authorization") for request in upstream.requests]


def of(gate: LendingGate, who: str) -> str:
    """A key that alice, or an agent on her behalf, holds."""
    return gate.new_key("agent:helper", on_behalf_of=who)


# A fixed secret


def test_each_user_has_a_secret_of_their_own(gate: LendingGate, upstream: Upstream) -> None:
    assert gate.keep("fixed", "alice", SECRET + "\n").returncode == 0
    assert gate.keep("fixed", "user:bob", "of-bob").returncode == 0
    assert reason(speak(gate, "fixed", gate.key("ALICE"))) == (200, "permitted")
    assert reason(speak(gate, "fixed", gate.key("BOB"))) == (200, "permitted")
    # An agent has that of the user whom it acts for, whoever else has one.
    assert reason(speak(gate, "fixed", of(gate, "bob"))) == (200, "permitted")
    assert shown(upstream) == [f"Bearer {SECRET}", "Bearer of-bob", "Bearer of-bob"]


def test_each_agent_has_a_secret_of_its_own(gate: LendingGate, upstream: Upstream) -> None:
    assert gate.keep("bots", "helper", "of-helper").returncode == 0
    assert reason(speak(gate, "bots", of(gate, "alice"))) == (200, "permitted")
    assert reason(speak(gate, "bots", gate.key("ALICE"))) == (200, "connection-missing"), "a user is no agent"
    assert shown(upstream) == ["Bearer of-helper"]


def test_who_has_none_sends_nothing(gate: LendingGate, upstream: Upstream) -> None:
    assert gate.keep("fixed", "alice", SECRET).returncode == 0
    refused = speak(gate, "fixed", gate.key("BOB"))
    assert reason(refused) == (200, "connection-missing")
    detail = refused[2]["error"]["data"]["detail"]
    assert "user:bob" in detail and "portcullis credential set fixed --for user:bob" in detail and "alice" not in detail
    # An agent without a user has no user's credential, also where somebody of that name has one.
    assert reason(speak(gate, "fixed", gate.new_key("agent:robot"))) == (200, "connection-missing")
    assert upstream.requests == []
    told = gate.admin("GET", f"/admin/v1/explain/{refused[2]['error']['data']['request']}")
    assert told["verdict"] == "deny" and "connection-missing" in json.dumps(told)


def test_what_is_recorded_is_which_one_and_never_what(gate: LendingGate, upstream: Upstream) -> None:
    kept = gate.keep("fixed", "alice", SECRET)
    answered = speak(gate, "fixed", gate.key("ALICE"))
    request = answered[1].get("x-request-id") or answered[1]["X-Request-Id"]
    told = json.dumps(gate.admin("GET", f"/admin/v1/explain/{request}"))
    row = gate.credentials()[("fixed", "user:alice")]
    assert f"upstream credential: static {row['id']} of user:alice" in told
    assert gate.cli("replay").returncode == 0 and gate.cli("audit", "verify").returncode == 0
    everything = b"".join(path.read_bytes() for path in gate.data.rglob("*") if path.is_file())
    said = kept.stdout + kept.stderr + "\n".join(gate.lines) + gate.cli("credential", "list").stdout + gate.metrics() + told
    said += gate.cli("audit", "query", "--json", "--limit", "1000").stdout + gate.cli("doctor", "--quick").stdout
    assert SECRET.encode() not in everything and SECRET not in said and SECRET not in json.dumps(answered[2])
    kept_file = gate.data / "credentials/kept"
    assert kept_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("upstream_name", "holder", "secret"),
    [
        ("fixed", "nobody", "x"), ("fixed", "helper", "x"), ("fixed", "agent:helper", "x"), ("bots", "alice", "x"), ("none", "alice", "x"),
        ("web", "alice", "x"), ("fixed", "alice", ""), ("fixed", "alice", "two words"), ("fixed", "alice", "x\r\nEvil: y"),
        ("fixed", "alice", "x" * 9000), ("fixed", "alice", "\u00e9"), ("fixed", "al ice", "x"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept(gate: LendingGate, upstream_name: str, holder: str, secret: str) -> None:
    refused = gate.keep(upstream_name, holder, secret)
    assert refused.returncode != 0 and gate.credentials() == {}
    assert len(secret) < 3 or secret not in refused.stdout + refused.stderr


def test_it_is_there_after_a_restart_and_gone_when_it_is_taken_away(gate: LendingGate, upstream: Upstream) -> None:
    assert gate.keep("fixed", "alice", SECRET).returncode == 0
    gate.kill_hard()
    gate.start_again()
    gate.settle_address()
    assert reason(speak(gate, "fixed", gate.key("ALICE"))) == (200, "permitted")
    copy = (gate.data / "credentials/kept").read_bytes()
    row = gate.credentials()[("fixed", "user:alice")]
    assert gate.cli("credential", "remove", row["id"]).returncode == 0
    assert gate.cli("credential", "remove", row["id"]).returncode != 0
    assert reason(speak(gate, "fixed", gate.key("ALICE"))) == (200, "connection-missing")
    assert copy not in b"".join(path.read_bytes() for path in (gate.data / "credentials").iterdir())
    keys = [path.name for path in (gate.data / "keys").iterdir() if path.name.startswith("credential-")]
    assert len(keys) == 1 and keys != ["credential-1.key"], "the key of what was there is destroyed"
    rows = json.loads(gate.cli("audit", "query", "--json", "--limit", "1000").stdout)["rows"]
    assert any("admin" in row["kind"] for row in rows)


def test_erasing_a_user_takes_it_away(gate: LendingGate, upstream: Upstream) -> None:
    assert gate.keep("fixed", "alice", SECRET).returncode == 0 and gate.keep("fixed", "bob", "of-bob").returncode == 0
    told = gate.admin("POST", "/admin/v1/erase", {"subject": "user:alice", "dry_run": True})
    assert told["credentials"] == 1 and len(gate.credentials()) == 2
    assert gate.admin("POST", "/admin/v1/erase", {"subject": "user:alice"})["erased"]
    assert list(gate.credentials()) == [("fixed", "user:bob")]
    assert reason(speak(gate, "fixed", gate.key("BOB"))) == (200, "permitted")


def test_backups_leave_it_out(gate: LendingGate, tmp_path: pathlib.Path) -> None:
    assert gate.keep("fixed", "alice", SECRET).returncode == 0
    (tmp_path / "phrase").write_text("correct horse battery staple")
    (tmp_path / "phrase").chmod(0o600)
    made = gate.cli("backup", str(tmp_path / "b.tar"), "--with-keys", "--passphrase-file", str(tmp_path / "phrase"))
    assert made.returncode == 0, made.stderr
    assert b"credentials/kept" not in (tmp_path / "b.tar").read_bytes()


def test_a_moved_upstream_is_sent_nothing_of_before(gate: LendingGate, upstream: Upstream) -> None:
    assert gate.keep("fixed", "alice", SECRET).returncode == 0
    main = gate.data / "portcullis.yaml"
    before = main.read_text()
    with Upstream(script=tool_server) as elsewhere:
        main.write_text(before.replace(f"{upstream.url}/fixed", f"{elsewhere.url}/fixed"))
        assert gate.cli("apply").returncode == 0
        assert reason(speak(gate, "fixed", gate.key("ALICE"))) == (200, "connection-ended")
        assert gate.credentials()[("fixed", "user:alice")]["state"] == "elsewhere"
        assert elsewhere.requests == []
    main.write_text(before)
    assert gate.cli("apply").returncode == 0
    assert reason(speak(gate, "fixed", gate.key("ALICE"))) == (200, "permitted")


def test_the_credential_of_a_locked_user_is_not_lent(gate: LendingGate, upstream: Upstream) -> None:
    assert gate.keep("fixed", "alice", SECRET).returncode == 0
    key = of(gate, "alice")
    assert gate.cli("kill", "user:alice").returncode == 0
    assert reason(speak(gate, "fixed", key))[1] == "principal-locked"
    assert gate.cli("unlock", "user:alice").returncode == 0
    assert upstream.requests == []


# Tokens of an authorization server


def test_a_user_connects_and_calls(gate: LendingGate, server: AuthorizationServer, upstream: Upstream) -> None:
    gate.connected("alice")
    server.person = "bob-there"
    gate.connected("bob")
    for who in ("ALICE", "BOB", "ALICE"):
        assert reason(speak(gate, "web", gate.key(who))) == (200, "permitted")
    assert [server.tokens[value.removeprefix("Bearer ")] for value in shown(upstream)] == ["alice-there", "bob-there", "alice-there"]
    asked = server.sent[-1]
    assert (asked["response_type"], asked["code_challenge_method"], asked["scope"]) == ("code", "S256", "a b:c")
    assert asked["resource"] == f"{upstream.url}/web" and asked["redirect_uri"] == f"{gate.url.rstrip('/')}/oauth/callback/web"
    redeemed = [form for form in server.said if form["grant_type"] == "authorization_code"][-1]
    assert redeemed["resource"] == f"{upstream.url}/web" and redeemed["authorization"].startswith("Basic ")
    assert "client_secret" not in redeemed


def test_the_command_prints_the_address_and_waits(gate: LendingGate, server: AuthorizationServer) -> None:
    command = [binary(), "credential", "--data", gate.data, "connect", "web", "--for", "alice"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while "/oauth/connect/" not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
        Browser().open(line.strip())
        rest, wrong = process.communicate(timeout=60)
    assert (process.returncode, "connected: uc_" in rest) == (0, True), rest + wrong


def test_a_token_is_renewed_and_its_renewal_kept(gate: LendingGate, server: AuthorizationServer, upstream: Upstream) -> None:
    server.expires_in = 20
    gate.connected("alice")
    row = gate.credentials()[("web", "user:alice")]
    for _ in range(3):
        assert reason(speak(gate, "web", gate.key("ALICE"))) == (200, "permitted")
    assert len(set(shown(upstream))) == 3 and server.reused == 0, "each ends within the skew, so each is renewed"
    gate.kill_hard()
    gate.start_again()
    gate.settle_address()
    assert reason(speak(gate, "web", gate.key("ALICE"))) == (200, "permitted")
    assert server.reused == 0, "what renews it next was on the disk"
    assert gate.credentials()[("web", "user:alice")]["id"] == row["id"]
    kept = b"".join(path.read_bytes() for path in gate.data.rglob("*") if path.is_file())
    assert not any(token.encode() in kept for token in [*server.tokens, *server.refreshers])


def test_many_calls_renew_once(gate: LendingGate, server: AuthorizationServer, upstream: Upstream) -> None:
    server.expires_in = 1
    gate.connected("alice")
    server.expires_in, server.answer = 3600, lambda _: time.sleep(0.3)
    before = len(server.said)
    reasons: list[tuple[int, str]] = []
    threads = [threading.Thread(target=lambda: reasons.append(reason(speak(gate, "web", gate.key("ALICE"))))) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert reasons == [(200, "permitted")] * 8
    assert [form["grant_type"] for form in server.said[before:]] == ["refresh_token"] and server.reused == 0


def test_a_refused_renewal_says_to_connect_again(gate: LendingGate, server: AuthorizationServer, upstream: Upstream) -> None:
    server.expires_in = 1
    gate.connected("alice")
    server.refreshers.clear()
    before = len(server.said)
    for _ in range(3):
        refused = speak(gate, "web", gate.key("ALICE"))
        assert reason(refused) == (200, "connection-ended")
    assert "portcullis credential connect web --for user:alice" in refused[2]["error"]["data"]["detail"]
    assert len(server.said) == before + 1, "a refresh token that was refused is not shown again"
    assert upstream.requests == [] and gate.credentials()[("web", "user:alice")]["state"] == "ended"
    server.reused = 0
    server.expires_in = 3600
    gate.connected("alice")
    assert reason(speak(gate, "web", gate.key("ALICE"))) == (200, "permitted")


def big(_: dict) -> tuple[int, bytes]:
    return 200, b'{"access_token": "x", "token_type": "Bearer", "pad": "' + b"x" * (1 << 20) + b'"}'


@pytest.mark.parametrize(
    "wrong",
    [
        big,
        lambda _: (200, b'{"access_token": "x", "access_token": "y", "token_type": "Bearer"}'),
        lambda _: (200, b'{"access_token": "x y", "token_type": "Bearer"}'),
        lambda _: (200, b'{"access_token": "x", "token_type": "mac"}'),
        lambda _: (200, b"<html>"),
        lambda _: (500, b"{}"),
        lambda _: (302, b""),
    ],
)
def test_attack_answers_that_cannot_be_used(gate: LendingGate, server: AuthorizationServer, upstream: Upstream, wrong: object) -> None:
    begun = gate.begin("alice")
    server.answer = wrong
    assert "Not connected" in Browser().open(begun["address"])[1]
    assert gate.state(begun)[0] == "failed" and gate.credentials() == {}
    # A renewal that fails so is tried again later: the connection has not ended.
    server.answer, server.expires_in = lambda _: None, 1
    gate.connected("alice")
    server.answer = wrong
    assert reason(speak(gate, "web", gate.key("ALICE")))[1] == "upstream-unavailable"
    assert gate.credentials()[("web", "user:alice")]["state"] == "valid" and upstream.requests == []


def test_attack_a_token_endpoint_that_hangs(gate: LendingGate, server: AuthorizationServer, upstream: Upstream) -> None:
    server.expires_in = 1
    gate.connected("alice")
    server.answer = lambda _: time.sleep(60)
    begun = time.monotonic()
    assert reason(speak(gate, "web", gate.key("ALICE")))[1] == "upstream-unavailable"
    assert time.monotonic() - begun < 25
    assert upstream.requests == []
    server.answer = lambda _: None


# Attacks on the way back


def sent_on(gate: LendingGate, server: AuthorizationServer, holder: str = "alice") -> tuple[dict, Browser, str]:
    """Somebody has been sent on, and allowed it: the address to which the browser would go."""
    begun, browser = gate.begin(holder), Browser()
    status, location = browser.step(begun["address"])
    assert status == 303 and location.startswith(server.url)
    return begun, browser, browser.step(location)[1]


def changed(address: str, **changes: str | None) -> str:
    """An address with another query."""
    parts = urllib.parse.urlsplit(address)
    query = {**dict(urllib.parse.parse_qsl(parts.query)), **changes}
    return parts._replace(query=urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})).geturl()


def test_attack_a_code_of_another(gate: LendingGate, server: AuthorizationServer) -> None:
    """Code injection: mallory's code with alice's state is not redeemed by alice's verifier."""
    begun, browser, back = sent_on(gate, server)
    server.person = "mallory-there"
    _, _, theirs = sent_on(gate, server, "bob")
    code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(theirs).query))["code"]
    assert browser.step(changed(back, code=code))[0] == 200
    assert gate.state(begun) == ("failed", "the authorization server does not redeem the code") and gate.credentials() == {}
    assert server.said[-1]["code"] == code, "it is PKCE that keeps it out"


def test_attack_a_state_of_another_or_none(gate: LendingGate, server: AuthorizationServer) -> None:
    begun, browser, back = sent_on(gate, server)
    for state in (None, "", "x", "a" * 43):
        assert browser.step(changed(back, state=state))[0] == 404, state
    assert gate.state(begun)[0] == "opened", "nothing of it was used up"
    assert browser.step(back)[0] == 200 and gate.state(begun)[0] == "connected"


def test_attack_a_second_time(gate: LendingGate, server: AuthorizationServer) -> None:
    begun, browser, back = sent_on(gate, server)
    assert Browser().step(begun["address"])[0] == 404, "the ticket is opened once"
    assert browser.step(back)[0] == 200
    assert browser.step(back)[0] == 404, "and so is the way back"
    redeemed = [form for form in server.said if form["grant_type"] == "authorization_code"]
    assert len({form["code"] for form in redeemed}) == len(redeemed)


def test_attack_in_another_browser(gate: LendingGate, server: AuthorizationServer) -> None:
    """Login CSRF: whoever is lured to the way back of another does not finish it."""
    begun, _, back = sent_on(gate, server)
    n_before = len(server.said)
    assert Browser().step(back)[0] == 200
    assert gate.state(begun) == ("failed", "somebody came back in another browser than was sent on")
    assert gate.credentials() == {} and len(server.said) == n_before


@pytest.mark.parametrize("issuer", ["https://elsewhere.example", "", None, "/"])
def test_attack_of_another_issuer(gate: LendingGate, server: AuthorizationServer, issuer: str | None) -> None:
    """Mix-up (RFC 9207): the code is not shown to anybody."""
    begun, browser, back = sent_on(gate, server)
    n_before = len(server.said)
    browser.step(changed(back, iss=issuer if issuer != "/" else f"{server.url}/"))
    assert gate.state(begun) == ("failed", "the answer is not of the authorization server that was asked")
    assert len(server.said) == n_before


def test_attack_a_ticket_that_is_passed_on(gate: LendingGate, server: AuthorizationServer) -> None:
    """Whoever opens it is told for whom and what it is, goes on by a word of their own, and by no page of another site."""
    begun = gate.begin("alice")
    n_before = len(server.said)
    for _ in range(3):
        with urllib.request.urlopen(begun["address"], timeout=20) as shown:
            page, cookie, policy = shown.read().decode(), shown.headers["set-cookie"], shown.headers["content-security-policy"]
        assert "`user:alice`" in page and "`web`" in page and "<form method=post>" in page
        assert "SameSite=Strict" in cookie and "HttpOnly" in cookie and "default-src 'none'; frame-ancestors 'none'" in policy
    assert gate.state(begun)[0] == "waiting", "looking at it changes nothing"
    # What another site makes a browser send comes without the cookie.
    with urllib.request.urlopen(urllib.request.Request(begun["address"], data=b"", method="POST"), timeout=20) as refused:
        assert refused.status == 200 and "Not connected" in refused.read().decode() and refused.headers["location"] is None
    assert gate.state(begun)[0] == "waiting" and len(server.said) == n_before
    assert Browser().open(begun["address"])[0] == 200 and gate.state(begun)[0] == "connected"


def test_attack_the_way_back_of_another_upstream(gate: LendingGate, server: AuthorizationServer) -> None:
    """Mix-up (RFC 9700, 4.4): each upstream has a way back of its own."""
    begun, browser, back = sent_on(gate, server)
    n_before = len(server.said)
    for place in ("/oauth/callback/swap?", "/oauth/callback/nobody?", "/oauth/callback/?", "/oauth/callback?"):
        assert browser.step(back.replace("/oauth/callback/web?", place))[0] in (401, 404), place
    assert gate.state(begun)[0] == "opened" and len(server.said) == n_before
    assert browser.step(back)[0] == 200 and gate.state(begun)[0] == "connected"


def test_attack_nobody_but_the_last_ticket(gate: LendingGate, server: AuthorizationServer) -> None:
    first = gate.begin("alice")
    second = gate.begin("alice")
    assert Browser().step(first["address"])[0] == 404
    assert Browser().step(second["address"])[0] == 303
    assert gate.state(first)[0] == "failed"
    assert first["address"] not in "\n".join(gate.lines)


def test_somebody_says_no(gate: LendingGate, server: AuthorizationServer) -> None:
    server.answers = {"code": None, "error": "access_denied"}
    begun = gate.begin("alice")
    assert "Not connected" in Browser().open(begun["address"])[1]
    assert gate.state(begun)[0] == "failed"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://elsewhere.example"},
        {"code_challenge_methods_supported": ["plain"]},
        {"code_challenge_methods_supported": None},
        {"token_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
def test_attack_metadata(metadata: dict) -> None:
    with Upstream(script=tool_server) as upstream, AuthorizationServer() as server, Issuer(GATE) as okta:
        server.metadata = metadata
        with LendingGate(upstream, server, okta) as gate:
            begun = gate.begin("alice")
            status, location = Browser().step(begun["address"])
            assert (status, location) == (200, None) and gate.state(begun)[0] == "failed"


def test_attack_metadata_lead_into_networks() -> None:
    """SSRF: a token endpoint on this machine, or at a metadata service, that no operator has written is not asked."""
    with Upstream(script=tool_server) as upstream, Upstream() as inside, AuthorizationServer() as server, Issuer(GATE) as okta:
        for place in (f"{inside.url}/token", "https://169.254.169.254/token", "https://[::1]:1/token", "https://10.0.0.1/token"):
            server.metadata = {"token_endpoint": place}
            with LendingGate(upstream, server, okta) as gate:
                begun = gate.begin("alice")
                assert "Not connected" in Browser().open(begun["address"])[1], place
                assert gate.state(begun)[0] == "failed"
        assert inside.connections == 0
        # Where an operator has opened the network it is.
        server.metadata = {"token_endpoint": f"{inside.url}/token"}
        with LendingGate(upstream, server, okta) as gate:
            main = gate.data / "portcullis.yaml"
            main.write_text(main.read_text() + 'private_networks: ["127.0.0.0/8"]\n')
            assert gate.cli("apply").returncode == 0
            Browser().open(gate.begin("alice")["address"])
        assert inside.connections == 1


# The caller's own token, exchanged


def test_a_callers_token_is_exchanged_and_never_passed_on(
    gate: LendingGate, server: AuthorizationServer, okta: Issuer, upstream: Upstream
) -> None:
    ada, eve = okta.token("ada", groups=["all"]), okta.token("eve", groups=["all"])
    before = len(server.said)
    for token in (ada, eve, ada, ada):
        assert reason(speak(gate, "swap", token)) == (200, "permitted")
    people = [server.tokens[value.removeprefix("Bearer ")] for value in shown(upstream)]
    assert people == ["ada-there", "eve-there", "ada-there", "ada-there"]
    asked = server.said[before:]
    assert len(asked) == 2, "kept for this very token"
    assert asked[0]["subject_token"] == ada and asked[0]["audience"] == "tools" and asked[0]["resource"] == f"{upstream.url}/swap"
    # A key of the gate, or a token of the gate for a task, is no token that somebody else could exchange.
    for key in (gate.key("ALICE"), of(gate, "alice")):
        assert reason(speak(gate, "swap", key)) == (200, "connection-missing")
    assert len(upstream.requests) == 4


def test_attack_a_server_that_gives_the_callers_token_back(
    gate: LendingGate, server: AuthorizationServer, okta: Issuer, upstream: Upstream
) -> None:
    token = okta.token("ada", groups=["all"])
    server.answer = lambda form: (200, json.dumps({"access_token": form["subject_token"], "token_type": "Bearer"}).encode())
    assert reason(speak(gate, "swap", token)) == (200, "connection-ended")
    assert upstream.requests == []


def test_nothing_of_a_callers_own_reaches_a_tool_server(
    gate: LendingGate, server: AuthorizationServer, okta: Issuer, upstream: Upstream
) -> None:
    """No token passthrough: whatever a caller shows, in whichever way, stands in nothing that a tool server is sent."""
    gate.connected("alice")
    assert gate.keep("fixed", "alice", SECRET).returncode == 0 and gate.keep("bots", "helper", "of-helper").returncode == 0
    assert gate.keep("fixed", "user:okta:ada", "of-ada").returncode == 0
    grant = [{"type": "call_tool", "tools": ["*"]}, {"type": "list_tools", "servers": ["*"]}]
    user = okta.token("ada", groups=["all"])
    task = gate.task("helper", user, grant)
    shows = [("web", gate.key("ALICE")), ("fixed", gate.key("ALICE")), ("fixed", user), ("swap", user), ("fixed", task), ("bots", task)]
    for name, credential in shows:
        assert reason(speak(gate, name, credential)) == (200, "permitted"), name
    assert len(upstream.requests) == len(shows)
    received = "".join(f"{request.line}{request.headers}{request.body!r}" for request in upstream.requests)
    for credential in [*(credential for _, credential in shows), gate.agents["helper"]]:
        parts = [credential, *credential.split("."), credential[-20:]]
        assert not any(part in received for part in parts if len(part) > 15)
    # And nothing of what the tool server was shown reaches the caller.
    assert not any(value.removeprefix("Bearer ") in "\n".join(gate.lines) for value in shown(upstream))
