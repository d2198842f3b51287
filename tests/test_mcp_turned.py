"""Calls that are told in a session of the gate's own: callers of one task share it, and none of them meets another one there."""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from gate import Gate
from situations import apply
from test_mcp import META, SECRET, STATELESS, post, reason
from test_mcp_joined import ECHO, configure
from test_operations import replace
from upstream import Peer, Request, Upstream, answer

LEGACY = "2025-11-25"


class Sessions:
    """A server of revision 2025-11-25, by hand: it answers calls when as many have come as it waits for, and says what it was told."""

    def __init__(self) -> None:
        self.waits_for = 1
        self.answers = None
        self.told: list[dict] = []
        self.others: list[dict] = []
        self.come = asyncio.Condition()
        self.has_come = threading.Event()

    async def script(self, request: Request, _: Peer) -> list[bytes]:
        asked = request.json()
        if asked.get("method") == "initialize":
            told = {"protocolVersion": LEGACY, "capabilities": {"tools": {}}, "serverInfo": {"name": "old", "version": "1"}}
            return answer(200, json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": told}).encode(), extra="mcp-session-id: s-1\r\n")
        if asked.get("method") != "tools/call":
            self.others.append(asked)
            return [b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"]
        assert request.header("mcp-session-id") == "s-1"
        self.told.append(asked)
        self.has_come.set()
        async with self.come:
            self.come.notify_all()
            await self.come.wait_for(lambda: len(self.told) >= self.waits_for)
        if self.answers is not None:
            return self.answers(asked)
        meta, words = asked["params"].get("_meta", {}), asked["params"]["arguments"]["words"]
        messages = [{"jsonrpc": "2.0", "id": asked["id"], "result": {"content": [{"type": "text", "text": words}]}}]
        if "progressToken" in meta:
            # News of every call that runs in the session, as of one that counts its answers by session and not by stream.
            tokens = [one["params"].get("_meta", {}).get("progressToken") for one in self.told]
            news = [{"progressToken": token, "progress": 1, "message": words} for token in tokens if token is not None]
            messages[0:0] = [{"jsonrpc": "2.0", "method": "notifications/progress", "params": params} for params in news]
        return answer(200, b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in messages), "text/event-stream")


@pytest.fixture
def old() -> Sessions:
    return Sessions()


@pytest.fixture
def gate(old: Sessions) -> Iterator[Gate]:
    with in_front_of(old) as gate:
        yield gate


@contextmanager
def in_front_of(old: Sessions, more: str = "") -> Iterator[Gate]:
    with Upstream(script=old.script) as upstream, Gate(upstream.url) as gate:
        configure(gate, {"old": (f"{upstream.url}/x", f"revision: '{LEGACY}', ", [ECHO])}, more)
        replace(gate.data / "policies/joined.cedar", 'resource == Portcullis::ToolServer::"mcp"', "resource is Portcullis::ToolServer")
        apply(gate)
        yield gate


def told(gate: Gate, who: str, words: str, server: str = "mcp", number: object = 1, version: str = STATELESS, meta: dict | None = None) -> list[dict]:
    """What comes of one call, message by message."""
    name = "old__echo" if server == "mcp" else "echo"
    meta = (META if version == STATELESS else {}) | (meta or {})
    params = {"name": name, "arguments": {"words": words}, "_meta": meta}
    headers = {"mcp-protocol-version": version, "content-type": "application/json", "accept": "application/json, text/event-stream"}
    headers |= {"mcp-method": "tools/call", "mcp-name": name} if version == STATELESS else {}
    headers["authorization"] = f"Bearer {gate.key(who)}"
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{gate.url}/mcp/{server}", data=body, headers=headers), timeout=30) as reply:
            said = reply.read()
    except urllib.error.HTTPError as error:
        said = error.read()
    lines = [line.removeprefix(b"data: ") for line in said.splitlines() if line.startswith((b"data: {", b"{"))]
    return [json.loads(line) for line in lines]


def words(message: dict) -> str:
    return message["result"]["content"][0]["text"]


@pytest.mark.parametrize(("server", "version"), [("mcp", STATELESS), ("mcp", LEGACY), ("old", STATELESS)])
def test_callers_of_one_task_who_number_alike_get_their_own_answers(gate: Gate, old: Sessions, server: str, version: str) -> None:
    told(gate, "ALICE", "first", server, version=version)
    old.told.clear()
    old.waits_for = 6
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(told, gate, "ALICE", f"of {at}", server, 1, version, {"progressToken": "same"}) for at in range(6)]
        answers = [one.result(timeout=60) for one in asked]
    for at, messages in enumerate(answers):
        assert [message.get("id") for message in messages] == [None, 1] and words(messages[1]) == f"of {at}"
        assert messages[0]["params"] == {"progressToken": "same", "progress": 1, "message": f"of {at}"}, "news of its own call alone"
    names = [(one["id"], one["params"]["_meta"]["progressToken"]) for one in old.told]
    assert len({name for name, _ in names}) == 6 and all(name == token and name not in (1, "1", "same") for name, token in names)


@pytest.mark.parametrize("number", [1, 0, "a", "it's \"1\" \u00fc"])
def test_a_caller_gets_its_own_number_back(gate: Gate, old: Sessions, number: object) -> None:
    for token in [7, "t", 1.5]:
        news, answered = told(gate, "ALICE", "x", number=number, meta={"progressToken": token})
        assert answered["id"] == number and news["params"]["progressToken"] == token
        old.told.clear()
    old.answers = lambda asked: answer(200, json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": 5, "message": "no"}}).encode())
    assert [(one["id"], one["error"]["code"]) for one in told(gate, "ALICE", "x", number=number)] == [(number, 5)]


def test_an_answer_to_what_was_not_told_is_none(gate: Gate, old: Sessions) -> None:
    for foreign in [1, "1", 0, "abababababababababab"]:
        old.answers = lambda asked, foreign=foreign: answer(200, json.dumps({"jsonrpc": "2.0", "id": foreign, "result": {"content": []}}).encode())
        assert [one["error"]["data"]["reason"] for one in told(gate, "ALICE", "x")] == ["upstream-response-invalid"], foreign


def test_who_cancels_a_number_cancels_no_call_of_another(gate: Gate, old: Sessions) -> None:
    old.waits_for = 2
    with ThreadPoolExecutor(2) as pool:
        waits = pool.submit(told, gate, "ALICE", "still there", "mcp", 1, LEGACY)
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        assert post(gate, "ALICE", cancelled, {"mcp-protocol-version": LEGACY}, "mcp")[0] == 202
        assert words(told(gate, "ALICE", "second", "mcp", 1, LEGACY)[-1]) == "second"
        assert words(waits.result(timeout=60)[-1]) == "still there"
    assert [one["method"] for one in old.others] == ["notifications/initialized"] * len(old.others), "it reaches no server"


@pytest.mark.parametrize(("server", "version"), [("mcp", STATELESS), ("mcp", LEGACY), ("old", STATELESS)])
def test_metadata_of_a_turned_call_are_looked_at_like_any_other(gate: Gate, old: Sessions, server: str, version: str) -> None:
    [refused] = told(gate, "ALICE", "x", server, version=version, meta={"note": f"the key is {SECRET}"})
    assert refused["error"]["data"]["reason"] == "content-denied" and old.told == []
    assert words(told(gate, "ALICE", "x", server, version=version, meta={"note": "a note"})[-1]) == "x"
    [asked] = old.told
    assert asked["params"]["_meta"] == {"note": "a note"}
    # What only the caller's own revision has does not leave, so nothing of it is a finding.
    more = {"io.modelcontextprotocol/clientInfo": {"name": SECRET, "version": "1"}}
    assert words(told(gate, "ALICE", "x", server, version=version, meta=more)[-1]) == "x" and SECRET not in json.dumps(old.told)


@pytest.mark.parametrize("version", [STATELESS, LEGACY])
def test_an_operator_stops_a_virtual_server(gate: Gate, old: Sessions, version: str) -> None:
    assert gate.cli("kill", "server:mcp").returncode == 0
    [stopped] = told(gate, "ALICE", "x", version=version)
    assert stopped["error"]["data"]["reason"] == "tool-locked" and old.told == []
    # By its own address the server is another one, and only who may call it there does.
    assert words(told(gate, "ALICE", "x", "old")[-1]) == "x"
    assert gate.cli("unlock", "server:mcp").returncode == 0
    old.told.clear()
    old.has_come.clear()
    # One that runs is cut.
    old.waits_for = 2
    killed = threading.Thread(target=lambda: gate.cli("kill", "server:mcp"))
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(told, gate, "ALICE", "never", version=version)
        assert old.has_come.wait(30)
        killed.start()
        assert [one["error"]["data"]["reason"] for one in waits.result(timeout=60)] == ["tool-locked"]
        killed.join(timeout=20)
    assert reason(post(gate, "ALICE", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, {"mcp-protocol-version": LEGACY}, "mcp"))[2] == "tool-locked"
