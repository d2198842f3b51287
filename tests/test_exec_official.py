"""The official tool servers over stdio, behind the gate and in its sandbox: real sessions of the official client, what a policy refuses, and what the sandbox does."""

import asyncio
import json
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest
from mcp import MCPError
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from gate import Gate, binary
from situations import apply, why
from test_exec import NODE_MODULES, PYTHON, listed, node_server, until
from test_operations import replace

SERVERS = {
    "files": ["node", node_server("server-filesystem"), "WORK", "DATA"],
    "memory": ["node", node_server("server-memory")],
    "time": [sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC"],
    "git": [sys.executable, "-m", "mcp_server_git"],
    "fetch": [sys.executable, "-m", "mcp_server_fetch", "--ignore-robots-txt", "--allow-private-ips"],
}
"""The filesystem server is told that it may reach the gate's own folder as well: what holds is the sandbox."""
TOOLS = {
    "files": {"read_text_file": "read", "write_file": "write"},
    "memory": {"create_entities": "write", "read_graph": "read", "delete_entities": "destructive"},
    "time": {"get_current_time": "read", "convert_time": "read"},
    "git": {"git_status": "read", "git_log": "read", "git_diff_unstaged": "read", "git_reset": "destructive"},
    "fetch": {"fetch": "egress"},
}
POLICIES = """
@id("talk")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"listTools", resource is Portcullis::ToolServer);
@id("read")
permit (principal in Portcullis::Group::"staff", action in Portcullis::Action::"read", resource is Portcullis::Tool);
@id("notes-only")
permit (principal in Portcullis::Group::"staff", action == files::Action::"write_file", resource)
when { context.input.path like "*/work/*" && !(context.input.path like "*..*") };
@id("remember")
permit (principal in Portcullis::Group::"staff", action == memory::Action::"create_entities", resource);
@id("fetch-inside")
permit (principal in Portcullis::Group::"staff", action == fetch::Action::"fetch", resource)
when { context.input.url like "http://127.0.0.1:*" };
@id("no-far-away-times")
forbid (principal, action == time::Action::"convert_time", resource) when { context.input.target_timezone == "Antarctica/Troll" };
"""


def profile(name: str, work: pathlib.Path) -> str:
    """What a server of that name needs."""
    if name in ("files", "memory"):
        return f"files: {{write: ['{work}'], read: {listed([NODE_MODULES])}}}\nenv: {{set: {{MEMORY_FILE_PATH: '{work}/memory.jsonl'}}}}\n"
    return f"files: {{write: ['{work}'], execute: {listed(PYTHON)}}}\nenv: {{set: {{PYTHONDONTWRITEBYTECODE: '1'}}}}\n"


def defined(folder: pathlib.Path, name: str, command: list[str]) -> dict:
    """What the server itself answers to `tools/list`, as an operator saves it: asked in the same sandbox, with `portcullis exec`."""
    messages = [
        {"id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list", "params": {}},
    ]
    server = subprocess.Popen(
        [binary(), "exec", "--profile", folder / f"{name}.yaml", "--", *command],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=dict(os.environ),
    )  # fmt: skip
    try:
        for message in messages:
            server.stdin.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
        server.stdin.flush()
        for line in server.stdout:
            if (message := json.loads(line)).get("id") == 2:
                return message["result"]
        raise AssertionError(f"{name} ended")
    finally:
        server.stdin.close()
        server.wait(timeout=30)
        server.stdout.close()


def configure(data: pathlib.Path) -> None:
    """All five behind one gate."""
    work = data / "servers/work"
    work.mkdir(parents=True)
    (work / "notes.txt").write_text("inside")
    git = ["git", "-C", str(work), "-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    (data / "tools").mkdir()
    upstreams, sections = "", "\ntool_servers:\n"
    for name, tools in TOOLS.items():
        command = [{"WORK": str(work), "DATA": str(data)}.get(word, word) for word in SERVERS[name]]
        (data / f"servers/{name}.yaml").write_text(profile(name, work))
        (data / f"tools/{name}.json").write_text(json.dumps(defined(data / "servers", name, command)))
        upstreams += f"\n  {name}: {{kind: mcp, exec: {{profile: servers/{name}.yaml, command: {json.dumps(command)}}}}}"
        sections += f"  {name}:\n    upstream: {name}\n    definitions: tools/{name}.json\n    tools:\n"
        sections += "".join(f"      {tool}: {{effects: [{effect}]}}\n" for tool, effect in tools.items())
    main = data / "portcullis.yaml"
    replace(main, "\nupstreams:\n", f"\nupstreams:{upstreams}\n")
    main.write_text(main.read_text() + sections)
    (data / "policies/servers.cedar").write_text(POLICIES)


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    with Gate("http://127.0.0.1:9") as gate:
        configure(gate.data)
        apply(gate)
        yield gate


def session(gate: Gate, server: str, calls: list[tuple[str, dict]]) -> tuple[list[str], list[str], str]:
    """A session of the official client: which tools it is shown, what each call says (`refused: REASON` for the gate's own), and a request that was refused."""

    async def act() -> tuple[list[str], list[str], str]:
        headers = {"authorization": f"Bearer {gate.key('ALICE')}"}
        said, request = [], ""
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            transport = streamable_http_client(f"{gate.url.rstrip('/')}/mcp/{server}", http_client=http)
            async with Client(transport, mode="legacy") as client:
                shown = sorted(tool.name for tool in (await client.list_tools()).tools)
                for tool, arguments in calls:
                    try:
                        result = await client.call_tool(tool, arguments)
                    except MCPError as error:
                        said.append(f"refused: {error.error.data['reason']}")
                        request = error.error.data["request"]
                        continue
                    words = " ".join(part.text for part in result.content if part.type == "text")
                    said.append(f"!{words}" if result.is_error else words)
        return shown, said, request

    return asyncio.run(asyncio.wait_for(act(), 120))


def decided(gate: Gate, request: str) -> str:
    """The reason that stands in the log."""
    gate.settled()
    return why(gate, request)[0]


def test_filesystem(gate: Gate) -> None:
    work, secret = gate.data / "servers/work", gate.data / "quickstart.env"
    calls = [
        ("read_text_file", {"path": str(work / "notes.txt")}),
        ("write_file", {"path": str(work / "new.txt"), "content": "new"}),
        # No policy: refused before the server hears of it.
        ("write_file", {"path": str(gate.data / "portcullis.yaml"), "content": "x"}),
        ("move_file", {"source": str(secret), "destination": str(work / "got")}),
        # A policy permits it, the server would do it, the sandbox does not let it.
        ("read_text_file", {"path": str(secret)}),
        ("read_text_file", {"path": str(work / "new.txt")}),
    ]
    shown, said, request = session(gate, "files", calls)
    assert shown == ["read_text_file", "write_file"]
    assert said[0] == "inside" and "Successfully" in said[1] and said[5] == "new", said
    assert said[2:4] == ["refused: tool-not-found"] * 2
    assert said[4].startswith("!EACCES") and gate.key("ALICE") not in said[4], said
    assert decided(gate, request) in ("policy-denied", "policy-error")
    until(lambda: "\n".join(gate.lines), lambda lines: "refused a tool server something" in lines and str(secret) in lines)


def test_memory(gate: Gate) -> None:
    ada = {"name": "Ada", "entityType": "person", "observations": ["counts"]}
    calls = [("create_entities", {"entities": [ada]}), ("delete_entities", {"entityNames": ["Ada"]}), ("read_graph", {})]
    shown, said, request = session(gate, "memory", calls)
    assert shown == ["create_entities", "read_graph"]
    assert said[1] == "refused: tool-not-found" and "Ada" in said[2], said
    assert decided(gate, request) == "policy-denied"
    assert "Ada" in (gate.data / "servers/work/memory.jsonl").read_text()


def test_time(gate: Gate) -> None:
    there = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Antarctica/Troll"}
    calls = [
        ("get_current_time", {"timezone": "Europe/Rome"}),
        ("convert_time", there),
        ("convert_time", there | {"target_timezone": "Asia/Tokyo"}),
    ]
    shown, said, request = session(gate, "time", calls)
    assert shown == ["convert_time", "get_current_time"]
    assert json.loads(said[0])["timezone"] == "Europe/Rome" and json.loads(said[2])["time_difference"] == "+9.0h", said
    assert said[1].startswith("refused: ") and decided(gate, request) == "policy-forbidden", said


def test_git(gate: Gate) -> None:
    work = gate.data / "servers/work"
    (work / "notes.txt").write_text("inside")
    (work / "staged.txt").write_text("staged")
    subprocess.run(["git", "-C", str(work), "add", "staged.txt"], check=True)
    calls = [
        ("git_status", {"repo_path": str(work)}),
        ("git_reset", {"repo_path": str(work)}),
        # A repository that the server can not reach.
        ("git_log", {"repo_path": str(pathlib.Path(__file__).parent.parent)}),
        ("git_log", {"repo_path": str(work)}),
    ]
    shown, said, request = session(gate, "git", calls)
    assert shown == ["git_diff_unstaged", "git_log", "git_status"]
    assert "staged.txt" in said[0] and said[1] == "refused: tool-not-found" and "first" in said[3], said
    assert said[2].startswith("!"), said
    assert decided(gate, request) == "policy-denied"
    staged = subprocess.run(["git", "-C", str(work), "diff", "--cached", "--name-only"], capture_output=True, text=True, check=True)
    assert "staged.txt" in staged.stdout


def test_fetch(gate: Gate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        calls = [("fetch", {"url": "https://elsewhere.example/"}), ("fetch", {"url": here})]
        shown, said, request = session(gate, "fetch", calls)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert shown == ["fetch"] and said[0] == "refused: tool-not-found" and decided(gate, request) == "policy-denied"
    # A policy permits the address, and the profile no network: nothing has left, and the log says what was tried.
    assert said[1].startswith("!"), said
    until(lambda: "\n".join(gate.lines), lambda lines: "internet stream" in lines)
