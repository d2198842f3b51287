"""What agents may do with tools adds up: calls, destructive ones, money, entries, rows, per agent and tool; and an operator stops them.

The tool server is the official SDK's, and so is the client: its session lives through every refusal."""

import asyncio
import json
import pathlib
import threading
from collections.abc import Iterator

import pytest
from mcp import MCPError
from mcp.client.client import Client
from mcp.server.mcpserver import Context, MCPServer

from gate import Gate
from situations import apply
from test_mcp_sdk import defined
from test_mcp_sdk import run as at_shop
from test_operations import replace
from tool_server import ToolServer

POLICIES = """
@id("limits-talk")
permit (principal, action == Portcullis::Action::"listTools", resource == Portcullis::ToolServer::"shop");
@id("limits-call")
permit (principal, action in [Portcullis::Action::"read", Portcullis::Action::"write", Portcullis::Action::"destructive"], resource in Portcullis::ToolServer::"shop");
"""
TOOLS = """
tool_servers:
  shop:
    upstream: shop
    watch: off
    definitions: tools/shop.json
    tools:
      pay: {effects: [write], counts: {money: {sum: /amount}}}
      pay_all: {effects: [write], counts: {money: {sum: /amounts/*}}}
      delete: {effects: [destructive], counts: {deleted: {entries: /ids}}}
      export: {effects: [read], counts: {rows: {rows: /rows, absent: 10}}}
      as_text: {effects: [read], counts: {rows: {rows: /rows, absent: 10}}}
      look: {effects: [read]}
      wait: {effects: [read]}
"""
LIMITS = """
budgets:
  paid: {per: [principal], every: day, counted: {money: "500.00"}}
  deleted: {per: [principal], every: day, counted: {deleted: "5"}}
  destructive: {per: [principal], every: hour, requests: 3, effects: [destructive]}
  exported: {per: [principal], every: day, counted: {rows: "12"}}
  looks: {per: [principal, tool], every: day, requests: 2, tools: [shop/look]}
"""


def bank() -> tuple[MCPServer, list[str], threading.Event]:
    """A server that tells what was done, and that its slow tool has begun."""
    server, done, waits = MCPServer("shop", version="1", log_level="ERROR"), [], threading.Event()

    @server.tool()
    def pay(amount: str = "", to: str = "") -> str:
        done.append(f"pay {amount}")
        return "paid"

    @server.tool()
    def pay_all(amounts: list[str]) -> str:
        done.append(f"pay {' '.join(amounts)}")
        return "paid"

    @server.tool()
    def delete(ids: list[str]) -> str:
        done.append(f"delete {len(ids)}")
        return "gone"

    @server.tool()
    def export(n: int) -> dict[str, list[int]]:
        return {"rows": list(range(n))}

    @server.tool(structured_output=False)
    def as_text(n: int) -> str:
        return json.dumps({"rows": list(range(n))})

    @server.tool()
    def look() -> str:
        return "seen"

    @server.tool()
    async def wait(context: Context) -> str:
        for step in range(600):
            await context.report_progress(step, 600, "still")
            waits.set()
            await asyncio.sleep(0.05)
        done.append("waited")
        return "waited"

    return server, done, waits


class Bank:
    def __init__(self) -> None:
        server, self.done, self.waits = bank()
        self.server = ToolServer(server)


@pytest.fixture(scope="module")
def behind() -> Iterator[Bank]:
    behind = Bank()
    with behind.server:
        yield behind


def configure(gate: Gate, url: str, limits: str) -> None:
    main = gate.data / "portcullis.yaml"
    replace(main, "\nupstreams:\n", f"\nupstreams:\n  shop: {{kind: mcp, base_url: '{url}/mcp'}}\n")
    main.write_text(main.read_text() + TOOLS + limits)
    (gate.data / "tools").mkdir()
    (gate.data / "tools/shop.json").write_text(json.dumps(asyncio.run(defined(f"{url}/mcp"))))
    (gate.data / "policies/limits.cedar").write_text(POLICIES)
    apply(gate)


@pytest.fixture
def gate(behind: Bank) -> Iterator[Gate]:
    with Gate("http://127.0.0.1:9") as gate:
        configure(gate, behind.server.url, LIMITS)
        behind.done.clear()
        yield gate


async def call(client: Client, tool: str, **arguments: object) -> str:
    """What comes of a call: the reason of a refusal, or `ok`."""
    try:
        result = await client.call_tool(tool, arguments)
    except MCPError as refused:
        return refused.error.data["reason"]
    assert not result.is_error, result
    return "ok"


def told(gate: Gate, calls: list[tuple[str, dict]], who: str = "ALICE", mode: str = "2026-07-28") -> list[str]:
    found: list[str] = []

    async def act(client: Client) -> None:
        for tool, arguments in calls:
            found.append(await call(client, tool, **arguments))

    at_shop(gate, who, mode, act)
    return found


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_money_adds_up(gate: Gate, behind: Bank, mode: str) -> None:
    calls = [
        ("pay", {"amount": "480.00"}),
        ("pay", {"amount": "45"}),
        ("pay", {"amount": "-45"}),
        ("pay_all", {"amounts": ["10", "10.01"]}),
        ("pay_all", {"amounts": ["10", "9.99"]}),
        ("pay", {"amount": "0.02"}),
        ("pay", {"amount": "0.01"}),
        ("pay", {"amount": "1000000000"}),
    ]
    limit = "amount-limit"
    assert told(gate, calls, mode=mode) == ["ok", limit, limit, limit, "ok", limit, "ok", limit]
    assert behind.done == ["pay 480.00", "pay 10 9.99", "pay 0.01"]
    # Somebody else has a part of their own.
    assert told(gate, [("pay", {"amount": "500"}), ("pay", {"amount": "0.001"})], who="BOB", mode=mode) == ["ok", limit]


def test_what_cannot_be_counted_is_refused(gate: Gate, behind: Bank) -> None:
    amounts = ["all of it", "1,000.00", "1 000", "\uff11\uff10", "0x10", "", "10\u200b", "NaN", "Infinity", "+5", "1e9", "9999e-9", "1.000"]
    calls = [("pay", {"amount": amount}) for amount in amounts] + [("pay", {"to": "me"})]
    assert set(told(gate, calls)) == {"amount-unknown"}
    assert behind.done == []


def test_destructive_calls_and_what_they_delete_add_up(gate: Gate, behind: Bank) -> None:
    ids = lambda n: {"ids": [str(at) for at in range(n)]}
    calls = [("delete", ids(6)), ("delete", ids(3)), ("delete", ids(3)), ("delete", ids(1)), ("delete", ids(1)), ("delete", ids(0))]
    assert told(gate, calls) == ["amount-limit", "ok", "amount-limit", "ok", "ok", "request-limit"]
    assert behind.done == ["delete 3", "delete 1", "delete 1"]


@pytest.mark.parametrize("tool", ["export", "as_text"])
def test_rows_are_counted_as_they_came(gate: Gate, tool: str) -> None:
    # Room for ten is needed each time; two were used, and two again.
    assert told(gate, [(tool, {"n": 2})] * 3) == ["ok", "ok", "amount-limit"]
    used = json.loads(gate.cli("usage", "--json").stdout)["budgets"]
    assert [(row["counts"], row["used"], row["most"]) for row in used if row["budget"] == "exported"] == [("rows per day", "4", "12")]


def test_each_tool_has_a_part_and_other_tools_none(gate: Gate) -> None:
    assert told(gate, [("look", {})] * 3 + [("export", {"n": 0})]) == ["ok", "ok", "budget-spent", "ok"]


def test_a_start_forgets_nothing(gate: Gate) -> None:
    assert told(gate, [("pay", {"amount": "480"}), ("look", {}), ("delete", {"ids": ["a", "b", "c"]})]) == ["ok"] * 3
    gate.settled()
    gate.stop()
    gate.start_again()
    calls = [("pay", {"amount": "20.01"}), ("delete", {"ids": ["a", "b", "c"]}), ("pay", {"amount": "20"}), ("look", {}), ("look", {})]
    assert told(gate, calls) == ["amount-limit", "amount-limit", "ok", "ok", "budget-spent"]


def test_calls_at_the_same_time_do_not_overshoot(gate: Gate, behind: Bank) -> None:
    async def act(client: Client) -> None:
        found = await asyncio.gather(*[call(client, "pay", amount="100") for _ in range(30)])
        assert sorted(found) == ["amount-limit"] * 25 + ["ok"] * 5

    at_shop(gate, "ALICE", "2026-07-28", act)
    assert behind.done == ["pay 100"] * 5


@pytest.mark.parametrize("lock", ["tool:shop/wait", "server:shop", "user:alice"])
def test_an_operator_stops_a_call_that_runs(gate: Gate, behind: Bank, lock: str) -> None:
    behind.waits.clear()

    def kill() -> None:
        assert behind.waits.wait(20)
        killed = gate.cli("kill", lock)
        assert killed.returncode == 0, killed.stderr

    operator = threading.Thread(target=kill)

    async def act(client: Client) -> None:
        operator.start()
        with pytest.raises(MCPError) as cut:
            await client.call_tool("wait", {})
        assert cut.value.error.data["reason"] in {"tool-locked", "principal-locked"}

    at_shop(gate, "ALICE", "2026-07-28", act)
    operator.join(timeout=20)
    assert "waited" not in behind.done
