"""What a party has seen through the gate counts when another enforcement point asks about it by name."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from authzen import Point
from gate import Gate
from situations import apply
from test_operations import append, chat
from upstream import Upstream

MAIL = [{"role": "user", "content": "write to ada.lovelace@example.com"}]

CONFIG = """
enforcement_points:
  app: {subjects: ["*"], actions: ["*"], resources: ["*"], agent_in_context: true, searches_per_minute: 100}
access:
  url: https://pdp.example.com
  resources: {record: {entities: {r: {}}}}
  actions: {publish: {resources: [record]}}
"""

POLICIES = """
@id("publish")
permit (principal, action == Access::Action::"publish", resource);
@id("no-people")
forbid (principal, action == Access::Action::"publish", resource) when { context.flow.compartments.contains("pii") };
"""


@contextmanager
def started() -> Iterator[tuple[Gate, Point]]:
    """The sample organisation, an upstream, and an application that asks."""
    with Upstream() as upstream, Gate(upstream.url) as gate:
        append(gate.data / "portcullis.yaml", CONFIG)
        (gate.data / "policies/publish.cedar").write_text(POLICIES)
        apply(gate)
        yield gate, Point(gate, "app")


def may(point: Point, who: str, agent: str | None = None) -> tuple[bool, str]:
    """Whether somebody may publish, and the id under which that was decided."""
    context = {} if agent is None else {"context": {"agent": agent}}
    told = point.may(who, "publish", "r", **context)
    assert told["context"]["reason"] == ("permitted" if told["decision"] else "policy-forbidden"), told
    return told["decision"], told["context"]["request_id"]


def saw(gate: Gate, key: str) -> None:
    """A call whose prompt holds somebody's address."""
    status, _, body = chat(gate, key, messages=MAIL)
    assert status == 200, body


def test_what_was_seen_counts_for_whom_it_was_seen() -> None:
    with started() as (gate, point):
        pairs = [("alice", None), ("bob", None), ("alice", "assistant"), ("bob", "assistant")]
        allowed = lambda: [may(point, who, agent)[0] for who, agent in pairs]
        assert allowed() == [True] * 4, "nobody has seen anything"

        saw(gate, gate.key("ASSISTANT"))
        # Neither alice herself nor the same agent for somebody else has.
        assert allowed() == [True, True, False, True]
        saw(gate, gate.key("ALICE"))
        assert allowed() == [False, True, False, True]
        search = {"subject": {"type": "user"}, "action": {"name": "publish"}, "resource": {"type": "record", "id": "r"}}
        assert [one["id"] for one in point.ask("search/subject", search).json()["results"]] == ["bob"]

        # The label is part of what was decided, so the decision can be taken again.
        decision, request = may(point, "alice", "assistant")
        replayed = gate.cli("replay", request)
        assert not decision and "1 equal" in replayed.stdout, replayed.stdout + replayed.stderr
        assert "no-people" in gate.cli("explain", request).stdout

        # A restart forgets nothing.
        gate.stop()
        gate.start_again()
        assert allowed() == [False, True, False, True]


def made(gate: Gate, *arguments: str) -> dict:
    """A new key."""
    told = gate.cli("key", "--json", "create", *arguments)
    assert told.returncode == 0, told.stdout + told.stderr
    return json.loads(told.stdout)


def test_every_key_of_a_party_counts_until_it_is_gone() -> None:
    with started() as (gate, point):
        first, second = made(gate, "user:bob"), made(gate, "user:bob")
        saw(gate, second["secret"])
        assert may(point, "bob")[0] is False, "the point does not say which key"
        # What is stopped and can go on does not look cleaner for it.
        assert gate.cli("kill", f"credential:{second['id']}").returncode == 0
        assert may(point, "bob")[0] is False
        assert gate.cli("unlock", f"credential:{second['id']}").returncode == 0
        rotated = gate.cli("key", "--json", "rotate", second["id"])
        assert rotated.returncode == 0, rotated.stdout + rotated.stderr
        later = json.loads(rotated.stdout)["id"]
        assert gate.cli("revoke", f"credential:{second['id']}").returncode == 0
        assert may(point, "bob")[0] is False, "the key that came of it goes on with what was seen"
        assert gate.cli("revoke", f"credential:{later}").returncode == 0
        assert may(point, "bob")[0] is True, "what is left has seen nothing"
        saw(gate, first["secret"])
        assert may(point, "bob")[0] is False
