"""What calls of tools add up to when servers behave otherwise than the official SDK's: a scripted one that breaks off, has its streams
come back to, shows rows in several texts, and tools whose names are long; and what is asked of the gate itself."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

import test_a2a
from gate import Gate
from situations import apply
from test_mcp import SECRET, ask, post, reason
from test_operations import replace
from upstream import Peer, Request, Upstream, answer

LONG = ["t" * 127 + end for end in "ab"]
OBJECT = {"type": "object", "properties": {"amount": {"type": "string"}, "ids": {"type": "array", "items": {"type": "string"}}}}
TOOLS = [{"name": name, "inputSchema": OBJECT} for name in ["read", "pay", "look", *LONG]]
CONFIGURATION = f"""
tool_servers:
  kb:
    upstream: kb
    watch: off
    definitions: tools/kb.json
    tools:
      read: {{effects: [read], counts: {{rows: {{rows: /rows, absent: 10}}}}}}
      pay: {{effects: [write], counts: {{money: {{sum: /amount}}}}}}
      look: {{effects: [read]}}
      {LONG[0]}: {{effects: [destructive], counts: {{gone: {{entries: /ids}}}}}}
      {LONG[1]}: {{effects: [destructive]}}
  nowhere:
    upstream: nowhere
    watch: off
    definitions: tools/kb.json
    tools:
      read: {{effects: [read], counts: {{rows: {{rows: /rows, absent: 10}}}}}}
budgets:
  read: {{per: [principal], every: day, counted: {{rows: "1000"}}}}
  paid: {{per: [principal], every: day, counted: {{money: "500"}}}}
  gone: {{per: [], every: day, counted: {{gone: "3"}}}}
  each: {{per: [principal, tool], every: day, requests: 1, effects: [destructive]}}
"""
POLICIES = """
@id("counts-talk")
permit (principal, action == Portcullis::Action::"listTools", resource is Portcullis::ToolServer);
@id("counts-call")
permit (principal, action in [Portcullis::Action::"read", Portcullis::Action::"write", Portcullis::Action::"destructive"], resource in Portcullis::ToolServer::"kb");
@id("counts-nowhere")
permit (principal, action in Portcullis::Action::"read", resource in Portcullis::ToolServer::"nowhere");
"""


class Server:
    """Answers a call as the test says, else with `result`."""

    def __init__(self) -> None:
        self.next: Callable[[dict, Peer], list[bytes]] | None = None
        self.result: dict = {"content": []}

    async def script(self, request: Request, peer: Peer) -> list[bytes]:
        if request.line.startswith("GET"):
            return answer(405, b"{}")
        asked = request.json()
        if asked.get("method") == "initialize":
            told = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "kb", "version": "1"}}
            return answer(200, json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": told}).encode(), extra="mcp-session-id: s-1\r\n")
        if "id" not in asked:
            return [b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"]
        if self.next is not None:
            return self.next(asked, peer)
        return answer(200, json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": self.result}).encode())


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def gate(server: Server) -> Iterator[Gate]:
    with Upstream(script=server.script) as upstream, Gate("http://127.0.0.1:9") as gate:
        main = gate.data / "portcullis.yaml"
        upstreams = f"  kb: {{kind: mcp, base_url: '{upstream.url}/x'}}\n  nowhere: {{kind: mcp, base_url: 'http://127.0.0.1:9/x'}}\n"
        replace(main, "\nupstreams:\n", f"\nupstreams:\n{upstreams}")
        main.write_text(main.read_text() + CONFIGURATION)
        (gate.data / "tools").mkdir()
        (gate.data / "tools/kb.json").write_text(json.dumps({"tools": TOOLS}))
        (gate.data / "policies/counts.cedar").write_text(POLICIES)
        apply(gate)
        yield gate


def call(gate: Gate, tool: str, arguments: dict | None = None, server: str = "kb") -> str:
    answered = ask(gate, "ALICE", "tools/call", {"name": tool, "arguments": arguments or {}}, server=server)
    return "ok" if "result" in answered[2] else str(reason(answered)[2])


def used(gate: Gate, budget: str) -> str | int | None:
    gate.settled()
    rows = json.loads(gate.cli("usage", "--json").stdout)["budgets"]
    return next((row["used"] for row in rows if row["budget"] == budget), None)


def before_anything(_: dict, peer: Peer) -> list[bytes]:
    peer.writer.close()
    return []


def within_the_head(_: dict, peer: Peer) -> list[bytes]:
    peer.writer.write(b"HTTP/1.1 200 OK\r\ncontent-ty")
    peer.writer.close()
    return []


def within_the_answer(_: dict, peer: Peer) -> list[bytes]:
    peer.writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"jsonrpc\"")
    peer.writer.close()
    return []


def within_a_stream(_: dict, peer: Peer) -> list[bytes]:
    return answer(200, b"id: e-1\ndata:\n\n", "text/event-stream")


@pytest.mark.parametrize("breaks", [before_anything, within_the_head, within_the_answer, within_a_stream])
def test_a_server_that_breaks_off_keeps_what_was_reserved(gate: Gate, server: Server, breaks: Callable) -> None:
    server.next = breaks
    expected = {"upstream-response-invalid", "upstream-broke-off"}
    assert {call(gate, "read"), call(gate, "pay", {"amount": "20.50"})} <= expected
    # Nobody knows what it has done.
    assert (used(gate, "read"), used(gate, "paid")) == ("10", "20.5")


def test_a_server_that_nobody_reached_has_done_nothing(gate: Gate) -> None:
    assert call(gate, "read", server="nowhere") == "upstream-unavailable"
    assert used(gate, "read") in (None, "0")


def rows(n: int) -> str:
    return json.dumps({"rows": list(range(n))})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([rows(3), rows(4)], "7"),
        ([rows(3), "three rows", rows(0), rows(4), rows(1)], "8"),
        (["three rows", "{}"], "10"),
        ([], "10"),
        ([rows(12)], "12"),
    ],
)
def test_rows_of_several_texts_add_up(gate: Gate, server: Server, content: list[str], expected: str) -> None:
    server.result = {"content": [{"type": "text", "text": text} for text in content]}
    assert call(gate, "read") == "ok" and used(gate, "read") == expected


@pytest.mark.parametrize("shown", [{"content": [], "isError": True}, {"content": [], "structuredContent": {"rows": "many"}}])
def test_a_result_without_rows_keeps_what_was_reserved(gate: Gate, server: Server, shown: dict) -> None:
    server.result = shown
    assert call(gate, "read") == "ok" and used(gate, "read") == "10"


def test_nobody_comes_back_to_a_stream_whose_rows_are_counted(gate: Gate, server: Server) -> None:
    version = {"mcp-protocol-version": "2025-11-25"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    _, headers, _ = post(gate, "ALICE", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}, {})
    session = version | {"mcp-session-id": headers["mcp-session-id"], "authorization": f"Bearer {gate.key('ALICE')}"}

    def said(tool: str) -> str:
        result = {"jsonrpc": "2.0", "id": 7, "result": {"content": [{"type": "text", "text": rows(2)}]}}
        body = b"id: e-1\ndata:\n\nid: e-2\ndata: " + json.dumps(result).encode() + b"\n\n"
        server.next = lambda *_: answer(200, body, "text/event-stream")
        asked = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
        told = session | {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        request = urllib.request.Request(f"{gate.url}/mcp/kb", data=json.dumps(asked).encode(), headers=told)
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.read().decode()

    assert said("look").count("id: ") == 2
    counted = said("read")
    assert "id: " not in counted and '"id": 7' in counted and used(gate, "read") == "2"
    # What the server calls its events opens nothing either.
    request = urllib.request.Request(f"{gate.url}/mcp/kb", headers=session | {"accept": "text/event-stream", "last-event-id": "e-1"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    assert refused.value.code == 400 and json.load(refused.value)["error"]["data"]["reason"] == "state-unknown"


def test_tools_with_long_names_have_parts_of_their_own_over_a_start_too(gate: Gate) -> None:
    two = {"ids": ["a", "b"]}
    assert [call(gate, LONG[0], two), call(gate, LONG[1]), call(gate, LONG[0], two), call(gate, LONG[1])] == ["ok", "ok", "budget-spent", "budget-spent"]
    assert call(gate, "look") == "ok" and used(gate, "gone") == "2"
    gate.stop()
    gate.start_again()
    assert [call(gate, LONG[0], two), call(gate, LONG[1])] == ["budget-spent", "budget-spent"] and used(gate, "gone") == "2"


@pytest.mark.parametrize("within", [{"note": f"the key is {SECRET}"}, {"deep": [{"list": [1, f"{SECRET}"]}]}, {SECRET: 1}])
def test_values_of_a_result_are_looked_at_wherever_they_stand(gate: Gate, server: Server, within: dict) -> None:
    for tool in ["look", "read"]:
        server.result = {"content": [], "structuredContent": within}
        _, _, message = ask(gate, "ALICE", "tools/call", {"name": tool, "arguments": {}})
        assert SECRET not in json.dumps(message), message
        assert "result" not in message or "redacted:aws-access-token" in json.dumps(message["result"]["structuredContent"])


@pytest.mark.parametrize("at", [4, len(SECRET) // 2, len(SECRET) - 4])
def test_a_list_of_texts_is_looked_at_as_one(gate: Gate, server: Server, at: int) -> None:
    halves = [f"the key is {SECRET[:at]}", f"{SECRET[at:]} and so on"]
    for values in [{"result": halves}, {"rows": [{"lines": ["a", *halves]}, {"lines": ["b", "c"]}]}, {"values": halves}]:
        server.result = {"content": [], "structuredContent": values}
        _, _, message = ask(gate, "ALICE", "tools/call", {"name": "look", "arguments": {}})
        told = json.dumps(message["result"]["structuredContent"])
        assert SECRET[:at] not in told and SECRET[at:] not in told and "redacted:aws-access-token" in told, told
    server.result = {"content": [], "structuredContent": {"result": ["the key", "is none", "", 7]}}
    assert ask(gate, "ALICE", "tools/call", {"name": "look", "arguments": {}})[2]["result"]["structuredContent"]["result"] == ["the key", "is none", "", 7]


FRONT = """
virtual_servers:
  mcp: {members: [nowhere]}
"""


def test_what_the_gate_answers_itself_is_a_request_too(gate: Gate) -> None:
    replace(gate.data / "portcullis.yaml", "  each: {", "  front: {per: [principal], every: day, requests: 4}\n  each: {")
    main = gate.data / "portcullis.yaml"
    main.write_text(main.read_text() + FRONT)
    apply(gate)
    legacy = {"mcp-protocol-version": "2025-11-25"}
    asked = [
        lambda who: ask(gate, who, "tools/list", server="mcp"),
        lambda who: ask(gate, who, "server/discover", server="mcp"),
        lambda who: post(gate, who, {"jsonrpc": "2.0", "id": 1, "method": "ping"}, legacy, "mcp"),
        lambda who: ask(gate, who, "tools/list", server="kb"),
    ]
    assert all("result" in one("ALICE")[2] for one in asked)
    for one in asked:
        assert reason(one("ALICE"))[2] == "budget-spent"
    assert used(gate, "front") == 4
    # What was refused took nothing of somebody else's, and a call counts beside it.
    assert all("result" in one("BOB")[2] for one in asked)


def test_a_card_of_an_agent_is_a_request_too() -> None:
    more = test_a2a.CONFIGURATION + "budgets:\n  front: {per: [principal], every: day, requests: 2}\n"
    with Gate("http://127.0.0.1:9") as gate:
        test_a2a.configure(gate, "http://127.0.0.1:9", more=more)
        apply(gate)
        assert [test_a2a.card_of(gate, "ALICE")[0] for _ in range(3)] == [200, 200, 429]
        assert test_a2a.card_of(gate, "BOB")[0] == 200
