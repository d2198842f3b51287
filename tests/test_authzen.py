"""OpenID AuthZEN Authorization API 1.0: one test per id of the foundation's certification scenario, named after it.

Ids are those of `authorization-api-1_0-scenario.md`: `test_c_2_2_1` is "Fixture request -- permit decision". Search, transport and
discovery stand in `test_authzen_search.py` and `test_authzen_discovery.py`, where it is also held that no id is left out. The gate
is the real binary.
"""

from collections.abc import Iterator

import pytest
from authzen import CERTIFICATION, CERTIFICATION_POLICIES, Point, asked, question

ARCHIVED = {"type": "record", "id": "record-2", "properties": {"status": "archived"}}
ACTIVE = {"type": "record", "id": "record-1", "properties": {"status": "active"}}
ADMIN = {"type": "user", "id": "bob", "properties": {"role": "admin"}}
TIME = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}


@pytest.fixture(scope="module")
def harness() -> Iterator[Point]:
    """The enforcement point that certifies."""
    with asked(CERTIFICATION, CERTIFICATION_POLICIES) as gate:
        yield Point(gate, "harness")


def decision(harness: Point, subject: object, action: object, resource: object, **more: object) -> bool:
    """One decision; its shape is looked at as well."""
    answer = harness.may(subject, action, resource, **more)
    assert isinstance(answer["decision"], bool)
    assert isinstance(answer.get("context", {}), dict)
    return answer["decision"]


# Basic


def test_c_2_1(harness: Point) -> None:
    assert harness.ask("evaluation", question("alice", "read", "record-1")).status == 200
    assert harness.send("/access/v1/evaluation", None, method="GET").status == 405


def test_c_2_2_1(harness: Point) -> None:
    assert decision(harness, "alice", "read", "record-1") is True


def test_c_2_2_2(harness: Point) -> None:
    assert decision(harness, "bob", "write", "record-1") is False


def test_c_1_4_rules_2_and_3(harness: Point) -> None:
    assert decision(harness, "alice", "write", "record-1") is True
    assert decision(harness, "bob", "read", "record-1") is True


def test_c_2_2_3(harness: Point) -> None:
    assert decision(harness, "alice", "read", "record-1", context=TIME) is True


def test_c_2_2_4(harness: Point) -> None:
    assert decision(harness, "alice", "write", ARCHIVED) is False


def test_c_2_2_5(harness: Point) -> None:
    assert decision(harness, ADMIN, "write", ARCHIVED) is True


def test_c_2_2_6(harness: Point) -> None:
    assert decision(harness, "alice", {"name": "delete", "properties": {"soft": True}}, "record-1") is True


def test_c_2_2_7(harness: Point) -> None:
    assert decision(harness, "alice", {"name": "delete", "properties": {"soft": False}}, "record-1") is False


def test_c_2_2_8(harness: Point) -> None:
    subject = {"type": "user", "id": "alice", "properties": {"department": "Sales", "role": "manager"}}
    action = {"name": "read", "properties": {"method": "GET"}}
    resource = {"type": "record", "id": "record-1", "properties": {"status": "active", "owner": "bob"}}
    assert decision(harness, subject, action, resource) is True


def test_c_2_2_9(harness: Point) -> None:
    assert decision(harness, "alice", "read", "record-1", foo="bar", futureField={"nested": True}) is True


def test_c_2_3_1(harness: Point) -> None:
    for who in ["alice", "nobody"]:
        reply = harness.ask("evaluation", question(who, "read", "record-1"))
        assert reply.status == 200
        assert reply.json()["decision"] is (who == "alice")


def test_c_2_3_2(harness: Point) -> None:
    for who in ["alice", "nobody"]:
        context = harness.may(who, "read", "record-1")["context"]
        assert isinstance(context, dict) and context["reason"]


@pytest.mark.parametrize("missing", ["subject", "action", "resource"])
def test_c_2_4_1(harness: Point, missing: str) -> None:
    body = question("alice", "read", "record-1")
    del body[missing]
    reply = harness.ask("evaluation", body)
    assert reply.status == 400
    assert missing in reply.body.decode()


@pytest.mark.parametrize(
    "changed",
    [
        {"subject": {"id": "alice"}},
        {"subject": {"type": "user"}},
        {"action": {}},
        {"resource": {"id": "record-1"}},
        {"resource": {"type": "record"}},
    ],
)
def test_c_2_4_2(harness: Point, changed: dict) -> None:
    assert harness.ask("evaluation", question("alice", "read", "record-1") | changed).status == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", ""])
def test_c_2_4_3(harness: Point, kind: str) -> None:
    assert harness.ask("evaluation", question("alice", "read", "record-1"), content_type=kind or "x/y").status == 400


@pytest.mark.parametrize("body", [b"{", b"{}}", b"not json", b"[]", b"\xff"])
def test_c_2_4_4(harness: Point, body: bytes) -> None:
    assert harness.send("/access/v1/evaluation", body).status == 400


def test_c_2_4_5(harness: Point) -> None:
    assert harness.send("/access/v1/evaluation", b"").status == 400


@pytest.mark.parametrize("changed", [{"subject": "alice"}, {"action": {"name": 123}}])
def test_c_2_4_6(harness: Point, changed: dict) -> None:
    assert harness.ask("evaluation", question("alice", "read", "record-1") | changed).status == 400


def test_c_2_5_1(harness: Point) -> None:
    for body, status in [(question("alice", "read", "record-1"), 200), ({}, 400)]:
        reply = harness.ask("evaluation", body, x_request_id="bfe9eb29-ab87-4ca3-be83-a1d5d8305716")
        assert (reply.status, reply.headers["x-request-id"]) == (status, "bfe9eb29-ab87-4ca3-be83-a1d5d8305716")


def test_c_2_5_2(harness: Point) -> None:
    reply = harness.ask("evaluation", question("alice", "read", "record-1"))
    assert reply.headers["x-request-id"] == reply.headers["x-portcullis-request-id"] == reply.json()["context"]["request_id"]


def test_c_2_6(harness: Point) -> None:
    assert {decision(harness, "alice", "read", "record-1") for _ in range(10)} == {True}
    assert {decision(harness, "bob", "write", "record-1") for _ in range(10)} == {False}


# Batch


def batch(harness: Point, body: dict) -> list[bool]:
    """The decisions of a batch; every one has its shape."""
    reply = harness.ask("evaluations", body)
    assert reply.status == 200, reply
    answer = reply.json()
    assert "decision" not in answer
    assert all(isinstance(item["decision"], bool) and isinstance(item.get("context", {}), dict) for item in answer["evaluations"])
    return [item["decision"] for item in answer["evaluations"]]


ALICE = {"type": "user", "id": "alice"}
BOB = {"type": "user", "id": "bob"}
RECORD_1 = {"type": "record", "id": "record-1"}
RECORD_2 = {"type": "record", "id": "record-2"}


def test_c_3_1(harness: Point) -> None:
    assert harness.ask("evaluations", {"evaluations": [question("alice", "read", "record-1")]}).status == 200
    assert harness.send("/access/v1/evaluations", None, method="GET").status == 405


def test_c_3_2_1(harness: Point) -> None:
    body = {"subject": ALICE, "action": {"name": "read"}, "evaluations": [{"resource": RECORD_1}, {"resource": RECORD_2}]}
    assert batch(harness, body) == [True, True]


def test_c_3_2_2(harness: Point) -> None:
    body = {"subject": BOB, "resource": RECORD_1, "evaluations": [{"action": {"name": "read"}}, {"action": {"name": "write"}}]}
    assert batch(harness, body) == [True, False]


def test_c_3_2_3(harness: Point) -> None:
    body = {"subject": ALICE, "action": {"name": "write"}, "evaluations": [{"resource": ACTIVE}, {"resource": ARCHIVED}]}
    assert batch(harness, body) == [True, False]


def test_c_3_2_4(harness: Point) -> None:
    body = {"action": {"name": "write"}, "resource": ARCHIVED, "evaluations": [{"subject": ALICE}, {"subject": ADMIN}]}
    assert batch(harness, body) == [False, True]


def test_c_3_2_5(harness: Point) -> None:
    items = [question("alice", "read", "record-1"), question("bob", "write", "record-1")]
    assert batch(harness, {"evaluations": items}) == [True, False]


def test_c_3_2_6(harness: Point) -> None:
    body = {"subject": ALICE, "action": {"name": "read"}, "context": {"time": "2025-06-27T18:03-07:00"}}
    override = {"time": "2025-06-27T19:00-07:00", "source": "batch-override"}
    body["evaluations"] = [{"resource": RECORD_1}, {"resource": RECORD_2, "context": override}]
    assert batch(harness, body) == [True, True]


def test_c_3_2_7(harness: Point) -> None:
    body = {"subject": ALICE, "action": {"name": "write"}, "resource": ACTIVE, "evaluations": [{}, {"resource": ARCHIVED}]}
    assert batch(harness, body) == [True, False]


def test_c_3_3_1(harness: Point) -> None:
    for length in [1, 2, 7, 100]:
        items = [question(who, "write", "record-1") for who in ["alice", "bob"] * length][:length]
        assert len(batch(harness, {"evaluations": items})) == length


def test_c_3_3_2(harness: Point) -> None:
    items = [question(who, "write", "record-1") for who in ["alice", "bob", "alice", "nobody", "bob", "alice"]]
    assert batch(harness, {"evaluations": items}) == [True, False, True, False, False, True]
    assert batch(harness, {"evaluations": items[::-1]}) == [True, False, False, True, False, True]


def test_c_3_3_3(harness: Point) -> None:
    items = [question("alice", "read", "record-1"), {}, {"subject": 1}, question("nobody", "burn", "record-9")]
    answers = harness.ask("evaluations", {"evaluations": items}).json()["evaluations"]
    assert [answer["decision"] for answer in answers] == [True, False, False, False]


def test_c_3_3_4(harness: Point) -> None:
    for items in [[question("alice", "read", "record-1")], [question("bob", "write", "record-1"), {}]]:
        answer = harness.ask("evaluations", {"evaluations": items}).json()
        assert set(answer) == {"evaluations"}, "no decision of the whole beside those of its parts"


def test_c_3_4_1(harness: Point) -> None:
    body = {"subject": ALICE, "action": {"name": "read"}, "options": {"evaluations_semantic": "execute_all"}}
    reply = harness.ask("evaluations", body | {"evaluations": [{"resource": RECORD_1}, {}]})
    assert reply.status == 200
    first, second = reply.json()["evaluations"]
    assert (first["decision"], second["decision"]) == (True, False)
    assert second["context"]["error"]["status"] == 400


def test_c_3_4_2(harness: Point) -> None:
    assert harness.ask("evaluations", question("alice", "read", "record-1")).json()["decision"] is True


def test_c_3_4_3(harness: Point) -> None:
    assert harness.ask("evaluations", question("alice", "read", "record-1") | {"evaluations": []}).json()["decision"] is True
