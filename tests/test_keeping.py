"""Retention, formats of the data folder, doctor and health: by the command line, against the running binary."""

import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest
from gate import Gate, binary
from test_operations import CHAT, append, call, chat, replace
from upstream import Upstream

FIRST_FORMAT = pathlib.Path(__file__).parent.parent / "crates/store/tests/golden/format-1"


def run(*arguments: object) -> subprocess.CompletedProcess:
    """One command."""
    return subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


def checks(done: subprocess.CompletedProcess) -> dict[str, list[dict]]:
    """What doctor found, by check."""
    found: dict[str, list[dict]] = {}
    for check in json.loads(done.stdout)["checks"]:
        found.setdefault(check["check"], []).append(check)
    return found


def states(done: subprocess.CompletedProcess, check: str) -> set[str]:
    """How one check stands."""
    return {found["state"] for found in checks(done)[check]}


@pytest.fixture
def empty(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder fresh from `init`."""
    data = tmp_path / "data"
    assert run("init", "--data", data).returncode == 0
    return data


def test_content_is_kept_for_the_days_that_are_set(scripted: tuple[Gate, Upstream]) -> None:
    gate, _ = scripted
    main = gate.data / "portcullis.yaml"
    good = main.read_text()
    assert "sets no `retention`" in gate.cli("retention", "--dry-run").stdout
    assert call(f"{gate.url}/v1/chat/completions", gate.key("ALICE"), CHAT)[0] == 200
    try:
        append(main, "\nretention: {content: 12h}\n")
        wrong = gate.cli("check")
        assert wrong.returncode == 3 and "retention.content: expected a number of days such as `30d`" in wrong.stderr
        replace(main, "12h", "30d")
        assert gate.cli("apply").returncode == 0
        lines = [json.loads(line) for line in (gate.data / "content/subjects").read_text().splitlines()]
        today = int(time.time() // 86_400)
        assert {line["through"] for line in lines} <= {today - 1, today, today + 1} and lines, "keys without an end have got one"
        told = json.loads(gate.cli("retention", "--dry-run", "--json").stdout)
        assert (told["content_days"], told["n_aged"], told["erased"]) == (30, 0, 0) and told["keys"] >= 1
        done = gate.cli("retention")
        assert done.returncode == 0 and "0 were erased; headers and proofs stay" in done.stdout
        viewer = gate.admin("POST", "/admin/v1/keys", {"principal": "operator:victor"})["secret"]
        url = f"{gate.admin_url}/admin/v1/retention"
        assert call(url, viewer, {"dry_run": True})[0] == 200
        assert call(url, viewer, {})[0] == 403
        assert json.loads(gate.cli("status", "--json").stdout)["retention"] == {"content_days": 30}
    finally:
        main.write_text(good)
        assert gate.cli("apply").returncode == 0


def test_a_subject_is_erased_on_demand(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    canary = "canary-of-bobs-words"
    requests = {}
    for name in ("ALICE", "BOB"):
        status, headers, _ = chat(gate, gate.key(name), messages=[{"role": "user", "content": canary}])
        assert status == 200
        requests[name] = headers["x-request-id"]

    def outbound(name: str) -> str | None:
        return gate.admin("GET", f"/admin/v1/explain/{requests[name]}").get("outbound")

    assert canary in outbound("BOB")
    dry = gate.cli("audit", "erase", "user:bob", "--dry-run", "--json")
    assert (dry.returncode, json.loads(dry.stdout)["erased"]) == (0, False), dry.stderr
    refused = [
        gate.cli("audit", "erase", "user:bob"),
        gate.cli("audit", "erase", "user:bob", "--confirm", "user:alice"),
        gate.cli("audit", "erase", "user:bobby", "--confirm", "user:bobby"),
        gate.cli("audit", "erase", "bob", "--confirm", "bob"),
    ]
    assert all(done.returncode not in (0, 1) for done in refused), refused
    assert "nothing is kept of this subject" in refused[2].stderr
    assert canary in outbound("BOB"), "nothing was erased yet"
    assert call(f"{gate.admin_url}/admin/v1/erase", gate.key("BOB"), {"subject": "user:bob"})[0] == 401
    done = gate.cli("audit", "erase", "user:bob", "--confirm", "user:bob")
    assert done.returncode == 0 and "on record" in done.stdout, done.stderr
    assert outbound("BOB") is None and canary in outbound("ALICE")
    assert gate.cli("audit", "erase", "user:bob", "--dry-run").returncode == 3, "nothing is left of it"
    # Who comes again is somebody of whom nothing is known.
    assert chat(gate, gate.key("BOB"))[0] == 200
    deadline = time.monotonic() + 30
    while True:
        # Entries count as soon as they are under a checkpoint.
        verified = gate.cli("audit", "verify", "--json")
        assert verified.returncode == 0 and time.monotonic() < deadline, verified.stdout
        if json.loads(verified.stdout)["erased"] > 0:
            break
    assert json.loads(gate.cli("replay", "--json").stdout)["erased"] > 0


def test_a_folder_of_the_first_version_is_read_as_it_is(scripted: tuple[Gate, Upstream], tmp_path: pathlib.Path) -> None:
    gate, _ = scripted
    data = tmp_path / "old"
    shutil.copytree(FIRST_FORMAT, data)
    for key in (data / "keys").iterdir():
        key.chmod(0o600)
    for folder in (data, data / "keys", data / "log", data / "content", data / "bundles"):
        folder.chmod(0o700)
    shutil.copytree(gate.data / "policies", data / "policies")
    shutil.copy(gate.data / "portcullis.yaml", data)
    seen = run("doctor", "--data", data, "--offline", "--json")
    assert "the next start brings it to 2" in checks(seen)["format"][0]["message"]
    verified = run("audit", "verify", "--data", data)
    assert verified.returncode == 0 and "20 entries" in verified.stdout, "an older folder can be read as it is"
    assert not (data / "format").exists()


def test_a_newer_folder_is_refused(empty: pathlib.Path) -> None:
    (empty / "format").write_text("portcullis-data+99\n")
    for command in (["run"], ["audit", "verify"], ["doctor", "--offline"], ["backup", empty.parent / "x.tar"]):
        done = run(*command, "--data", empty)
        assert done.returncode == 1, command
        assert "has format 99, this version knows formats up to 2" in done.stdout + done.stderr, command
    assert not (empty.parent / "x.tar").exists()


def test_doctor_finds_what_is_wrong_and_says_what_to_do(empty: pathlib.Path) -> None:
    well = run("doctor", "--data", empty)
    assert well.returncode == 0 and well.stdout.rstrip().endswith("nothing to mend"), well.stdout

    def wrong(check: str, *more: str) -> dict:
        done = run("doctor", "--data", empty, "--json", *more)
        assert done.returncode == 1, done.stdout
        assert json.loads(done.stdout)["ok"] is False
        return next(found for found in checks(done)[check] if found["state"] in ("warn", "bad"))

    main = empty / "portcullis.yaml"
    good = main.read_text()
    main.write_text(good + "\nlimts: {}\n")
    assert "portcullis.yaml:" in wrong("config")["message"]
    main.write_text(good + "\ndanger: {off: [inspection]}\n")
    assert "`off:inspection` is set" in wrong("danger")["message"]
    gone = 'upstreams: {gone: {kind: openai, base_url: "http://127.0.0.1:1"}}'
    main.write_text(good.replace("upstreams: {}", gone))
    assert "gone: http://127.0.0.1:1 cannot be reached" in wrong("upstreams")["message"]
    quiet = run("doctor", "--data", empty, "--offline", "--json")
    assert states(quiet, "upstreams") == {"note"}
    main.write_text(good)
    key = empty / "keys/log-1.key"
    key.chmod(0o644)
    found = wrong("permissions")
    assert "log-1.key has mode 644" in found["message"] and "chmod" in found["fix"]
    key.chmod(0o600)
    (empty / "quickstart.env").write_text("PORTCULLIS_OPERATOR=x\n")
    (empty / "quickstart.env").chmod(0o600)
    assert "working credentials" in wrong("credentials")["message"]
    (empty / "quickstart.env").unlink()
    checkpoint = empty / "log/checkpoint"
    later = time.time() + 7200
    os.utime(checkpoint, (later, later))
    assert "it went back" in wrong("clock")["message"]
    os.utime(checkpoint)
    segment = next((empty / "log/journal").iterdir())
    whole = segment.read_bytes()
    segment.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    assert "journal" in wrong("log")["message"]
    assert states(run("doctor", "--data", empty, "--quick", "--offline", "--json"), "log") == {"note"}
    segment.write_bytes(whole)
    assert run("doctor", "--data", empty).returncode == 0


def test_doctor_of_a_running_gate_sees_drift(scripted: tuple[Gate, Upstream]) -> None:
    gate, _ = scripted
    seen = gate.cli("doctor", "--json")
    assert states(seen, "gate") == {"ok"} and states(seen, "drift") == {"ok"}
    assert states(seen, "credentials") == {"warn"}, "quickstart leaves credentials"
    policies = gate.data / "policies/models.cedar"
    good = policies.read_text()
    try:
        append(policies, "\n// changed\n")
        (drift,) = checks(gate.cli("doctor", "--json"))["drift"]
        assert drift["state"] == "warn" and "apply" in drift["fix"]
    finally:
        policies.write_text(good)
    shown = gate.cli("doctor").stdout + gate.cli("doctor", "--json").stdout
    for secret in [*gate.keys().values(), gate.environment["PORTCULLIS_OPERATOR"]]:
        assert secret not in shown


def test_health_is_an_exit_code(scripted: tuple[Gate, Upstream], empty: pathlib.Path) -> None:
    gate, _ = scripted
    healthy = gate.cli("health")
    assert (healthy.returncode, healthy.stdout) == (0, "ready\n")
    assert run("health", "--data", empty).returncode == 1
