"""Backup and restore by the command line: of a running gate and of a stopped one, and what is refused."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest
from authority import Authority
from gate import Gate, binary
from test_operations import append, call
from upstream import Upstream

CANARY = "the lighthouse keeper's blue kettle"
PASSPHRASE = "a long enough passphrase"


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    """One command."""
    env = {**os.environ, **environment}
    return subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, env=env)


@pytest.fixture
def used(scripted: tuple[Gate, Upstream]) -> Gate:
    """A running gate that has answered a call with a canary in it."""
    gate, _ = scripted
    body = {"model": "small", "max_tokens": 16, "messages": [{"role": "user", "content": CANARY}]}
    assert call(f"{gate.url}/v1/chat/completions", gate.key("ALICE"), body)[0] == 200
    return gate


def test_a_running_gate_is_copied_and_the_copy_serves(used: Gate, tmp_path: pathlib.Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE + "\n")
    secret.chmod(0o644)
    archive = tmp_path / "one.tar"
    exposed = used.cli("backup", archive, "--with-keys", "--passphrase-file", secret)
    assert exposed.returncode == 1 and "chmod 600" in exposed.stderr
    secret.chmod(0o600)
    made = used.cli("backup", archive, "--with-keys", "--passphrase-file", secret, "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["has_keys"] and told["entries"] > 0
    assert archive.stat().st_mode & 0o077 == 0
    content = archive.read_bytes()
    for forbidden in [CANARY, PASSPHRASE, *used.keys().values(), used.environment["PORTCULLIS_OPERATOR"]]:
        assert forbidden.encode() not in content
    for key in (used.data / "keys").iterdir():
        # Its end is the secret's, whatever stands before it; `+` is a digit of it as well as what parts it from the rest.
        assert key.read_text().strip()[-20:].encode() not in content
    again = used.cli("backup", archive, "--with-keys", "--passphrase-file", secret)
    assert again.returncode == 1 and "one.tar" in again.stderr, "never over another file"
    assert archive.read_bytes() == content
    noted = json.loads(used.cli("audit", "query", "--json").stdout)["rows"]
    assert any(row["kind"] == "admin" for row in noted)

    target = tmp_path / "restored"
    restored = run("restore", archive, "--data", target, PORTCULLIS_BACKUP_PASSPHRASE=PASSPHRASE)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert "verified" in restored.stdout and "do them again" in restored.stdout
    for path in target.rglob("*"):
        assert path.name in ("verifier",) or "policies" in path.parts or path.suffix in (".yaml", ".json") or path.stat().st_mode & 0o077 == 0, path
    for command in (["audit", "verify"], ["replay"]):
        done = run(*command, "--data", target)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert not (target / "quickstart.env").exists()

    def adopt(data: pathlib.Path) -> None:
        shutil.rmtree(data)
        shutil.copytree(target, data)

    with Upstream() as upstream, Gate(upstream.url, configure=adopt) as successor:
        body = {"model": "small", "max_tokens": 16, "messages": [{"role": "user", "content": "Still there?"}]}
        status, _, _ = call(f"{successor.url}/v1/chat/completions", used.key("ALICE"), body)
        assert status == 200, "credentials are in the log"


def test_files_outside_of_the_folder_are_left_out_and_named(tmp_path: pathlib.Path) -> None:
    """Certificates often lie where the system keeps them: that is no reason to have no backup."""
    (tmp_path / "ca.pem").write_bytes(Authority().pem())
    issuers = {
        f"i{at}": {"url": f"https://idp{at}.example", "audiences": ["x"], "ca": ca}
        for at, ca in enumerate([str(tmp_path / "ca.pem"), "./own.pem", "sub/../own.pem", "log/own.pem"])
    }

    def configure(data: pathlib.Path) -> None:
        (data / "sub").mkdir()
        for place in ("own.pem", "log/own.pem"):
            shutil.copy(tmp_path / "ca.pem", data / place)
        append(data / "portcullis.yaml", f"\nissuers: {json.dumps(issuers)}\n")

    with Upstream() as upstream, Gate(upstream.url, configure) as gate:
        archive = tmp_path / "one.tar"
        made = gate.cli("backup", archive, "--json")
        assert made.returncode == 0, made.stderr
        assert sorted(json.loads(made.stdout)["left_out"]) == sorted([str(tmp_path / "ca.pem"), "log/own.pem", "sub/../own.pem"])
        told = gate.cli("backup", tmp_path / "two.tar")
        assert told.returncode == 0 and told.stderr.count("is not in it") == 3, told.stderr
        assert run("restore", archive, "--data", tmp_path / "new").returncode == 0
        assert (tmp_path / "new/own.pem").read_bytes() == (tmp_path / "ca.pem").read_bytes()


def test_what_is_not_whole_is_refused_with_the_place(used: Gate, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    assert used.cli("backup", folder).returncode == 0
    (archive,) = folder.iterdir()
    assert archive.name.startswith("portcullis-2") and archive.suffix == ".tar"
    target = tmp_path / "new"
    whole = archive.read_bytes()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole[: len(whole) // 2])
    refused = run("restore", cut, "--data", target)
    assert refused.returncode == 3 and "not whole" in refused.stderr and "cut off" in refused.stderr, refused.stderr
    altered = tmp_path / "altered.tar"
    at = whole.index(b"staff")
    altered.write_bytes(whole[:at] + b"Staff" + whole[at + 5 :])
    refused = run("restore", altered, "--data", target, "--json")
    assert refused.returncode == 3 and "config/" in json.loads(refused.stdout)["error"]["message"]
    assert run("restore", archive, "--data", used.data).returncode == 3
    other = tmp_path / "other"
    run("init", "--data", other)
    foreign = run("restore", archive, "--data", target, "--verifier", (other / "log/verifier").read_text())
    assert foreign.returncode == 3 and "manifest.sig" in foreign.stderr
    assert not target.exists() and not list(tmp_path.glob(".new*"))
    dry = run("restore", archive, "--data", target, "--dry-run")
    assert dry.returncode == 0 and "nothing put in place" in dry.stdout and not target.exists(), dry.stderr
    kept = run("restore", archive, "--data", target)
    assert kept.returncode == 0 and "no gate starts before the key files" in kept.stdout
    refused = run("run", "--data", target)
    assert refused.returncode == 1 and "key" in refused.stderr
    missing = run("backup", tmp_path / "x.tar", "--with-keys", "--data", other)
    assert missing.returncode == 1 and "passphrase" in missing.stderr
    short = run("backup", tmp_path / "x.tar", "--with-keys", "--data", other, PORTCULLIS_BACKUP_PASSPHRASE="short")
    assert short.returncode == 1 and "expected at least 12" in short.stderr
    assert not (tmp_path / "x.tar").exists()
