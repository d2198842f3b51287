"""Operators' own rules in gitleaks' format: in force both ways and in streams, kept over restarts, and nothing passes before them."""

import json
import pathlib
import shutil
import subprocess
import urllib.request

import pytest
from gate import Gate, binary
from test_operations import CHAT, append, call, chat, replace
from upstream import Peer, Request, Upstream, answer, chat_events, stream
from upstream import chat as completion

OWN = """
[extend]
path = "base.toml"
disabledRules = ["unwanted"]

[[rules]]
id = "acme-token"
regex = '''\\bacme_[a-z0-9]{8,40}\\b'''
keywords = ["acme_"]
[[rules.allowlists]]
stopwords = ["example"]

[[rules]]
id = "corp-number"
regex = '''(?i)corp no[.:]? ([A-Z]{2}x[0-9]{3})'''
"""

BASE = """
[[rules]]
id = "house-key"
regex = '''hk-[0-9a-f]{12}'''
entropy = 2.0
[[rules]]
id = "unwanted"
regex = '''hello'''
"""

TEXT = "hello acme_0123abcd, acme_example1, Corp No: QZx456, hk-0123456789ab, hk-000000000000"
REDACTED = "hello [redacted:ACME_TOKEN], acme_example1, Corp No: [redacted:CORP_NUMBER], [redacted:HOUSE_KEY], hk-000000000000"


def write_rules(data: pathlib.Path, own: str = OWN) -> None:
    """The files, and the lines that name them."""
    (data / "rules").mkdir(exist_ok=True)
    (data / "rules/own.toml").write_text(own)
    (data / "rules/base.toml").write_text(BASE)
    if "rule_files" not in (data / "portcullis.yaml").read_text():
        append(data / "portcullis.yaml", "\ninspection:\n  rule_files: [rules/own.toml]\n")


def apply(gate: Gate) -> subprocess.CompletedProcess:
    """Applies the files on disk."""
    return gate.cli("apply")


async def in_pieces(request: Request, _: Peer) -> list[bytes]:
    """Says the text, in a stream four characters at a time."""
    if b'"stream":true' in request.body.replace(b" ", b""):
        return stream(chat_events([{"content": TEXT[at : at + 4]} for at in range(0, len(TEXT), 4)]))
    return answer(200, completion(TEXT))


def streamed(gate: Gate, key: str) -> str:
    """What a stream says, joined."""
    body = json.dumps({**CHAT, "stream": True}).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"{gate.url}/v1/chat/completions", data=body, headers=headers)
    text = ""
    with urllib.request.urlopen(request, timeout=30) as events:
        for line in events:
            if line.startswith(b"data: {"):
                text += json.loads(line[6:])["choices"][0]["delta"].get("content", "")
    return text


def test_rules_act_both_ways_are_kept_and_decided_again(tmp_path: pathlib.Path) -> None:
    said = [{"role": "user", "content": TEXT}]
    with Upstream(script=in_pieces) as upstream, Gate(upstream.url) as gate:
        alice, bob = gate.key("ALICE"), gate.key("BOB")

        def passes_as(expected: str) -> None:
            status, _, body = chat(gate, alice, messages=said)
            assert status == 200, body
            assert upstream.requests[-1].json()["messages"][-1]["content"] == expected
            assert body["choices"][0]["message"]["content"] == expected
            assert streamed(gate, alice) == expected

        passes_as(TEXT)
        write_rules(gate.data)
        # Conditions and duties may name what a rule finds.
        append(
            gate.data / "policies/models.cedar",
            '\n@id("no-tokens") forbid (principal == Portcullis::User::"bob", action, resource)\n'
            'when { context.content.kinds.contains("ACME_TOKEN") };\n'
            '@id("no-keys") @obligation("request:deny:HOUSE_KEY")\n'
            'permit (principal == Portcullis::User::"bob", action, resource == Portcullis::Model::"small");\n',
        )
        checked = gate.cli("check", "--json")
        assert checked.returncode == 0, checked.stdout
        applied = apply(gate)
        assert applied.returncode == 0 and "rules/base.toml: added" in applied.stdout, applied.stdout + applied.stderr
        passes_as(REDACTED)
        assert chat(gate, bob, messages=said)[0] == 404
        status, _, body = chat(gate, bob, messages=[{"role": "user", "content": "hk-0123456789ab"}])
        assert status == 403 and "HOUSE_KEY" in body["error"]["message"], body
        assert gate.admin("GET", "/admin/v1/status")["rules"] == {"files": ["rules/own.toml"], "active": True}

        # What was applied is kept, whatever becomes of the files.
        gate.stop()
        write_rules(gate.data, '[[rules]]\nid = "other"\nregex = \'other\'\n')
        gate.start_again()
        passes_as(REDACTED)
        assert chat(gate, bob, messages=said)[0] == 404

        # A broken file changes nothing.
        write_rules(gate.data, OWN.replace("regex = '''(?i)corp", "regexp = '''(?i)corp"))
        refused = apply(gate)
        wrong = "rules/own.toml:15:1: rule `corp-number`: the field `regexp` is not known, did you mean `regex`?"
        assert refused.returncode == 3 and wrong in refused.stderr, refused
        passes_as(REDACTED)

        # One without the rules lets the text pass again.
        replace(gate.data / "portcullis.yaml", "rule_files: [rules/own.toml]", "rule_files: []")
        replace(gate.data / "policies/models.cedar", '@obligation("request:deny:HOUSE_KEY")', "")
        assert apply(gate).returncode == 0
        passes_as(TEXT)
        gate.stop()
        copy = tmp_path / "copy"
        ignored = shutil.ignore_patterns("portcullis.yaml", "policies", "rules", "*.sock", "projection.db*", "quickstart.env")
        shutil.copytree(gate.data, copy, ignore=ignored)

    replayed = subprocess.run([binary(), "replay", "--data", copy, "--json"], capture_output=True, text=True, timeout=120, check=False)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    result = json.loads(replayed.stdout)
    assert result["different"] == [] and result["equal"] == len(result["decisions"]) >= 12
    assert [row["verdict"] for row in result["decisions"]].count("deny") == 2


def test_nothing_passes_until_the_rules_are_in_force() -> None:
    # Large repetitions: seconds to compile, whatever the machine.
    rules = "".join(
        f"[[rules]]\nid = \"r{number}\"\nregex = '''r{number}_(?:[a-z]{{20,60}}-){{10,20}}[0-9]{{4}}'''\nkeywords = [\"r{number}_\"]\n"
        for number in range(1000)
    )
    with Upstream() as upstream, Gate(upstream.url) as gate:
        write_rules(gate.data, OWN + rules)
        applied = apply(gate)
        assert applied.returncode == 0, applied.stderr
        gate.stop()
        n_before = len(upstream.requests)
        urls: dict[str, str] = {}
        seen: list[tuple] = []

        def told(line: str) -> None:
            words = line.split()
            if words[:2] == ["data", "plane"] or words[:1] == ["admin"]:
                urls[words[0]] = words[-1]
            if words[:1] == ["admin"]:
                ready = call(f"{urls['admin']}/healthz/ready", None)
                refused = call(f"{urls['data']}/v1/chat/completions", gate.key("ALICE"), CHAT)
                status = gate.admin("GET", "/admin/v1/status")["rules"]["active"]
                seen.append((ready[0], refused, status))

        gate.start_again(told)
        [(ready, (status, headers, body), active)] = seen
        assert ready == 503 and active is False
        assert status == 503 and body["error"]["code"] == "rules-pending" and headers["retry-after"] == "1", body
        assert len(upstream.requests) == n_before
        assert call(f"{gate.admin_url}/healthz/ready", None)[0] == 200
        assert chat(gate, gate.key("ALICE"))[0] == 200
        rows = gate.admin("POST", "/admin/v1/query", {"reason": "rules-pending"})["rows"]
        assert len({row["request"] for row in rows}) == 1, rows


@pytest.mark.parametrize(
    ("own", "wrong"),
    [
        ("[[rules]\nid = 1", "rules/own.toml:1:9: not TOML: "),
        ("[[rules]]\nid = \"a\"\nregex = '('\n", "rules/own.toml:3:9: rule `a`: `regex`: unclosed group, at character 1"),
        ("[extend]\npath = \"../x.toml\"\n", "rules/own.toml:2:8: extend: `../x.toml` is not a path below this file's folder"),
        (
            "[[rules]]\nid = \"a\"\nregex = '(?:[a-z]{1000}){500}'\n",
            "rules/own.toml:1:1: rule `a`: its automaton needs more than 4 MB: write fewer or smaller repetitions",
        ),
    ],
)
def test_a_broken_file_is_told_by_check_and_keeps_a_gate_from_its_first_start(tmp_path: pathlib.Path, own: str, wrong: str) -> None:
    data = tmp_path / "data"

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([binary(), "--data", data, *arguments], capture_output=True, text=True, timeout=120, check=False)

    assert run("init").returncode == 0
    write_rules(data, own)
    checked = run("check")
    assert checked.returncode == 3 and wrong in checked.stderr, checked
    started = run("run")
    assert started.returncode == 1 and wrong in started.stderr, started
    assert "ready" not in started.stdout


def test_scan_takes_rules_too(tmp_path: pathlib.Path) -> None:
    write_rules_to = tmp_path / "rules"
    write_rules_to.mkdir()
    (write_rules_to / "own.toml").write_text(OWN)
    (write_rules_to / "base.toml").write_text(BASE)

    def scan(*arguments: object) -> subprocess.CompletedProcess:
        command = [binary(), "scan", "--format", "jsonl", *arguments]
        return subprocess.run(command, input=TEXT, capture_output=True, text=True, timeout=120, check=False)

    assert scan().returncode == 0
    found = scan("--rules", write_rules_to / "own.toml")
    assert found.returncode == 2, found.stderr
    findings = json.loads(found.stdout)["findings"]
    assert [(row["kind"], row["type"], TEXT[row["start"] : row["end"]]) for row in findings] == [
        ("secret", "ACME_TOKEN", "acme_0123abcd"),
        ("secret", "CORP_NUMBER", "QZx456"),
        ("secret", "HOUSE_KEY", "hk-0123456789ab"),
    ]
    broken = tmp_path / "broken.toml"
    broken.write_text("[[rules]]\nid = 'x'\n")
    told = scan("--rules", broken)
    assert told.returncode == 3 and f"{broken}:1:1: rule `x`: it has no `regex`" in told.stderr, told
