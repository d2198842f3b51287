"""Duties and challenges as the obligations profile (draft 1) has them."""

from collections.abc import Iterator

import pytest
from authzen import MAIN, Point, asked

CONFIG = (
    MAIN
    + """
users: {alice: {}, bob: {}}
agents: {assistant: {}, nightly: {}}
enforcement_points:
  app: {subjects: [user], actions: ["*"], resources: ["*"], searches_per_minute: 10000}
access:
  url: https://gate.example.com
  step_up: {acr: "urn:example:loa:3", amr: [mfa, hwk]}
  resources: {record: {open: true, entities: {r1: {}, r2: {}}}}
  actions: {view: {resources: [record]}, send: {resources: [record]}, wipe: {resources: [record]}}
"""
)
POLICIES = """
@obligation("response:redact:pii")
permit (principal, action == Access::Action::"view", resource) when { resource != Access::record::"r2" };
@id("plain") permit (principal, action == Access::Action::"view", resource == Access::record::"r2");
permit (principal, action in [Access::Action::"send", Access::Action::"wipe"], resource);
@challenge("approval")
forbid (principal, action == Access::Action::"send", resource) unless { context.answered.approval };
@challenge("step-up")
forbid (principal, action == Access::Action::"wipe", resource) unless { context.answered.stepUp };
"""


@pytest.fixture(scope="module")
def app() -> Iterator[Point]:
    """The application that asks."""
    with asked(CONFIG, POLICIES) as gate:
        yield Point(gate, "app")


def test_what_can_be_issued_is_published(app: Point) -> None:
    told = app.send("/.well-known/authzen-configuration", None, {"authorization": ""}, "GET").json()
    assert told["supported_obligations"] == ["custom", "step-up"]


def test_what_cannot_be_issued_is_not_published() -> None:
    line = next(line for line in CONFIG.splitlines(keepends=True) if "step_up:" in line)
    with asked(CONFIG.replace(line, ""), POLICIES) as gate:
        point = Point(gate, "app")
        told = point.send("/.well-known/authzen-configuration", None, {"authorization": ""}, "GET").json()
        assert told["supported_obligations"] == ["custom"]
        context = point.may("alice", "wipe", "r1", context={"supported_obligations": ["step-up"]})["context"]
        assert context["challenges"] == ["step-up"] and "obligations" not in context


def test_a_duty_is_an_obligation_of_a_permit(app: Point) -> None:
    answer = app.may("alice", "view", "r1", context={"supported_obligations": ["notification", "custom"]})
    assert answer["decision"] is True
    (obligation,) = answer["context"]["obligations"]
    assert obligation["type"] == "custom" and obligation["id"]
    assert obligation["properties"] == {"vendor": "portcullis", "duty": "response:redact:pii"}


@pytest.mark.parametrize("supported", [None, [], ["notification", "step-up"], "custom", {"custom": True}])
def test_a_duty_that_nobody_performs_is_a_deny(app: Point, supported: object) -> None:
    context = {} if supported is None else {"supported_obligations": supported}
    answer = app.may("alice", "view", "r1", context=context)
    assert (answer["decision"], answer["context"]["reason"]) == (False, "duty-impossible")
    assert "obligations" not in answer["context"]


@pytest.mark.parametrize(("action", "challenge", "reason"), [("send", "approval", "approval-required"), ("wipe", "step-up", "step-up-required")])
def test_a_challenge_is_a_deny_that_says_what_would_lift_it(app: Point, action: str, challenge: str, reason: str) -> None:
    for context in [{}, {"answered": {"approval": True, "stepUp": True}}]:
        answer = app.may("alice", action, "r1", context=context)
        assert answer["decision"] is False
        assert (answer["context"]["reason"], answer["context"]["challenges"]) == (reason, [challenge])


@pytest.mark.parametrize("supported", [None, ["step-up"], ["custom", "step-up", "no such type"]])
def test_stepping_up_is_an_obligation_of_a_deny(app: Point, supported: object) -> None:
    """As in the profile: the denial names the authentication that has to be reached; and it stays a denial."""
    for _ in range(2):
        answer = app.may("alice", "wipe", "r1", context={} if supported is None else {"supported_obligations": supported})
        assert answer["decision"] is False
        assert answer["context"]["obligations"] == [
            {"id": "step-up", "type": "step-up", "properties": {"acr_value": "urn:example:loa:3", "amr_values": ["mfa", "hwk"]}}
        ]
        assert answer["context"]["challenges"] == ["step-up"]


@pytest.mark.parametrize("supported", [[], ["custom"], ["stepup", "STEP-UP"], "step-up", None])
def test_what_a_point_says_that_it_cannot_do_is_not_asked_of_it(app: Point, supported: object) -> None:
    answer = app.may("alice", "wipe", "r1", context={"supported_obligations": supported})
    assert (answer["decision"], answer["context"]["challenges"]) == (False, ["step-up"])
    assert "obligations" not in answer["context"]


def test_another_challenge_asks_for_no_authentication(app: Point) -> None:
    for subject, action in [("alice", "send"), ("nobody", "wipe"), ("alice", "burn")]:
        answer = app.may(subject, action, "r1")
        assert answer["decision"] is False and "obligations" not in answer["context"], (subject, action)


def test_each_of_a_batch_has_its_own(app: Point) -> None:
    items = [{"action": {"name": name}} for name in ["view", "wipe", "send"]]
    body = {"subject": {"type": "user", "id": "alice"}, "resource": {"type": "record", "id": "r1"}, "evaluations": items}
    supported = {"context": {"supported_obligations": ["custom", "step-up"]}}
    answers = app.ask("evaluations", body | supported).json()["evaluations"]
    kinds = [[one["type"] for one in answer["context"].get("obligations", [])] for answer in answers]
    assert [answer["decision"] for answer in answers] == [True, False, False]
    assert kinds == [["custom"], ["step-up"], []]
    for answer in answers:
        ids = [one["id"] for one in answer["context"].get("obligations", [])]
        assert len(ids) == len(set(ids))
        assert all(set(one) == {"id", "type", "properties"} for one in answer["context"].get("obligations", []))


def test_a_search_tells_the_duties_of_each_result(app: Point) -> None:
    body = {"subject": {"type": "user", "id": "alice"}, "action": {"name": "view"}, "resource": {"type": "record"}}
    supported = {"context": {"supported_obligations": ["custom"]}}
    duty = {"id": "duty-0", "type": "custom", "properties": {"vendor": "portcullis", "duty": "response:redact:pii"}}
    reply = app.ask("search/resource", body | supported).json()
    assert reply["results"] == [{"type": "record", "id": "r1", "obligations": [duty]}, {"type": "record", "id": "r2"}]
    actions = app.ask("search/action", {"subject": body["subject"], "resource": {"type": "record", "id": "r1"}} | supported).json()
    assert actions["results"] == [{"name": "view", "obligations": [duty]}]
    people = app.ask("search/subject", {"subject": {"type": "user"}, "action": body["action"], "resource": {"type": "record", "id": "r1"}} | supported)
    assert [(one["id"], one["obligations"]) for one in people.json()["results"]] == [("alice", [duty]), ("bob", [duty])]


@pytest.mark.parametrize("context", [{}, {"supported_obligations": ["step-up", "notification"]}])
def test_a_search_leaves_out_what_the_point_could_not_enforce(app: Point, context: dict) -> None:
    """One result is left out, the rest is told: what needs no duty. A challenge is no permit, so nothing is found by it."""
    body = {"subject": {"type": "user", "id": "alice"}, "action": {"name": "view"}, "resource": {"type": "record"}, "context": context}
    assert app.ask("search/resource", body).json()["results"] == [{"type": "record", "id": "r2"}]
    assert app.ask("search/resource", body | {"action": {"name": "wipe"}}).json()["results"] == []
