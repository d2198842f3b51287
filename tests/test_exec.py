"""Tool servers over stdio in a sandbox: alone, with `portcullis exec`, and behind the gate. The official servers are real."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest

from gate import Gate, binary
from situations import apply
from test_mcp import META, STATELESS, call, post, reason
from test_operations import replace

HERE = pathlib.Path(__file__).parent
NODE = HERE / "node"
PYTHON = sorted({str(pathlib.Path(path).resolve()) for path in [sys.prefix, sys.base_prefix, *sys.path] if path and pathlib.Path(path).exists()})
"""What a Python program needs to run, with the packages of these tests."""


def listed(paths: list[str]) -> str:
    return json.dumps([str(path) for path in paths])


class Stdio:
    """A tool server behind `portcullis exec`, as a client starts it; a context manager."""

    def __init__(self, folder: pathlib.Path, profile: str, *command: str) -> None:
        (folder / "profile.yaml").write_text(profile)
        self._report = folder / "report.json"
        self._errors = (folder / "errors").open("w+")
        self._process = subprocess.Popen(
            [binary(), "exec", "--profile", folder / "profile.yaml", "--report", self._report, "--", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=folder,
            env=os.environ | {"OPENAI_API_KEY": "sk-not-for-servers"},
        )
        self._next = 0

    def send(self, message: dict) -> None:
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
        self._process.stdin.flush()

    def ask(self, method: str, params: dict) -> dict:
        """One request, and the answer to it."""
        self._next += 1
        self.send({"id": self._next, "method": method, "params": params})
        for line in iter(self._process.stdout.readline, ""):
            if (message := json.loads(line)).get("id") == self._next:
                return message
        self._errors.seek(0)
        raise AssertionError(f"it ended: {self._errors.read()}")

    def begin(self) -> dict:
        """The handshake; gives the tools."""
        self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}})
        self.send({"method": "notifications/initialized"})
        return {tool["name"]: tool for tool in self.ask("tools/list", {})["result"]["tools"]}

    def call(self, tool: str, **arguments: object) -> str:
        """The text that a tool answers, with `!` before that of an error."""
        result = self.ask("tools/call", {"name": tool, "arguments": arguments})["result"]
        words = " ".join(part["text"] for part in result["content"] if part["type"] == "text")
        return f"!{words}" if result.get("isError") else words

    def ended(self) -> tuple[int, dict]:
        """Ends it as a client does, by closing its input; its code and the report."""
        self._process.stdin.close()
        code = self._process.wait(timeout=30)
        self._process.stdout.close()
        return code, json.loads(self._report.read_text())

    def __enter__(self) -> "Stdio":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._errors.close()


def refused(report: dict) -> set[tuple[str, str]]:
    return {(row["call"], row["target"]) for row in report["refused"]}


@pytest.fixture
def work(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder that servers may write into, and a secret beside it."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work/notes.txt").write_text("inside")
    (tmp_path / "secret.txt").write_text("outside")
    return tmp_path


def python_profile(more: str = "") -> str:
    return f"files: {{write: [work], execute: {listed(PYTHON)}}}\nenv: {{set: {{PYTHONDONTWRITEBYTECODE: '1'}}}}\n{more}\n"


def node_server(name: str) -> str:
    return str(NODE_MODULES / "@modelcontextprotocol" / name / "dist/index.js")


NODE_MODULES = pathlib.Path(os.environ.get("PORTCULLIS_NODE_MODULES", NODE / "node_modules")).resolve()


def node_profile(more: str = "") -> str:
    return f"files: {{write: [work], read: {listed([NODE_MODULES])}}}\n{more}\n"


def test_the_official_filesystem_server_reaches_its_folder_and_no_more(work: pathlib.Path) -> None:
    # It is told that it may reach more: what holds is the sandbox.
    folders = [str(work / "work"), str(work)]
    with Stdio(work, node_profile(), "node", node_server("server-filesystem"), *folders) as server:
        assert {"read_text_file", "write_file"} <= server.begin().keys()
        assert server.call("read_text_file", path=str(work / "work/notes.txt")) == "inside"
        assert "Successfully" in server.call("write_file", path=str(work / "work/new.txt"), content="new")
        assert server.call("read_text_file", path=str(work / "secret.txt")).startswith("!EACCES")
        assert server.call("write_file", path=str(work / "secret.txt"), content="x").startswith("!")
        code, report = server.ended()
    assert (code, report["ended"], report["without"]) == (0, {"exited": 0}, [])
    assert ("openat", str(work / "secret.txt")) in refused(report)
    assert ((work / "work/new.txt").read_text(), (work / "secret.txt").read_text()) == ("new", "outside")


def test_the_official_memory_server_remembers_in_its_folder(work: pathlib.Path) -> None:
    memory = work / "work" / "memory.jsonl"
    profile = node_profile(f"env: {{set: {{MEMORY_FILE_PATH: '{memory}'}}}}")
    with Stdio(work, profile, "node", node_server("server-memory")) as server:
        server.begin()
        server.call("create_entities", entities=[{"name": "Ada", "entityType": "person", "observations": ["counts"]}])
        assert "Ada" in server.call("read_graph")
        assert server.ended()[0] == 0
    assert "Ada" in (work / "work/memory.jsonl").read_text()


def test_the_official_time_server_tells_the_time(work: pathlib.Path) -> None:
    with Stdio(work, python_profile(), sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC") as server:
        server.begin()
        told = json.loads(server.call("get_current_time", timezone="Europe/Rome"))
        assert told["timezone"] == "Europe/Rome"
        assert server.ended()[0] == 0


def test_the_official_git_server_works_in_its_repository(work: pathlib.Path) -> None:
    git = ["git", "-C", str(work / "work"), "-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    (work / "work/notes.txt").write_text("changed")
    with Stdio(work, python_profile(), sys.executable, "-m", "mcp_server_git") as server:
        server.begin()
        assert "notes.txt" in server.call("git_status", repo_path=str(work / "work"))
        assert "changed" in server.call("git_diff_unstaged", repo_path=str(work / "work"))
        assert "first" in server.call("git_log", repo_path=str(work / "work"))
        assert server.ended()[0] == 0


def test_the_official_fetch_server_fetches_nothing_and_that_is_told(work: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        fetch = [sys.executable, "-m", "mcp_server_fetch", "--ignore-robots-txt", "--allow-private-ips"]
        with Stdio(work, python_profile(), *fetch) as server:
            server.begin()
            assert server.call("fetch", url=url).startswith("!")
            _, report = server.ended()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert ("socket", "internet stream") in refused(report)


def test_nothing_of_the_caller_reaches_a_server(work: pathlib.Path) -> None:
    with Stdio(work, python_profile(), sys.executable, str(HERE / "stdio_server.py")) as server:
        server.begin()
        names = server.call("try", what="environment").split()
        assert "OPENAI_API_KEY" not in names and "PORTCULLIS_SANDBOX_PLAN" not in names and "PATH" in names
        pid, _ = server.call("pid").split()
        assert int(pid) < 10, "of its own processes only"
        assert server.call("try", what="read", argument=f"/proc/{os.getpid()}/environ") == "FileNotFoundError"
        server.ended()


def test_a_machine_says_which_layers_it_has() -> None:
    probed = subprocess.run([binary(), "exec", "--probe", "--json"], capture_output=True, text=True, timeout=60, check=False)
    layers = {row["layer"]: row["is_there"] for row in json.loads(probed.stdout)["layers"]}
    assert len(layers) == 10 and probed.returncode == (0 if all(layers.values()) else 1)


def test_a_wrong_profile_is_told_with_its_place_and_nothing_runs(work: pathlib.Path) -> None:
    (work / "profile.yaml").write_text("files: {write: [work, nowhere]}\n")
    run = [binary(), "exec", "--profile", "profile.yaml"]
    missing = subprocess.run([*run, "--", "touch", "work/ran"], cwd=work, capture_output=True, text=True, timeout=30, check=False)
    assert (missing.returncode, missing.stderr) == (
        3,
        f"profile.yaml: `files.write`: `{work}/nowhere` cannot be reached: No such file or directory (os error 2)\n",
    )
    (work / "profile.yaml").write_text("files: {writes: [work]}\n")
    unknown = subprocess.run([*run, "--", "touch", "work/ran"], cwd=work, capture_output=True, text=True, timeout=30, check=False)
    assert (unknown.returncode, unknown.stderr) == (3, "profile.yaml:1:9: files: the key `writes` is not known here, did you mean `write`?\n")
    (work / "profile.yaml").write_text("files: {write: [work]}\ndanger: {without: [seccomp]}\n")
    shown = subprocess.run([*run, "--explain", "--", "touch", "work/ran"], cwd=work, capture_output=True, text=True, timeout=30, check=False)
    assert f"writes       {work}/work\n" in shown.stdout and "seccomp           OFF" in shown.stdout
    assert not (work / "work/ran").exists()
    codes = subprocess.run([*run, "--", "sh", "-c", "exit 7"], cwd=work, capture_output=True, text=True, timeout=30, check=False)
    assert codes.returncode == 7 and "DANGER: without seccomp" in codes.stderr
    absent = subprocess.run([*run, "--", "no-such-program"], cwd=work, capture_output=True, text=True, timeout=30, check=False)
    assert absent.returncode == 127 and "`no-such-program` cannot be started in the sandbox" in absent.stderr


TOOLS = [
    {"name": name, "inputSchema": {"type": "object", "properties": {key: {"type": "string"} for key in keys}}}
    for name, keys in [("echo", ["words"]), ("pid", []), ("try", ["what", "argument"]), ("steps", []), ("asks", []), ("bad", ["how"])]
]
POLICY = """
@id("stdio-all")
permit (principal in Portcullis::Group::"staff", action, resource) when { resource is Portcullis::Tool || resource is Portcullis::ToolServer };
"""


def test_the_gate_starts_no_server_without_a_filter_of_system_calls() -> None:
    with Gate("http://127.0.0.1:9") as gate:
        configure(gate.data)
        profile = gate.data / "sandbox/stdio.yaml"
        profile.write_text(profile.read_text() + "danger: {without: [seccomp]}\n")
        checked = gate.cli("check")
        assert checked.returncode == 3 and "upstreams.stdio.exec.profile: its profile leaves out `seccomp`" in checked.stdout + checked.stderr


def configure(data: pathlib.Path) -> None:
    """Puts the server of these tests behind the gate."""
    (data / "sandbox/work").mkdir(parents=True)
    (data / "sandbox/stdio.yaml").write_text(python_profile().replace("execute: [", f"read: {listed([HERE])}, execute: ["))
    command = json.dumps([sys.executable, str(HERE / "stdio_server.py")])
    upstream = f"{{kind: mcp, exec: {{profile: sandbox/stdio.yaml, command: {command}, children: 3, message_bytes: 100000, call_seconds: 3}}}}"
    main = data / "portcullis.yaml"
    replace(main, "\nupstreams:\n", f"\nupstreams:\n  stdio: {upstream}\n")
    tools = "".join(f"      {tool['name']}: {{effects: [read]}}\n" for tool in TOOLS)
    main.write_text(main.read_text() + f"\ntool_servers:\n  stdio:\n    upstream: stdio\n    watch: off\n    definitions: tools/stdio.json\n    tools:\n{tools}")
    (data / "tools").mkdir()
    (data / "tools/stdio.json").write_text(json.dumps({"tools": TOOLS}))
    (data / "policies/stdio.cedar").write_text(POLICY)


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    with Gate("http://127.0.0.1:9") as gate:
        configure(gate.data)
        apply(gate)
        yield gate


def said(answered: tuple[int, dict, dict]) -> str:
    """The text of a tool's result."""
    status, _, message = answered
    assert status == 200 and "result" in message, answered
    return message["result"]["content"][0]["text"]


def tool(gate: Gate, name: str, session: dict | None = None, **arguments: str) -> tuple[int, dict, dict]:
    """A call, of the revision without sessions if there is none."""
    if session is None:
        return call(gate, "ALICE", name, arguments, server="stdio")
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    return post(gate, "ALICE", body, session, "stdio")


def begin(gate: Gate) -> dict[str, str]:
    """A session."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {"roots": {}}, "clientInfo": {"name": "t", "version": "1"}}
    answered = post(gate, "ALICE", {"jsonrpc": "2.0", "id": "one", "method": "initialize", "params": params}, {}, "stdio")
    status, headers, message = answered
    assert status == 200 and message["id"] == "one" and "result" in message, answered
    return {"mcp-session-id": headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}


@contextlib.contextmanager
def session(gate: Gate) -> Iterator[dict[str, str]]:
    """A session that is over behind it: what a server does badly ends it."""
    headers = begin(gate)
    yield headers
    tool(gate, "bad", headers, how="dies")


def until(what: object, holds: object) -> object:
    """Asks again until it holds."""
    end = time.monotonic() + 20
    while not holds(value := what()):
        assert time.monotonic() < end, value
    return value


def test_a_call_reaches_a_server_over_stdio_and_comes_back(gate: Gate) -> None:
    words = "röntgen \n\t\" " + "x" * 50_000
    assert json.loads(said(tool(gate, "echo", words=words))) == {"words": words}


def test_messages_without_a_session_share_a_process_and_sessions_do_not(gate: Gate) -> None:
    shared = {said(tool(gate, "pid")) for _ in range(3)}
    assert len(shared) == 1
    with session(gate) as one, session(gate) as two:
        first, again, second = (said(tool(gate, "pid", headers)) for headers in (one, one, two))
        assert first == again and len({first, second} | shared) == 3


def test_the_sandbox_holds_behind_the_gate(gate: Gate) -> None:
    admin, data = (urllib.parse.urlsplit(url) for url in (gate.admin_url, gate.url))
    facts = [
        ("connect", admin.netloc, "PermissionError"),
        ("connect", data.netloc, "PermissionError"),
        ("unix", str(gate.data / "admin.sock"), "PermissionError"),
        ("read", str(gate.data / "portcullis.yaml"), "PermissionError"),
        ("read", str(gate.data / "quickstart.env"), "PermissionError"),
        ("read", "/etc/shadow", "PermissionError"),
        ("read", f"/proc/{gate.pid}/environ", "FileNotFoundError"),
        ("start", "/bin/echo", "\n"),
    ]
    for what, argument, expected in facts:
        assert said(tool(gate, "try", what=what, argument=argument)) == expected, (what, argument)
    names = said(tool(gate, "try", what="environment"))
    assert not {name for name in names.split() if name.startswith("PORTCULLIS")}
    told = until(lambda: "\n".join(gate.lines), lambda lines: "/etc/shadow" in lines)
    assert "the sandbox refused a tool server something" in told


def test_progress_comes_before_the_answer_and_bears_the_callers_own_token(gate: Gate) -> None:
    status, headers, events = streamed(gate, "steps", "my token")
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    assert [event.get("method") for event in events] == ["notifications/progress", "notifications/progress", None]
    assert events[0]["params"] == {"progressToken": "my token", "progress": 1, "total": 2}
    assert (events[-1]["id"], events[-1]["result"]["content"][0]["text"]) == (7, "done")


def streamed(gate: Gate, name: str, token: str) -> tuple[int, dict, list[dict]]:
    """A call whose answer is a stream."""

    params = {"name": name, "arguments": {}, "_meta": META | {"progressToken": token}}
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "authorization": f"Bearer {gate.key('ALICE')}",
        "mcp-protocol-version": STATELESS,
        "mcp-method": "tools/call",
        "mcp-name": name,
    }
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{gate.url}/mcp/stdio", data=body, headers=headers), timeout=20) as reply:
        lines = reply.read().decode().splitlines()
        events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        return reply.status, {key.lower(): value for key, value in reply.headers.items()}, events


def test_what_a_server_asks_is_answered_without_the_client(gate: Gate) -> None:
    assert said(tool(gate, "asks")) == "mine -32601"


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("dies", "it ended (it ended with code 3)"),
        ("garbage", "it wrote a line that is no message"),
        ("long", "it wrote a line of more than 100000 bytes"),
        ("hangs", "it said nothing in time"),
    ],
)
def test_a_server_that_does_badly_is_told_and_the_next_one_serves(gate: Gate, how: str, why: str) -> None:
    headers = begin(gate)
    status, _, message = tool(gate, "bad", headers, how=how)
    assert status == 200 and why in message["error"]["message"], message
    if how != "hangs":
        assert reason(tool(gate, "pid", headers)) == (404, 1403, "session-unknown")
    # Starting waits a little after failures.
    until(lambda: post(gate, "ALICE", {"jsonrpc": "2.0", "id": 1, "method": "ping"}, {}, "stdio")[0], lambda _: True)
    until(lambda: tool(gate, "pid"), lambda answered: "result" in answered[2])


def children(gate: Gate) -> set[str]:
    """The processes that the gate has started."""
    found = set()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # Behind the name, which may hold anything: the state, the parent.
            if (process / "stat").read_text().rpartition(")")[2].split()[1] == str(gate.pid):
                found.add(process.name)
    return found


def end(gate: Gate, headers: dict[str, str]) -> int:
    """Ends a session."""
    told = headers | {"authorization": f"Bearer {gate.key('ALICE')}"}
    with urllib.request.urlopen(urllib.request.Request(f"{gate.url}/mcp/stdio", headers=told, method="DELETE"), timeout=20) as answered:
        return answered.status


def test_a_process_that_does_not_read_is_ended_with_its_session(gate: Gate) -> None:
    others = children(gate)
    headers = begin(gate)
    (process,) = children(gate) - others
    # It reads no more, and what it is told fills the pipe; nobody gets an answer.
    calls = [{"name": "bad", "how": "deaf"}] + [{"name": "echo", "words": "x" * 90_000}] * 3
    threads = [threading.Thread(target=tool, args=(gate, call.pop("name"), headers), kwargs=call) for call in map(dict, calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert process in children(gate)
    assert end(gate, headers) in (200, 202, 204)
    until(lambda: children(gate), lambda left: process not in left)


def test_an_answer_to_nobody_is_dropped(gate: Gate) -> None:
    assert said(tool(gate, "bad", how="other")) == "still here"


def test_many_callers_of_one_process_hear_only_their_own(gate: Gate) -> None:
    heard: dict[int, str] = {}

    def one(number: int) -> None:
        heard[number] = json.loads(said(tool(gate, "echo", words=f"word {number}")))["words"]

    threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {number: f"word {number}" for number in range(20)}


def test_there_are_so_many_processes_and_no_more(gate: Gate) -> None:
    until(lambda: tool(gate, "pid"), lambda answered: "result" in answered[2])
    sessions = []
    try:
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        answered = [post(gate, "ALICE", body, {}, "stdio") for _ in range(6)]
        sessions = [headers for _, headers, message in answered if "result" in message]
        assert 1 <= len(sessions) <= 2 and len(answered) == 6, answered
    finally:
        for headers in sessions:
            told = {"mcp-session-id": headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
            tool(gate, "bad", told, how="dies")


def test_an_unchanged_server_outlives_an_apply_and_a_removed_one_ends(gate: Gate) -> None:
    before = until(lambda: tool(gate, "pid"), lambda answered: "result" in answered[2])[2]
    (gate.data / "policies/more.cedar").write_text('@id("more")\nforbid (principal, action, resource) when { false };\n')
    apply(gate)
    assert tool(gate, "pid")[2] == before
    main = gate.data / "portcullis.yaml"
    replace(main, "children: 3", "children: 4")
    apply(gate)
    assert said(until(lambda: tool(gate, "pid"), lambda answered: "result" in answered[2])) != before["result"]["content"][0]["text"]


def test_no_process_is_left_behind(gate: Gate) -> None:
    def of_gate() -> list[str]:
        ps = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        return [line for line in ps.splitlines() if str(gate.data) in line and "exec --json" in line]

    until(lambda: tool(gate, "pid"), lambda answered: "result" in answered[2])
    assert of_gate()
    gate.stop()
    until(of_gate, lambda lines: not lines)


def test_a_server_is_an_address_or_a_process(gate: Gate) -> None:
    main = gate.data / "portcullis.yaml"
    replace(main, "kind: mcp, exec", "kind: mcp, base_url: 'http://127.0.0.1:9', exec")
    both = gate.cli("check")
    assert both.returncode == 3 and "a server is reached at `base_url` or started by `exec`, not both" in both.stderr
    replace(main, "base_url: 'http://127.0.0.1:9', ", "")
    (gate.data / "sandbox/stdio.yaml").write_text("files: {reads: []}\n")
    wrong = gate.cli("check")
    assert wrong.returncode == 3 and "sandbox/stdio.yaml:1:9: files: the key `reads` is not known here" in wrong.stderr
