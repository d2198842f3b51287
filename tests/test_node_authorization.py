"""A real authorization server (npm `oidc-provider`) in front of a tool server that takes its tokens alone: connecting, renewing, ending."""

import asyncio
import json
import pathlib
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from authorization import Browser
from gate import Gate
from test_mcp import TOOLS, result, text
from test_operations import replace
from test_tool_audiences import reason, speak
from upstream import Peer, Request, Upstream, answer

FOLDER = pathlib.Path(__file__).parent / "node"
POLICIES = """
@id("staff-talk")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"listTools", resource is Portcullis::ToolServer);
@id("staff-read")
permit (principal in Portcullis::Group::"staff", action in Portcullis::Action::"read", resource in Portcullis::ToolServer::"kb");
"""
PROVIDER: list[str] = []
"""Where it is, once it is."""


def introspected(token: str) -> dict:
    """What the provider says of a token, to the tool server."""
    form = {"token": token, "client_id": "tools", "client_secret": "of-the-tools"}
    with urllib.request.urlopen(f"{PROVIDER[0]}/token/introspection", urllib.parse.urlencode(form).encode(), timeout=30) as told:
        return json.loads(told.read())


async def demanding(request: Request, _: Peer) -> list[bytes]:
    """Serves whoever shows a token of the provider that is for it."""
    shown = (request.header("authorization") or "").removeprefix("Bearer ")
    told = await asyncio.to_thread(introspected, shown) if shown else {"active": False}
    if not told["active"] or told["aud"] != f"http://{request.header('host')}/mcp":
        return answer(401, b"{}")
    return result(request.json(), text(f"for {told['sub']}"))


@dataclass
class World:
    """The gate, and what the tool server has been asked."""

    gate: Gate
    upstream: Upstream

    def connect(self, holder: str, person: str) -> str:
        """A person connects: how it ended."""
        begun = self.gate.admin("POST", "/admin/v1/credentials/connect", {"upstream": "kb", "holder": holder})
        browser, address = Browser(), begun["address"]
        for _ in range(8):
            status, location = browser.step(address)
            if location is None:
                break
            address = urllib.parse.urljoin(address, location)
            if "/interaction/" in address:
                address += f"?as={person}"
        assert status == 200
        return self.gate.admin("GET", f"/admin/v1/credentials/connect/{begun['id']}")["state"]

    def call(self, who: str) -> str:
        """For whom the tool server was called, or why it was not."""
        status, headers, body = speak(self.gate, "kb", self.gate.key(who))
        return body["result"]["content"][0]["text"] if "result" in body else reason((status, headers, body))[1]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    if (node := shutil.which("node")) is None:
        raise RuntimeError("`node` is not installed")
    with Upstream(script=demanding) as upstream, Gate("http://127.0.0.1:9") as gate:
        process = subprocess.Popen([node, "authorization.mjs"], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        timer = threading.Timer(300, process.kill)
        timer.start()
        try:
            settings = {"redirect": f"{gate.url.rstrip('/')}/oauth/callback/kb", "resource": f"{upstream.url}/mcp"}
            process.stdin.write(f"{json.dumps(settings)}\n")
            process.stdin.flush()
            while not (line := process.stdout.readline()).startswith("{"):
                assert line, "authorization.mjs ended before it was ready: its reason stands on the standard error output"
            PROVIDER[:] = [json.loads(line)["url"]]
            configure(gate, upstream)
            yield World(gate, upstream)
            process.stdin.close()
            process.wait(timeout=20)
        finally:
            timer.cancel()
            process.kill()
            process.wait()


def configure(gate: Gate, upstream: Upstream) -> None:
    """Puts the tool server behind the running gate."""
    main = gate.data / "portcullis.yaml"
    oauth = {"per": "user", "issuer": PROVIDER[0], "client_id": "gate", "client_secret": {"file": "client.secret"},
             "scopes": ["openid", "offline_access", "read"]}  # fmt: skip
    server = f"\nupstreams:\n  kb: {{kind: mcp, base_url: '{upstream.url}/mcp', credential: {{oauth: {json.dumps(oauth)}}}}}\n"
    replace(main, "\nupstreams:\n", server)
    tools = "\ntool_servers:\n  kb:\n    upstream: kb\n    definitions: tools/kb.json\n    tools:\n      search: {effects: [read]}\n"
    main.write_text(main.read_text() + tools + f"\ntokens: {{url: '{gate.url.rstrip('/')}'}}\n")
    (gate.data / "client.secret").write_text("of-the-gate")
    (gate.data / "client.secret").chmod(0o600)
    (gate.data / "tools").mkdir()
    (gate.data / "tools/kb.json").write_text(json.dumps({"tools": TOOLS}))
    (gate.data / "policies/kb.cedar").write_text(POLICIES)
    applied = gate.cli("apply")
    assert applied.returncode == 0, applied.stdout + applied.stderr


def test_people_connect_call_and_are_renewed(world: World) -> None:
    assert world.call("ALICE") == "connection-missing"
    assert world.connect("alice", "ada") == "connected"
    assert world.connect("bob", "ben") == "connected"
    # Every token ends within the skew: each call renews, and the provider takes each refresh token once.
    assert [world.call(who) for who in ("ALICE", "BOB", "ALICE", "BOB", "ALICE")] == ["for ada", "for ben", "for ada", "for ben", "for ada"]
    assert len({request.header("authorization") for request in world.upstream.requests}) == 5


def test_many_at_a_time_use_no_refresh_token_twice(world: World) -> None:
    """The provider ends everything of a grant of which a refresh token comes twice."""
    assert world.connect("alice", "ada") == "connected"
    said: list[str] = []
    threads = [threading.Thread(target=lambda: said.append(world.call("ALICE"))) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert said == ["for ada"] * 6 and world.call("ALICE") == "for ada"


def test_the_wrong_resource_is_not_given(world: World) -> None:
    main = world.gate.data / "portcullis.yaml"
    before = main.read_text()
    main.write_text(before.replace('"client_id": "gate"', '"client_id": "gate", "resource": "https://elsewhere.example/mcp"'))
    assert world.gate.cli("apply").returncode == 0
    begun = world.gate.admin("POST", "/admin/v1/credentials/connect", {"upstream": "kb", "holder": "bob"})
    browser = Browser()
    _, location = browser.step(begun["address"])
    _, back = browser.step(location)
    assert back is not None and "error=invalid_target" in back
    assert browser.step(back)[0] == 200
    assert world.gate.admin("GET", f"/admin/v1/credentials/connect/{begun['id']}")["state"] == "failed"
    main.write_text(before)
    assert world.gate.cli("apply").returncode == 0
