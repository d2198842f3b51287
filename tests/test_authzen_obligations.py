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
  app: {subjects: [user], actions: ["*"], resources: ["*"]}
access:
  url: https://gate.example.com
  resources: {record: {open: true}}
  actions: {view: {resources: [record]}, send: {resources: [record]}, wipe: {resources: [record]}}
"""
)
POLICIES = """
@obligation("response:redact:pii")
permit (principal, action == Access::Action::"view", resource);
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
    assert told["supported_obligations"] == ["custom"]


def test_a_duty_is_an_obligation_of_a_permit(app: Point) -> None:
    answer = app.may("alice", "view", "r1", context={"supported_obligations": ["notification", "custom"]})
    assert answer["decision"] is True
    (obligation,) = answer["context"]["obligations"]
    assert obligation["type"] == "custom" and obligation["id"]
    assert obligation["properties"] == {"vendor": "portcullis", "duty": "response:redact:pii"}


@pytest.mark.parametrize("supported", [None, [], ["notification"], "custom", {"custom": True}])
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
