"""What holds beyond the standard: who may ask what, what is seen of what is told, bounds, and that all of it is in the log."""

import json
import pathlib
import subprocess
from collections.abc import Iterator

import pytest
from authzen import CERTIFICATION, CERTIFICATION_POLICIES, HERE, Point, asked, question
from gate import Gate, binary


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """A gate that three enforcement points ask."""
    with asked(CERTIFICATION, CERTIFICATION_POLICIES) as gate:
        yield gate


@pytest.fixture(scope="module")
def harness(gate: Gate) -> Point:
    """May ask everything."""
    return Point(gate, "harness")


@pytest.mark.parametrize(
    ("semantic", "expected"),
    [
        (None, [True, False, True]),
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_semantics(harness: Point, semantic: str | None, expected: list[bool]) -> None:
    items = [question(who, "write", "record-1") for who in ["alice", "bob", "alice"]]
    options = {} if semantic is None else {"options": {"evaluations_semantic": semantic, "another_option": "value"}}
    reply = harness.ask("evaluations", {"evaluations": items} | options).json()
    assert [item["decision"] for item in reply["evaluations"]] == expected


def test_deny_on_first_deny_ends_at_an_error_too(harness: Point) -> None:
    items = [question("alice", "read", "record-1"), {}, question("alice", "read", "record-1")]
    body = {"evaluations": items, "options": {"evaluations_semantic": "deny_on_first_deny"}}
    assert [item["decision"] for item in harness.ask("evaluations", body).json()["evaluations"]] == [True, False]


def test_an_unknown_semantic_is_refused(harness: Point) -> None:
    body = question("alice", "read", "record-1")
    for semantic in ["permit_all", "", 1, None]:
        options = {"evaluations_semantic": semantic}
        assert harness.ask("evaluations", {"evaluations": [body], "options": options}).status == 400, semantic


def test_nobody_else_asks(gate: Gate, harness: Point) -> None:
    body = question("alice", "read", "record-1")
    facts = [("", 401), ("Bearer pcl_unknown", 401), (f"Bearer {gate.key('ALICE')}", 403), (f"Bearer {gate.key('NIGHTLY')}", 403)]
    for authorization, status in facts:
        reply = harness.ask("evaluation", body, authorization=authorization)
        assert reply.status == status, (authorization, reply)
        assert ("www-authenticate" in reply.headers) == (status == 401)


def test_an_enforcement_point_does_nothing_else(harness: Point) -> None:
    chat = json.dumps({"model": "small", "messages": [{"role": "user", "content": "hello"}]}).encode()
    assert harness.send("/v1/chat/completions", chat).status in (403, 404)
    assert json.loads(harness.send("/v1/models", None, method="GET").body)["data"] == []


def test_each_asks_within_its_own_grant(gate: Gate) -> None:
    narrow = Point(gate, "narrow")
    assert narrow.may("alice", "read", "record-1")["decision"] is True
    for subject, action, kind in [("alice", "write", "record"), ("alice", "seal", "sealed")]:
        answer = narrow.may(subject, action, {"type": kind, "id": "record-1"})
        assert (answer["decision"], answer["context"]["reason"]) == (False, "question-refused" if kind == "record" else "question-unknown")
    agent = narrow.may({"type": "agent", "id": "nightly"}, "read", "record-1")
    assert (agent["decision"], agent["context"]["reason"]) == (False, "question-refused")


def test_unknown_is_no(harness: Point) -> None:
    facts = [
        ("nobody", "read", "record-1", "principal-unknown"),
        ({"type": "spaceship", "id": "alice"}, "read", "record-1", "principal-unknown"),
        ({"type": "operator", "id": "olivia"}, "read", "record-1", "principal-unknown"),
        ({"type": "pep", "id": "harness"}, "read", "record-1", "principal-unknown"),
        ("al ice", "read", "record-1", "principal-unknown"),
        ("alice", "burn", "record-1", "question-unknown"),
        ("alice", "read", "record-3", "question-unknown"),
        ("alice", "read", {"type": "sealed", "id": "record-1"}, "question-unknown"),
        ("alice", "read", {"type": "spaceship", "id": "record-1"}, "question-unknown"),
        ({"type": "agent", "id": "assistant"}, "read", "record-1", "agent-without-user"),
    ]
    for subject, action, resource, reason in facts:
        answer = harness.may(subject, action, resource)
        assert (answer["decision"], answer["context"]["reason"]) == (False, reason), (subject, action, resource)
    assert harness.may({"type": "agent", "id": "nightly"}, "read", "record-1")["decision"] is True


def test_what_is_told_has_its_declared_shape(harness: Point) -> None:
    for properties in [{"status": 1}, {"status": None}, {"pages": 1.5}, {"pages": "7"}, {"pages": 2**63}, {"tags": "a"}, {"tags": [1]}]:
        answer = harness.may("alice", "read", {"type": "record", "id": "record-1", "properties": properties})
        assert (answer["decision"], answer["context"]["reason"]) == (False, "field-type"), properties
        assert answer["context"]["error"]["status"] == 400
    told = {"status": "active", "pages": 7, "tags": ["a"], "more": {"deep": [None, 1.5]}}
    assert harness.may("alice", "read", {"type": "record", "id": "record-1", "properties": told})["decision"] is True


def test_no_fact_of_the_gate_is_set_from_outside(harness: Point) -> None:
    """Operators' attribute of a resource, tags of a party, and the gate's own facts stay what they are."""
    archived = {"type": "record", "id": "record-2", "properties": {"status": "active"}}
    assert harness.may("alice", "write", archived)["decision"] is False, "resource.status is the operators'"
    forged = {"flow": {"level": 0}, "chain": {"kind": "direct"}, "answered": {"approval": True}, "pep": {"subject": {"role": "admin"}}}
    status = {"type": "record", "id": "record-2", "properties": {"status": "archived"}}
    assert harness.may("alice", "write", status, context=forged)["decision"] is False
    assert harness.may({"type": "user", "id": "alice", "tags": {"role": "admin"}}, "write", status)["decision"] is False
    assert harness.may("bob", "write", status)["decision"] is True, "the tag is known here"
    assert harness.may("alice", "read", "record-1", context={"ip": "203.0.113.9"})["decision"] is False


def test_an_agent_is_a_link_of_its_own(gate: Gate, harness: Point) -> None:
    coaz = Point(gate, "coaz")
    facts = [("assistant", True), ("nightly", True), ("nobody", False), ("no name", False)]
    for agent, expected in facts:
        assert coaz.may("alice", "read", "record-1", context={"agent": agent})["decision"] is expected, agent
    # The agent may not write, whoever it acts for; and it is no agent where nobody said that it is one.
    assert coaz.may("alice", "write", "record-1", context={"agent": "assistant"})["decision"] is False
    assert harness.may("alice", "write", "record-1", context={"agent": "assistant"})["decision"] is True


def test_json_reads_in_one_way_only(harness: Point) -> None:
    good = json.dumps(question("alice", "read", "record-1"))
    bodies = [
        good.replace('"id": "alice"', '"id": "bob", "id": "alice"'),
        good.replace('"id": "alice"', '"ID": "bob", "id": "alice"'),
        good.replace('{"subject"', '{"Subject": {"type": "user", "id": "bob"}, "subject"'),
        good.replace("alice", "\\ud800"),
    ]
    for body in bodies:
        assert harness.send("/access/v1/evaluation", body.encode()).status == 400, body


def test_bounds(harness: Point) -> None:
    one = question("alice", "read", "record-1")
    deep = {"x": 1}
    for _ in range(40):
        deep = {"x": deep}
    assert harness.ask("evaluation", one | {"context": deep}).status == 400
    assert harness.ask("evaluation", one | {"context": {"x": "a" * 300_000}}).status == 413
    assert harness.ask("evaluation", one | {"context": {"x": [0] * 30_000}}).status == 400
    assert harness.ask("evaluations", {"evaluations": [one] * 101}).status == 400
    many = harness.ask("evaluations", {"evaluations": [one] * 100})
    assert [item["decision"] for item in many.json()["evaluations"]] == [True] * 100
    assert harness.may("alice", "read", {"type": "record", "id": "é" * 500})["decision"] is False
    assert harness.ask("evaluation", question("alice", "read", "r" * 1025)).status == 400
    assert harness.ask("evaluation", one, x_request_id="a" * 300).status == 400
    assert harness.send("/access/v1/evaluation", None, method="GET").status == 405
    assert harness.send("/access/v1/nothing", b"{}").status == 404


def test_a_lock_is_an_answer(gate: Gate, harness: Point) -> None:
    assert harness.may("mallory", "read", "record-1")["context"]["reason"] == "policy-denied"
    assert gate.cli("kill", "user:alice").returncode == 0
    try:
        answer = harness.may("alice", "read", "record-1")
        assert (answer["decision"], answer["context"]["reason"]) == (False, "principal-locked")
    finally:
        assert gate.cli("unlock", "user:alice").returncode == 0
    assert harness.may("alice", "read", "record-1")["decision"] is True
    assert gate.cli("kill", "pep:harness").returncode == 0
    try:
        assert harness.ask("evaluation", question("alice", "read", "record-1")).status == 403
    finally:
        assert gate.cli("unlock", "pep:harness").returncode == 0


def test_the_log_tells_who_asked_about_whom(gate: Gate, harness: Point) -> None:
    items = [question("alice", "read", "record-1"), question("bob", "write", "record-1"), question("nobody", "read", "record-1"), {}]
    answers = harness.ask("evaluations", {"evaluations": items}).json()["evaluations"]
    expected = [("permit", ["user:alice"]), ("deny", ["user:bob"]), ("deny", ["pep:harness"]), ("deny", ["pep:harness"])]
    for answer, (verdict, chain) in zip(answers, expected, strict=True):
        told = gate.cli("explain", "--json", answer["context"]["request_id"])
        assert told.returncode == {"permit": 0, "deny": 2}[verdict], told.stdout + told.stderr
        entry = json.loads(told.stdout)
        assert (entry["verdict"], entry["chain"]) == (verdict, chain)
        lines = "\n".join(entry["lines"])
        assert "asked by: pep:harness" in lines
        assert "outcome" not in lines, "an answer has no effect here"
        if chain != ["pep:harness"]:
            asked_about = entry["answer"]["links"]
            assert [link["principal"] for link in asked_about] == [*chain, "pep:harness"]
    replayed = gate.cli("replay", "--json")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert json.loads(replayed.stdout)["different"] == []
    assert answers[0]["context"]["request_id"] in {row["request"] for row in json.loads(replayed.stdout)["decisions"]}


def test_the_log_tells_what_was_said_and_what_would_do(gate: Gate, harness: Point) -> None:
    archived = question("alice", "write", {"type": "record", "id": "record-1", "properties": {"status": "archived"}})
    answer = harness.ask("evaluation", archived).json()
    assert answer["decision"] is False
    told = gate.cli("explain", answer["context"]["request_id"])
    assert told.returncode == 2, told.stdout + told.stderr
    assert 'context.pep.resource.status = "archived"' in told.stdout
    # Without the state, or in another one, she may.
    assert "would be permitted if `pep.resource.status` were another text" in told.stdout, told.stdout
    fresh = question("alice", "write", {"type": "record", "id": "record-1", "properties": {"status": "other-than-named"}})
    assert harness.ask("evaluation", fresh).json()["decision"] is True


def test_words_and_keys_outlive_a_restart_and_end_with_the_configuration() -> None:
    with asked(CERTIFICATION, CERTIFICATION_POLICIES) as gate:
        harness, narrow = Point(gate, "harness"), Point(gate, "narrow")
        gate.stop()
        gate.start_again()
        assert harness.may("alice", "read", "record-1")["decision"] is True
        assert harness.may("bob", "write", "record-1")["decision"] is False
        # What operators take out is not asked about any more, and who is taken out asks no more.
        main = gate.data / "portcullis.yaml"
        text = main.read_text()
        line = next(line for line in text.splitlines(keepends=True) if line.startswith("  narrow:"))
        main.write_text(text.replace(line, "").replace("        record-2: {status: archived}\n", ""))
        applied = gate.cli("apply")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        answer = harness.may("alice", "read", "record-2")
        assert (answer["decision"], answer["context"]["reason"]) == (False, "question-unknown")
        refused = narrow.ask("evaluation", question("alice", "read", "record-1"))
        assert (refused.status, refused.headers["x-portcullis-reason"]) == (403, "pep-unregistered")
        # What was decided before is decided again by the words of its day.
        replayed = gate.cli("replay", "--json")
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        assert json.loads(replayed.stdout)["different"] == []


def test_no_key_stands_in_what_is_written(gate: Gate, harness: Point) -> None:
    harness.may("alice", "read", "record-1")
    secret = harness.key.encode()
    files = [path for path in gate.data.rglob("*") if path.is_file() and path.name != "quickstart.env"]
    assert len(files) > 5 and all(secret not in path.read_bytes() for path in files)
    assert all(harness.key not in line for line in gate.lines)


def test_the_configurations_of_the_page_are_right(tmp_path: pathlib.Path) -> None:
    page = (HERE.parent / "docs/AUTHZEN.md").read_text()
    blocks = lambda kind: [part.split("```")[0] for part in page.split(f"```{kind}\n")[1:]]
    records, front, _ = blocks("yaml")
    cedar, of_tool = blocks("cedar")
    (tmp_path / "policies").mkdir(mode=0o700)
    schema = {"type": "object", "properties": {"offer": {"type": "string"}, "cents": {"type": "integer"}}, "required": ["cents"]}
    (tmp_path / "shop.json").write_text(json.dumps({"tools": [{"name": "place_order", "inputSchema": schema}]}))
    tools = "tool_servers: {shop: {definitions: shop.json, tools: {place_order: {effects: [egress]}}}}"
    for number, (main, policies) in enumerate([(records, cedar), (front, ""), (tools, of_tool)]):
        (tmp_path / "portcullis.yaml").write_text(f"operators: {{root: admin}}\n{main}")
        (tmp_path / "policies/access.cedar").write_text(policies)
        checked = subprocess.run([binary(), "check", "--data", tmp_path], capture_output=True, text=True, timeout=60, check=False)
        assert checked.returncode == 0, (number, checked.stdout + checked.stderr)
