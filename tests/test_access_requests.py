"""Requests for approval (AuthZEN access request and approval profile, draft 1): a denial that can be lifted, the request, operators, the
question again. No test supplies the fact that a policy reads: an operator does, through the command line or the admin API."""

import datetime
import hashlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from authzen import Point, Reply, asked, configure, make_key, question
from gate import Gate

CANARY = "canary-7f3a-invoice"

CONFIG = """
listen: {{data: 127.0.0.1:7700, admin: 127.0.0.1:7701}}
operators: {{olivia: admin, anna: approver, otto: approver, alice: approver, vera: viewer}}
users: {{alice: {{}}, bob: {{}}}}
agents: {{assistant: {{}}, nightly: {{}}}}
enforcement_points:
  desk: {{subjects: ["*"], actions: ["*"], resources: ["*"], agent_in_context: true}}
  other: {{subjects: ["*"], actions: ["*"], resources: ["*"], agent_in_context: true}}
access:
  url: https://pdp.example.com
  context: {{ip: string}}
  resources: {{record: {{open: true, properties: {{amount: integer}}}}}}
  actions: {{read: {{resources: [record]}}, pay: {{resources: [record], properties: {{note: string}}}}, sell: {{resources: [record]}}}}
approvals: {approvals}
"""

POLICIES = """
@id("staff")
permit (principal, action in [Access::Action::"read", Access::Action::"pay"], resource is Access::record);
@id("somebody-looks") @challenge("approval")
forbid (principal, action == Access::Action::"pay", resource) unless { context.answered.approval };
@id("never-nine")
forbid (principal, action == Access::Action::"pay", resource == Access::record::"nine");
"""


def start(approvals: str = "{}", policies: str = POLICIES) -> Iterator[Gate]:
    """A gate whose operators approve on these terms."""
    return asked(CONFIG.format(approvals=approvals), policies)


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """A gate for many tests: each asks about a record of its own."""
    with start("{pending: 100, refusals: 100}") as gate:
        yield gate


@pytest.fixture(scope="module")
def desk(gate: Gate) -> Point:
    """The point that asks."""
    return Point(gate, "desk")


def pay(record: str, note: str = "n", **context: object) -> dict:
    """A payment of alice's that needs an approval."""
    resource = {"type": "record", "id": record, "properties": {"amount": 7}}
    asks = question("alice", {"name": "pay", "properties": {"note": note}}, resource)
    return asks | ({"context": context} if context else {})


def denial(point: Point, asks: dict) -> dict:
    """What binds a request to the denial of this question."""
    told = point.ask("evaluation", asks).json()
    assert told["decision"] is False, told
    assert told["context"]["reason"] == "approval-required"
    access = told["context"]["access_request"]
    return {"evaluation_id": told["context"]["evaluation_id"], "reason": told["context"]["reason"]} | access


def submit(point: Point, asks: dict, **more: object) -> Reply:
    """A request for approval of what is denied now."""
    return point.ask("requests", asks | {"denial": denial(point, asks)} | more)


def task(reply: Reply) -> dict:
    """The handle of a request that was taken."""
    assert reply.status in (200, 201, 202), reply
    return reply.json()["task"]


def look(point: Point, number: str) -> Reply:
    """How a request stands."""
    return point.send(f"/access/v1/requests/{number}", None, method="GET")


def answer(gate: Gate, number: str, yes: bool, *more: str) -> None:
    """An operator's answer, by command."""
    made = gate.cli("approvals", "approve" if yes else "refuse", number, *(["--yes"] if yes else []), *more)
    assert made.returncode == 0, made.stdout + made.stderr


def again(point: Point, asks: dict, approval: dict) -> dict:
    """The same question with an approval."""
    context = asks.get("context", {}) | {"approval": approval}
    return point.ask("evaluation", asks | {"context": context}).json()


def problem(reply: Reply, status: int, name: str) -> None:
    """A problem of the profile (RFC 9457)."""
    assert reply.status == status, reply
    assert reply.headers["content-type"] == "application/problem+json"
    told = json.loads(reply.body)
    assert (told["type"], told["status"]) == (f"urn:openid:authzen:access-request:error:{name}", status)


def as_operator(gate: Gate, key: str) -> Callable[[str, object], tuple[int, dict]]:
    """Talks to the admin API over TCP with an operator's key."""

    def send(path: str, body: object = None) -> tuple[int, dict]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(gate.admin_url.rstrip("/") + path, data, headers), timeout=30) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return send


def test_from_denial_to_permit(gate: Gate, desk: Point) -> None:
    asks = pay("whole-way", ip="192.0.2.1")
    reply = submit(desk, asks, context={"ip": "192.0.2.1", "business_justification": "the customer waits"})
    assert reply.status == 202
    handle = task(reply)
    own = f"https://pdp.example.com/access/v1/requests/{handle['id']}"
    assert (reply.headers["location"], handle["status_endpoint"], handle["links"]["cancel"]) == (own, own, f"{own}/cancel")
    assert (handle["status"], "result" in reply.json()) == ("pending", False)
    assert int(reply.headers["retry-after"]) > 0

    # Nothing is permitted by asking, and an approval that nobody gave is none.
    assert desk.ask("evaluation", asks).json()["decision"] is False
    assert again(desk, asks, {"id": handle["id"]})["context"]["reason"] == "approval_unverifiable"

    shown = gate.cli("approvals", "show", handle["id"])
    assert shown.returncode == 0, shown.stderr
    for expected in ["user:alice", "pep:desk", "somebody-looks (policies/access.cedar:", '"amount": 7', '"ip": "192.0.2.1"', "the customer waits", "nobody has checked it"]:
        assert expected in shown.stdout, shown.stdout
    assert gate.cli("approvals", "list").stdout.count(handle["id"]) == 1
    refused = gate.cli("approvals", "approve", handle["id"])
    assert refused.returncode != 0, "nobody has said yes"
    assert task(look(desk, handle["id"]))["status"] == "pending"

    answer(gate, handle["id"], True)
    done = look(desk, handle["id"]).json()
    assert (done["task"]["status"], done["result"]["mode"]) == ("approved", "reevaluate")
    assert "links" not in done["task"]
    approval = done["result"]["approval"]
    permitted = again(desk, asks, approval)
    assert permitted["decision"] is True, permitted
    assert permitted["context"]["approval"] == {"id": approval["id"], "approved_until": approval["approved_until"]}
    assert again(desk, asks, approval)["decision"] is True, "it holds for a while"
    assert desk.ask("evaluation", asks).json()["decision"] is False, "and only for who presents it"

    told = gate.cli("explain", permitted["context"]["request_id"])
    assert f"note     approval: {approval['id']}" in told.stdout, told.stdout
    replayed = gate.cli("replay", permitted["context"]["request_id"])
    assert "1 equal" in replayed.stdout, replayed.stdout


def test_an_approval_is_for_exactly_that(gate: Gate, desk: Point) -> None:
    asks = pay("exactly", ip="192.0.2.1")
    handle = task(submit(desk, asks))
    answer(gate, handle["id"], True)
    approval = look(desk, handle["id"]).json()["result"]["approval"]
    assert again(desk, asks, approval)["decision"] is True
    others = [
        pay("exactly-not", ip="192.0.2.1"),
        pay("exactly", note="m", ip="192.0.2.1"),
        pay("exactly", ip="192.0.2.2"),
        pay("exactly", ip="192.0.2.1", agent="assistant"),
        pay("exactly"),
        asks | {"subject": {"type": "user", "id": "bob"}},
        asks | {"resource": {"type": "record", "id": "exactly", "properties": {"amount": 8}}},
        asks | {"resource": {"type": "record", "id": "exactly", "properties": {"amount": 7, "another": 1}}},
    ]
    for other in others:
        told = again(desk, other, approval)
        assert (told["decision"], told["context"]["reason"], told["context"]["next_action"]) == (False, "out_of_scope", "request"), other
        assert told["context"]["access_request"]["binding_token"]
    # What operators have not declared bears on nothing.
    assert again(desk, pay("exactly", ip="192.0.2.1", time="12:00"), approval)["decision"] is True
    stranger = again(Point(gate, "other"), asks, approval)
    assert (stranger["decision"], stranger["context"]["reason"], stranger["context"]["next_action"]) == (False, "approval_unverifiable", "none")
    unknown = again(desk, asks, {"id": "apr_" + "0" * 40})
    assert (unknown["decision"], unknown["context"]["reason"]) == (False, "approval_unverifiable")
    for wrong in [{"id": 7}, {}, "apr", {"id": "a" * 2000}]:
        assert desk.ask("evaluation", asks | {"context": {"approval": wrong}}).status == 400, wrong


def test_a_request_is_bound_to_its_denial(gate: Gate, desk: Point) -> None:
    asks = pay("bound", ip="192.0.2.1")
    bound = denial(desk, asks)
    token = bound["binding_token"]
    altered = [
        (asks, bound | {"binding_token": token[:-1] + ("0" if token[-1] != "0" else "1")}),
        (asks, bound | {"expires_at": "2999-01-01T00:00:00Z"}),
        (asks, bound | {"expires_at": "soon"}),
        (asks, bound | {"evaluation_id": "req_00000000000000000000000000"}),
        (asks, {key: value for key, value in bound.items() if key != "binding_token"}),
        (pay("bound-not", ip="192.0.2.1"), bound),
        (pay("bound", note="m", ip="192.0.2.1"), bound),
        (pay("bound", ip="192.0.2.9"), bound),
        (asks | {"subject": {"type": "user", "id": "bob"}}, bound),
        (asks | {"action": {"name": "sell"}}, bound),
    ]
    for body, told in altered:
        problem(desk.ask("requests", body | {"denial": told}), 400, "invalid_denial_binding")
    problem(desk.ask("requests", asks), 400, "invalid_denial_binding")
    problem(Point(gate, "other").ask("requests", asks | {"denial": bound}), 400, "invalid_denial_binding")
    actor = {"client": {"actor": {"id": "assistant"}}}
    problem(desk.ask("requests", asks | {"denial": bound} | actor), 400, "invalid_denial_binding")
    reply = desk.ask("requests", asks | {"denial": bound, "callback": {"endpoint": "https://127.0.0.1/"}})
    assert (reply.status, b"/callback" in reply.body) == (400, True)
    assert desk.ask("requests", asks | {"denial": bound}).status == 202, "the denial itself is as good as it was"


def test_an_agent_in_the_middle(gate: Gate, desk: Point) -> None:
    asks = pay("agent", agent="assistant")
    reply = submit(desk, asks, client={"actor": {"id": "assistant", "type": "ai_agent"}})
    handle = task(reply)
    assert "user:alice → agent:assistant" in gate.cli("approvals", "show", handle["id"]).stdout
    # The actor may be told in the subject or beside it.
    subject = {"type": "user", "id": "alice", "properties": {"act": {"sub": "assistant"}}}
    other = task(desk.ask("requests", asks | {"denial": denial(desk, asks | {"subject": subject})}))
    assert other["id"] == handle["id"]
    answer(gate, handle["id"], True)
    approval = look(desk, handle["id"]).json()["result"]["approval"]
    assert again(desk, asks, approval)["decision"] is True
    other = pay("agent", agent="nightly")
    assert again(desk, other, approval)["context"]["reason"] == "out_of_scope"


def test_what_no_approval_lifts_cannot_be_asked_for(desk: Point) -> None:
    for asks in [pay("nine"), pay("nobody-sells") | {"action": {"name": "sell"}}]:
        told = desk.ask("evaluation", asks).json()
        assert told["decision"] is False
        assert "access_request" not in told["context"], told
    permitted = desk.ask("evaluation", question("alice", "read", "one")).json()
    assert "access_request" not in permitted["context"]
    # A whole number that another reader would round is approved by nobody.
    for amount in [2**53, -(2**53), 2**64 + 1, 10**30, 2.0**53, 1e300]:
        large = pay("large") | {"resource": {"type": "record", "id": "large", "properties": {"other": amount}}}
        assert "access_request" not in desk.ask("evaluation", large).json()["context"], amount
    for amount in [2**53 - 1, 0.5, -7]:
        small = pay("large") | {"resource": {"type": "record", "id": "large", "properties": {"other": amount}}}
        assert "access_request" in desk.ask("evaluation", small).json()["context"], amount
    # What nobody could read is approved by nobody.
    assert "access_request" not in desk.ask("evaluation", pay("long", note="x" * 33_000)).json()["context"]


def test_refused_and_taken_back(gate: Gate, desk: Point) -> None:
    asks = pay("refused")
    handle = task(submit(desk, asks))
    answer(gate, handle["id"], False)
    assert look(desk, handle["id"]).json()["task"]["status"] == "denied"
    late = gate.cli("approvals", "approve", handle["id"], "--yes")
    assert late.returncode == 3 and "approval-closed" in late.stderr, late.stderr
    second = task(submit(desk, asks))
    assert second["id"] != handle["id"]
    answer(gate, second["id"], True)
    approval = look(desk, second["id"]).json()["result"]["approval"]
    assert again(desk, asks, approval)["decision"] is True
    answer(gate, second["id"], False)
    told = again(desk, asks, approval)
    assert (told["decision"], told["context"]["reason"], told["context"]["next_action"]) == (False, "approval_expired", "request")
    # A state that ended a request stays as it is (the profile's state transitions); what it was good for is over.
    assert look(desk, second["id"]).json()["task"]["status"] == "approved"
    assert "taken-back" in gate.cli("approvals", "list", "--all").stdout


def test_cancelled(gate: Gate, desk: Point) -> None:
    for method in ["POST", "DELETE"]:
        handle = task(submit(desk, pay("cancelled")))
        path = f"/access/v1/requests/{handle['id']}/cancel"
        problem(Point(gate, "other").send(path, b"{}", method=method), 404, "unknown_task")
        reply = desk.send(path, b'{"reason": "no_longer_needed"}', method=method)
        assert (reply.status, task(reply)["status"]) == (200, "cancelled")
        problem(desk.send(path, b"", method=method), 409, "invalid_task_state")
    late = gate.cli("approvals", "approve", handle["id"], "--yes")
    assert late.returncode == 3, late.stdout


def test_who_may_look(gate: Gate, desk: Point) -> None:
    handle = task(submit(desk, pay("look")))
    problem(look(Point(gate, "other"), handle["id"]), 404, "unknown_task")
    problem(look(desk, "arq_" + "0" * 40), 404, "unknown_task")
    assert look(Point(gate, "desk"), handle["id"]).status == 200, "another key of the same point"
    for key in ["", gate.key("ALICE")]:
        reply = desk.send(f"/access/v1/requests/{handle['id']}", None, {"authorization": f"Bearer {key}" if key else ""}, "GET")
        assert reply.status in (401, 403)
    assert desk.send(f"/access/v1/requests/{handle['id']}", b"{}").status == 405
    assert desk.send("/access/v1/requests", None, method="GET").status == 405


def test_several_things(gate: Gate, desk: Point) -> None:
    each = [pay(f"several-{number}") for number in range(3)]
    items = [{"resource": asks["resource"], "action": asks["action"], "denial": denial(desk, asks)} for asks in each]
    problem(desk.ask("requests", {"subject": each[0]["subject"], "items": [items[0] | {"denial": items[1]["denial"]}]}), 400, "invalid_denial_binding")
    # All are of one chain: nobody approves for others what is shown of the first.
    agents = pay("several-agents", agent="assistant")
    mixed = {"resource": agents["resource"], "action": agents["action"], "denial": denial(desk, agents)}
    for more in [{"context": agents["context"]}, {"subject": {"type": "user", "id": "bob"}}]:
        assert desk.ask("requests", {"subject": each[0]["subject"], "items": [items[0], mixed | more]}).status == 400, more
    problem(desk.ask("requests", {"subject": each[0]["subject"], "items": [items[0], mixed]}), 400, "invalid_denial_binding")
    twice = desk.ask("requests", {"subject": each[0]["subject"], "items": [items[0], items[0]]})
    assert (twice.status, b"twice" in twice.body) == (400, True)
    handle = task(desk.ask("requests", {"subject": each[0]["subject"], "items": items}))
    assert [item["status"] for item in handle["items"]] == ["pending"] * 3
    assert handle["items"][1]["resource"]["id"] == "several-1"
    answer(gate, handle["id"], True, "--item", "1")
    answer(gate, handle["id"], False, "--item", "2")
    assert task(look(desk, handle["id"]))["status"] == "pending"
    desk.send(f"/access/v1/requests/{handle['id']}/cancel", b"{}")
    answered = look(desk, handle["id"]).json()
    assert [item["status"] for item in answered["task"]["items"]] == ["approved", "denied", "cancelled"]
    other = task(desk.ask("requests", {"subject": each[0]["subject"], "items": items}))
    answer(gate, other["id"], True, "--item", "1")
    answer(gate, other["id"], False, "--item", "2")
    answer(gate, other["id"], True, "--item", "3")
    answered = look(desk, other["id"]).json()
    assert ("result" in answered, answered["task"]["status"]) == (False, "partial")
    assert [item["status"] for item in answered["task"]["items"]] == ["approved", "denied", "approved"]
    approvals = [item.get("result", {}).get("approval") for item in answered["task"]["items"]]
    assert approvals[1] is None
    assert again(desk, each[0], approvals[0])["decision"] is True
    assert again(desk, each[2], approvals[0])["context"]["reason"] == "out_of_scope"
    assert again(desk, each[2], approvals[2])["decision"] is True


def test_the_same_is_asked_for_once(desk: Point) -> None:
    asks = pay("once")
    first = task(submit(desk, asks))
    assert task(submit(desk, asks))["id"] == first["id"], "it waits already"
    keyed = {"denial": denial(desk, pay("keyed"))} | pay("keyed")
    handle = task(desk.ask("requests", keyed, idempotency_key="k-1"))
    desk.send(f"/access/v1/requests/{handle['id']}/cancel", b"{}")
    assert task(desk.ask("requests", keyed, idempotency_key="k-1"))["id"] == handle["id"], "also when it is over"
    assert task(desk.ask("requests", keyed, idempotency_key="k-2"))["id"] != handle["id"]
    longer = keyed | {"requested_access": {"requested_until": "2999-01-01T00:00:00Z"}}
    problem(desk.ask("requests", longer, idempotency_key="k-1"), 409, "duplicate_request")
    other = pay("keyed-not")
    problem(desk.ask("requests", other | {"denial": denial(desk, other)}, idempotency_key="k-1"), 409, "duplicate_request")
    assert desk.ask("requests", keyed, idempotency_key="k" * 257).status == 400


def test_separation_of_duties(gate: Gate, desk: Point) -> None:
    handle = task(submit(desk, pay("duties")))
    keys = {name: as_operator(gate, make_key(gate, f"operator:{name}")) for name in ["anna", "alice", "vera", "olivia"]}
    path = f"/admin/v1/approvals/{handle['id']}"
    status, shown = keys["anna"](path)
    assert status == 200
    commitment = shown["things"][0]["commitment"]
    yes = {"id": handle["id"], "shown": [commitment], "is_approved": True}
    assert keys["vera"](path)[0] == 403, "a viewer sees that there is something, not what"
    assert keys["vera"]("/admin/v1/approvals")[0] == 200
    assert keys["vera"]("/admin/v1/approvals", yes)[0] == 403
    status, told = keys["alice"]("/admin/v1/approvals", yes)
    assert (status, told["error"]["code"]) == (403, "role-insufficient"), "she acts in it"
    status, told = keys["anna"]("/admin/v1/approvals", yes | {"shown": ["0" * 64]})
    assert (status, "shown" in told["error"]["message"]) == (400, True)
    assert keys["anna"]("/admin/v1/approvals", yes | {"shown": []})[0] == 400
    assert task(look(desk, handle["id"]))["status"] == "pending"
    status, told = keys["anna"]("/admin/v1/approvals", yes)
    assert (status, told["status"], told["recorded"]) == (200, "approved", True)


def test_as_many_as_operators_have_agreed_on() -> None:
    with start("{quorum: 2}") as gate:
        desk = Point(gate, "desk")
        handle = task(submit(desk, pay("quorum")))
        assert handle["progress"] == {"current_step": 1, "total_steps": 2, "step_name": "approval"}
        answer(gate, handle["id"], True)
        waiting = task(look(desk, handle["id"]))
        assert (waiting["status"], waiting["progress"]["current_step"]) == ("pending", 2)
        twice = gate.cli("approvals", "approve", handle["id"], "--yes")
        assert twice.returncode == 3 and "before" in twice.stderr, "nobody counts twice"
        anna = as_operator(gate, make_key(gate, "operator:anna"))
        commitment = anna(f"/admin/v1/approvals/{handle['id']}")[1]["things"][0]["commitment"]
        assert anna("/admin/v1/approvals", {"id": handle["id"], "shown": [commitment], "is_approved": True})[0] == 200
        assert task(look(desk, handle["id"]))["status"] == "approved"


def test_a_restart_forgets_nothing() -> None:
    with start() as gate:
        key = make_key(gate, "pep:desk")
        desk = Point(gate, "desk", key)
        names = ["waits", "approved", "refused", "cancelled"]
        handles = {name: task(submit(desk, pay(name, note=CANARY))) for name in names}
        answer(gate, handles["approved"]["id"], True)
        answer(gate, handles["refused"]["id"], False)
        desk.send(f"/access/v1/requests/{handles['cancelled']['id']}/cancel", b"{}")
        approval = look(desk, handles["approved"]["id"]).json()["result"]["approval"]
        shown = gate.cli("approvals", "show", handles["waits"]["id"]).stdout
        gate.kill_hard()
        gate.start_again()
        desk = Point(gate, "desk", key)
        status = [task(look(desk, handles[name]["id"]))["status"] for name in names]
        assert status == ["pending", "approved", "denied", "cancelled"]
        assert again(desk, pay("approved", note=CANARY), approval)["decision"] is True
        assert gate.cli("approvals", "show", handles["waits"]["id"]).stdout == shown
        answer(gate, handles["waits"]["id"], True)
        assert gate.cli("audit", "verify").returncode == 0
        # What exactly is asked for stands encrypted.
        files = [file for file in gate.data.rglob("*") if file.is_file()]
        assert not [file for file in files if CANARY.encode() in file.read_bytes()]
        # Nor can anybody who guesses it find out that it was asked for.
        asked_for = pay("waits", note=CANARY)
        whole = {"subject": asked_for["subject"] | {"properties": {}}, "resource": asked_for["resource"], "action": asked_for["action"], "context": {}}
        canonical = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        guessed = hashlib.sha256(canonical.encode()).hexdigest()
        assert json.loads(gate.cli("approvals", "--json", "show", handles["waits"]["id"]).stdout)["things"][0]["text"] == canonical
        assert not [file for file in files if guessed.encode() in file.read_bytes()]
        # Erased, it can no longer be shown, so nobody approves it.
        last = task(submit(desk, pay("erased", note=CANARY)))
        assert gate.cli("audit", "erase", "user:alice", "--confirm", "user:alice").returncode == 0
        for _ in range(2):
            assert "was erased" in gate.cli("approvals", "show", last["id"]).stdout
            late = gate.cli("approvals", "approve", last["id"], "--yes")
            assert late.returncode == 3 and "erased" in late.stderr, late.stderr
            gate.kill_hard()
            gate.start_again()


def test_other_policies_end_what_was_approved() -> None:
    with start() as gate:
        desk = Point(gate, "desk")
        asks = pay("policies")
        handle = task(submit(desk, asks))
        answer(gate, handle["id"], True)
        approval = look(desk, handle["id"]).json()["result"]["approval"]
        bound = denial(desk, pay("later"))
        assert again(desk, asks, approval)["decision"] is True
        configure(gate.data, CONFIG.format(approvals="{}"), POLICIES + '@id("more") forbid (principal, action == Access::Action::"sell", resource);\n')
        assert gate.cli("apply").returncode == 0
        told = again(desk, asks, approval)
        assert (told["decision"], told["context"]["reason"], told["context"]["next_action"]) == (False, "approval_expired", "request")
        without = POLICIES.replace('@challenge("approval")', "").replace("unless { context.answered.approval }", "")
        configure(gate.data, CONFIG.format(approvals="{}"), without)
        assert gate.cli("apply", "--allow-removal").returncode == 0
        problem(desk.ask("requests", pay("later") | {"denial": bound}), 400, "not_requestable")


def test_bounds() -> None:
    with start("{pending: 2, refusals: 2}") as gate:
        desk = Point(gate, "desk")
        first, second = (task(submit(desk, pay(f"bounds-{number}"))) for number in range(2))
        third = submit(desk, pay("bounds-2"))
        assert (third.status, b"approval-limit" in third.body) == (429, True)
        assert task(submit(desk, pay("bounds-2") | {"subject": {"type": "user", "id": "bob"}}))["status"] == "pending", "others wait elsewhere"
        answer(gate, first["id"], False)
        answer(gate, second["id"], False)
        # The details of what is asked for do not make it another thing.
        answer(gate, task(submit(desk, pay("bounds-0", note="please")))["id"], False)
        problem(submit(desk, pay("bounds-0", note="pretty please")), 400, "not_requestable")
        assert submit(desk, pay("bounds-1")).status == 202

def test_so_many_a_minute() -> None:
    # Each is written to the disk. A full minute may begin on the way: then twice as many pass.
    with start("{pending: 100}") as gate:
        desk = Point(gate, "desk")
        seen = []
        for number in range(125):
            reply = submit(desk, pay("minute", note=str(number)))
            seen.append(reply.status)
            if reply.status == 202:
                desk.send(f"/access/v1/requests/{task(reply)['id']}/cancel", b"{}")
        assert seen[:60] == [202] * 60
        assert 60 <= seen.count(202) <= 120 and seen.count(429) == 125 - seen.count(202)


def test_what_people_have_to_read_is_bounded(desk: Point) -> None:
    asks = pay("bounded")
    reply = desk.ask("requests", asks | {"denial": denial(desk, asks), "context": {"why": "x" * 5000}})
    assert (reply.status, b"people have to read" in reply.body) == (413, True), "nothing is cut: the point would choose what is lost"


def test_other_policies_by_now_ask_for_another_approval() -> None:
    late = '@id("later") @challenge("approval") forbid (principal, action == Access::Action::"pay", resource) when { context.now >= datetime("%s") } unless { context.answered.approval };'
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=4)
    with start(policies=POLICIES + late % at.strftime("%Y-%m-%dT%H:%M:%SZ")) as gate:
        desk = Point(gate, "desk")
        asks = pay("later")
        handle = task(submit(desk, asks))
        answer(gate, handle["id"], True)
        approval = look(desk, handle["id"]).json()["result"]["approval"]
        before = again(desk, asks, approval)
        deadline = time.monotonic() + 20
        while (told := again(desk, asks, approval))["decision"] and time.monotonic() < deadline:
            pass
        assert (before["decision"], told["decision"], told["context"]["reason"], told["context"]["next_action"]) == (True, False, "out_of_scope", "request")
        shown = gate.cli("approvals", "show", task(submit(desk, asks))["id"]).stdout
        assert "policy later" in shown and "policy somebody-looks" in shown


def test_stricter_terms_and_operators_who_lost_their_right() -> None:
    with start("{hold_seconds: 900}") as gate:
        desk = Point(gate, "desk")
        asks, other = pay("terms"), pay("terms-two")
        handle, waits = task(submit(desk, asks)), task(submit(desk, other))
        key = json.loads(gate.cli("key", "--json", "create", "operator:anna").stdout)
        anna = as_operator(gate, key["secret"])
        commitment = anna(f"/admin/v1/approvals/{handle['id']}")[1]["things"][0]["commitment"]
        assert anna("/admin/v1/approvals", {"id": handle["id"], "shown": [commitment], "is_approved": True})[0] == 200
        approval = look(desk, handle["id"]).json()["result"]["approval"]
        assert again(desk, asks, approval)["decision"] is True
        assert gate.cli("kill", "operator:anna").returncode == 0
        assert again(desk, asks, approval)["decision"] is False, "what a stopped operator has approved is approved by nobody"
        assert gate.cli("unlock", "operator:anna").returncode == 0
        assert again(desk, asks, approval)["decision"] is True
        assert gate.cli("revoke", f"credential:{key['id']}").returncode == 0
        assert again(desk, asks, approval)["decision"] is False, "nor with a stolen key"
        # Two have to approve from now on, also what was asked for before.
        (gate.data / "portcullis.yaml").write_text(CONFIG.format(approvals="{quorum: 2}"))
        assert gate.cli("apply").returncode == 0
        answer(gate, waits["id"], True)
        assert task(look(desk, waits["id"]))["status"] == "pending"


def test_a_lock_is_stronger(gate: Gate, desk: Point) -> None:
    asks = pay("locked") | {"subject": {"type": "user", "id": "bob"}}
    handle, bound = task(submit(desk, asks)), denial(desk, asks)
    answer(gate, handle["id"], True)
    approval = look(desk, handle["id"]).json()["result"]["approval"]
    assert gate.cli("kill", "user:bob").returncode == 0
    try:
        assert again(desk, asks, approval)["decision"] is False
        told = desk.ask("evaluation", asks).json()["context"]
        assert (told["reason"], "access_request" in told) == ("principal-locked", False)
        problem(desk.ask("requests", asks | {"denial": bound}), 400, "not_requestable")
    finally:
        assert gate.cli("unlock", "user:bob").returncode == 0
    assert again(desk, asks, approval)["decision"] is True


def test_discovery(desk: Point) -> None:
    told = desk.send("/.well-known/authzen-configuration", None, {"authorization": ""}, "GET").json()
    assert told["access_request_endpoint"] == "https://pdp.example.com/access/v1/requests"
    assert "urn:openid:authzen:capability:access-request" in told["capabilities"]
