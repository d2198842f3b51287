"""The last good set stays: each kind of bad input, by `apply`, by a signal and at a restart, at the real gate."""

import os
import pathlib
import signal
import time
from collections.abc import Callable

import pytest
from gate import Gate
from test_operations import append, chat, replace
from upstream import Upstream

POLICIES, MAIN = "policies/models.cedar", "portcullis.yaml"
TEN_MEGABYTES = 10 << 20


def policy(text: str) -> Callable[[pathlib.Path], None]:
    """That policy more."""
    return lambda data: append(data / POLICIES, f"\n{text}\n")


def main(old: str, new: str) -> Callable[[pathlib.Path], None]:
    """That changed in the configuration."""
    return lambda data: replace(data / MAIN, old, new)


def file(name: str, content: str) -> Callable[[pathlib.Path], None]:
    """One more file of policies."""

    def write(data: pathlib.Path) -> None:
        (data / "policies" / name).write_text(content)

    return write


PERMIT = 'permit (principal == Portcullis::User::"alice", action, resource == Portcullis::Model::"large");\n'
"""What would be seen at once if a part of a bad set came in force."""
LINE = "LINE"
"""Stands for the line at which the appended policy begins."""
KINDS = {
    "an unknown kind of entity": (policy("permit (principal is Portcullis::Usr, action, resource);"), f"{POLICIES}:{LINE}:"),
    "an unknown action": (policy('permit (principal, action == Portcullis::Action::"callModle", resource);'), f"{POLICIES}:{LINE}:"),
    "a missing attribute": (policy("permit (principal, action, resource) when { context.flow.levle > 1 };"), f"{POLICIES}:{LINE}:"),
    "a policy that must err": (policy('permit (principal, action, resource) when { context.flow.level > "a" };'), f"{POLICIES}:{LINE}:"),
    "a number that is none": (policy("permit (principal, action, resource) when { 9223372036854775808 > 1 };"), f"{POLICIES}:{LINE}:"),
    "an unknown annotation": (policy('@mdoe("shadow") permit (principal, action, resource);'), f"{POLICIES}:{LINE}:"),
    "half a policy": (policy("permit (principal,"), f"{POLICIES}:"),
    "ten megabytes of policies": (file("large.cedar", PERMIT * (TEN_MEGABYTES // len(PERMIT))), "policies/large.cedar"),
    "ten megabytes of one word": (file("large.cedar", "a" * TEN_MEGABYTES), "policies/large.cedar"),
    "a hostile name of a file": (file("\x1b[2J\u202e.cedar", "permit (principal, action, resource) when { oops };"), "policies/"),
    "a hostile id": (policy('@id("a\\u{1b}[2J") permit (principal, action, resource) when { oops };'), f"{POLICIES}:{LINE}:"),
    "groups in a circle": (main("groups:\n", "groups:\n  ring: {groups: [wheel]}\n  wheel: {groups: [ring]}\n"), f"{MAIN}:"),
    "an undeclared group": (main("users:\n", "users:\n  eve: {groups: [nowhere]}\n"), f"{MAIN}:"),
    "a hostile name": (main("users:\n", 'users:\n  "al\\u202eice\\u001b[2J": {}\n'), f"{MAIN}:"),
}


@pytest.fixture(scope="module")
def gate() -> Gate:
    """The sample organisation."""
    with Upstream() as upstream, Gate(upstream.url) as gate:
        yield gate


def holds(gate: Gate) -> None:
    """What was decided before is decided so still."""
    assert chat(gate, gate.key("ALICE"))[0] == 200
    assert chat(gate, gate.key("ALICE"), model="large")[0] == 404
    assert chat(gate, "pcl_nobody")[0] == 401


def told(gate: Gate, part: str, since: int) -> str:
    """What the gate said since then, once `part` is in it."""
    deadline = time.monotonic() + 30
    while part not in (text := "\n".join(list(gate.lines)[since:])):
        assert time.monotonic() < deadline, text
        os.sched_yield()
    return text


def harmless(text: str) -> None:
    """A message is short, and no terminal obeys it."""
    assert len(text) < 100_000
    assert not any(mark in text for mark in ["\x1b", "\u202e", "\0"]), ascii(text)


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_good_set_stays(gate: Gate, kind: str) -> None:
    spoil, place = KINDS[kind]
    files = {path: path.read_bytes() for path in [gate.data / MAIN, *(gate.data / "policies").iterdir()]}
    n_lines = (gate.data / POLICIES).read_text().count("\n")
    place = place.replace(LINE, str(n_lines + 2))
    digest = gate.admin("GET", "/admin/v1/status")["bundle"]
    holds(gate)
    try:
        spoil(gate.data)
        # `apply` and `check`: nothing of it comes in force, and the message names the place.
        for command in [("apply",), ("apply", "--allow-removal"), ("check",)]:
            refused = gate.cli(*command)
            assert refused.returncode == 3 and place in refused.stdout + refused.stderr, (command, refused.stdout + refused.stderr)
            harmless(refused.stdout + refused.stderr)
        holds(gate)
        # A signal.
        since = len(gate.lines)
        os.kill(gate.pid, signal.SIGHUP)
        harmless(said := told(gate, place, since))
        assert "not applied, the last good stays in force" in said
        holds(gate)
        # A restart. What stands in the policies' files plays no part; without its own file the gate does not start at all.
        gate.stop()
        if place.startswith(MAIN):
            with pytest.raises(RuntimeError, match="ended before it was ready") as ended:
                gate.start_again()
            assert place in str(ended.value)
            harmless(str(ended.value))
        else:
            gate.start_again()
            harmless(said := told(gate, place, 0))
            assert "what was applied last stays in force" in said
            holds(gate)
            assert gate.admin("GET", "/admin/v1/status")["bundle"] == digest
    finally:
        for path in (gate.data / "policies").iterdir():
            path.unlink()
        for path, content in files.items():
            path.write_bytes(content)
        if gate._process is None or gate._process.poll() is not None:
            gate.start_again()
    holds(gate)
    assert gate.cli("apply").returncode == 0
    assert gate.admin("GET", "/admin/v1/status")["bundle"] == digest


def test_names_that_nobody_declares_permit_nothing_and_are_told() -> None:
    """No error: who is named may come later, or be vouched for by an issuer. It is told with its place, and permits nobody."""
    with Upstream() as upstream, Gate(upstream.url) as gate:
        append(gate.data / POLICIES, '\n@id("typo")\npermit (principal in Portcullis::Group::"stfaf", action, resource);\n')
        applied = gate.cli("apply")
        line = (gate.data / POLICIES).read_text().splitlines().index('@id("typo")') + 1
        text = applied.stdout + applied.stderr
        assert applied.returncode == 0 and f"{POLICIES}:{line}:" in text and "did you mean `staff`?" in text, text
        holds(gate)


def test_a_policy_that_errs_denies_and_is_named() -> None:
    """What only a decision shows: an overflow. It loads, every call that it concerns is denied, and the way back is one command."""
    erring = '\n@id("sum")\nforbid (principal == Portcullis::User::"alice", action, resource)\nwhen { context.credential.ageSeconds + 9223372036854775807 < 0 };\n'
    with Upstream() as upstream, Gate(upstream.url) as gate:
        append(gate.data / POLICIES, erring)
        assert gate.cli("apply").returncode == 0
        time_of_key = time.monotonic()
        while (denied := chat(gate, gate.key("ALICE")))[0] == 200:
            # In the second in which the key was made the sum is still one of 64 bits.
            assert time.monotonic() < time_of_key + 10
        assert denied[0] >= 400
        explained = gate.cli("explain", denied[1]["x-request-id"])
        assert explained.returncode == 2 and "sum" in explained.stdout and "policy-error" in explained.stdout, explained.stdout
        assert chat(gate, gate.key("BOB"))[0] == 200, "it concerns nobody else"
        assert gate.cli("rollback", "--allow-removal").returncode == 0
        assert chat(gate, gate.key("ALICE"))[0] == 200
