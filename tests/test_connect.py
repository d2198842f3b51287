"""What clients are told of the gate: the entries that are printed and written, and the Python program, run."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from gate import Gate, binary
from test_mcp import configure, kb
from upstream import Upstream


def connect(gate: Gate, *arguments: str) -> subprocess.CompletedProcess:
    return gate.cli("connect", *arguments)


@pytest.fixture(scope="module")
def gate() -> Gate:
    with Upstream(script=kb) as upstream, Gate(upstream.url) as gate:
        configure(gate, upstream.url)
        yield gate


def test_entries_name_the_gate_and_no_key(gate: Gate, tmp_path: pathlib.Path) -> None:
    for client, place, section in [("claude", ".mcp.json", "mcpServers"), ("cursor", ".cursor/mcp.json", "mcpServers"), ("vscode", ".vscode/mcp.json", "servers")]:
        printed = connect(gate, client)
        assert printed.returncode == 0, printed.stderr
        entry = json.loads(printed.stdout)[section]["kb"]
        assert entry["url"] == "http://127.0.0.1:7700/mcp/kb" and "pcl_" not in printed.stdout
        path = tmp_path / place
        assert connect(gate, client, "--write", str(tmp_path)).returncode == 0
        assert json.loads(path.read_text()) == json.loads(printed.stdout)
        before = path.read_text()
        assert "nothing to change" in connect(gate, client, "--write", str(tmp_path)).stdout and path.read_text() == before
        assert connect(gate, client, "--write", str(tmp_path), "--remove").returncode == 0
        assert json.loads(path.read_text())[section] == {} and path.with_name(path.name + ".before").read_text() == before
    codex = connect(gate, "codex", "--key-env", "GATE_KEY").stdout
    assert '[mcp_servers.kb]\nurl = "http://127.0.0.1:7700/mcp/kb"\nbearer_token_env_var = "GATE_KEY"' in codex


def test_one_entry_stands_for_several_servers() -> None:
    with Upstream(script=kb) as upstream, Gate(upstream.url) as gate:
        configure(gate, upstream.url, "virtual_servers:\n  mcp: {members: [kb]}\n  more: {members: [kb]}\n")
        entries = json.loads(connect(gate, "claude").stdout)["mcpServers"]
        assert {name: entry["url"].removeprefix("http://127.0.0.1:7700") for name, entry in entries.items()} == {"mcp": "/mcp", "more": "/mcp/more"}
        named = json.loads(connect(gate, "claude", "--server", "kb", "--server", "mcp").stdout)["mcpServers"]
        assert sorted(named) == ["kb", "mcp"]


def test_what_cannot_be_is_told(gate: Gate, tmp_path: pathlib.Path) -> None:
    facts = [
        (["claude", "--server", "kbb"], "did you mean `kb`?"),
        (["claude", "--url", "https://gate.example/mcp"], "--url"),
        (["claude", "--key-env", "A-B"], "--key-env"),
        (["codex", "--write", str(tmp_path)], "no file that is JSON"),
    ]
    for arguments, words in facts:
        said = connect(gate, *arguments)
        assert said.returncode == 3 and words in said.stdout + said.stderr, (arguments, said)
    (tmp_path / ".mcp.json").write_text('{"mcpServers": {"kb": {"command": "mine"}}}')
    said = connect(gate, "claude", "--write", str(tmp_path))
    assert said.returncode == 3 and "leads elsewhere" in said.stdout + said.stderr
    assert json.loads((tmp_path / ".mcp.json").read_text()) == {"mcpServers": {"kb": {"command": "mine"}}}


def test_the_python_program_runs(gate: Gate, tmp_path: pathlib.Path) -> None:
    program = tmp_path / "client.py"
    program.write_text(connect(gate, "python", "--url", gate.url).stdout)
    environment = os.environ | {"PORTCULLIS_KEY": gate.key("ALICE")}
    ran = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert ran.returncode == 0 and "'search'" in ran.stdout, ran.stderr


def test_a_folder_without_servers_says_what_to_do() -> None:
    with Upstream() as upstream, Gate(upstream.url) as gate:
        said = gate.cli("connect", "claude")
        assert said.returncode == 3 and "docs/TOOLS.md" in said.stdout + said.stderr
        assert "model_providers" in gate.cli("connect", "codex").stdout and binary()
