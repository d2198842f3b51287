"""Several tool servers under one address, each in the revision that it speaks: the official SDK's client in each revision, its servers
behind the gate, and a scripted one for what goes wrong."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx2
import pytest
from mcp import MCPError
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import Context, MCPServer

from gate import Gate
from situations import apply
from test_mcp import META, STATELESS, ask, post, reason
from test_mcp_sdk import MODES, defined
from test_operations import replace
from tool_server import ToolServer, shop
from upstream import Peer, Request, Upstream, answer

POLICIES = """
@id("joined-talk")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"listTools", resource == Portcullis::ToolServer::"mcp");
@id("joined-read")
permit (principal in Portcullis::Group::"staff", action in Portcullis::Action::"read", resource in Portcullis::ToolServer::"shop");
@id("joined-order")
permit (principal == Portcullis::User::"alice", action == shop::Action::"order", resource) when { context.input.cents <= 1000 };
@id("joined-notes")
permit (principal in Portcullis::Group::"staff", action == notes::Action::"find", resource);
@id("joined-old")
permit (principal, action == old::Action::"echo", resource);
"""


def notes() -> MCPServer:
    server = MCPServer("notes", version="1", log_level="ERROR")

    @server.tool()
    async def find(words: str, context: Context) -> str:
        await context.report_progress(1, 2, "half")
        return f"note on {words}"

    @server.tool()
    def burn() -> str:
        return "burnt"

    return server


def configure(gate: Gate, servers: dict[str, tuple[str, str, list[dict]]], more: str = "") -> None:
    """Servers by name: address, what is said of them, their tools with effects."""
    main = gate.data / "portcullis.yaml"
    upstreams = "".join(f"  {name}: {{kind: mcp, base_url: '{url}'}}\n" for name, (url, _, _) in servers.items())
    replace(main, "\nupstreams:\n", f"\nupstreams:\n{upstreams}")
    effects = {"find": "read", "echo": "read", "fail": "read", "order": "write", "forget": "destructive", "burn": "destructive"}
    (gate.data / "tools").mkdir()
    text = "tool_servers:\n"
    for name, (_, said, tools) in servers.items():
        declared = ", ".join(f"{tool['name']}: {{effects: [{effects[tool['name']]}]}}" for tool in tools)
        text += f"  {name}: {{upstream: {name}, watch: off, definitions: tools/{name}.json, {said} tools: {{{declared}}}}}\n"
        (gate.data / f"tools/{name}.json").write_text(json.dumps({"tools": tools}))
    main.write_text(f"{main.read_text()}\n{text}virtual_servers:\n  mcp: {{members: [{', '.join(servers)}]}}\n{more}")
    used = [f"{name}::" for name in servers] + ["ToolServer::"]
    statements = [one for one in POLICIES.split("@id") if one.strip()]
    kept = [one for one in statements if any(word in one for word in used) and not ("old::" in one and "old" not in servers)]
    kept = [one for one in kept if not any(f"{name}::Action" in one and name not in servers for name in ["shop", "notes", "old"])]
    kept = [one for one in kept if 'ToolServer::"shop"' not in one or "shop" in servers]
    (gate.data / "policies/joined.cedar").write_text("".join(f"@id{one}" for one in kept))
    apply(gate)


SAID = ["", "revision: '2025-11-25', ", "revision: '2026-07-28', "]


@pytest.fixture(scope="module", params=[(0, 0), (1, 2), (2, 1), (1, 1)], ids=lambda said: f"shop{said[0]}-notes{said[1]}")
def gate(request: pytest.FixtureRequest) -> Iterator[Gate]:
    of_shop, of_notes = (SAID[at] for at in request.param)
    with ToolServer(shop()) as first, ToolServer(notes()) as second, Gate("http://127.0.0.1:9") as gate:
        tools = {url: asyncio.run(defined(f"{url}/mcp"))["tools"] for url in (first.url, second.url)}
        configure(gate, {"shop": (f"{first.url}/mcp", of_shop, tools[first.url]), "notes": (f"{second.url}/mcp", of_notes, tools[second.url])})
        gate.speaks_each = request.param == (0, 0)
        yield gate


@asynccontextmanager
async def client(gate: Gate, who: str, mode: str, path: str = "/mcp") -> Client:
    headers = {"authorization": f"Bearer {gate.key(who)}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        async with Client(streamable_http_client(f"{gate.url.rstrip('/')}{path}", http_client=http), mode=mode) as client:
            yield client


def run(gate: Gate, who: str, mode: str, act) -> None:
    async def within() -> None:
        async with client(gate, who, mode) as session:
            await act(session)

    asyncio.run(asyncio.wait_for(within(), 60))


@pytest.mark.parametrize("mode", MODES)
def test_tools_of_several_servers_are_listed_and_called(gate: Gate, mode: str) -> None:
    async def act(client: Client) -> None:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == ["notes__find", "shop__find", "shop__order", "shop__fail"]
        assert [tool.description for tool in tools][1] == "Finds offers."
        found = await client.call_tool("shop__find", {"words": "paper", "limit": 2})
        assert found.structured_content == {"offers": ["paper 0", "paper 1"]}
        steps: list[float] = []

        async def progress(done: float, _: float | None, message: str | None) -> None:
            steps.append(done)

        noted = await client.call_tool("notes__find", {"words": "ink"}, progress_callback=progress)
        assert noted.content[0].text == "note on ink" and steps == [1]
        ordered = await client.call_tool("shop__order", {"offer": "paper 0", "cents": 900})
        assert ordered.content[0].text == "ordered paper 0 for 900"
        failed = await client.call_tool("shop__fail", {})
        assert failed.is_error and "out of paper" in failed.content[0].text

    run(gate, "ALICE", mode, act)


@pytest.mark.parametrize("mode", MODES)
def test_a_session_lives_through_refusals(gate: Gate, mode: str) -> None:
    refused = [
        ("shop__order", {"offer": "x", "cents": 1001}, "tool-not-found"),
        ("shop__forget", {}, "tool-not-found"),
        ("notes__burn", {}, "tool-not-found"),
        ("find", {"words": "x"}, "tool-not-found"),
        ("shop/find", {"words": "x"}, "tool-not-found"),
        ("shop__shop__find", {"words": "x"}, "tool-not-found"),
        ("shop__find", {"word": "x"}, "arguments-invalid"),
    ]

    async def act(client: Client) -> None:
        for tool, arguments, expected in refused * 3:
            with pytest.raises(MCPError) as error:
                await client.call_tool(tool, arguments)
            assert error.value.error.data["reason"] == expected, tool
        assert (await client.call_tool("notes__find", {"words": "ink"})).content[0].text == "note on ink"

    run(gate, "ALICE", mode, act)


@pytest.mark.parametrize("mode", MODES)
def test_a_caller_sees_what_is_open_to_it(gate: Gate, mode: str) -> None:
    async def act(client: Client) -> None:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["notes__find", "shop__find", "shop__fail"]

    run(gate, "BOB", mode, act)


def test_an_operator_stops_a_tool_and_a_server(gate: Gate) -> None:

    async def call(client: Client, tool: str) -> str:
        try:
            return "error" if (await client.call_tool(tool, {"words": "x"})).is_error else "ok"
        except MCPError as error:
            return error.error.data["reason"]

    async def act(client: Client) -> None:
        for lock in ["tool:shop/find", "server:shop"]:
            assert await call(client, "shop__find") == "ok"
            assert gate.cli("kill", lock).returncode == 0
            assert (await call(client, "shop__find"), await call(client, "notes__find")) == ("tool-locked", "ok")
            names = [tool["name"] for tool in ask(gate, "BOB", "tools/list", server="mcp")[2]["result"]["tools"]]
            assert "shop__find" not in names and "notes__find" in names
            assert gate.cli("unlock", lock).returncode == 0

    run(gate, "BOB", STATELESS, act)


def test_what_is_said_under_one_address(gate: Gate) -> None:
    told = ask(gate, "BOB", "server/discover", server="mcp")[2]["result"]
    assert told["capabilities"] == {"tools": {"listChanged": False}} and STATELESS in told["supportedVersions"]
    for method in ["resources/list", "prompts/list", "logging/setLevel", "completion/complete", "no/such"]:
        status, _, message = ask(gate, "BOB", method, server="mcp")
        assert (status, message["error"]["code"]) == (404, -32601), method
    # The handshake is decided.
    assert reason(ask(gate, "NIGHTLY", "server/discover", server="mcp"))[1] == 1403
    legacy = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    status, headers, begun = post(gate, "BOB", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": legacy}, {}, "mcp")
    assert status == 200 and begun["result"]["protocolVersion"] == "2025-06-18" and "mcp-session-id" not in headers
    version = {"mcp-protocol-version": "2025-06-18"}
    status, _, _ = post(gate, "BOB", {"jsonrpc": "2.0", "method": "notifications/initialized"}, version, "mcp")
    assert status == 202
    assert post(gate, "BOB", {"jsonrpc": "2.0", "id": 2, "method": "ping"}, version, "mcp")[2]["result"] == {}
    # An answer to nothing, and a session that nobody began.
    assert post(gate, "BOB", {"jsonrpc": "2.0", "id": 3, "result": {}}, version, "mcp")[0] in (400, 404)
    told = post(gate, "BOB", {"jsonrpc": "2.0", "id": 4, "method": "ping"}, version | {"mcp-session-id": "x"}, "mcp")
    assert (told[0], told[2]["error"]["data"]["reason"]) == (404, "session-unknown")


# A server with sessions that keeps none for long.


class Old:
    """Revision 2025-11-25 and nothing else, by hand: what it says of a call is who called in which session."""

    def __init__(self) -> None:
        self.sessions: list[str] = []
        self.begun = 0
        self.greeting = None

    async def script(self, request: Request, _: Peer) -> list[bytes]:
        asked = request.json()
        session = request.header("mcp-session-id")
        if asked.get("method") == "initialize":
            self.begun += 1
            if self.greeting is not None:
                return self.greeting(asked)
            self.sessions.append(f"s-{self.begun}")
            told = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "old", "version": "1"}}
            body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": told}).encode()
            return answer(200, body, extra=f"mcp-session-id: {self.sessions[-1]}\r\n")
        if session not in self.sessions:
            return answer(404, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"no session"}}')
        if asked["method"].startswith("notifications/"):
            return [b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"]
        assert "_meta" not in asked["params"] or not any("modelcontextprotocol" in key for key in asked["params"]["_meta"])
        assert request.header("mcp-protocol-version") == "2025-11-25" and request.header("mcp-method") is None
        words = {"content": [{"type": "text", "text": f"{session} {asked['params']['name']} {asked['params']['arguments']['words']}"}]}
        return answer(200, json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": words}).encode())


ECHO = {"name": "echo", "inputSchema": {"type": "object", "properties": {"words": {"type": "string"}}}}


@contextmanager
def in_front_of(old: Old) -> Iterator[tuple[Gate, Upstream]]:
    with Upstream(script=old.script) as upstream, Gate(upstream.url) as gate:
        configure(gate, {"old": (f"{upstream.url}/x", "revision: '2025-11-25', ", [ECHO])})
        yield gate, upstream


def echo(gate: Gate, who: str, words: str, server: str = "mcp") -> tuple[int, dict, dict]:
    name = "old__echo" if server == "mcp" else "echo"
    return ask(gate, who, "tools/call", {"name": name, "arguments": {"words": words}}, {"mcp-name": name}, server=server)


def said(told: tuple[int, dict, dict]) -> str:
    assert told[2]["result"]["resultType"] == "complete"
    return told[2]["result"]["content"][0]["text"]


def test_each_task_has_a_session_of_its_own_and_a_lost_one_is_begun_anew() -> None:
    old = Old()
    with in_front_of(old) as (gate, upstream):
        assert [said(echo(gate, who, "a")) for who in ["ALICE", "BOB", "ALICE", "BOB"]] == ["s-1 echo a", "s-2 echo a", "s-1 echo a", "s-2 echo a"]
        # The same server by its own address is another handshake for clients, and the same session for the gate.
        assert said(echo(gate, "ALICE", "b", server="old")) == "s-1 echo b"
        old.sessions.clear()
        assert said(echo(gate, "ALICE", "c")) == "s-3 echo c"
        calls = [request.json() for request in upstream.requests if request.json().get("method") == "tools/call"]
        assert [call["params"]["arguments"]["words"] for call in calls].count("c") == 2, "refused once, taken once"
        # What a caller can do is told to nobody who could not ask for it.
        able = META | {"io.modelcontextprotocol/clientCapabilities": {"sampling": {}, "elicitation": {}}, "progressToken": 1}
        headers = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": "old__echo"}
        params = {"name": "old__echo", "arguments": {"words": "able"}, "_meta": able}
        assert said(post(gate, "ALICE", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, headers, "mcp")) == "s-3 echo able"
        for request in upstream.requests:
            assert gate.key("ALICE") not in str(request.headers) + request.body.decode() and request.header("authorization") is None
        # Another bundle, another session: another server may stand there now.
        replace(gate.data / "policies/joined.cedar", '"joined-old"', '"joined-older"')
        apply(gate)
        assert said(echo(gate, "ALICE", "d")) == "s-4 echo d"


def test_what_a_server_does_wrong_in_a_handshake_is_an_error_of_the_call() -> None:
    good = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "old", "version": "1"}}
    whole = lambda asked, result, extra="": answer(200, json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode(), extra=extra)
    invalid = "upstream-response-invalid"
    facts = [
        ("another revision", lambda asked: whole(asked, good | {"protocolVersion": "2024-11-05"}), invalid),
        ("a revision without sessions", lambda asked: whole(asked, good | {"protocolVersion": STATELESS}), invalid),
        ("no revision", lambda asked: whole(asked, {}), invalid),
        ("an error", lambda asked: answer(200, json.dumps({"jsonrpc": "2.0", "id": 0, "error": {"code": 1, "message": "no"}}).encode()), invalid),
        ("no message", lambda asked: answer(200, b"[]"), invalid),
        ("garbage", lambda asked: answer(200, b"{{{"), invalid),
        ("nothing", lambda asked: answer(200, b""), invalid),
        ("a long one", lambda asked: whole(asked, good | {"instructions": "x" * 300_000}), "upstream-response-too-large"),
        ("two sessions", lambda asked: whole(asked, good, "mcp-session-id: a\r\nmcp-session-id: b\r\n"), invalid),
        ("a session with spaces", lambda asked: whole(asked, good, "mcp-session-id: a b\r\n"), invalid),
        ("a stream without an answer", lambda asked: answer(200, b"data: {}\n\n", "text/event-stream"), invalid),
        ("not for the gate", lambda asked: answer(401, b"{}"), "upstream-refused-gate"),
        ("out of order", lambda asked: answer(500, b"{}"), "upstream-unavailable"),
    ]
    old = Old()
    with in_front_of(old) as (gate, upstream):
        for what, greeting, expected in facts:
            old.greeting = greeting
            assert reason(echo(gate, "ALICE", "x"))[2] == expected, what
        old.greeting = None
        assert said(echo(gate, "ALICE", "x")).endswith("echo x"), "nothing is kept of what went wrong"
        # One that names no session, and one that answers in a stream with news before it.
        old.sessions.append(None)
        old.greeting = lambda asked: whole(asked, good | {"protocolVersion": "2025-11-25"})
        assert said(echo(gate, "BOB", "x")) == "None echo x"
        # What such a one does not find is no session: nothing is sent a second time.
        old.sessions.clear()
        before = len(upstream.requests)
        assert reason(echo(gate, "BOB", "y"))[1] is not None and len(upstream.requests) == before + 1
        gate.settled()
        assert gate.cli("audit", "verify").returncode == 0


def test_a_server_of_another_revision_is_the_gate_s_own_to_its_clients() -> None:
    old = Old()
    with in_front_of(old) as (gate, _):
        replace(gate.data / "policies/joined.cedar", 'ToolServer::"mcp"', 'ToolServer::"old"')
        apply(gate)
        told = ask(gate, "BOB", "server/discover", server="old")[2]["result"]
        assert told["capabilities"] == {"tools": {"listChanged": False}}
        assert [tool["name"] for tool in ask(gate, "BOB", "tools/list", server="old")[2]["result"]["tools"]] == ["echo"]
        # Who speaks the server's own revision speaks to the server.
        begun = old.begun
        legacy = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        _, headers, message = post(gate, "BOB", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": legacy}, {}, "old")
        assert message["result"]["serverInfo"]["name"] == "old" and old.begun == begun + 1 and "mcp-session-id" in headers
