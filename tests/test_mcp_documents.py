"""Documents, prompts, news and what servers ask: decided on like calls of tools."""

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from gate import Gate
from situations import apply
from test_mcp import META, SECRET, STATELESS, ask, events, post, reason, result
from test_operations import replace
from upstream import Peer, Request, Upstream, answer

SESSIONS = {"mcp-protocol-version": "2025-11-25"}
CONFIGURATION = """
tool_servers:
  docs:
    upstream: docs
    watch: off
    definitions: tools/docs.json
    clearance: internal
    tools:
      work: {effects: [read]}
    resources:
      pages: {uri: "kb://pages/**"}
      staff: {uri: "kb://staff/*", level: confidential, compartments: [hr]}
    prompts:
      review: {}
    client_features: [sampling, elicitation]
"""
POLICIES = """
@id("docs-talk")
permit (
    principal in Portcullis::Group::"staff",
    action in [Portcullis::Action::"listTools", Portcullis::Action::"callTool"],
    resource in Portcullis::ToolServer::"docs"
);
@id("docs-open")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"readResource", resource == Portcullis::Document::"docs/pages")
when { context.input.uri like "kb://pages/open/*" };
@id("docs-alice")
permit (
    principal == Portcullis::User::"alice",
    action in [Portcullis::Action::"readResource", Portcullis::Action::"getPrompt"],
    resource in Portcullis::ToolServer::"docs"
);
@id("docs-answer")
permit (principal == Portcullis::User::"alice", action == Portcullis::Action::"answerServer", resource == Portcullis::ToolServer::"docs");
"""
TOOLS = [{"name": "work", "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}}}]
WORK = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "work", "arguments": {}}}
LISTED = ["kb://pages/open/a", "kb://pages/closed/b", "kb://staff/ann", "kb://elsewhere/c", "kb://pages/../staff/ann"]
NEXT: list = []
"""What the server does next, by what was asked; the last one first."""


async def docs(request: Request, peer: Peer) -> list[bytes] | None:
    """A server of both forms."""
    if request.line.startswith("DELETE"):
        return [b"HTTP/1.1 204 No Content\r\n\r\n"]
    if request.line.startswith("GET"):
        return NEXT.pop()(request) if NEXT else answer(405, b"no", "text/plain")
    asked = request.json()
    if NEXT and "id" in asked and asked.get("method") not in ("initialize", None):
        return NEXT.pop()(asked)
    match asked.get("method"):
        case "initialize":
            told = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}, "resources": {}, "prompts": {}, "tasks": {}}, "serverInfo": {"name": "d", "version": "1"}}
            return answer(200, json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": told}).encode(), extra="mcp-session-id: s-1\r\n")
        case "resources/list":
            return result(asked, {"resources": [{"uri": uri, "name": uri} for uri in LISTED], "ttlMs": 0, "cacheScope": "private"})
        case "resources/templates/list":
            templates = ["kb://pages/{id}", "kb://elsewhere/{id}", "kb://staff/{id}"]
            return result(asked, {"resourceTemplates": [{"uriTemplate": one, "name": one} for one in templates]})
        case "prompts/list":
            return result(asked, {"prompts": [{"name": "review"}, {"name": "poisoned", "description": f"the key is {SECRET}"}]})
        case "resources/read":
            return result(asked, {"contents": [{"uri": asked["params"]["uri"], "text": f"words and {SECRET}"}]})
        case method if method is None or method.startswith("notifications/"):
            return [b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"]
        case _:
            return result(asked, {"content": [{"type": "text", "text": json.dumps(asked["params"])}], "messages": []})


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(script=docs) as upstream:
        yield upstream


@contextlib.contextmanager
def serving(upstream: Upstream) -> Iterator[Gate]:
    with Gate(upstream.url) as gate:
        main = gate.data / "portcullis.yaml"
        replace(main, "\nupstreams:\n", f"\nupstreams:\n  docs: {{kind: mcp, base_url: '{upstream.url}/mcp'}}\n")
        main.write_text(main.read_text() + CONFIGURATION)
        (gate.data / "tools").mkdir()
        (gate.data / "tools/docs.json").write_text(json.dumps({"tools": TOOLS}))
        (gate.data / "policies/docs.cedar").write_text(POLICIES)
        apply(gate)
        yield gate


@pytest.fixture(scope="module")
def gate(upstream: Upstream) -> Iterator[Gate]:
    with serving(upstream) as gate:
        yield gate


def read(gate: Gate, who: str, uri: str) -> tuple[int, dict, dict]:
    return ask(gate, who, "resources/read", {"uri": uri}, headers={"mcp-name": uri}, server="docs")


def begin(gate: Gate, who: str) -> dict[str, str]:
    """A session, as its headers."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {"sampling": {}, "roots": {}, "elicitation": {"url": {}, "form": {}}}, "clientInfo": {"name": "t", "version": "1"}}
    status, headers, _ = post(gate, who, {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}, {}, "docs")
    assert status == 200
    return SESSIONS | {"mcp-session-id": headers["mcp-session-id"]}


def stream(gate: Gate, who: str, verb: str, headers: dict[str, str], body: dict | None = None) -> tuple[int, list[dict]]:
    """Status, and the events as their fields."""
    told = {"authorization": f"Bearer {gate.key(who)}", "accept": "text/event-stream, application/json", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{gate.url}/mcp/docs", data=data, headers=told | headers, method=verb)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            status, kind, said = reply.status, reply.headers["content-type"], reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, [json.loads(error.read() or b"{}")]
    if kind == "application/json":
        return status, [{"data": said}]
    blocks = [block for block in said.split("\n\n") if block]
    return status, [dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in block.splitlines()) for block in blocks]


def test_documents_are_read_by_name_and_address(gate: Gate, upstream: Upstream) -> None:
    status, _, message = read(gate, "BOB", "kb://pages/open/a")
    assert status == 200 and message["result"]["contents"][0]["text"] == "words and [redacted:aws-access-token]"
    assert upstream.requests[-1].header("mcp-name") == "kb://pages/open/a"
    before = len(upstream.requests)
    facts = [
        (read(gate, "BOB", "kb://pages/closed/b"), (200, -32602, "document-not-found")),
        (read(gate, "BOB", "kb://staff/ann"), (200, -32602, "document-not-found")),
        (read(gate, "ALICE", "kb://nowhere/x"), (200, -32602, "document-not-found")),
        (ask(gate, "ALICE", "prompts/get", {"name": "poisoned"}, server="docs"), (200, -32602, "document-not-found")),
        (ask(gate, "BOB", "prompts/get", {"name": "review"}, server="docs"), (200, -32602, "document-not-found")),
    ]
    for answered, expected in facts:
        assert reason(answered) == expected, answered
    assert read(gate, "ALICE", "kb://nowhere/x")[2]["error"]["data"]["uri"] == "kb://nowhere/x"
    # What is told of one that may not be read is what is told of one that does not exist.
    told = [read(gate, "BOB", uri)[2]["error"] for uri in ("kb://staff/ann", "kb://nowhere/x")]
    assert [error | {"data": {key: value for key, value in error["data"].items() if key not in ("request", "uri")}} for error in told][0] == [
        error | {"data": {key: value for key, value in error["data"].items() if key not in ("request", "uri")}} for error in told
    ][1]
    assert len(upstream.requests) == before


@pytest.mark.parametrize(
    "uri",
    [
        "kb://pages/open/../../staff/ann",
        "kb://pages/open/%2e%2e/b",
        "kb://pages/open/%2E%2E/b",
        "kb://pages/open/..%2Fb",
        "kb://pages/open/%252e%252e/b",
        "kb://pages/open\\..\\b",
        "kb://pages//open/a",
        "kb://pages/open/a#b",
        "kb://me@pages/open/a",
        "KB://pages/open/a",
        "kb://pages/open/\u2024\u2024/b",
        "kb://pages/open/a\u202e",
        " kb://pages/open/a",
        "kb://pages/%6Fpen/a",
    ],
)
def test_an_address_has_one_form(gate: Gate, upstream: Upstream, uri: str) -> None:
    before = len(upstream.requests)
    body = {"jsonrpc": "2.0", "id": 7, "method": "resources/read", "params": {"uri": uri}}
    assert reason(post(gate, "ALICE", body, begin(gate, "ALICE"), "docs")) == (200, -32602, "address-invalid")
    assert [one.line.split()[0] for one in upstream.requests[before:]] == ["POST"], "only the handshake"


def test_lists_show_what_could_be_read(gate: Gate) -> None:
    uris = {who: [one["uri"] for one in ask(gate, who, "resources/list", server="docs")[2]["result"]["resources"]] for who in ("ALICE", "BOB")}
    assert uris == {"ALICE": LISTED[:3], "BOB": LISTED[:2]}, "by name; the address is looked at when it is read"
    templates = {who: [one["name"] for one in ask(gate, who, "resources/templates/list", server="docs")[2]["result"]["resourceTemplates"]] for who in ("ALICE", "BOB")}
    assert templates == {"ALICE": ["kb://pages/{id}", "kb://staff/{id}"], "BOB": ["kb://pages/{id}"]}
    status, _, message = ask(gate, "ALICE", "prompts/list", server="docs")
    assert (status, message["result"]["prompts"]) == (200, [{"name": "review"}])
    assert ask(gate, "BOB", "prompts/list", server="docs")[2]["result"]["prompts"] == []


def test_a_server_asks_only_what_it_may(gate: Gate, upstream: Upstream) -> None:
    session = begin(gate, "BOB")
    told = upstream.requests[-1].json()["params"]["capabilities"]
    assert told == {"sampling": {}, "elicitation": {"form": {}}}, "roots and addresses are not announced"
    call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "work", "arguments": {}}}
    done = {"jsonrpc": "2.0", "id": 7, "result": {"content": []}}
    asks = [
        ({"method": "sampling/createMessage", "params": {"messages": [{"role": "user", "content": {"type": "text", "text": f"say {SECRET}"}}], "maxTokens": 1}}, True),
        ({"method": "elicitation/create", "params": {"message": "name?", "requestedSchema": {"type": "object", "properties": {}}}}, True),
        ({"method": "elicitation/create", "params": {"mode": "url", "url": "https://evil.example/x", "message": "m", "elicitationId": "e"}}, False),
        ({"method": "roots/list"}, False),
        ({"method": "tools/call", "params": {"name": "work"}}, False),
    ]
    for asking, may in asks:
        NEXT.append(lambda _, asking=asking: events({"jsonrpc": "2.0", "id": 0} | asking, done))
        status, got = stream(gate, "BOB", "POST", session, call)
        messages = [json.loads(event["data"]) for event in got]
        assert SECRET not in json.dumps(messages)
        if may:
            assert [message.get("method") for message in messages] == [asking["method"], None], messages
        else:
            assert reason((200, {}, messages[-1]))[2] == "upstream-response-invalid", messages


def test_who_may_answer_say_policies(gate: Gate, upstream: Upstream) -> None:
    reply = {"jsonrpc": "2.0", "id": 0, "result": {"action": "accept", "content": {"name": "Ann"}}}
    before = len(upstream.requests)
    status, _, message = post(gate, "BOB", reply, begin(gate, "BOB"), "docs")
    assert (status, message["error"]["data"]["reason"]) == (403, "policy-denied")
    assert len(upstream.requests) == before + 1
    # One that says nothing says that the client is there.
    assert post(gate, "BOB", reply | {"result": {}}, begin(gate, "BOB"), "docs")[0] == 202
    # What is told is inspected like everything that goes out.
    told = reply | {"result": {"action": "accept", "content": {"key": SECRET}}}
    assert post(gate, "ALICE", told, begin(gate, "ALICE"), "docs")[0] == 202
    assert upstream.requests[-1].json()["result"]["content"] == {"key": "[redacted:aws-access-token]"}


def test_a_request_goes_on_as_the_very_request_that_it_was(gate: Gate, upstream: Upstream) -> None:
    capable = META | {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "roots": {}}}
    wanting = {"resultType": "input_required", "requestState": "the server's own", "inputRequests": {"q": {"method": "elicitation/create", "params": {"message": "m", "requestedSchema": {}}}}}

    def work(who: str, n: int, more: dict, name: str = "work") -> tuple[int, dict, dict]:
        params = {"name": name, "arguments": {"n": n}, "_meta": capable} | more
        head = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": name}
        return post(gate, who, {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}, head, "docs")

    NEXT.append(lambda asked: result(asked, wanting))
    first = work("BOB", 1, {})[2]["result"]
    state = first["requestState"]
    assert first["resultType"] == "input_required" and state != "the server's own"
    assert upstream.requests[-1].json()["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] == {"elicitation": {}}
    before = len(upstream.requests)
    facts = [
        (work("BOB", 2, {"requestState": state}), "state-unknown"),
        (work("ALICE", 1, {"requestState": state}), "state-unknown"),
        (work("BOB", 1, {"requestState": state + "0"}), "state-unknown"),
        (work("BOB", 1, {"requestState": "the server's own"}), "state-unknown"),
        (work("BOB", 1, {"requestState": 7}), "field-type"),
        (work("BOB", 1, {"requestState": state, "inputResponses": [1]}), "field-type"),
        # Nobody permits him to answer.
        (work("BOB", 1, {"requestState": state, "inputResponses": {"q": {"action": "decline"}}}), "policy-denied"),
    ]
    for answered, expected in facts:
        assert reason(answered)[2] == expected, answered
    assert len(upstream.requests) == before
    assert "result" in work("BOB", 1, {"requestState": state})[2]
    assert upstream.requests[-1].json()["params"]["requestState"] == "the server's own"
    # What the server may not ask for is not passed on.
    roots = wanting | {"inputRequests": {"q": {"method": "roots/list"}}}
    NEXT.append(lambda asked: result(asked, roots))
    assert reason(work("BOB", 1, {}))[2] == "upstream-response-invalid"
    NEXT.append(lambda asked: result(asked, {"resultType": "complete", "content": [], "inputRequests": {"q": {"method": "elicitation/create"}}}))
    assert reason(work("BOB", 1, {}))[2] == "upstream-response-invalid"


def mark(gate: Gate, who: str, session: dict[str, str], lines: bytes = b"id: e-1\nretry: 50\ndata:\n\n") -> dict[str, str]:
    """A call whose stream breaks behind its first event; the event."""
    NEXT.append(lambda _: answer(200, lines, "text/event-stream"))
    status, [event] = stream(gate, who, "POST", session, WORK)
    assert status == 200
    return event


def done(words: str, number: int = 7) -> dict:
    return {"jsonrpc": "2.0", "id": number, "result": {"content": [{"type": "text", "text": words}]}}


def told(message: dict) -> list[bytes]:
    return answer(200, b"id: e-2\ndata: " + json.dumps(message).encode() + b"\n\n", "text/event-stream")


def test_a_client_comes_back_to_its_stream_and_nobody_else(gate: Gate, upstream: Upstream) -> None:
    bob, other = begin(gate, "BOB"), begin(gate, "BOB")
    event = mark(gate, "BOB", bob)
    assert event["retry"] == "50" and event["id"].replace("-", "").replace("_", "").isalnum()
    last = {"last-event-id": event["id"]}
    tampered = event["id"][:-1] + ("1" if event["id"].endswith("0") else "0")
    before = len(upstream.requests)
    facts = [
        ("ALICE", bob | last, (404, "session-unknown")),
        # The server gives every session one name here: what tells them apart is the gate's.
        ("BOB", bob | {"last-event-id": tampered}, (400, "state-unknown")),
        ("BOB", bob | {"last-event-id": "e-1"}, (400, "state-unknown")),
        ("BOB", SESSIONS | last, (404, "session-unknown")),
    ]
    for who, headers, expected in facts:
        status, [said] = stream(gate, who, "GET", headers)
        assert (status, said["error"]["data"]["reason"]) == expected, said
    assert len(upstream.requests) == before and other["mcp-session-id"]
    NEXT.append(lambda _: told(done(f"it is {SECRET}")))
    status, got = stream(gate, "BOB", "GET", bob | last)
    assert upstream.requests[-1].header("last-event-id") == "e-1"
    assert (status, json.loads(got[-1]["data"])["result"]["content"][0]["text"]) == (200, "it is [redacted:aws-access-token]")
    # What was not asked is not answered: neither another request, nor without a word of an earlier stream.
    for headers, message in [(bob | last, done("a", 8)), (bob, done("a"))]:
        NEXT.append(lambda _, message=message: told(message))
        _, got = stream(gate, "BOB", "GET", headers)
        assert reason((200, {}, json.loads(got[-1]["data"])))[2] == "upstream-response-invalid"


def test_an_event_that_says_nothing_names_nothing(gate: Gate) -> None:
    event = mark(gate, "BOB", begin(gate, "BOB"), f"id: e-1\nevent: {SECRET}\ndata:\n\n".encode())
    assert set(event) == {"id", "data"}, "its name is text of the server's"


def test_a_stream_goes_on_under_the_duties_of_its_call(upstream: Upstream) -> None:
    with serving(upstream) as gate:
        policies = gate.data / "policies/docs.cedar"
        strict = POLICIES + """
@id("docs-work")
@obligation("response:redact:EMAIL_ADDRESS")
permit (principal in Portcullis::Group::"staff", action == docs::Action::"work", resource);
"""
        policies.write_text(strict)
        apply(gate)
        bob = begin(gate, "BOB")
        last = {"last-event-id": mark(gate, "BOB", bob)["id"]}
        NEXT.append(lambda _: told(done("write to mia.keller@example.org")))
        _, got = stream(gate, "BOB", "GET", bob | last)
        assert json.loads(got[-1]["data"])["result"]["content"][0]["text"] == "write to [redacted:EMAIL_ADDRESS]"
        # News alone owe nothing of the kind.
        note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "mia.keller@example.org"}}
        NEXT.append(lambda _: events(note))
        assert json.loads(stream(gate, "BOB", "GET", bob)[1][-1]["data"])["params"]["data"] == "mia.keller@example.org"
        # A lock on the tool holds for what is left of its call.
        assert gate.cli("kill", "tool:docs/work").returncode == 0
        status, [said] = stream(gate, "BOB", "GET", bob | last)
        assert (status, said["error"]["data"]["reason"]) == (403, "tool-locked"), said
        # By other policies it is another decision.
        assert gate.cli("unlock", "tool:docs/work").returncode == 0
        policies.write_text(strict + "// changed\n")
        apply(gate)
        status, [said] = stream(gate, "BOB", "GET", bob | last)
        assert (status, said["error"]["data"]["reason"]) == (400, "state-unknown"), said


def test_news_are_told_of_what_is_declared(gate: Gate) -> None:
    bob = begin(gate, "BOB")
    news = [
        {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}}
        for uri in ("kb://pages/x", "kb://hidden/x", "kb://pages/../x", "kb://staff/ann")
    ]
    NEXT.append(lambda _: events(*news))
    status, got = stream(gate, "BOB", "GET", bob)
    assert [json.loads(event["data"])["params"]["uri"] for event in got] == ["kb://pages/x"]
    assert stream(gate, "BOB", "GET", bob)[0] == 405, "a server without news"
    assert stream(gate, "BOB", "GET", {"mcp-protocol-version": STATELESS})[0] == 405


def test_a_session_that_was_ended_has_ended(gate: Gate, upstream: Upstream) -> None:
    bob = begin(gate, "BOB")
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert post(gate, "BOB", listing, bob, "docs")[0] == 200
    assert stream(gate, "ALICE", "DELETE", bob)[0] == 404, "not by somebody else"
    assert post(gate, "BOB", listing, bob, "docs")[0] == 200
    assert stream(gate, "BOB", "DELETE", bob)[0] == 204
    before = len(upstream.requests)
    assert reason(post(gate, "BOB", listing, bob, "docs")) == (404, 1403, "session-unknown")
    assert stream(gate, "BOB", "GET", bob)[0] == 404
    assert len(upstream.requests) == before


def test_a_document_makes_the_task_as_sensitive_as_it_is(upstream: Upstream) -> None:
    with serving(upstream) as gate:
        assert "result" in read(gate, "ALICE", "kb://pages/closed/b")[2]
        assert "result" in read(gate, "ALICE", "kb://staff/ann")[2]
        # The server is cleared for `internal`: what has read something confidential says nothing to it any more.
        assert reason(read(gate, "ALICE", "kb://pages/closed/b"))[2] == "document-not-found"
        assert reason(ask(gate, "ALICE", "tools/call", {"name": "work", "arguments": {}}, server="docs"))[2] == "tool-not-found"
        # The others have not read it.
        assert "result" in read(gate, "BOB", "kb://pages/open/a")[2]
