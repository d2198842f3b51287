"""Every recorded decision is decided again in a new process from a copy of the data folder alone.

The copy has neither portcullis.yaml nor policies/; three bundles were applied before; what was decided is compared with what
clients saw, not with what the log says.
"""

import json
import pathlib
import shutil
import subprocess

from gate import Gate, binary
from test_operations import append, chat
from upstream import Upstream


def test_decisions_are_taken_again_from_the_folder_alone(tmp_path: pathlib.Path) -> None:
    seen: dict[str, str] = {}

    def ask(gate: Gate, key: str, **changes: object) -> None:
        status, headers, _ = chat(gate, gate.key(key), **changes)
        seen[headers["x-request-id"]] = "permit" if status == 200 else "deny"

    def round_of_calls(gate: Gate) -> None:
        secret = [{"role": "user", "content": "card 4532 0151 1283 0366, mail a@example.com, AKIAQ3EGRVYP2TQ7XN5K"}]
        for key in ("ALICE", "BOB", "ASSISTANT", "NIGHTLY"):
            ask(gate, key)
            ask(gate, key, model="large")
            ask(gate, key, stream=True)
            # The nightly job's permit obliges to refuse secrets: a permit whose duty cannot be performed.
            if key != "NIGHTLY":
                ask(gate, key, messages=secret)

    with Upstream() as upstream, Gate(upstream.url) as gate:
        policies = gate.data / "policies/models.cedar"
        round_of_calls(gate)
        for change in (
            '\n@id("alice-large") permit (principal == Portcullis::User::"alice", action, resource == Portcullis::Model::"large");\n',
            '\n@id("no-cards") forbid (principal, action, resource) when { context.content.kinds.contains("CREDIT_CARD") };\n',
            '\n@id("no-streams") forbid (principal == Portcullis::User::"bob", action, resource) when { context.request.stream };\n',
        ):
            append(policies, change)
            assert gate.cli("apply").returncode == 0
            round_of_calls(gate)
        gate._stop()
        copy = tmp_path / "copy"
        shutil.copytree(gate.data, copy, ignore=shutil.ignore_patterns("portcullis.yaml", "policies", "*.sock", "projection.db*", "quickstart.env"))

    assert set(seen.values()) == {"permit", "deny"}
    replayed = subprocess.run([binary(), "replay", "--data", copy, "--json"], capture_output=True, text=True, timeout=120, check=False)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    result = json.loads(replayed.stdout)
    again = {row["request"]: row["verdict"] for row in result["decisions"]}
    assert {request: again.get(request) for request in seen} == seen
    assert result["different"] == [] and result["equal"] == len(again) >= len(seen)
    assert len(list((copy / "bundles").glob("*.json"))) == 4
    verified = subprocess.run([binary(), "audit", "verify", "--data", copy], capture_output=True, text=True, timeout=120, check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr
