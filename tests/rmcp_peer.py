"""The official Rust SDK (`rmcp`), client and server, with the gate between them. `tests/rmcp` is a crate of its own, outside of the workspace:
`cargo xtask conformance` builds it and runs this file; no suite of `cargo xtask test` does."""

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from gate import Gate
from situations import apply
from test_mcp import META, STATELESS
from test_operations import call as http
from test_operations import replace

CONFIGURATION = """
tool_servers:
  shop:
    upstream: shop
    definitions: tools/shop.json
    tools:
      add: {effects: [read]}
      order: {effects: [write, egress]}
      forget: {effects: [destructive]}
"""
POLICIES = """
@id("shop-talk")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"listTools", resource == Portcullis::ToolServer::"shop");
@id("shop-add")
permit (principal in Portcullis::Group::"staff", action == shop::Action::"add", resource);
@id("shop-order")
permit (principal == Portcullis::User::"alice", action == shop::Action::"order", resource) when { context.input.cents <= 1000 };
"""
MOST_SECONDS = 60


def program() -> str:
    """The binary that `cargo xtask conformance` built."""
    return os.environ["PORTCULLIS_RMCP"]


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    server = subprocess.Popen([program(), "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        with Gate("http://127.0.0.1:9") as gate:
            main = gate.data / "portcullis.yaml"
            replace(main, "\nupstreams:\n", f"\nupstreams:\n  shop: {{kind: mcp, base_url: '{url}'}}\n")
            main.write_text(main.read_text() + CONFIGURATION)
            (gate.data / "tools").mkdir()
            (gate.data / "tools/shop.json").write_text(json.dumps(defined(url)))
            (gate.data / "policies/shop.cedar").write_text(POLICIES)
            apply(gate)
            yield gate
    finally:
        server.stdin.close()
        server.wait(timeout=20)
        server.stdout.close()


def defined(url: str) -> dict:
    """What the server itself answers to `tools/list`."""
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": STATELESS, "mcp-method": "tools/list"}
    status, _, body = http(url, None, {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}, **headers)
    if "text" in body:
        body = json.loads(next(line.removeprefix("data: ") for line in body["text"].splitlines() if line.startswith("data: {")))
    assert status == 200 and "result" in body, body
    return body["result"]


@pytest.mark.parametrize("mode", ["initialize", "discover", "auto"])
def test_a_client_lists_and_calls_and_lives_through_refusals(gate: Gate, mode: str) -> None:
    command = [program(), "call", f"{gate.url.rstrip('/')}/mcp/shop", gate.key("ALICE"), mode]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr
    saw = json.loads(ran.stdout)
    assert sorted(saw["tools"]) == ["add", "order"]
    assert (saw["before"], saw["after"]) == ("3", "ordered paper for 900")
    assert saw["refused"] == [[1403, "tool-not-found"]] * 40
    gate.settled()
    rows = json.loads(gate.cli("audit", "query", "--json", "--verdict", "deny", "--limit", "200").stdout)["rows"]
    assert sum(row["resource"] == "shop/order" for row in rows) % 20 == 0 and rows
