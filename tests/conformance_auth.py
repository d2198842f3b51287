"""The auth scenarios of the suite's client part, with the gate as OAuth client to a tool server (`conformance_client.py`). `cargo xtask conformance`
writes the table, `test_conformance_auth.py` compares."""

import concurrent.futures
import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

from conformance import HERE, KNOWN, PACKAGES, SUITE, Scenario, node, read

REVISION = "2026-07-28"
MOST_SECONDS = 120
OPERATORS = {"prm-pathbased-requested", "scope-from-www-authenticate", "scope-from-scopes-supported", "scope-step-up-initial"}
"""Checks of what the gate's operator does: the gate is told the authorization server and the scopes."""
HEADING = "## The gate as OAuth client"
AT_ONCE = 2


def required() -> list[str]:
    """The scenarios that the revision requires of clients."""
    listed = (PACKAGES / SUITE / f"requirements/{REVISION}.yaml").read_text()
    client = listed[re.search(r"^client:", listed, re.M).start() :]
    return re.findall(r"^  - (auth/\S+)$", client, re.M)


def run_one(name: str) -> Scenario:
    """Runs one scenario."""
    with tempfile.TemporaryDirectory(prefix="portcullis-conformance-") as folder:
        client = f"{sys.executable} {HERE / 'conformance_client.py'}"
        command = [node(), str(PACKAGES / SUITE / "dist/index.js"), "client", "--command", client, "--scenario", name]
        command += ["--spec-version", REVISION, "--timeout", str(MOST_SECONDS * 1000), "-o", folder]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=2 * MOST_SECONDS, check=False, cwd=HERE, env=dict(os.environ))
        found = list(pathlib.Path(folder).rglob("checks.json"))
        if len(found) != 1:
            raise RuntimeError(f"{name} did not run to its end:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
        scenario = Scenario(name)
        read(json.loads(found[0].read_text()), scenario)
        return scenario


@functools.cache
def run_all() -> list[Scenario]:
    """Runs every scenario, in the suite's order."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(run_one, required()))


def lost(scenarios: list[Scenario]) -> dict[str, str]:
    """Every check that does not pass, as `SCENARIO:ID`, with what the suite says of it."""
    return {
        f"{scenario.name}:{check}": f"{status}: {message}"
        for scenario in scenarios
        for check, (status, message) in scenario.checks.items()
        if status not in ("SUCCESS", "INFO", "SKIPPED")
    }


def known() -> dict[str, str]:
    """What is known not to pass, with the reason."""
    entries = tomllib.loads(KNOWN.read_text()).get("client", [])
    return {check: entry["why"] for entry in entries for check in entry["checks"]}


def table(scenarios: list[Scenario]) -> str:
    """The part of the page."""
    reasons, missing = known(), lost(scenarios)

    def row(scenario: Scenario) -> str:
        theirs = sum(check in OPERATORS and status == "SUCCESS" for check, (status, _) in scenario.checks.items())
        whys = [reasons.get(key, "**not known**") for key in missing if key.rpartition(":")[0] == scenario.name]
        return f"| {scenario.name} | {scenario.passed}/{scenario.n_checks} | {theirs or ''} | {'; '.join(dict.fromkeys(whys))} |"

    whole = sum(scenario.passed == scenario.n_checks for scenario in scenarios)
    lines = [
        HEADING,
        "",
        "The suite's client part tests a client against a server and an authorization server of its own. Here the client is the gate, which shows that",
        "server a token of alice's own (decision 0048), with the official Python client in front of it. The gate registers itself nowhere and reads no",
        "metadata of resources: an operator writes authorization server, client and scopes. What the operator's part passes stands by itself.",
        f"Scenarios that revision {REVISION} requires: {len(scenarios)}, of which {whole} pass whole. Extensions are not run: no DPoP, client credentials,",
        "JWT grants; nor are the two scenarios of 2025-03-26, a revision that the gate does not speak.",
        "",
        "| scenario | passed | of these the operator's | remark |",
        "|---|--:|--:|---|",
        *map(row, scenarios),
        "",
    ]
    return "\n".join(lines)
