"""Working with policies: cases in tables, the golden matrix, what recorded decisions would become."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest
from gate import Gate, binary
from test_operations import append, chat
from tokens import until
from upstream import Upstream

EXAMPLES = sorted(path.parent for path in (pathlib.Path(__file__).parent.parent / "examples").glob("*/portcullis.yaml"))


def policy(folder: pathlib.Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [binary(), "--data", folder, "policy", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env={"PATH": "/usr/bin:/bin"})


def copied(name: str, tmp_path: pathlib.Path) -> pathlib.Path:
    [example] = [path for path in EXAMPLES if path.name == name]
    return pathlib.Path(shutil.copytree(example, tmp_path / name))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_has_cases_that_hold_and_that_ask_every_policy(example: pathlib.Path) -> None:
    # Neither a running gate nor the providers' keys are at hand.
    tested = policy(example, "test", "--json")
    result = json.loads(tested.stdout)
    assert tested.returncode == 0 and result["cases"] > 0, tested.stdout + tested.stderr
    assert result["never_decisive"] == []
    assert policy(example, "fmt", "--check").returncode == 0


def test_a_case_that_does_not_hold_is_named_with_its_line_and_the_reason(tmp_path: pathlib.Path) -> None:
    folder = copied("organisation", tmp_path)
    cases = folder / "policies/models.cases.md"
    text = cases.read_text()
    row = next(line for line in text.splitlines() if "user:ben@example.com  |" in line)
    cases.write_text(text.replace(row, row.replace("deny policy-denied", "permit            ")))
    failed = policy(folder, "test")
    at = text.splitlines().index(row) + 1
    assert failed.returncode == 1
    assert f"models.cases.md:{at}: expected permit, decided deny (policy-denied)" in failed.stdout
    assert "near: policy research-frontier" in failed.stdout

    cases.write_text(text + "\n| who | does | to | expect |\n|--|--|--|--|\n| ben | callModel | Model:small | permit |\n")
    invalid = policy(folder, "test")
    assert invalid.returncode == 3 and "`ben`" in invalid.stdout


def test_a_change_that_nobody_meant_shows_in_the_matrix(tmp_path: pathlib.Path) -> None:
    folder = copied("organisation", tmp_path)
    assert policy(folder, "matrix", "--write").returncode == 0
    assert policy(folder, "test").returncode == 0
    append(folder / "policies/models.cedar", '\npermit (principal in Portcullis::Group::"staff", action, resource in Portcullis::ModelGroup::"frontier");\n')
    widened = policy(folder, "test")
    assert widened.returncode == 1
    lines = [line for line in widened.stdout.splitlines() if line.startswith("policies/matrix.golden: ")]
    assert any("- user:ben@example.com callModel Model:reasoner deny" in line for line in lines), lines
    assert any("+ user:ben@example.com callModel Model:reasoner permit" in line for line in lines), lines
    assert not any("cleo" in line and "permit" in line for line in lines), "the forbid stands"


def test_what_somebody_could_call_at_all_is_listed(tmp_path: pathlib.Path) -> None:
    folder = copied("organisation", tmp_path)
    text = (folder / "policies/models.cedar").read_text()
    # With an approval, and as a stream only: both could be.
    text = text.replace('resource in Portcullis::ModelGroup::"frontier"\n);', 'resource in Portcullis::ModelGroup::"frontier"\n)\nwhen { context.request.stream };', 1)
    (folder / "policies/models.cedar").write_text(text)
    listed = json.loads(policy(folder, "list", "--who", "user:ada@example.com", "--json").stdout)["list"]
    could = {row["to"]: row["could"] for row in listed}
    assert could["Model:small"] == could["Model:reasoner"] == "could"
    listed = policy(folder, "list", "--who", "user:cleo@example.com")
    assert listed.returncode == 0 and "never    callModel Model:reasoner  policy-" in listed.stdout, listed.stdout
    assert policy(folder, "list", "--who", "cleo").returncode == 3


def test_documents_are_listed_too(tmp_path: pathlib.Path) -> None:
    folder = copied("copilot", tmp_path)
    listed = json.loads(policy(folder, "list", "--who", "user:hanna", "--json").stdout)["list"]
    elsewhere = {(row["does"], row["to"]): row["could"] for row in listed if not row["to"].startswith(("Model:", "Tool:"))}
    assert elsewhere and set(elsewhere.values()) <= {"could", "never", "unknown"}, listed
    assert len(set(elsewhere.values())) > 1, elsewhere


def test_lists_of_agents_are_made_at_a_start_and_at_each_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTCULLIS_LOG", "warn,portcullis=debug")

    def made() -> list[str]:
        return [line for line in gate.lines if "lists of agents are made ahead" in line]

    # The gate says so when it has made them: once for the policies at its start, once for those that come in force.
    with Upstream() as upstream, Gate(upstream.url) as gate:
        until(lambda: len(made()) == 1)
        append(gate.data / "policies/models.cedar", "\npermit (principal, action, resource) when { false };\n")
        applied = gate.cli("apply")
        assert applied.returncode == 0, applied.stderr
        until(lambda: len(made()) == 2)
        assert "n_lists=0" not in made()[1], "the sample organisation has an agent's key"


def test_a_call_that_nobody_made_is_explained(tmp_path: pathlib.Path) -> None:
    folder = copied("organisation", tmp_path)
    denied = policy(folder, "explain", "--who", "user:cleo@example.com", "--to", "Model:reasoner")
    assert denied.returncode == 2 and "contractors-no-frontier (policies/models.cedar:" in denied.stdout
    allowed = policy(folder, "explain", "--who", "user:ada@example.com -> agent:desk", "--to", "Model:small", "--given", "stream=true")
    assert allowed.returncode == 0 and allowed.stdout.startswith("permit (permitted)")
    wrong = policy(folder, "explain", "--who", "user:ada@example.com", "--to", "Model:small", "--given", "streams=true")
    assert wrong.returncode == 3 and "`streams` is no fact" in wrong.stderr


def test_the_form_of_a_file_is_checked_and_mended(tmp_path: pathlib.Path) -> None:
    folder = copied("minimal", tmp_path)
    [file] = (folder / "policies").glob("*.cedar")
    pretty = file.read_text()
    file.write_text("// a remark\n" + " ".join(pretty.split()))
    assert policy(folder, "fmt", "--check").returncode == 1
    assert policy(folder, "fmt").returncode == 0
    assert file.read_text() == "// a remark\n" + pretty
    file.write_text("permit (")
    broken = policy(folder, "fmt")
    assert broken.returncode == 3 and file.read_text() == "permit ("


def test_recorded_decisions_tell_what_other_policies_would_change(tmp_path: pathlib.Path) -> None:
    with Upstream() as upstream, Gate(upstream.url) as gate:
        for _ in range(3):
            assert chat(gate, gate.key("ALICE"))[0] == 200
        assert chat(gate, gate.key("BOB"))[0] == 200
        none = gate.cli("policy", "diff")
        assert none.returncode == 0 and "0 of 4 recorded decisions would be others" in none.stdout, none.stdout + none.stderr
        append(gate.data / "policies/models.cedar", '\n@id("not-alice") forbid (principal == Portcullis::User::"alice", action, resource);\n')
        some = gate.cli("policy", "diff", "--json")
        assert some.returncode == 1, some.stdout + some.stderr
        result = json.loads(some.stdout)
        [change] = result["changes"]
        assert (change["count"], result["decisions"], len(change["examples"])) == (3, 4, 3)
        assert change["change"].startswith("user:alice callModel Model:small: permit (permitted)")
        assert change["change"].endswith("→ deny (policy-forbidden) not-alice")
        # The same of another folder, while the gate's own says nothing new; and of a time without calls.
        elsewhere = pathlib.Path(shutil.copytree(gate.data, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("*.sock", "log", "keys")))
        policies = gate.data / "policies/models.cedar"
        policies.write_text(policies.read_text().partition('\n@id("not-alice")')[0])
        assert gate.cli("policy", "diff").returncode == 0
        there = gate.cli("policy", "diff", "--to", str(elsewhere), "--json")
        assert there.returncode == 1 and json.loads(there.stdout)["changes"] == [change], there.stdout + there.stderr
        # Nothing of it is in force.
        assert chat(gate, gate.key("ALICE"))[0] == 200


def test_two_sets_of_policies_are_compared_by_what_was_decided(tmp_path: pathlib.Path) -> None:
    """`policy diff OLD NEW`, of folders and of bundles: what the log holds is asked of both, and what was answered plays no part."""
    not_alice = '\n@id("not-alice") forbid (principal == Portcullis::User::"alice", action, resource);\n'
    with Upstream() as upstream, Gate(upstream.url) as gate:
        policies = gate.data / "policies/models.cedar"
        before = policies.read_text()
        assert chat(gate, gate.key("ALICE"))[0] == 200 and chat(gate, gate.key("BOB"))[0] == 200
        old = pathlib.Path(shutil.copytree(gate.data, tmp_path / "old", ignore=shutil.ignore_patterns("*.sock", "log", "keys")))
        new = pathlib.Path(shutil.copytree(old, tmp_path / "new"))
        append(new / "policies/models.cedar", not_alice)
        policies.write_text(before + not_alice)
        assert gate.cli("apply").returncode == 0
        assert chat(gate, gate.key("ALICE"))[0] == 404
        digests = [row["digest"] for row in json.loads(gate.cli("bundles", "--json").stdout)["bundles"]]
        assert len(digests) == 2
        compared = {
            (str(old), str(old)): (0, []),
            (str(new), str(new)): (0, []),
            (str(old), str(new)): (1, [" → deny (policy-forbidden) not-alice"]),
            (str(new), str(old)): (1, ["deny (policy-forbidden) not-alice → permit"]),
            (digests[1], digests[0]): (1, [" → deny (policy-forbidden) not-alice"]),
            (digests[0][:12], digests[1][:8].upper()): (1, ["deny (policy-forbidden) not-alice → permit"]),
            (digests[1], str(new)): (1, [" → deny (policy-forbidden) not-alice"]),
            (digests[0], str(new)): (0, []),
            (str(gate.data / f"bundles/{digests[0]}.json"), str(old)): (1, ["not-alice → permit"]),
            # One alone is compared with the files on disk, which forbid.
            (str(old),): (1, [" → deny (policy-forbidden) not-alice"]),
            (digests[0],): (0, []),
        }
        for sides, (status, told) in compared.items():
            found = gate.cli("policy", "diff", "--json", *sides)
            assert found.returncode == status, (sides, found.stdout + found.stderr)
            result = json.loads(found.stdout)
            assert result["decisions"] == 3 and len(result["changes"]) == len(told), (sides, result)
            for change, part in zip(result["changes"], told, strict=True):
                # Both calls of Alice, whatever was answered on the day.
                assert change["count"] == 2 and change["change"].startswith("user:alice callModel Model:small: "), (sides, change)
                assert part in change["change"], (sides, change)
        assert "2 of 3 recorded decisions would be others" in gate.cli("policy", "diff", str(old), str(new)).stdout
        # A time without calls, and one that holds them all.
        assert json.loads(gate.cli("policy", "diff", str(old), str(new), "--since", "0s", "--json").stdout)["decisions"] == 0
        assert json.loads(gate.cli("policy", "diff", "--since", "1h", "--json").stdout)["decisions"] == 3
        forged = tmp_path / f"{digests[0]}.json"
        forged.write_bytes((gate.data / f"bundles/{digests[1]}.json").read_bytes())
        (new / "policies/models.cedar").write_text("permit (")
        wrong = {
            ("nowhere",): "`nowhere` is no folder, no file, and names no bundle",
            ("0123456789",): "`portcullis bundles` shows",
            (digests[0][:7],): "at least 8 digits",
            (str(forged),): "it was altered",
            (str(policies),): "this is no bundle",
            (str(old), str(new)): "policies/models.cedar:1",
            (str(old), "--since", "soon"): "soon",
        }
        for words, part in wrong.items():
            refused = gate.cli("policy", "diff", *words)
            assert refused.returncode == 3 and part in refused.stderr, (words, refused.stdout + refused.stderr)
        assert "cannot be used with" in gate.cli("policy", "diff", str(old), str(old), "--to", str(old)).stderr


def test_a_forbid_is_not_lost_by_the_way_and_a_bundle_comes_back_in_one_command() -> None:
    forbid = '\n@id("not-alice") forbid (principal == Portcullis::User::"alice", action, resource);\n'
    with Upstream() as upstream, Gate(upstream.url) as gate:
        policies = gate.data / "policies/models.cedar"
        before = policies.read_text()
        append(policies, forbid)
        assert gate.cli("apply").returncode == 0
        assert chat(gate, gate.key("ALICE"))[0] == 404

        # Taking it out, weakening it, or making it one that a challenge lifts, has to be meant.
        for text in (before, before + forbid.replace("resource)", "resource) when { context.request.stream }")):
            policies.write_text(text)
            refused = gate.cli("apply")
            assert refused.returncode == 3 and "not-alice (policies/models.cedar:" in refused.stderr, refused.stdout + refused.stderr
            assert chat(gate, gate.key("ALICE"))[0] == 404
        # Nor does a signal take it out.
        policies.write_text(before)
        os.kill(gate.pid, signal.SIGHUP)
        deadline = time.monotonic() + 30
        while not any("not-alice (policies/models.cedar:" in line for line in list(gate.lines)):
            assert time.monotonic() < deadline, gate.lines
            os.sched_yield()
        assert chat(gate, gate.key("ALICE"))[0] == 404
        assert "forbid not-alice" in gate.cli("apply", "--dry-run").stdout
        policies.write_text(before)
        assert gate.cli("apply", "--allow-removal").returncode == 0
        assert chat(gate, gate.key("ALICE"))[0] == 200

        # Back, and back again; the files on disk play no part, and a restart keeps what is in force.
        policies.write_text("this is no policy")
        back = gate.cli("rollback")
        assert back.returncode == 0, back.stdout + back.stderr
        assert chat(gate, gate.key("ALICE"))[0] == 404
        assert gate.cli("rollback").returncode == 3, "the forbid would be lost"
        assert gate.cli("rollback", "--allow-removal").returncode == 0
        assert chat(gate, gate.key("ALICE"))[0] == 200
        listed = json.loads(gate.cli("bundles", "--json").stdout)["bundles"]
        assert [row["state"] for row in listed] == ["in force", None, None, None, None]
        digests = [row["digest"] for row in listed]
        assert digests[0] == digests[2] == digests[4] and digests[1] == digests[3] != digests[0]
        assert gate.cli("rollback", digests[1][:12], "--dry-run").stdout.startswith("  ")
        unknown = gate.cli("rollback", "0123456789")
        assert unknown.returncode == 3 and "portcullis bundles" in unknown.stderr


SOLVER = pathlib.Path(__file__).parent.parent / "packaging/solver/cvc5-repl.py"


@pytest.fixture(scope="module")
def solver(tmp_path_factory: pytest.TempPathFactory) -> str:
    """cvc5 of the tests' own Python, as an executable."""
    program = tmp_path_factory.mktemp("solver") / "cvc5"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SOLVER}"\n')
    program.chmod(0o755)
    return str(program)


def claims(folder: pathlib.Path, *words: str) -> tuple[int, dict[str, tuple[str, str]]]:
    proved = policy(folder, "prove", "--json", *words)
    assert proved.stdout, proved.stderr
    rows = json.loads(proved.stdout)["claims"]
    return proved.returncode, {row["policy"]["id"]: (row["result"], row["detail"] or "") for row in rows}


def invariants(folder: pathlib.Path, text: str) -> None:
    (folder / "invariants").mkdir(exist_ok=True)
    (folder / "invariants/own.cedar").write_text(text)


NEVER = """@id("{id}")
forbid (
    principal {principal},
    action == Portcullis::Action::"callModel",
    resource in Portcullis::ModelGroup::"frontier"
);
"""


def test_an_invariant_holds_for_every_request_or_there_is_one_against_it(tmp_path: pathlib.Path, solver: str) -> None:
    folder = copied("organisation", tmp_path)
    contractors = NEVER.format(id="contractors", principal='in Portcullis::Group::"contractors"')
    ben = NEVER.format(id="ben", principal='== Portcullis::User::"ben@example.com"')
    invariants(folder, contractors)
    status, found = claims(folder, "--solver", solver)
    assert status == 0 and found["contractors"][0] == "proved", found
    assert found["everyone-everyday"][0] == "proved", "no policy errs"

    # Ben is in no group that may, today; nothing in the policies keeps him from being put into one.
    invariants(folder, contractors + ben)
    status, found = claims(folder, "--solver", solver)
    assert status == 1 and found["contractors"][0] == "proved"
    result, case = found["ben"]
    assert result == "refuted" and case.startswith('Portcullis::User::"ben@example.com" → ') and '::Group::"research"' in case

    # Without the forbid nothing keeps contractors away.
    models = folder / "policies/models.cedar"
    text = models.read_text()
    models.write_text(text.split('@id("contractors-no-frontier")')[0])
    invariants(folder, contractors)
    status, found = claims(folder, "--solver", solver)
    assert status == 1 and found["contractors"][0] == "refuted", found


WORDS = """
access:
  subject_properties: {role: string}
  resources: {record: {attributes: {owner: user}, entities: {"1": {owner: ada}}}}
  actions: {read: {resources: [record]}, erase: {resources: [record]}}
"""


def test_what_is_enforced_elsewhere_is_proved_too(tmp_path: pathlib.Path, solver: str) -> None:
    before = copied("minimal", tmp_path)
    folder = pathlib.Path(shutil.copytree(before, tmp_path / "after"))
    append(folder / "portcullis.yaml", WORDS)
    own = '\n@id("own") permit (principal, action == Access::Action::"{}", resource) when {{ resource has owner && resource.owner == principal }};\n'
    append(folder / "policies/ada.cedar", own.format("read"))
    never = '@id("never") forbid (principal, action == Access::Action::"erase", resource);'
    invariants(folder, never)
    status, found = claims(folder, "--solver", solver)
    assert status == 0 and found["never"][0] == found["own"][0] == "proved", found
    # A permit that names no action reaches what is elsewhere.
    append(folder / "policies/ada.cedar", '\n@id("all") permit (principal == Portcullis::User::"ada", action, resource);\n')
    status, found = claims(folder, "--solver", solver)
    assert status == 1 and found["never"][0] == "refuted" and "erase" in found["never"][1], found
    # So does a change: what was asked before is asked of both.
    status, found = claims(folder, "--against", str(before), "--solver", solver)
    assert status == 1 and found["narrower"][0] == "refuted", found


def test_a_change_is_proved_to_narrow(tmp_path: pathlib.Path, solver: str) -> None:
    before, after = copied("organisation", tmp_path), pathlib.Path(shutil.copytree(copied("minimal", tmp_path).parent / "organisation", tmp_path / "after"))
    models = after / "policies/models.cedar"
    same = claims(after, "--against", str(before), "--equal", "--solver", solver)
    assert same == (0, {"narrower": ("proved", ""), "wider": ("proved", "")})
    append(models, '\nforbid (principal in Portcullis::Group::"assistants", action, resource) when { context.request.stream };\n')
    status, found = claims(after, "--against", str(before), "--equal", "--solver", solver)
    assert status == 1 and found["narrower"][0] == "proved" and found["wider"][0] == "refuted", found
    append(models, '\npermit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"callModel", resource);\n')
    status, found = claims(after, "--against", str(before), "--solver", solver)
    assert status == 1 and found["narrower"][0] == "refuted", found


@pytest.mark.parametrize(
    "program",
    ["/nowhere/cvc5", "/bin/false", "/bin/cat", "silent"],
    ids=["none", "ends at once", "repeats what it hears", "never answers"],
)
def test_without_a_solver_nothing_is_proved(tmp_path: pathlib.Path, program: str) -> None:
    folder = copied("minimal", tmp_path)
    if program == "silent":
        program = str(tmp_path / "silent")
        pathlib.Path(program).write_text("#!/bin/sh\nexec tail -f /dev/null\n")
        pathlib.Path(program).chmod(0o755)
    status, found = claims(folder, "--solver", program, "--timeout", "1")
    assert status == 1 and {result for result, _ in found.values()} == {"not proved"}, found


def test_a_policy_nested_too_deep_ends_no_process() -> None:
    """Cedar's parser is recursive without a bound. A running gate that is told to apply such a file refuses it and serves on."""
    with Upstream() as upstream, Gate(upstream.url) as gate:
        for nested in ("(" * 20_000 + "1" + ")" * 20_000, "[" * 20_000, "!" * 20_000 + "true", "if true then " * 20_000):
            path = gate.data / "policies/deep.cedar"
            path.write_text(f"forbid (principal, action, resource) when {{ {nested} == 1 }};")
            refused = gate.cli("apply")
            assert refused.returncode == 3 and "policies/deep.cedar:1:" in refused.stderr, refused.stdout + refused.stderr
            form = gate.cli("policy", "fmt")
            assert form.returncode == 3 and "deep.cedar:1:" in form.stderr, form.stdout + form.stderr
            assert gate.cli("check").returncode == 3
            assert chat(gate, gate.key("ALICE"))[0] == 200, "the last good set serves on"
