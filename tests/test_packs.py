"""The baseline pack, and that every policy of it and of the situations is needed: without any one, a case fails."""

import json
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest
from gate import Gate, binary
from situations import why
from test_operations import CHAT, append, chat
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


def test_the_pack_in_force() -> None:
    """What of the pack concerns calls that pass through the gate today: nothing is fetched beside personal data or secrets."""
    picture = {"type": "image_url", "image_url": {"url": "https://files.example/a.png"}}
    asks = lambda text: {**CHAT, "messages": [{"role": "user", "content": [{"type": "text", "text": text}, picture]}]}
    with Upstream() as upstream, Gate(upstream.url) as gate:
        append(gate.data / "policies/models.cedar", '\n@id("fetch") permit (principal, action == Portcullis::Action::"fetchRemote", resource);\n')
        assert gate.cli("policy", "pack", "add", "baseline").returncode == 0
        applied = gate.cli("apply")
        assert applied.returncode == 0, applied.stderr
        plain, mail = asks("Describe it."), asks("Describe it to jane.roe@example.com.")
        status, _, body = chat(gate, gate.key("ALICE"), **plain)
        assert status == 200, body
        status, headers, body = chat(gate, gate.key("ALICE"), **mail)
        assert status == 403 or status == 404, body
        assert why(gate, headers["x-request-id"]) == ("policy-forbidden", {"pack-egress-without-findings", "staff-everyday"})
        assert len(upstream.requests) == 1
        assert chat(gate, gate.key("ALICE"), messages=[{"role": "user", "content": "jane.roe@example.com"}])[0] == 200
