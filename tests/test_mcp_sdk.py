"""The official Python SDK on both sides of the gate, in each revision: it works as it does without the gate, and lives through refusals."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp import MCPError
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from gate import Gate
from situations import apply, why
from test_node_sdks import script
from test_operations import replace
from tool_server import ToolServer, shop

MODES = ["auto", "legacy", "2026-07-28"]
POLICIES = """
@id("shop-talk")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"listTools", resource == Portcullis::ToolServer::"shop");
@id("shop-read")
permit (principal in Portcullis::Group::"staff", action in Portcullis::Action::"read", resource in Portcullis::ToolServer::"shop");
@id("shop-order")
permit (principal == Portcullis::User::"alice", action == shop::Action::"order", resource) when { context.input.cents <= 1000 };
"""
CONFIGURATION = """
tool_servers:
  shop:
    upstream: shop
    definitions: tools/shop.json
    tools:
      find: {effects: [read]}
      order: {effects: [write, egress]}
      forget: {effects: [destructive]}
      fail: {effects: [read]}
"""


async def defined(url: str) -> dict:
    """What the server itself answers to `tools/list`."""
    async with Client(url) as client:
        listed = await client.list_tools()
    return listed.model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.fixture(scope="module", params=[False, True], ids=["events", "json"])
def server(request: pytest.FixtureRequest) -> Iterator[ToolServer]:
    with ToolServer(shop(), json_response=request.param) as server:
        yield server


@pytest.fixture(scope="module")
def gate(server: ToolServer) -> Iterator[Gate]:
    with Gate("http://127.0.0.1:9") as gate:
        main = gate.data / "portcullis.yaml"
        replace(main, "\nupstreams:\n", f"\nupstreams:\n  shop: {{kind: mcp, base_url: '{server.url}/mcp'}}\n")
        main.write_text(main.read_text() + CONFIGURATION)
        (gate.data / "tools").mkdir()
        (gate.data / "tools/shop.json").write_text(json.dumps(asyncio.run(defined(f"{server.url}/mcp"))))
        (gate.data / "policies/tools.cedar").write_text(POLICIES)
        apply(gate)
        yield gate


@asynccontextmanager
async def client(gate: Gate, who: str, mode: str) -> Client:
    """The SDK's client, with a key of the gate."""
    headers = {"authorization": f"Bearer {gate.key(who)}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        async with Client(streamable_http_client(f"{gate.url.rstrip('/')}/mcp/shop", http_client=http), mode=mode) as client:
            yield client


def run(gate: Gate, who: str, mode: str, act: Callable[[Client], Awaitable[None]]) -> None:
    async def within() -> None:
        async with client(gate, who, mode) as session:
            await act(session)

    asyncio.run(asyncio.wait_for(within(), 60))


@pytest.mark.parametrize("mode", MODES)
def test_tools_are_listed_and_called(gate: Gate, server: ToolServer, mode: str) -> None:
    async def act(client: Client) -> None:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        assert sorted(tool.name for tool in (await client.list_tools()).tools) == ["fail", "find", "order"]
        found = await client.call_tool("find", {"words": "paper", "limit": 2})
        assert found.structured_content == {"offers": ["paper 0", "paper 1"]}
        steps: list[tuple[float, str | None]] = []

        async def progress(done: float, _: float | None, message: str | None) -> None:
            steps.append((done, message))

        ordered = await client.call_tool("order", {"offer": "paper 0", "cents": 900}, progress_callback=progress)
        assert ordered.content[0].text == "ordered paper 0 for 900"
        assert steps == ([(1, "step 1"), (2, "step 2"), (3, "step 3")] if server.streams else [])
        failed = await client.call_tool("fail", {})
        assert failed.is_error and "out of paper" in failed.content[0].text

    run(gate, "ALICE", mode, act)


@pytest.mark.parametrize("mode", MODES)
def test_a_session_lives_through_any_number_of_refusals(gate: Gate, mode: str) -> None:
    async def act(client: Client) -> None:
        for round in range(20):
            for tool, arguments in [("forget", {}), ("order", {"offer": "paper", "cents": 1001 + round}), ("nobody", {})]:
                with pytest.raises(MCPError) as refused:
                    await client.call_tool(tool, arguments)
                assert (refused.value.error.code, refused.value.error.data["reason"]) == (1403, "tool-not-found")
        found = await client.call_tool("find", {"words": "paper", "limit": 1})
        assert found.structured_content == {"offers": ["paper 0"]}

    run(gate, "ALICE", mode, act)


@pytest.mark.parametrize("mode", MODES)
def test_what_somebody_may_not_use_is_not_listed(gate: Gate, mode: str) -> None:
    async def act(client: Client) -> None:
        assert sorted(tool.name for tool in (await client.list_tools()).tools) == ["fail", "find"]

    run(gate, "BOB", mode, act)


def test_every_call_stands_in_the_log(gate: Gate) -> None:
    async def act(client: Client) -> None:
        await client.call_tool("find", {"words": "paper"})

    run(gate, "BOB", "2026-07-28", act)
    gate.settled()
    told = gate.cli("audit", "query", "--json")
    calls = [row for row in json.loads(told.stdout)["rows"] if "shop/find" in json.dumps(row)]
    assert calls, told.stdout[:1000]
    assert why(gate, calls[-1]["request"])[0] == "permitted"
    assert gate.cli("audit", "verify").returncode == 0


@pytest.mark.parametrize("client", ["modern", "legacy"])
def test_the_typescript_clients_live_through_refusals(gate: Gate, client: str) -> None:
    with script("mcp", [client], gate.url.rstrip("/"), gate.key("ALICE"), "") as said:
        assert "saw" in said[0], said
        saw = said[0]["saw"]
    assert saw["tools"] == ["fail", "find", "order"]
    assert saw["refused"] == [[1403, "tool-not-found"]] * 20
    assert saw["found"] == {"offers": ["paper 0", "paper 1"]}
