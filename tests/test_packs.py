"""The baseline pack, and that every policy of it and of the situations is needed: without any one, a case fails."""

import json
import pathlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from authzen import Point
from gate import Gate, binary
from situations import why
from test_operations import CHAT, append, call, chat
from test_policies import solver  # noqa: F401
from upstream import Upstream

ROOT = pathlib.Path(__file__).resolve().parent.parent
SITUATIONS = [ROOT / "examples" / name for name in ["copilot", "procurement", "bank", "hospital"]]
TESTED = [ROOT / "packs/baseline", *SITUATIONS]
STATEMENT = re.compile(r'^@id\("[^"]+"\)\n(?:.*\n)*?.*;\n', re.MULTILINE)


def policy(folder: pathlib.Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [binary(), "--data", folder, "policy", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env={"PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize("folder", TESTED, ids=lambda path: path.name)
def test_without_any_one_policy_a_case_fails(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    copy = pathlib.Path(shutil.copytree(folder, tmp_path / folder.name))
    whole = policy(copy, "test", "--json")
    assert whole.returncode == 0 and json.loads(whole.stdout)["never_decisive"] == [], whole.stdout
    n_removed = 0
    for file in sorted(copy.glob("policies/*.cedar")):
        text = file.read_text()
        statements = STATEMENT.findall(text)
        assert len(statements) == text.count("@id(") > 0, file
        for statement in statements:
            file.write_text(text.replace(statement, ""))
            less = policy(copy, "test")
            assert less.returncode == 1, f"{statement}\n{less.stdout}{less.stderr}"
            n_removed += 1
        file.write_text(text)
    assert n_removed >= 7


def claims(folder: pathlib.Path, solver: str) -> tuple[int, dict[str, str]]:  # noqa: F811
    """What is proved, refuted or left open, by policy or invariant."""
    proved = policy(folder, "prove", "--json", "--solver", solver)
    rows = json.loads(proved.stdout)["claims"]
    return proved.returncode, {row["policy"]["id"]: row["result"] for row in rows}


@pytest.mark.parametrize("folder", TESTED, ids=lambda path: path.name)
def test_no_policy_errs_and_invariants_hold_for_every_request(folder: pathlib.Path, solver: str) -> None:  # noqa: F811
    status, found = claims(folder, solver)
    assert status == 0 and set(found.values()) == {"proved"}, found


@pytest.mark.parametrize("folder", SITUATIONS, ids=lambda path: path.name)
def test_without_forbids_no_invariant_holds(folder: pathlib.Path, tmp_path: pathlib.Path, solver: str) -> None:  # noqa: F811
    copy = pathlib.Path(shutil.copytree(folder, tmp_path / folder.name))
    invariants = "".join(path.read_text() for path in copy.glob("invariants/*.cedar"))
    named = re.findall(r'@id\("([^"]+)"\)', invariants)
    for file in copy.glob("policies/*.cedar"):
        kept = STATEMENT.sub(lambda statement: "" if "\nforbid (" in statement[0] else statement[0], file.read_text())
        # Somebody adds one that permits too much.
        file.write_text(kept + f'\n@id("too-much-{file.stem}") permit (principal, action, resource);\n')
    _, found = claims(copy, solver)
    assert named and {found[name] for name in named} == {"refuted"}, found


EU = "no-restricted-data-outside-eu"


@pytest.mark.parametrize(
    ("taken_out", "said"),
    [
        ("restricted-stays-in-eu", ["Agent::", '"fetchRemote"|"connect"|"useHostedTool"|"someTool"']),
        ("restricted-models-in-eu", ["Agent::", '"callModel"|"storeRemotely"', "Model::"]),
    ],
)
def test_restricted_data_stays_in_the_union_and_without_a_forbid_there_is_a_request_against_it(
    tmp_path: pathlib.Path,
    solver: str,  # noqa: F811
    taken_out: str,
    said: list[str],
) -> None:
    copy = pathlib.Path(shutil.copytree(ROOT / "examples/bank", tmp_path / "bank"))
    file = copy / "policies/residency.cedar"
    text = file.read_text()
    # Whatever somebody permits beside it.
    (copy / "policies/own.cedar").write_text('@id("too-much") permit (principal, action, resource);\n')
    _, found = claims(copy, solver)
    assert found[EU] == "proved", found
    # What is declared inside can be reached, and nothing else: not even by a name that only begins like it.
    call = ["explain", "--who", "user:sso:anna -> agent:reviewer", "--does", "fetchRemote", "--given", "groups=fraud; label.level=restricted"]
    places = {"files.bank.example": 0, "mirror.bank.example": 2, "files.bank.example.net": 2, "FILES.bank.example": 2, "eu": 2}
    assert {place: policy(copy, *call, "--to", f"Destination:{place}").returncode for place in places} == places
    [statement] = [one for one in STATEMENT.findall(text) if taken_out in one]
    file.write_text(text.replace(statement, ""))
    refuted = policy(copy, "prove", "--json", "--solver", solver)
    [row] = [row for row in json.loads(refuted.stdout)["claims"] if row["policy"]["id"] == EU]
    assert refuted.returncode == 1 and row["result"] == "refuted", row
    # A request that a person can read: who, what, where, and how secret it is.
    for words in said:
        assert any(word in row["detail"] for word in words.split("|")), (words, row["detail"])
    assert row["counterexample"]["context"]["flow"]["level"] >= 3, row
    shown = policy(copy, "prove", "--solver", solver).stdout
    assert f"refuted     never allowed: {EU}" in shown, shown


@pytest.mark.parametrize("folder", TESTED, ids=lambda path: path.name)
def test_the_commands_of_a_readme_work(folder: pathlib.Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.startswith("portcullis policy")]
    assert any("policy test" in line for line in lines)
    for line in lines:
        words = shlex.split(line)[1:]
        ran = subprocess.run([binary(), *words], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
        assert ran.returncode in (0, 2) and ran.stdout and not ran.stderr, f"{line}\n{ran.stdout}{ran.stderr}"


def test_the_pack_has_a_form_and_permits_nothing() -> None:
    folder = ROOT / "packs/baseline"
    assert policy(folder, "fmt", "--check").returncode == 0
    listed = json.loads(policy(folder, "pack", "list", "--json").stdout)["packs"]
    [pack] = [pack for pack in listed if pack["name"] == "baseline"]
    policies = [policy for file in pack["files"] for policy in file["policies"]]
    assert all(policy["id"].startswith("pack-") and policy["description"] for policy in policies)
    shown = json.loads(policy(folder, "pack", "show", "baseline", "--json").stdout)["files"]
    on_disk = {f"policies/baseline-{path.name}": path.read_text() for path in folder.glob("policies/*.cedar")}
    assert shown == on_disk, "every file of the folder is of the pack, and nothing else"
    statements = "".join(shown.values())
    assert statements.count("\nforbid (") == len(policies) and "permit" not in re.sub(r"//.*|@description.*", "", statements)
    assert "Protects from" in policy(folder, "pack", "show", "baseline").stdout
    for words in [("pack", "show", "none"), ("pack", "add", "none"), ("pack", "add", "baseline", "--only", "none")]:
        wrong = policy(folder, *words)
        assert wrong.returncode == 3 and "expected" in wrong.stderr, words


def test_a_pack_is_written_once_and_then_the_operators_own(tmp_path: pathlib.Path) -> None:
    folder = pathlib.Path(shutil.copytree(ROOT / "examples/minimal", tmp_path / "minimal"))
    one = policy(folder, "pack", "add", "baseline", "--only", "step-up", "--json")
    assert json.loads(one.stdout)["written"] == ["policies/baseline-step-up.cedar"], one.stdout + one.stderr
    kept = folder / "policies/baseline-step-up.cedar"
    kept.write_text(kept.read_text().replace("< 900", "< 60"))
    rest = json.loads(policy(folder, "pack", "add", "baseline", "--json").stdout)
    assert len(rest["written"]) == 6 and rest["changed_by_you"] == ["policies/baseline-step-up.cedar"] and rest["not_loaded"] == []
    assert "< 60" in kept.read_text()
    again = json.loads(policy(folder, "pack", "add", "baseline", "--json").stdout)
    assert again["written"] == [] and len(again["same"]) == 6
    # What was tested before holds on: nobody of this folder does what the pack forbids.
    assert policy(folder, "test").returncode == 0

    # A pack that does not go together with what is there is not written.
    other = pathlib.Path(shutil.copytree(ROOT / "examples/minimal", tmp_path / "other"))
    append(other / "policies/ada.cedar", '\n@id("pack-lethal-trifecta") forbid (principal, action, resource) when { false };\n')
    clash = policy(other, "pack", "add", "baseline")
    assert clash.returncode == 3 and "pack-lethal-trifecta" in clash.stderr, clash.stdout + clash.stderr
    assert sorted(path.name for path in (other / "policies").glob("*.cedar")) == ["ada.cedar"]

    # Nor does it stand there unread without a word.
    append(folder / "portcullis.yaml", "\npolicies: [policies/ada.cedar]\n")
    for path in (folder / "policies").glob("baseline-*.cedar"):
        path.unlink()
    unread = policy(folder, "pack", "add", "baseline")
    assert unread.returncode == 1 and "does not name policies/baseline-step-up.cedar" in unread.stderr


VAULT = """
enforcement_points:
  vault: {subjects: ["*"], actions: ["*"], resources: [Model, Destination], agent_in_context: true}
"""
PERMITS = """
@id("fetch") permit (principal, action in [Portcullis::Action::"fetchRemote", Portcullis::Action::"useHostedTool"], resource);
@id("keys") permit (principal, action in [Portcullis::Action::"releaseKey", Portcullis::Action::"connect"], resource);
"""
EGRESS = "pack-egress-without-findings"


@pytest.fixture(scope="module")
def packed() -> Iterator[tuple[Gate, Upstream]]:
    """The sample organisation with the whole pack in force, and more permitted than it ever would."""
    with Upstream() as upstream, Gate(upstream.url) as gate:
        append(gate.data / "policies/models.cedar", PERMITS)
        append(gate.data / "portcullis.yaml", VAULT)
        assert gate.cli("policy", "pack", "add", "baseline").returncode == 0
        applied = gate.cli("apply")
        assert applied.returncode == 0, applied.stderr
        yield gate, upstream


PICTURE = {"type": "image_url", "image_url": {"url": "https://files.example/a.png"}}
SEARCH = {"tools": [{"type": "web_search"}]}


@pytest.mark.parametrize(
    ("text", "is_permitted"),
    [("Describe it.", True), ("Describe it to jane.roe@example.com.", False), ("It cost 12 at example.com.", True)],
)
def test_nothing_is_fetched_or_searched_beside_personal_data(packed: tuple[Gate, Upstream], text: str, is_permitted: bool) -> None:
    gate, upstream = packed
    upstream.requests.clear()
    content = {**CHAT, "messages": [{"role": "user", "content": [{"type": "text", "text": text}, PICTURE]}]}
    calls = [("/v1/chat/completions", content), ("/v1/responses", {"model": "small", "input": text, "max_output_tokens": 16, "store": False, **SEARCH})]
    for path, body in calls:
        status, headers, told = call(f"{gate.url}{path}", gate.key("ALICE"), body)
        reason, policies = why(gate, headers["x-request-id"])
        if is_permitted:
            assert reason == "permitted", (path, status, told)
        else:
            assert status in (403, 404) and reason == "policy-forbidden" and EGRESS in policies, (path, told)
    assert len(upstream.requests) == (len(calls) if is_permitted else 0)
    # Alone, without anything fetched, it passes.
    assert chat(gate, gate.key("ALICE"), messages=[{"role": "user", "content": text}])[0] == 200


def test_an_agent_gets_no_key_of_a_model(packed: tuple[Gate, Upstream]) -> None:
    """A vault asks before it hands out a key: for people it hears what policies permit, for agents no, whoever they act for."""
    vault = Point(packed[0], "vault")
    small = {"type": "Model", "id": "small"}
    assert vault.may("alice", "releaseKey", small)["decision"] is True
    for agent in ["assistant", "nightly"]:
        told = vault.may("alice", "releaseKey", small, context={"agent": agent})
        assert (told["decision"], told["context"]["reason"]) == (False, "policy-forbidden"), agent
        assert why(packed[0], told["context"]["request_id"]) == ("policy-forbidden", {"pack-agents-hold-no-keys", "keys"})
    # And it is about keys alone.
    place = {"type": "Destination", "id": "files.example"}
    assert vault.may("alice", "connect", place, context={"agent": "assistant"})["decision"] is True


def test_what_nobody_permits_is_denied_with_the_pack_too(packed: tuple[Gate, Upstream]) -> None:
    gate, upstream = packed
    upstream.requests.clear()
    status, headers, _ = chat(gate, gate.key("ALICE"), model="large")
    assert status == 404 and why(gate, headers["x-request-id"])[0] == "policy-denied"
    assert upstream.requests == []
