"""AuthZEN searches: one test per id of the certification scenario, and what holds beyond it."""

import json
from collections.abc import Iterator

import pytest
from authzen import CERTIFICATION, CERTIFICATION_POLICIES, Point, asked
from gate import Gate

USER = {"type": "user"}
ALICE = {"type": "user", "id": "alice"}
ADMIN = {"type": "user", "id": "bob", "properties": {"role": "admin"}}
RECORD = {"type": "record"}
RECORD_1 = {"type": "record", "id": "record-1"}
ARCHIVED = {"type": "record", "id": "record-2", "properties": {"status": "archived"}}
CONTEXT = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}
READ, WRITE = {"name": "read"}, {"name": "write"}


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """A gate with the scenario's fixture."""
    with asked(CERTIFICATION, CERTIFICATION_POLICIES) as gate:
        yield gate


@pytest.fixture(scope="module")
def harness(gate: Gate) -> Point:
    """The enforcement point that certifies."""
    return Point(gate, "harness")


def results(harness: Point, what: str, **body: object) -> list[str]:
    """What was found; every element has its shape."""
    reply = harness.ask(f"search/{what}", body)
    assert reply.status == 200, reply
    answer = reply.json()
    page = answer.get("page", {})
    assert isinstance(page, dict) and isinstance(page.get("next_token", ""), str)
    if what == "action":
        assert all(set(item) == {"name"} for item in answer["results"])
        return [item["name"] for item in answer["results"]]
    assert all(set(item) == {"type", "id"} and item["type"] == body[what]["type"] for item in answer["results"])
    return [item["id"] for item in answer["results"]]


def test_c_4_1(harness: Point) -> None:
    for what in ["subject", "resource", "action"]:
        body = {"subject": ALICE, "action": READ, "resource": RECORD_1}
        assert harness.ask(f"search/{what}", body).status == 200
        assert harness.send(f"/access/v1/search/{what}", None, method="GET").status == 405
    assert harness.send("/access/v1/search", b"{}").status == 404


def test_c_4_2_1(harness: Point) -> None:
    assert results(harness, "subject", subject=USER, action=READ, resource=RECORD_1) == ["alice", "bob"]


def test_c_4_2_2(harness: Point) -> None:
    assert results(harness, "subject", subject=USER, action=READ, resource=RECORD_1, context=CONTEXT) == ["alice", "bob"]


def test_c_4_2_3(harness: Point) -> None:
    assert results(harness, "subject", subject=ALICE, action=READ, resource=RECORD_1) == ["alice", "bob"]


def test_c_4_2_4(harness: Point) -> None:
    assert results(harness, "subject", subject=USER, action=WRITE, resource=ARCHIVED) == ["bob"]


def test_c_4_3_1(harness: Point) -> None:
    assert results(harness, "resource", subject=ALICE, action=READ, resource=RECORD) == ["record-1", "record-2"]


def test_c_4_3_2(harness: Point) -> None:
    assert results(harness, "resource", subject=ALICE, action=READ, resource=RECORD, context=CONTEXT) == ["record-1", "record-2"]


def test_c_4_3_3(harness: Point) -> None:
    assert results(harness, "resource", subject=ALICE, action=READ, resource=RECORD_1) == ["record-1", "record-2"]


def test_c_4_3_4(harness: Point) -> None:
    assert results(harness, "resource", subject=ADMIN, action=WRITE, resource=RECORD) == ["record-2"]


def test_c_4_4_1(harness: Point) -> None:
    assert results(harness, "action", subject=ALICE, resource=RECORD_1) == ["read", "write"]


def test_c_4_4_2(harness: Point) -> None:
    assert results(harness, "action", subject=ALICE, resource=RECORD_1, context=CONTEXT) == ["read", "write"]


def test_c_4_4_3(harness: Point) -> None:
    assert "write" in results(harness, "action", subject=ADMIN, resource=ARCHIVED)


def test_c_4_5_1(harness: Point) -> None:
    body = {"subject": USER, "action": READ, "resource": RECORD_1, "page": {"limit": 1}}
    answer = harness.ask("search/subject", body).json()
    assert [item["id"] for item in answer["results"]] == ["alice"]
    assert answer["page"]["next_token"] and answer["page"]["count"] == 1


def pages(harness: Point, what: str, body: dict, limit: int) -> list[dict]:
    """Every page of a search, one after the other."""
    told = [harness.ask(f"search/{what}", body | {"page": {"limit": limit}}).json()]
    while token := told[-1]["page"]["next_token"]:
        assert len(told) < 10
        told.append(harness.ask(f"search/{what}", body | {"page": {"token": token}}).json())
    return told


def test_c_4_5_2(harness: Point) -> None:
    for limit, expected in [(1, [["alice"], ["bob"]]), (2, [["alice", "bob"]])]:
        told = pages(harness, "subject", {"subject": USER, "action": READ, "resource": RECORD_1}, limit)
        found = [[item["id"] for item in page["results"]] for page in told]
        assert [items for items in found if items] == expected
        tokens = [page["page"]["next_token"] for page in told]
        assert all(isinstance(token, str) for token in tokens)
        assert all(tokens[:-1]) and tokens[-1] == "", "empty at the end, and nowhere else"


def test_c_4_5_3(harness: Point) -> None:
    searches = [
        ("subject", {"subject": USER, "action": READ, "resource": RECORD_1}, 2),
        ("resource", {"subject": ALICE, "action": READ, "resource": RECORD}, 2),
        ("action", {"subject": ALICE, "resource": RECORD_1}, 2),
    ]
    for what, body, n_found in searches:
        for limit in [1, 1000]:
            told = pages(harness, what, body, limit)
            for page in told:
                assert type(page["page"]["next_token"]) is str
                assert type(page["page"]["count"]) is int and page["page"]["count"] == len(page["results"])
                assert type(page["page"].get("total", 0)) is int and isinstance(page["page"].get("properties", {}), dict)
            assert sum(page["page"]["count"] for page in told) == n_found


def test_c_4_5_4(harness: Point) -> None:
    """Pages are served, so whatever `page` says that names no end gives everything at once, and says that it was all."""
    body = {"subject": USER, "action": READ, "resource": RECORD_1}
    for page in [{}, {"page": {}}, {"page": {"limit": 1000}}, {"page": {"limit": 10**9}}, {"page": {"token": ""}}, {"page": {"properties": {}}}]:
        answer = harness.ask("search/subject", body | page).json()
        assert [item["id"] for item in answer["results"]] == ["alice", "bob"], page
        assert answer["page"]["next_token"] == "", page


def test_c_4_6_1(harness: Point) -> None:
    unknown = {"type": "user", "id": "nonexistent-user"}
    assert results(harness, "action", subject=unknown, resource=RECORD_1) == []
    assert results(harness, "resource", subject=unknown, action=READ, resource=RECORD) == []
    assert results(harness, "subject", subject=USER, action=READ, resource={"type": "record", "id": "nonexistent"}) == []


def test_c_4_6_2(harness: Point) -> None:
    ship = {"type": "spaceship", "id": "x"}
    assert results(harness, "subject", subject=ship, action=READ, resource=RECORD_1) == []
    assert results(harness, "resource", subject=ALICE, action=READ, resource=ship) == []
    assert results(harness, "action", subject=ALICE, resource=ship) == []


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("subject", {"subject": USER, "resource": RECORD_1}),
        ("resource", {"action": READ, "resource": RECORD}),
        ("action", {"subject": ALICE}),
    ],
)
def test_c_4_7_1(harness: Point, what: str, body: dict) -> None:
    assert harness.ask(f"search/{what}", body).status == 400


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("subject", {"subject": USER, "action": READ, "resource": RECORD}),
        ("resource", {"subject": USER, "action": READ, "resource": RECORD}),
        ("action", {"subject": USER, "resource": RECORD_1}),
    ],
)
def test_c_4_7_2(harness: Point, what: str, body: dict) -> None:
    assert harness.ask(f"search/{what}", body).status == 400


def test_a_token_belongs_to_its_search(gate: Gate, harness: Point) -> None:
    body = {"subject": USER, "action": READ, "resource": RECORD_1}
    token = harness.ask("search/subject", body | {"page": {"limit": 1}}).json()["page"]["next_token"]
    for other in [{"action": WRITE}, {"resource": ARCHIVED}, {"context": {"ip": "203.0.113.9"}}]:
        assert harness.ask("search/subject", body | other | {"page": {"token": token}}).status == 400, other
    assert harness.ask("search/subject", body | {"page": {"token": token, "limit": 2}}).status == 400
    for odd in ["x", "1.1", "1.1.x", f"{token}.1", "9" * 40 + token, "-1" + token]:
        assert harness.ask("search/subject", body | {"page": {"token": odd}}).status == 400, odd
    for page in [1, {"limit": -1}, {"limit": 1.5}, {"limit": "1"}, {"token": 1}, {"token": "a" * 200}]:
        assert harness.ask("search/subject", body | {"page": page}).status == 400, page


def test_what_is_found_is_what_would_be_permitted(harness: Point) -> None:
    """Every pair of user and action, on every resource: listed exactly if the question is answered with yes."""
    for user in ["alice", "bob", "mallory"]:
        for action in ["read", "write", "delete", "seal"]:
            found = results(harness, "resource", subject={"type": "user", "id": user}, action={"name": action}, resource=RECORD)
            permitted = [name for name in ["record-1", "record-2"] if harness.may(user, action, name)["decision"]]
            assert found == permitted, (user, action)


def test_a_search_is_a_permission_of_its_own_and_counted(gate: Gate) -> None:
    body = {"subject": USER, "action": READ, "resource": RECORD_1}
    refused = Point(gate, "narrow").ask("search/subject", body)
    assert (refused.status, refused.headers["x-portcullis-reason"]) == (403, "question-refused")
    few = Point(gate, "few")
    assert [few.ask("search/subject", body).status for _ in range(4)] == [200, 200, 429, 429]
    assert few.may("alice", "read", "record-1")["decision"] is True, "questions are not counted by it"
    # Found is what it may ask about, and nothing else.
    assert results(Point(gate, "harness"), "action", subject=ALICE, resource=RECORD_1) == ["read", "write"]
    assert results(Point(gate, "reader"), "action", subject=ALICE, resource=RECORD_1) == ["read"]


def test_the_log_holds_what_was_found(gate: Gate, harness: Point) -> None:
    body = {"subject": USER, "action": READ, "resource": RECORD_1}
    answer = harness.ask("search/subject", body).json()
    told = gate.cli("explain", "--json", answer["context"]["request_id"])
    assert told.returncode == 0, told.stdout + told.stderr
    entry = json.loads(told.stdout)
    assert (entry["verdict"], entry["chain"], json.loads(entry["outbound"])) == ("permit", ["pep:harness"], ["alice", "bob"])
    replayed = gate.cli("replay", "--json")
    assert replayed.returncode == 0 and json.loads(replayed.stdout)["different"] == []
