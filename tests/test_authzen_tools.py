"""Calls of tools that another enforcement point asks about: the arguments reach policies exactly, or the answer is no."""

import json
import pathlib
from collections.abc import Iterator

import pytest
from authzen import MAIN, Point, configure
from gate import Gate
from test_access_requests import again, answer, denial, look, problem, task
from test_authzen_coaz import resolved

CANARY = "canary-9c1e-offer"
DEEP = 2**53

CONFIG = (
    MAIN.replace("operators: {olivia: admin}", "operators: {olivia: admin, anna: approver}")
    + """
users: {alice: {}, bob: {}}
agents: {assistant: {}, nightly: {autonomous: [callTool]}}
enforcement_points:
  mcp: {subjects: ["*"], actions: ["*"], resources: ["*"], agent_in_context: true, searches_per_minute: 1000}
  narrow: {subjects: [user], actions: [callTool], resources: [Tool, Destination]}
  models: {subjects: [user], actions: [callModel], resources: [Model, Tool]}
access: {url: "https://pdp.example.com", subjects: {identity: user}}
segments: {eu: {}}
destinations: {eu.example.com: [eu], us.example.com: []}
tool_servers:
  shop:
    definitions: tools/shop.json
    tools:
      place_order: {effects: [egress]}
      find: {effects: [read]}
      rate: {effects: [write]}
      weigh: {effects: [read]}
      gone: {effects: [read], withdrawn: true}
  other:
    definitions: tools/other.json
    tools: {find: {effects: [read]}}
"""
)


def tool(name: str, required: list[str] | None = None, **properties: object) -> dict:
    """The definition of one tool."""
    return {"name": name, "inputSchema": {"type": "object", "properties": properties, "required": required or []}}


TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
SHOP = {
    "tools": [
        tool("place_order", ["offer", "cents"], offer=TEXT, cents=WHOLE, tags={"type": "array", "items": TEXT}),
        tool("find", ["query"], query=TEXT),
        tool("rate", stars=NUMBER, note=TEXT),
        tool("weigh", kilos=NUMBER),
        tool("gone", query=TEXT),
    ]
}
OTHER = {"tools": [tool("find", query=TEXT)]}

POLICIES = f"""
@id("staff")
permit (principal, action in Portcullis::Action::"callTool", resource in Portcullis::ToolServer::"shop");
@id("one-cent-only")
forbid (principal, action == shop::Action::"place_order", resource) when {{ context.input.cents == {DEEP} }};
@id("never-both")
forbid (principal, action == shop::Action::"place_order", resource)
when {{ context.input has tags && context.input.tags.contains("both") }};
@id("somebody-looks") @challenge("approval")
forbid (principal, action == shop::Action::"place_order", resource)
when {{ context.input.offer like "gold*" }}
unless {{ context.answered.approval }};
@id("somebody-weighs") @challenge("approval")
forbid (principal, action == shop::Action::"weigh", resource) unless {{ context.answered.approval }};
@id("lists")
permit (principal == Portcullis::User::"alice", action == Portcullis::Action::"listTools", resource == Portcullis::ToolServer::"shop");
@id("talks")
permit (principal == Portcullis::User::"alice", action == Portcullis::Action::"sendMessage", resource == Portcullis::Agent::"assistant");
@id("eu-only")
permit (principal, action == Portcullis::Action::"connect", resource in Portcullis::Segment::"eu");
@id("models")
permit (principal, action == Portcullis::Action::"callModel", resource);
@id("no-people-outside")
forbid (principal, action == shop::Action::"find", resource) when {{ context.flow.compartments.contains("pii") }};
"""


def prepare(data: pathlib.Path) -> None:
    """The configuration with its definitions."""
    (data / "tools").mkdir(exist_ok=True)
    (data / "tools/shop.json").write_text(json.dumps(SHOP))
    (data / "tools/other.json").write_text(json.dumps(OTHER))
    configure(data, CONFIG, POLICIES)


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """A gate with tools."""
    with Gate("http://127.0.0.1:9") as gate:
        prepare(gate.data)
        applied = gate.cli("apply")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        yield gate


@pytest.fixture(scope="module")
def point(gate: Gate) -> Point:
    """A gateway in front of tools."""
    return Point(gate, "mcp")


def call(arguments: object, name: str = "shop/place_order", who: str = "alice", **context: object) -> dict:
    """The question whether somebody may call a tool with these arguments; `...`: it does not say with which."""
    properties = {} if arguments is ... else {"properties": {"arguments": arguments}}
    asks = {"subject": {"type": "user", "id": who}, "action": {"name": "callTool"} | properties, "resource": {"type": "Tool", "id": name}}
    return asks | ({"context": context} if context else {})


def told(point: Point, asks: dict) -> tuple[bool, str]:
    """The decision, and why."""
    reply = point.ask("evaluation", asks)
    assert reply.status == 200, reply
    return reply.json()["decision"], reply.json()["context"]["reason"]


def order(cents: int = 5, **more: object) -> dict:
    """Arguments that fit."""
    return {"offer": "tin", "cents": cents} | more


def test_arguments_decide(point: Point) -> None:
    facts = [
        (order(), True, "permitted"),
        (order(tags=["one", "two"]), True, "permitted"),
        (order(tags=["one", "both"]), False, "policy-forbidden"),
        (order(DEEP), False, "policy-forbidden"),
        # A double cannot tell it from the one that is forbidden.
        (order(DEEP + 1), True, "permitted"),
        (order(2**63 - 1), True, "permitted"),
        # What does not fit the definition, exactly, is no call of this tool.
        (order(2**63), False, "policy-error"),
        (order(2**64 + 1), False, "field-type"),
        # As JSON Schema has it, a whole number however it is written.
        (order(5.0), True, "permitted"),
        (order(5.5), False, "policy-error"),
        (order("5"), False, "policy-error"),
        (order(None), False, "policy-error"),
        ({"offer": "tin"}, False, "policy-error"),
        ({}, False, "policy-error"),
        (..., False, "field-missing"),
        (None, False, "field-type"),
        ("{}", False, "field-type"),
        # A tool that sends is not called with what no policy sees.
        (order(note=CANARY), False, "policy-forbidden"),
    ]
    for arguments, decision, reason in facts:
        assert told(point, call(arguments)) == (decision, reason), arguments
    reply = point.ask("evaluations", {"evaluations": [call(arguments) for arguments, *_ in facts]})
    answers = [(one["decision"], one["context"]["reason"]) for one in reply.json()["evaluations"]]
    assert answers == [(decision, reason) for _, decision, reason in facts]


def test_only_what_is_declared_and_asked_about_by_whom_it_may_be(gate: Gate, point: Point) -> None:
    assert told(point, call({"query": "tin"}, "shop/find")) == (True, "permitted")
    # Its `stars` are decimals. What does not fit one exactly nobody sees: it writes, so no.
    assert told(point, call({"note": "n"}, "shop/rate")) == (True, "permitted")
    assert told(point, call({"note": "n", "stars": 0.5}, "shop/rate")) == (True, "permitted")
    assert told(point, call({"note": "n", "stars": 0.50001}, "shop/rate")) == (False, "policy-forbidden")
    for unknown in ["shop/nothing", "nowhere/find", "shop/gone", "find", "shop/find/", "SHOP/find"]:
        decision, reason = told(point, call({"query": "tin"}, unknown))
        assert (decision, reason) == (False, "policy-error"), unknown
    # Another server has a tool of the same name; nothing permits it.
    assert told(point, call({"query": "tin"}, "other/find")) == (False, "policy-denied")
    # Both the user and the agent that acts are asked about; an agent alone has to be autonomous.
    assert told(point, call(order(), agent="assistant")) == (True, "permitted")
    assert told(point, call(order(), agent="nobody")) == (False, "principal-unknown")
    for agent, expected in [("nightly", (True, "permitted")), ("assistant", (False, "agent-without-user"))]:
        assert told(point, call(order()) | {"subject": {"type": "agent", "id": agent}}) == expected
    assert told(Point(gate, "narrow"), call(order())) == (True, "permitted")
    assert told(Point(gate, "models"), call(order())) == (False, "question-refused")
    # The arguments of something else are nothing.
    assert told(point, call(order(), "record-1") | {"resource": {"type": "record", "id": "shop/place_order"}}) == (False, "question-unknown")


def test_a_declared_mapping_reaches_the_typed_policies(point: Point) -> None:
    page = (pathlib.Path(__file__).resolve().parent.parent / "docs/AUTHZEN.md").read_text()
    (line,) = [line for line in page.splitlines() if '"arguments": "$params.arguments"' in line]
    mapping = json.loads(line.strip().strip("`"))["evaluation"]
    for cents, decision in [(5, True), (DEEP, False)]:
        values = {"$token.sub": "alice", "$token.?client_id": "assistant", "$params.arguments": order(cents)}
        assert told(point, resolved(mapping, values))[0] is decision


def test_one_reading_of_the_arguments(point: Point) -> None:
    text = json.dumps(call({"offer": "tin", "cents": 5}))
    facts = [
        (text.replace('"cents": 5', '"cents": 5, "cents": 6'), 400),
        (text.replace('"cents": 5', '"cents": 5, "c\\u0065nts": 6'), 400),
        (text.replace('"arguments": {', '"arguments": {}, "arguments": {'), 400),
        (text.replace('"tin"', '"\\ud800"'), 400),
        (text.replace('"cents": 5', '"cents": 1e999'), 400),
        (text.replace('"tin"', '"' + "x" * 300_000 + '"'), 413),
        (text, 200),
    ]
    for body, status in facts:
        reply = point.send("/access/v1/evaluation", body.encode())
        assert reply.status == status, (body[:200], reply)


def test_a_batch_is_bounded_as_a_whole(point: Point) -> None:
    action = call(order(tags=["x" * 200_000]))["action"]
    batch = lambda n_asked: {**call({}), "action": action, "evaluations": [{} for _ in range(n_asked)]}
    assert [one["decision"] for one in point.ask("evaluations", batch(5)).json()["evaluations"]] == [True] * 5
    assert point.ask("evaluations", batch(6)).status == 413


def test_what_was_asked_is_recorded_for_its_subject_and_decided_again(gate: Gate, point: Point) -> None:
    asked = []
    for arguments, decision in [(order(DEEP + 1, tags=[CANARY]), True), (order(DEEP), False), (order(note=CANARY), False)]:
        reply = point.ask("evaluation", call(arguments)).json()
        assert reply["decision"] is decision
        asked.append(reply["context"]["request_id"])
    for request in asked:
        replayed = gate.cli("replay", request)
        assert replayed.returncode == 0 and "1 equal" in replayed.stdout, replayed.stdout + replayed.stderr
    explained = gate.cli("explain", asked[1])
    assert "one-cent-only" in explained.stdout and "shop/place_order" in explained.stdout, explained.stdout
    # Arguments are content: what stands in the log in the clear does not have them.
    log = b"".join(path.read_bytes() for path in (gate.data / "log").rglob("*") if path.is_file())
    assert b"shop/place_order" in log and CANARY.encode() not in log
    replayed = gate.cli("replay")
    assert replayed.returncode == 0 and "0 different" in replayed.stdout, replayed.stdout


def test_an_approval_is_for_these_arguments(gate: Gate, point: Point) -> None:
    asks = call(order(offer="gold-1"))
    assert told(point, asks) == (False, "approval-required")
    handle = task(point.ask("requests", asks | {"denial": denial(point, asks)}))
    shown = gate.cli("approvals", "show", handle["id"])
    assert '"offer": "gold-1"' in shown.stdout and '"cents": 5' in shown.stdout, shown.stdout
    answer(gate, handle["id"], True)
    approval = look(point, handle["id"]).json()["result"]["approval"]
    permitted = again(point, asks, approval)
    assert permitted["decision"] is True, permitted
    assert "1 equal" in gate.cli("replay", permitted["context"]["request_id"]).stdout
    # The order of members is none of the arguments.
    reordered = call({"cents": 5, "offer": "gold-1"})
    assert again(point, reordered, approval)["decision"] is True
    others = [
        call(order(6, offer="gold-1")),
        call(order(offer="gold-2")),
        call(order(offer="gold-1", tags=[])),
        call(order(offer="gold-1"), who="bob"),
        call(order(offer="gold-1"), agent="assistant"),
    ]
    for other in others:
        refused = again(point, other, approval)
        assert (refused["decision"], refused["context"]["reason"]) == (False, "out_of_scope"), other
    # An approval lifts what asked for it, and nothing else.
    assert again(point, call(order(DEEP, offer="gold-1")), approval)["decision"] is False


def test_what_could_be_another_call_is_not_approved(gate: Gate, point: Point) -> None:
    for kilos in [0.5, 1.0, DEEP + 1]:
        asks = call({"kilos": kilos}, "shop/weigh")
        reply = point.ask("evaluation", asks).json()
        assert (reply["decision"], reply["context"]["reason"]) == (False, "approval-required")
        assert "access_request" not in reply["context"], "it cannot be asked for"
        whole = call({"kilos": 2}, "shop/weigh")
        problem(point.ask("requests", asks | {"denial": denial(point, whole)}), 400, "invalid_denial_binding")
    assert task(point.ask("requests", whole | {"denial": denial(point, whole)}))["status"] == "pending"


def found(point: Point, what: str, **body: object) -> list[str]:
    """The ids, or the actions, that a search finds."""
    reply = point.ask(f"search/{what}", body)
    assert reply.status == 200, reply
    return [item.get("id", item.get("name")) for item in reply.json()["results"]]


def test_searches_find_what_would_be_permitted(point: Point) -> None:
    alice = {"type": "user", "id": "alice"}
    named = lambda arguments: {"name": "callTool", "properties": {"arguments": arguments}}
    # Those that take such arguments: an order needs more, and a find may not get what it does not know.
    assert found(point, "resource", subject=alice, action=named({"query": "tin"}), resource={"type": "Tool"}) == ["shop/find"]
    assert found(point, "resource", subject=alice, action=named(order()), resource={"type": "Tool"}) == ["shop/place_order"]
    assert found(point, "subject", subject={"type": "user"}, action=named(order()), resource={"type": "Tool", "id": "shop/place_order"}) == ["alice", "bob"]
    assert found(point, "subject", subject={"type": "user"}, action=named(order(DEEP)), resource={"type": "Tool", "id": "shop/place_order"}) == []
    # A page goes on with the search that it belongs to: other arguments are another one.
    place = {"subject": {"type": "user"}, "resource": {"type": "Tool", "id": "shop/place_order"}}
    first = point.ask("search/subject", place | {"action": named(order()), "page": {"limit": 1}}).json()
    token = {"page": {"token": first["page"]["next_token"]}}
    rest = point.ask("search/subject", place | {"action": named(order())} | token).json()
    assert [one["id"] for page in (first, rest) for one in page["results"]] == ["alice", "bob"]
    assert point.ask("search/subject", place | {"action": named(order(6))} | token).status == 400
    # Without arguments nothing is asked: no call is meant.
    body = {"subject": alice, "action": {"name": "callTool"}, "resource": {"type": "Tool"}}
    assert point.ask("search/resource", body).status == 400
    assert point.ask("search/resource", body | {"action": named({"query": "x" * 40_000})}).status == 413
    assert found(point, "action", subject=alice, resource={"type": "Tool", "id": "shop/find"}) == []
    # Places, servers and agents by the words of the gate.
    assert found(point, "resource", subject=alice, action={"name": "connect"}, resource={"type": "Destination"}) == ["eu.example.com"]
    assert found(point, "resource", subject=alice, action={"name": "fetchRemote"}, resource={"type": "Destination"}) == []
    assert found(point, "action", subject=alice, resource={"type": "Destination", "id": "eu.example.com"}) == ["connect"]
    assert found(point, "resource", subject=alice, action={"name": "listTools"}, resource={"type": "ToolServer"}) == ["shop"]
    assert found(point, "subject", subject={"type": "user"}, action={"name": "listTools"}, resource={"type": "ToolServer", "id": "shop"}) == ["alice"]
    assert found(point, "resource", subject=alice, action={"name": "sendMessage"}, resource={"type": "Agent"}) == ["assistant"]
    assert found(point, "action", subject=alice, resource={"type": "Agent", "id": "assistant"}) == ["sendMessage"]
