"""Approvals of calls of tools: bound to the exact call, used once, held or told, answered by operators with a key or a signature.

Nobody supplies the fact that a policy reads: an operator does, through the command line, the admin API or a signed message."""

import asyncio
import base64
import concurrent.futures
import hashlib
import hmac
import json
import os
import queue
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from mcp import MCPError
from mcp.client.client import Client

from authzen import make_key
from gate import Gate
from situations import apply
from test_mcp import CONFIGURATION, META, SECRET, STATELESS, TOOLS, call, kb, reason
from test_mcp_sdk import MODES, defined, run
from test_operations import append, replace
from tool_server import ToolServer, shop
from upstream import Peer, Request, Upstream, answer

POLICIES = """
@id("kb-talk")
permit (principal, action == Portcullis::Action::"listTools", resource == Portcullis::ToolServer::"kb");
@id("kb-search")
permit (principal, action == kb::Action::"search", resource);
@id("kb-publish")
permit (principal, action == kb::Action::"publish", resource);
@id("kb-forget")
permit (principal, action == kb::Action::"forget", resource);
@id("publish-approved") @challenge("approval")
forbid (principal, action == kb::Action::"publish", resource) unless { context.answered.approval };
@id("forget-approved") @challenge("approval")
forbid (principal, action == kb::Action::"forget", resource) unless { context.answered.approval };
@id("never-nine")
forbid (principal, action == kb::Action::"publish", resource) when { context.input has page && context.input.page == "nine" };
"""
WEBHOOK_KEY, ANNA_KEY, OTTO_KEY = (f"whsec_{base64.b64encode(bytes([byte]) * 7 + os.urandom(25)).decode()}" for byte in b"wao")
REQUIRED = (200, 1403, "approval-required")
PUBLISH = {
    "name": "publish",
    "inputSchema": {"type": "object", "properties": {"page": {"type": "string"}, "copies": {"type": "number"}, "note": {"type": "string"}}},
}


@contextmanager
def serve(terms: str = "", policies: str = POLICIES, hook: str = "") -> Iterator[tuple[Gate, Upstream]]:
    """A gate in front of a tool server, whose operators approve on these terms."""
    os.environ.update(HOOK_KEY=WEBHOOK_KEY, ANNA_KEY=ANNA_KEY, OTTO_KEY=OTTO_KEY)
    with Upstream(script=kb) as upstream, Gate(upstream.url) as gate:
        main = gate.data / "portcullis.yaml"
        replace(main, "\nupstreams:\n", f"\nupstreams:\n  kb: {{kind: mcp, base_url: '{upstream.url}/endpoint'}}\n")
        replace(main, "\noperators:\n", "\noperators:\n  anna: approver\n  otto: approver\n  alice: approver\n")
        signed = "signed_answers: {anna: '${ANNA_KEY}', otto: '${OTTO_KEY}'}"
        notices = f"webhook: {{url: '{hook}/hook', secret: '${{HOOK_KEY}}'}}" if hook else ""
        more = ", ".join(part for part in [terms, signed, notices] if part)
        # To read: what a tool that writes is told and policies cannot see, as a fraction, is forbidden by the policies that come along.
        servers = CONFIGURATION.replace("publish: {effects: [write]}", "publish: {effects: [read]}")
        main.write_text(main.read_text() + servers + f"\napprovals: {{{more}}}\n")
        (gate.data / "tools").mkdir()
        tools = [PUBLISH if tool["name"] == "publish" else tool for tool in TOOLS]
        (gate.data / "tools/kb.json").write_text(json.dumps({"tools": tools}))
        (gate.data / "policies/tools.cedar").write_text(policies)
        apply(gate)
        yield gate, upstream


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[Gate, Upstream]]:
    """A gate that holds no call, for many tests: each publishes pages of its own."""
    with serve("pending: 100, refusals: 100") as world:
        yield world


@pytest.fixture(scope="module")
def gate(world: tuple[Gate, Upstream]) -> Gate:
    return world[0]


@pytest.fixture(scope="module")
def upstream(world: tuple[Gate, Upstream]) -> Upstream:
    return world[1]


def publish(gate: Gate, page: str, who: str = "ALICE", **more: object) -> tuple[int, dict, dict]:
    """A call that needs an approval."""
    return call(gate, who, "publish", {"page": page} | more)


def waits(answered: tuple[int, dict, dict]) -> str:
    """The request that a refused call waits for."""
    assert reason(answered) == REQUIRED, answered
    return answered[2]["error"]["data"]["approval"]


def say(gate: Gate, number: str, yes: bool = True) -> None:
    """An operator's answer, by command."""
    made = gate.cli("approvals", "approve" if yes else "refuse", number, *(["--yes"] if yes else []))
    assert made.returncode == 0, made.stdout + made.stderr


def is_done(answered: tuple[int, dict, dict]) -> bool:
    """Whether the tool was called."""
    return answered[0] == 200 and "result" in answered[2]


def shown(gate: Gate, number: str) -> dict:
    """What an operator sees of a request."""
    return gate.admin("GET", f"/admin/v1/approvals/{number}")


def pending(gate: Gate) -> list[str]:
    """The requests that wait, the latest first."""
    return [row["id"] for row in gate.admin("GET", "/admin/v1/approvals")["requests"] if row["status"] == "pending"]


def soon(find: Callable[[], object], what: str) -> object:
    """What `find` gives once it gives something."""
    end = time.monotonic() + 20
    while not (found := find()):
        assert time.monotonic() < end, what
    return found


def test_from_challenge_to_effect_once(gate: Gate, upstream: Upstream) -> None:
    before = len(upstream.requests)
    first = publish(gate, "once")
    number = waits(first)
    data = first[2]["error"]["data"]
    assert (data["retryable"], data["retry_after"], data["expires"].endswith("Z")) == (True, 5, True), data
    assert waits(publish(gate, "once")) == number, "the same call waits once"
    assert len(upstream.requests) == before

    text = gate.cli("approvals", "show", number).stdout
    for expected in ["user:alice", "publish-approved (policies/tools.cedar:", '"page": "once"', '"tool": "kb/publish"', "it can be done once within 900 s"]:
        assert expected in text, text
    thing = shown(gate, number)["things"][0]
    assert hashlib.sha256((thing["salt"] + thing["text"]).encode()).hexdigest() == thing["commitment"]
    assert json.loads(thing["text"])["arguments"] == {"page": "once"}
    say(gate, number)
    done = publish(gate, "once")
    assert is_done(done) and len(upstream.requests) == before + 1
    assert upstream.requests[-1].json()["params"]["arguments"] == {"page": "once"}
    # Used up: the next one asks again.
    again = publish(gate, "once")
    assert waits(again) != number
    assert len(upstream.requests) == before + 1
    rows = {row["id"]: row["status"] for row in gate.admin("GET", "/admin/v1/approvals")["requests"]}
    assert rows[number] == "used"

    gate.settled()
    request = done[1]["x-request-id"]
    told = gate.cli("explain", request).stdout
    assert f" of {number}" in told and "approved by: operator:local" in told, told
    rows = json.loads(gate.cli("audit", "query", "--json", "--request", request).stdout)["rows"]
    assert [(row["kind"], row["action"], row["resource"]) for row in reversed(rows)][:2] == [
        ("admin", "approval-used", number),
        ("intent", "callTool", "kb/publish"),
    ]
    asked = json.loads(gate.cli("audit", "query", "--json", "--request", first[1]["x-request-id"]).stdout)["rows"]
    assert ("approval-asked", number) in {(row["action"], row["resource"]) for row in asked}
    replayed = gate.cli("replay", request)
    assert "1 equal" in replayed.stdout, replayed.stdout


def test_another_call_is_another_call(gate: Gate, upstream: Upstream) -> None:
    number = waits(publish(gate, "exact", copies=2))
    say(gate, number)
    before = len(upstream.requests)
    others = [
        publish(gate, "exact\u200b", copies=2),
        publish(gate, "ex\u0430ct", copies=2),
        publish(gate, "exact ", copies=2),
        publish(gate, "exact"),
        publish(gate, "exact", copies=3),
        publish(gate, "exact", copies=2.5),
        publish(gate, "exact", copies=2, note=""),
        publish(gate, "exact", who="BOB", copies=2),
    ]
    assert len({waits(other) for other in others} | {number}) == 9
    assert len(upstream.requests) == before
    # A number that reads like another one is another call, and whoever approves sees how it was written.
    written = {}
    for copies in ["2.0", "2e0", "20e-1", "9007199254740993", "-0"]:
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "publish", "arguments": {"page": "exact", "copies": 424242}, "_meta": META}})
        told = raw(gate, "ALICE", body.replace("424242", copies))["error"]["data"]
        assert told["reason"] == "approval-required", (copies, told)
        written[copies] = told["approval"]
        assert f'"number, written": "{copies}"' in gate.cli("approvals", "show", told["approval"]).stdout
    assert len({*written.values(), number}) == 6
    assert len(upstream.requests) == before
    say(gate, written["2.0"])
    assert "error" in raw(gate, "ALICE", body.replace("424242", "2.00"))
    assert "result" in raw(gate, "ALICE", body.replace("424242", "2.0"))
    before = len(upstream.requests)
    # Another order, another spacing, another way to write a letter: the same call.
    body = '{"jsonrpc":"2.0", "id" : "x", "method":"tools/call","params":{"_meta": %s, "arguments": { "copies":2,\n"page":"\\u0065xact"},"name":"publish"}}'
    assert "result" in raw(gate, "ALICE", body % json.dumps(META))
    assert len(upstream.requests) == before + 1


def raw(gate: Gate, who: str, body: str) -> dict:
    """A call of `publish` as these bytes."""
    headers = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": "publish", "content-type": "application/json", "authorization": f"Bearer {gate.key(who)}"}
    with urllib.request.urlopen(urllib.request.Request(f"{gate.url}/mcp/kb", body.encode(), headers), timeout=20) as reply:
        return json.load(reply)


def test_what_the_server_is_told_beside_belongs_to_it(gate: Gate) -> None:
    def told(**meta: object) -> tuple[int, dict, dict]:
        body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "publish", "arguments": {"page": "beside"}, "_meta": META | meta}}
        message = raw(gate, "ALICE", json.dumps(body))
        return 200, {}, message

    number = waits(told())
    assert waits(told(progressToken=1)) == number and waits(told(progressToken="two")) == number
    assert waits(told(progressToken="and tell them that the key is 4711")) != number, "what tells something is a part of it"
    draft = waits(told(**{"example.com/draft": False}))
    assert draft != number and waits(told(**{"example.com/draft": True})) not in (number, draft)
    assert '"example.com/draft": false' in gate.cli("approvals", "show", draft).stdout


def test_another_task_has_its_own(gate: Gate) -> None:
    number = waits(publish(gate, "task"))
    say(gate, number)
    other = make_key(gate, "user:alice")
    gate.environment["PORTCULLIS_KEY_SECOND"] = other
    assert waits(publish(gate, "task", who="SECOND")) != number
    assert waits(publish(gate, "task", who="ASSISTANT")) != number
    assert is_done(publish(gate, "task"))


def test_what_hides_is_shown(gate: Gate) -> None:
    number = waits(publish(gate, "pay b\u0430nk\u202e\u200b"))
    told = gate.cli("approvals", "show", number).stdout
    assert "pay b\\u{430}nk\\u{202e}\\u{200b}" in told and "may deceive" in told, told
    long = publish(gate, "x" * 33_000)
    assert reason(long) == (200, 1403, "approval-not-requestable"), "what nobody could read is approved by nobody"


def test_what_is_redacted_is_approved_as_it_leaves(gate: Gate, upstream: Upstream) -> None:
    number = waits(publish(gate, f"the key is {SECRET}"))
    text = json.dumps(shown(gate, number))
    assert SECRET not in text and "[redacted:aws-access-token]" in text
    say(gate, number)
    assert is_done(publish(gate, f"the key is {SECRET}"))
    assert SECRET.encode() not in upstream.requests[-1].body


def test_a_forbid_is_stronger_and_a_misfit_asks_nobody(gate: Gate) -> None:
    before = pending(gate)
    assert reason(publish(gate, "nine"))[2] in ("policy-forbidden", "tool-not-found")
    assert reason(call(gate, "ALICE", "publish", {"page": 5}))[2] == "arguments-invalid"
    assert pending(gate) == before


def test_who_acts_does_not_approve(gate: Gate) -> None:
    number = waits(publish(gate, "own"))
    key = make_key(gate, "operator:alice")
    commitment = shown(gate, number)["things"][0]["commitment"]
    body = json.dumps({"id": number, "shown": [commitment], "is_approved": True}).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{gate.admin_url.rstrip('/')}/admin/v1/approvals", body, headers), timeout=20)
    assert json.load(refused.value)["error"]["code"] == "role-insufficient"
    assert waits(publish(gate, "own")) == number


def test_taken_back_before_it_is_used(gate: Gate, upstream: Upstream) -> None:
    number = waits(publish(gate, "back"))
    say(gate, number)
    say(gate, number, False)
    before = len(upstream.requests)
    assert waits(publish(gate, "back")) != number and len(upstream.requests) == before


def test_two_at_once_get_one_approval(gate: Gate, upstream: Upstream) -> None:
    for turn in range(5):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            numbers = {waits(told) for told in pool.map(lambda _: publish(gate, f"race{turn}"), range(8))}
            assert len(numbers) == 1, "identical calls wait for one request"
            say(gate, numbers.pop())
            before = len(upstream.requests)
            told = list(pool.map(lambda _: publish(gate, f"race{turn}"), range(8)))
        assert sum(map(is_done, told)) == 1 and len(upstream.requests) == before + 1
        assert len({waits(one) for one in told if not is_done(one)}) == 1


def test_use_and_refusal_at_once(gate: Gate, upstream: Upstream) -> None:
    """Whichever comes first: the call is done or it is refused, never half, and never twice."""
    for turn in range(6):
        number = waits(publish(gate, f"against{turn}"))
        say(gate, number)
        before = len(upstream.requests)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            told, _ = pool.submit(publish, gate, f"against{turn}"), pool.submit(gate.admin, "POST", "/admin/v1/approvals", {"id": number, "shown": [], "is_approved": False})
            told = told.result()
        assert is_done(told) == (len(upstream.requests) == before + 1), told
        assert is_done(told) or reason(told)[2] in ("approval-required", "approval-refused"), told
        assert waits(publish(gate, f"against{turn}")) != number


def test_nothing_in_the_log_says_what_was_asked(gate: Gate) -> None:
    page = "guessable-canary-4711"
    number = waits(publish(gate, page))
    text = shown(gate, number)["things"][0]["text"]
    log = b"".join(path.read_bytes() for path in gate.data.rglob("*") if path.is_file() and path.parent.name != "keys" and path.suffix != ".sock")
    for guess in [page, text, hashlib.sha256(text.encode()).hexdigest(), json.dumps({"page": page})]:
        assert guess.encode() not in log
    assert hashlib.sha256(text.encode()).digest() not in log


def test_what_was_erased_is_approved_by_nobody() -> None:
    with serve() as (gate, upstream):
        number, used = waits(publish(gate, "erased")), waits(publish(gate, "erased-approved"))
        say(gate, used)
        erased = gate.cli("audit", "erase", "user:alice", "--confirm", "user:alice")
        assert erased.returncode == 0, erased.stdout + erased.stderr
        refused = gate.cli("approvals", "approve", number, "--yes")
        assert refused.returncode != 0 and "erased" in refused.stdout + refused.stderr
        before = len(upstream.requests)
        assert waits(publish(gate, "erased-approved")) != used and len(upstream.requests) == before


def test_a_restart_loses_and_doubles_nothing() -> None:
    with serve() as (gate, upstream):
        number, twice, open_one = waits(publish(gate, "kept")), waits(publish(gate, "used")), waits(publish(gate, "open"))
        say(gate, number)
        say(gate, twice)
        assert is_done(publish(gate, "used"))
        gate.kill_hard()
        gate.start_again()
        before = len(upstream.requests)
        assert waits(publish(gate, "used")) != twice and len(upstream.requests) == before, "a crash gives no second use"
        assert is_done(publish(gate, "kept")), "what was approved before the crash is there"
        assert waits(publish(gate, "kept")) != number
        assert waits(publish(gate, "open")) == open_one
        gate.stop()
        gate.start_again()
        assert waits(publish(gate, "kept")) != number


def test_expired() -> None:
    with serve("wait_seconds: 10, hold_seconds: 10") as (gate, upstream):
        late, unused = waits(publish(gate, "late")), waits(publish(gate, "unused"))
        say(gate, unused)
        before = len(upstream.requests)
        rows = lambda: {row["id"]: (row["status"], row["holds_until"]) for row in gate.admin("GET", "/admin/v1/approvals")["requests"]}
        soon(lambda: rows()[late][0] == "expired", "it does not expire")
        until = rows()[unused][1]
        soon(lambda: time.time() * 1000 > until, "time stands still")
        assert waits(publish(gate, "unused")) != unused and waits(publish(gate, "late")) != late
        assert len(upstream.requests) == before
        assert gate.cli("approvals", "approve", late, "--yes").returncode == 3


def test_refused_often_enough_nobody_is_asked_again() -> None:
    with serve("refusals: 2, pending: 3") as (gate, _):
        for page in ["a", "b"]:
            say(gate, waits(publish(gate, page)), False)
        told = publish(gate, "c")
        assert reason(told) == (200, 1403, "approval-not-requestable"), "details do not make it another tool"
        assert "refused too often" in told[2]["error"]["data"]["detail"]
        assert reason(call(gate, "ALICE", "forget", {})) == REQUIRED, "another tool is another one"
        assert waits(publish(gate, "c", who="BOB"))


def test_what_waits_is_bounded() -> None:
    with serve("pending: 3") as (gate, _):
        numbers = [waits(publish(gate, f"page{number}")) for number in range(3)]
        for number in range(3, 30):
            assert reason(publish(gate, f"page{number}")) == (200, 1403, "approval-limit")
        assert waits(publish(gate, "page0")) == numbers[0], "what waits can be asked after"
        assert waits(publish(gate, "page0", who="BOB")), "others are not kept from asking"
        assert len(pending(gate)) == 4
        say(gate, numbers[0])
        assert waits(publish(gate, "page3"))


def test_quorum() -> None:
    with serve("quorum: 2") as (gate, upstream):
        number = waits(publish(gate, "two"))
        say(gate, number)
        before = len(upstream.requests)
        assert waits(publish(gate, "two")) == number and len(upstream.requests) == before
        assert gate.cli("approvals", "approve", number, "--yes").returncode != 0, "nobody counts twice"
        assert signed(gate, number)[0] == 200
        assert is_done(publish(gate, "two"))


def test_another_bundle_another_approval() -> None:
    with serve() as (gate, upstream):
        number = waits(publish(gate, "bundle"))
        say(gate, number)
        (gate.data / "policies/more.cedar").write_text('@id("more") permit (principal, action == kb::Action::"located", resource);\n')
        apply(gate)
        before = len(upstream.requests)
        assert waits(publish(gate, "bundle")) != number and len(upstream.requests) == before
        assert "permits nothing" in gate.cli("approvals", "show", number).stdout


@contextmanager
def held(gate: Gate, page: str, who: str = "ALICE") -> Iterator[tuple[concurrent.futures.Future, str]]:
    """A call that is held, and the request that it waits for."""
    before = set(pending(gate))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        told = pool.submit(publish, gate, page, who)
        number = soon(lambda: next(iter(set(pending(gate)) - before), None), "nothing was asked for")
        assert not told.done()
        yield told, str(number)


def test_a_call_is_held_until_somebody_answers() -> None:
    with serve("hold_calls_seconds: 60, pending: 50") as (gate, upstream):
        with held(gate, "held") as (told, number):
            say(gate, number)
            assert is_done(told.result(20)) and upstream.requests[-1].json()["params"]["arguments"] == {"page": "held"}
        with held(gate, "no") as (told, number):
            before = len(upstream.requests)
            say(gate, number, False)
            assert reason(told.result(20)) == (200, 1403, "approval-refused")
        with held(gate, "stopped") as (told, number):
            assert gate.cli("kill", "tool:kb/publish").returncode == 0
            assert reason(told.result(20)) == (200, 1403, "tool-locked")
            assert gate.cli("unlock", "tool:kb/publish").returncode == 0
        with held(gate, "bundle") as (told, number):
            replace(gate.data / "policies/tools.cedar", '"nine"', '"ten"')
            assert gate.cli("apply", "--allow-removal").returncode == 0
            assert waits(told.result(20)) != number, "it is judged anew, and not held again"
        with held(gate, "opened") as (told, number):
            replace(gate.data / "policies/tools.cedar", 'action == kb::Action::"publish", resource) unless { context.answered.approval }', 'action == kb::Action::"publish", resource) when { context.input has note } unless { context.answered.approval }')
            assert gate.cli("apply", "--allow-removal").returncode == 0
            assert is_done(told.result(20)), "what holds now decides"
            assert len(upstream.requests) == before + 1


def test_two_held_calls_share_a_request_and_not_an_approval() -> None:
    with serve("hold_calls_seconds: 60") as (gate, upstream):
        with held(gate, "both") as (one, number), concurrent.futures.ThreadPoolExecutor(1) as pool:
            other = pool.submit(publish, gate, "both")
            soon(lambda: "portcullis_calls_held 2\n" in gate.metrics(), "the second call is not held")
            before = len(upstream.requests)
            say(gate, number)
            told = [one.result(20), other.result(20)]
            assert sum(map(is_done, told)) == 1 and len(upstream.requests) == before + 1
            assert all(is_done(one) or waits(one) != number for one in told)


def test_who_leaves_waits_no_longer_and_comes_back_to_the_same() -> None:
    with serve("hold_calls_seconds: 600") as (gate, upstream):
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "publish", "arguments": {"page": "left"}, "_meta": META}})
        head = f"POST /mcp/kb HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gate.key('ALICE')}\r\ncontent-type: application/json\r\nmcp-protocol-version: {STATELESS}\r\nmcp-method: tools/call\r\nmcp-name: publish\r\ncontent-length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", gate.port), timeout=20) as wire:
            wire.sendall((head + body).encode())
            number = str(soon(lambda: next(iter(pending(gate)), None), "nothing was asked for"))
        gate.settled()
        before = len(upstream.requests)
        say(gate, number)
        assert len(upstream.requests) == before, "nobody does what nobody waits for"
        assert is_done(publish(gate, "left"))


def test_a_gate_that_ends_lets_nobody_hang() -> None:
    with serve("hold_calls_seconds: 600") as (gate, _):
        with held(gate, "drained") as (told, number):
            assert gate.stopped() == 0
            assert waits(told.result(20)) == number
        gate.start_again()
        say(gate, number)
        assert is_done(publish(gate, "drained"))


def test_places_for_held_calls_are_bounded() -> None:
    with serve("hold_calls_seconds: 600, held_calls: 1") as (gate, _):
        with held(gate, "first") as (told, number):
            assert waits(publish(gate, "second", who="BOB")), "it is told at once"
            say(gate, number)
            assert is_done(told.result(20))


def sign(key: str, number: str, at: int, body: bytes) -> str:
    """A signature as Standard Webhooks has it."""
    message = f"{number}.{at}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(base64.b64decode(key.removeprefix("whsec_")), message, hashlib.sha256).digest()).decode()


def signed(gate: Gate, number: str, *, by: str = "anna", key: str = ANNA_KEY, verdict: str = "approve", at: int | None = None, message: str | None = None, shown_as: list[str] | None = None, alter: Callable[[bytes], bytes] = lambda body: body, headers: dict | None = None) -> tuple[int, dict]:
    """A signed answer."""
    if shown_as is None:
        shown_as = [thing["commitment"] for thing in shown(gate, number)["things"]] if verdict == "approve" else []
    body = json.dumps({"request": number, "shown": shown_as, "verdict": verdict, "by": by}).encode()
    at = int(time.time()) if at is None else at
    message = message or f"msg_{os.urandom(8).hex()}"
    told = {"webhook-id": message, "webhook-timestamp": str(at), "webhook-signature": sign(key, message, at, body), "content-type": "application/json"}
    url = f"{gate.admin_url.rstrip('/')}/admin/v1/approvals/answers"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, alter(body), told | (headers or {})), timeout=20) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["error"]


def test_a_signed_answer_counts_like_its_operator(gate: Gate, upstream: Upstream) -> None:
    number = waits(publish(gate, "signed"))
    forged = "whsec_" + base64.b64encode(bytes(32)).decode()
    facts = [
        (signed(gate, number, key=forged), (401, "credential-unknown")),
        (signed(gate, number, key=WEBHOOK_KEY), (401, "credential-unknown")),
        (signed(gate, number, alter=lambda body: body.replace(b"approve", b"refuse ")), (401, "credential-unknown")),
        (signed(gate, number, at=int(time.time()) - 400), (401, "credential-expired")),
        (signed(gate, number, at=int(time.time()) + 400), (401, "credential-expired")),
        (signed(gate, number, by="otto"), (401, "credential-unknown")),
        (signed(gate, number, by="olivia"), (401, "credential-unknown")),
        (signed(gate, number, shown_as=["00" * 32]), (400, "field-type")),
        (signed(gate, number, shown_as=[]), (400, "field-type")),
        (signed(gate, number, verdict="maybe", shown_as=[]), (400, "field-type")),
        (signed(gate, "arq_" + "0" * 40, shown_as=[]), (404, "approval-unknown")),
        (signed(gate, number, headers={"authorization": f"Bearer {gate.environment['PORTCULLIS_OPERATOR']}"}), (401, "two-credentials")),
        (signed(gate, number, headers={"webhook-id": "a.b"}), (401, "credential-missing")),
        (signed(gate, number, headers={"host": "evil.example"}), (403, "host-not-allowed")),
        (signed(gate, number, headers={"content-type": "text/plain"}), (400, "content-type-refused")),
    ]
    assert [(status, told.get("code")) for (status, told), _ in facts] == [expected for _, expected in facts]
    assert waits(publish(gate, "signed")) == number
    told = signed(gate, number, message="msg_one")
    assert (told[0], told[1]["status"]) == (200, "approved"), told
    replayed = signed(gate, number, message="msg_one", verdict="refuse")
    assert (replayed[0], replayed[1]["code"]) == (409, "approval-closed"), replayed
    assert is_done(publish(gate, "signed"))
    # A no, by another one.
    other = waits(publish(gate, "signed-no"))
    assert signed(gate, other, by="otto", key=OTTO_KEY, verdict="refuse")[1]["status"] == "refused"
    # A stopped operator signs nothing, and who acts does not approve.
    third = waits(publish(gate, "signed-third"))
    assert gate.cli("kill", "operator:anna").returncode == 0
    assert signed(gate, third)[1]["code"] == "principal-locked"
    assert gate.cli("unlock", "operator:anna").returncode == 0
    rows = json.loads(gate.cli("audit", "query", "--json", "--principal", "operator:otto").stdout)["rows"]
    assert any(row["action"] == "approval-answered" and row["credential"].startswith("wk_") for row in rows)


def test_a_key_that_was_taken_out_has_said_nothing() -> None:
    with serve() as (gate, upstream):
        number = waits(publish(gate, "stolen"))
        assert signed(gate, number)[0] == 200
        replace(gate.data / "portcullis.yaml", "anna: '${ANNA_KEY}', ", "")
        apply(gate)
        before = len(upstream.requests)
        assert waits(publish(gate, "stolen")) == number and len(upstream.requests) == before
        assert signed(gate, number)[1]["code"] == "credential-unknown"


class Hook:
    """Receives notices; says what it is told to say."""

    def __init__(self) -> None:
        self.told: queue.Queue[Request] = queue.Queue()
        self.status = [200]
        self.lock = threading.Lock()

    async def script(self, request: Request, _: Peer) -> list[bytes]:
        self.told.put(request)
        with self.lock:
            status = self.status.pop(0) if len(self.status) > 1 else self.status[0]
        return answer(status, b"{}")


def verify(request: Request) -> dict:
    """A notice, if its signature is right."""
    number, at = request.header("webhook-id"), int(request.header("webhook-timestamp"))
    assert abs(at - time.time()) < 60
    assert request.header("webhook-signature") == sign(WEBHOOK_KEY, number, at, request.body)
    return json.loads(request.body)


def test_what_waits_is_told() -> None:
    hook = Hook()
    with Upstream(script=hook.script) as receiver, serve(hook=receiver.url) as (gate, _):
        number = waits(publish(gate, "told-canary"))
        notice = hook.told.get(timeout=20)
        told = verify(notice)
        assert (notice.line, notice.header("webhook-id")) == ("POST /hook HTTP/1.1", f"msg_{number}")
        assert (told["type"], told["data"]["request"], told["data"]["things"], told["data"]["quorum"]) == ("approval.requested", number, 1, 1)
        assert "canary" not in notice.body.decode() and "alice" not in notice.body.decode()
        assert waits(publish(gate, "told-canary")) == number
        # Tried again after a failure, under the same id.
        hook.status = [500, 302, 200]
        second = waits(publish(gate, "told-again"))
        ids = [hook.told.get(timeout=30).header("webhook-id") for _ in range(2)]
        assert ids == [f"msg_{second}"] * 2
        say(gate, number)
        soon(lambda: 'portcullis_approval_notices_total{result="delivered"} 1\n' in gate.metrics(), "it is not counted")
        # With its content, where operators want that: enough to answer by a signature.
        replace(gate.data / "portcullis.yaml", "secret: '${HOOK_KEY}'", "secret: '${HOOK_KEY}', content: true")
        apply(gate)
        hook.status = [200]
        while not hook.told.empty():
            hook.told.get()
        third = waits(publish(gate, "told-in-full"))
        notice = soon(lambda: next((one for one in iter(lambda: hook.told.get(timeout=20), None) if one.header("webhook-id") == f"msg_{third}"), None), "nobody was told")
        thing = verify(notice)["data"]["things"][0]
        assert json.loads(thing["text"])["arguments"] == {"page": "told-in-full"}
        assert hashlib.sha256((thing["salt"] + thing["text"]).encode()).hexdigest() == thing["commitment"]
        assert signed(gate, third, shown_as=[thing["commitment"]])[0] == 200
        assert is_done(publish(gate, "told-in-full"))


def test_nobody_waits_for_who_is_told() -> None:
    with serve(hook="http://127.0.0.1:9") as (gate, _):
        number = waits(publish(gate, "deaf"))
        say(gate, number)
        assert is_done(publish(gate, "deaf"))
        assert waits(publish(gate, "deaf-again")), "a message is on its way, or waits for another try"
        assert gate.stopped() == 0


def test_what_waited_before_a_start_is_told_again() -> None:
    hook = Hook()
    with Upstream(script=hook.script) as receiver, serve(hook=receiver.url) as (gate, _):
        number = waits(publish(gate, "before"))
        assert verify(hook.told.get(timeout=20))["data"]["request"] == number
        gate.stop()
        gate.start_again()
        assert hook.told.get(timeout=20).header("webhook-id") == f"msg_{number}"


def test_wrong_configurations_are_told() -> None:
    with serve() as (gate, _):
        good = (gate.data / "portcullis.yaml").read_text()
        facts = [
            ("signed_answers: {anna: '${ANNA_KEY}'", "signed_answers: {victor: '${ANNA_KEY}'", "answers no approvals"),
            ("signed_answers: {anna: '${ANNA_KEY}'", "signed_answers: {nobody: '${ANNA_KEY}'", "no operator"),
            ("otto: '${OTTO_KEY}'}", "otto: '${ANNA_KEY}'}", "stands twice"),
            ("otto: '${OTTO_KEY}'}", "otto: 'whsec_short'}", "does not stand in this file"),
            ("approvals: {", "approvals: {webhook: {url: 'http://hooks.example/x', secret: '${HOOK_KEY}'}, ", "write `https`"),
            ("approvals: {", "approvals: {webhook: {url: 'https://hooks.example/x', secret: '${ANNA_KEY}'}, ", "stands twice"),
            ("approvals: {", "approvals: {hold_calls_seconds: 601, ", "hold_calls_seconds"),
        ]
        for old, new, expected in facts:
            (gate.data / "portcullis.yaml").write_text(good.replace(old, new))
            told = gate.cli("check")
            assert told.returncode != 0 and expected in told.stdout + told.stderr, (new, told.stdout + told.stderr)
            assert ANNA_KEY not in told.stdout + told.stderr


SHOP = """
tool_servers:
  shop:
    upstream: shop
    watch: off
    definitions: tools/shop.json
    tools:
      find: {effects: [read]}
      order: {effects: [write, egress]}
approvals: {hold_calls_seconds: 30}
"""
SHOP_POLICIES = """
@id("shop")
permit (principal in Portcullis::Group::"staff", action in [shop::Action::"find", shop::Action::"order"], resource);
@id("shop-talk")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"listTools", resource == Portcullis::ToolServer::"shop");
@id("order-approved") @challenge("approval")
forbid (principal, action == shop::Action::"order", resource) unless { context.answered.approval };
"""


@pytest.mark.parametrize("mode", MODES)
def test_the_official_client_waits_and_goes_on(mode: str) -> None:
    """The SDK on both sides, streams of events and all: held until the yes; a no is an error that the session outlives."""
    with ToolServer(shop()) as server, Gate("http://127.0.0.1:9") as gate:
        replace(gate.data / "portcullis.yaml", "\nupstreams:\n", f"\nupstreams:\n  shop: {{kind: mcp, base_url: '{server.url}/mcp'}}\n")
        append(gate.data / "portcullis.yaml", SHOP)
        (gate.data / "tools").mkdir()
        (gate.data / "tools/shop.json").write_text(json.dumps(asyncio.run(defined(f"{server.url}/mcp"))))
        (gate.data / "policies/tools.cedar").write_text(SHOP_POLICIES)
        apply(gate)

        def answers(*said: bool) -> None:
            for yes in said:
                say(gate, str(soon(lambda: next(iter(pending(gate)), None), "nothing was asked for")), yes)

        async def act(session: Client) -> None:
            assert sorted(tool.name for tool in (await session.list_tools()).tools) == ["find", "order"]
            answering = asyncio.to_thread(answers, True)
            ordered, _ = await asyncio.gather(session.call_tool("order", {"offer": "paper", "cents": 900}), answering)
            assert ordered.content[0].text == "ordered paper for 900"
            answering = asyncio.create_task(asyncio.to_thread(answers, False))
            with pytest.raises(MCPError) as refused:
                await session.call_tool("order", {"offer": "paper", "cents": 900})
            await answering
            assert (refused.value.error.code, refused.value.error.data["reason"]) == (1403, "approval-refused")
            assert (await session.call_tool("find", {"words": "paper", "limit": 1})).structured_content == {"offers": ["paper 0"]}

        run(gate, "ALICE", mode, act)
