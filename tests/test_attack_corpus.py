"""Published attacks on tool servers and their gateways, one file each (`attacks/*.toml`): all are refused, for the reason that the file names.

Every case is an honest request that passes, and what the attacker makes of it. After each: the refusal, what `portcullis audit query`
has of it, and that nothing has reached the server (or came from it) that should not have.
"""

import contextlib
import json
import pathlib
import re
import tomllib
from collections.abc import Iterator

import pytest

from attacked import TOOLS, Organisation, organisation
from authorization import AuthorizationServer, Browser
from issuer import Issuer
from situations import apply
from test_tool_credentials import LendingGate, tool_server
from tokens import GATE, until
from upstream import Upstream

HERE = pathlib.Path(__file__).parent
FILES = {path.stem: tomllib.loads(path.read_text()) for path in sorted((HERE / "attacks").glob("*.toml"))}
NAMED = [
    "header-body-mismatch", "tool-shadowing", "rug-pull", "description-injection", "confused-deputy", "token-passthrough",
    "session-hijack", "dns-rebinding", "ssrf-through-metadata", "schemas", "duplicate-keys", "batch-smuggling",
    "request-state-tampering", "resource-uri-traversal", "argument-smuggling",
]  # fmt: skip
"""The attacks that issue 5 names: each has its file."""
OWN = ["initialize", "notifications/initialized", "server/discover", "ping", "tools/list"]
"""What a gate may ask a server by itself: no call, and nothing of a caller's."""
KEYS = {"does", "refused", "log", "reaches", "hidden", "says", "announces", "definition", "metadata", "passes"}
"""What a case says beside the members of a request."""
REQUEST = {"who", "session", "server", "revision", "method", "params", "headers", "replace", "body", "path", "first"}


def cases(kind: str | None) -> list:
    """The cases of a kind: `definition` (what an operator applies), `metadata` (what the gate fetches), or none: requests."""
    return [
        pytest.param(name, case, id=f"{name}: {case['does']}")
        for name, attack in FILES.items()
        for case in attack["case"]
        if next((other for other in ("definition", "metadata") if other in case), None) == kind
    ]


@pytest.fixture(scope="module")
def world() -> Iterator[Organisation]:
    with organisation() as world:
        yield world


@pytest.fixture
def parties(world: Organisation) -> Iterator[Organisation]:
    yield world
    world.server.announces, world.server.says = None, None


def drive(parties: Organisation, honest: dict, request: dict) -> tuple[int, dict, dict, str, str | None]:
    """Sends a request of the corpus, with what has to come before it."""
    placeholders = {"INSIDE": parties.inside.url}
    if "first" in honest:
        before = {key: value for key, value in honest.items() if key != "replace"}
        before["params"] = {name: value for name, value in honest["params"].items() if name != "requestState"}
        placeholders["STATE"] = parties.send(before, parties.credential(honest["who"]), {})[2]["result"]["requestState"]
    if "session" in request:
        placeholders["SESSION"] = parties.session(request["session"])
    credential = parties.credential(request["who"])
    parties.upstream.requests.clear()
    return *parties.send(request, credential, placeholders), credential


def reached(parties: Organisation, credential: str | None) -> int:
    """How many calls, reads and prompts have reached the server: what the gate asks a server for itself is none of them. Whatever reaches it holds
    nothing that the caller has shown."""
    received = "".join(f"{request.line}{request.headers}{request.body!r}" for request in parties.upstream.requests)
    assert credential is None or credential not in received
    assert parties.inside.connections == 0
    methods = [request.json().get("method") for request in parties.upstream.requests if request.body]
    return sum(method not in OWN for method in methods)


def counted(parties: Organisation, reason: str) -> int:
    """How many refusals of parties that are not known stand in the log."""
    told = parties.gate.cli("audit", "query", "--json", "--reason", reason)
    return sum(row["count"] for row in json.loads(told.stdout)["rows"] if row["kind"] == "noise")


@pytest.mark.parametrize(("name", "case"), cases(None))
def test_attack(parties: Organisation, name: str, case: dict) -> None:
    honest = FILES[name]["honest"]
    # The same without the attack: it passes, and reaches the server unless the gate itself answers it.
    status, headers, message, _, credential = drive(parties, honest, honest)
    assert (status, "error" in message) == (200, False), message
    assert reached(parties, credential) == honest.get("reaches", 1)
    assert {row["reason"] for row in parties.record(headers["x-request-id"])} == {"permitted"}
    # The attack.
    if "announces" in case:
        parties.server.announces = json.loads(case["announces"])
    if "says" in case:
        headers = {key: value.replace("INSIDE", parties.inside.url) for key, value in case["says"].get("headers", {}).items()}
        parties.server.says = case["says"] | {"headers": headers}
    before = counted(parties, case.get("refused", {}).get("reason", "permitted"))
    status, headers, message, said, credential = drive(parties, honest, honest | {key: case[key] for key in REQUEST & case.keys()})
    assert not any(words in said for words in case.get("hidden", [])), said
    assert reached(parties, credential) == case.get("reaches", 0)
    rows = parties.record(headers["x-request-id"])
    if "passes" in case:
        # What is asked for is served as ever: it is what the attacker would have had in it that is missing.
        assert (status, "error" in message) == (200, False) and case["passes"] in said, said
        return
    expected = case["refused"]
    error = message["error"]
    told = {"status": status, "code": error["code"], "reason": error["data"]["reason"]} if "data" in error else {"status": status, "reason": error["code"]}
    assert told == expected, message
    if status == 401:
        # Nobody is known: such refusals are counted, for a second, and not written down one by one.
        until(lambda: counted(parties, expected["reason"]) > before)
        return
    assert {row["kind"] for row in rows} == {"intent", "outcome"}, rows
    decided, ended = rows
    # What the server has answered is found out behind a permit.
    assert decided["verdict"] == ("permit" if case.get("reaches") else "deny"), rows
    assert decided["reason"] == ("permitted" if case.get("reaches") else case.get("log", expected["reason"])), rows
    assert (ended["result"] != "executed", ended["reason"]) == (True, expected["reason"]), rows


@pytest.mark.parametrize(("name", "case"), cases("definition"))
def test_attack_by_what_is_to_be_approved(parties: Organisation, name: str, case: dict) -> None:
    """A definition that an operator was led to apply: it is refused, and what is in force goes on."""
    file = parties.gate.data / "tools/kb.json"
    before = file.read_text()
    definition = case["definition"].replace("DEEP", '{"items": ' * 400 + "{}" + "}" * 400).replace("LONG", "x" * (17 << 20))
    try:
        others = ", ".join(json.dumps(tool) for tool in TOOLS if tool["name"] != "ask")
        file.write_text(f'{{"tools": [{others}, {definition}]}}')
        applied = parties.gate.cli("apply")
        assert applied.returncode == 3, applied.stdout
        assert case["refused"]["told"] in applied.stderr + applied.stdout, applied.stderr
    finally:
        file.write_text(before)
    honest = FILES[name]["honest"]
    status, _, message, _, _ = drive(parties, honest, honest)
    assert (status, "result" in message) == (200, True)
    apply(parties.gate)


@pytest.mark.parametrize(("name", "case"), cases("metadata"))
def test_attack_by_what_is_fetched(name: str, case: dict) -> None:
    """An authorization server whose metadata lead somewhere else: nothing goes there, and nobody is connected."""
    with contextlib.ExitStack() as stack:
        upstream, inside = stack.enter_context(Upstream(script=tool_server)), stack.enter_context(Upstream())
        server, okta = stack.enter_context(AuthorizationServer()), stack.enter_context(Issuer(GATE))
        # The same without the attack connects; metadata are kept for a while, so each has a gate of its own.
        with LendingGate(upstream, server, okta) as gate:
            gate.connected("alice")
        server.metadata = {member: value.replace("INSIDE", inside.url) for member, value in case["metadata"].items()}
        gate = stack.enter_context(LendingGate(upstream, server, okta))
        begun = gate.begin("alice")
        Browser().open(begun["address"])
        state, detail = gate.state(begun)
        assert state == "failed" and case["refused"]["told"] in detail, detail
        assert inside.connections == 0 and gate.credentials() == {}


def test_every_attack_has_a_file_and_every_file_its_source() -> None:
    assert sorted(FILES) == sorted(NAMED)
    for name, attack in FILES.items():
        assert {"attack", "published", "controls", "holds", "honest", "case"} <= attack.keys() <= {"attack", "published", "controls", "holds", "honest", "case", "also"}, name
        assert all(re.search(r"\b20\d\d\b", source) and "https://" in source for source in attack["published"]), name
        assert attack["honest"].keys() <= REQUEST | {"reaches"}, name
        assert all(case.keys() <= REQUEST | KEYS and ("passes" in case) != ("refused" in case) for case in attack["case"]), name
        for test in attack.get("also", []):
            file, function = test.split("::")
            assert f"def {function}(" in (HERE.parent / file).read_text(), test
