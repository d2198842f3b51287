"""The official MCP Inspector, from its command line, against a tool server behind the gate. `cargo xtask conformance` runs this file; no suite of
`cargo xtask test` does, for its packages are many (`tests/node/inspector`)."""

import asyncio
import json
import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from conformance import node
from gate import Gate
from situations import apply
from test_mcp_sdk import CONFIGURATION, POLICIES, defined
from test_operations import replace
from tool_server import ToolServer, shop

PROGRAM = pathlib.Path(__file__).parent / "node/inspector/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
MOST_SECONDS = 90
ERAS = ["legacy", "modern", "auto"]


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    with ToolServer(shop()) as server, Gate("http://127.0.0.1:9") as gate:
        main = gate.data / "portcullis.yaml"
        replace(main, "\nupstreams:\n", f"\nupstreams:\n  shop: {{kind: mcp, base_url: '{server.url}/mcp'}}\n")
        main.write_text(main.read_text() + CONFIGURATION)
        (gate.data / "tools").mkdir()
        (gate.data / "tools/shop.json").write_text(json.dumps(asyncio.run(defined(f"{server.url}/mcp"))))
        (gate.data / "policies/tools.cedar").write_text(POLICIES)
        apply(gate)
        yield gate


def inspect(gate: Gate, folder: pathlib.Path, era: str, key: str | None, *arguments: str) -> tuple[int, dict, str]:
    """One run of its command line: the exit code, what it prints, what it says of an error. Its own files are kept in a folder of the test."""
    command = [node(), str(PROGRAM), "--cli", "--server-url", f"{gate.url.rstrip('/')}/mcp/shop", "--transport", "http"]
    command += ["--protocol-era", era, "--format", "json", "--quiet", *arguments]
    if key is not None:
        command += ["--header", f"Authorization: Bearer {key}"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=False, env=environment, cwd=folder)
    return ran.returncode, json.loads(ran.stdout) if ran.stdout.startswith("{") else {}, ran.stdout + ran.stderr


@pytest.mark.parametrize("era", ERAS)
def test_it_lists_and_calls_and_is_refused(gate: Gate, tmp_path: pathlib.Path, era: str) -> None:
    key = gate.key("ALICE")

    def call(tool: str, arguments: dict) -> tuple[int, dict, str]:
        return inspect(gate, tmp_path, era, key, "--method", "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments))

    code, listed, said = inspect(gate, tmp_path, era, key, "--method", "tools/list")
    assert code == 0 and sorted(tool["name"] for tool in listed["result"]["tools"]) == ["fail", "find", "order"], said
    code, called, said = call("find", {"words": "paper", "limit": 2})
    assert code == 0 and called["result"]["structuredContent"] == {"offers": ["paper 0", "paper 1"]}, said
    before = denied(gate)
    code, called, said = call("order", {"offer": "paper", "cents": 1001})
    assert (code, called) == (1, {}) and "may not be used" in said, said
    assert denied(gate) == ["policy-denied", *before]
    # What is not listed it does not even ask for.
    code, called, said = call("forget", {})
    assert code == 5 and "tool_not_found" in said, said
    # Without a key it finds out where to get one, and would ask a person.
    code, _, said = inspect(gate, tmp_path, era, None, "--method", "tools/list")
    assert code == 3 and "auth_required" in said, said


def denied(gate: Gate) -> list[str]:
    """Why orders were refused, as the log has it."""
    gate.settled()
    rows = json.loads(gate.cli("audit", "query", "--json", "--verdict", "deny").stdout)["rows"]
    return [row["reason"] for row in rows if row["resource"] == "shop/order"]
