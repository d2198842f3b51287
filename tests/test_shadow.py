"""Shadow policies: seen at work in a running gate before they count; and explanations that a person can act on."""

import json
import pathlib

from gate import Gate
from test_operations import append, chat
from test_policies import copied, policy
from upstream import Upstream

SHADOW = """
@id("no-alice")
@mode("shadow")
forbid (principal == Portcullis::User::"alice", action, resource);
@id("large-for-all")
@mode("shadow")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"callModel", resource == Portcullis::Model::"large");
@id("never")
@mode("shadow")
forbid (principal == Portcullis::User::"nobody", action, resource);
"""
ENFORCED = SHADOW.replace('@mode("shadow")\nforbid (principal == Portcullis::User::"alice"', 'forbid (principal == Portcullis::User::"alice"')


def test_a_shadow_policy_is_seen_at_work_before_it_counts() -> None:
    with Upstream() as upstream, Gate(upstream.url) as gate:
        append(gate.data / "policies/models.cedar", SHADOW)
        assert gate.cli("apply").returncode == 0
        assert "3 of them shadow" in gate.cli("check").stdout
        status, headers, _ = chat(gate, gate.key("ALICE"))
        assert status == 200, "it is not enforced"
        assert chat(gate, gate.key("BOB"))[0] == 200
        refused, of_large, _ = chat(gate, gate.key("ALICE"), model="large")
        assert refused == 404, "neither is a shadow permit"

        # Every decision that one concerns says so, for people and for programs.
        told = gate.cli("explain", headers["x-request-id"])
        assert told.returncode == 0, told.stderr
        assert "shadow   would be denied (policy-forbidden) by policy no-alice (policies/models.cedar:" in told.stdout, told.stdout
        shadow = json.loads(gate.cli("explain", "--json", headers["x-request-id"]).stdout)["shadow"]
        assert (shadow["verdict"], shadow["differs"], [one["id"] for one in shadow["policies"]]) == ("deny", True, ["no-alice"])
        large = json.loads(gate.cli("explain", "--json", of_large["x-request-id"]).stdout)
        assert large["shadow"]["reason"] == "policy-forbidden" and large["verdict"] == "deny"

        text = gate.metrics()
        assert 'portcullis_shadow_differences_total{policy="no-alice"} 2' in text, text
        assert 'policy="never"' not in text

        # May it be enforced? Which recorded calls would have been others, by each alone.
        assert gate.cli("replay").stdout.startswith("decided again: 3 equal, 0 different")
        asked = gate.cli("policy", "diff", "--enforce-shadow", "--json")
        assert asked.returncode == 1, asked.stdout + asked.stderr
        result = json.loads(asked.stdout)
        found = {row["policy"]["id"]: row["differ"] for row in result["policies"]}
        assert (result["decisions"], found, result["together"]["differ"]) == (3, {"no-alice": 2, "large-for-all": 1, "never": 0}, 2)
        [change] = next(row for row in result["policies"] if row["policy"]["id"] == "large-for-all")["changes"]
        assert change["examples"] == [of_large["x-request-id"]] and "→ permit (permitted) large-for-all" in change["change"]
        one = gate.cli("policy", "diff", "--enforce-shadow", "no-alice")
        assert one.returncode == 1 and one.stdout.startswith("no-alice (policies/models.cedar:"), one.stdout
        assert ": 2 of 3 decisions would be others" in one.stdout and "large-for-all" not in one.stdout
        assert gate.cli("policy", "diff", "--enforce-shadow", "never").returncode == 0
        unknown = gate.cli("policy", "diff", "--enforce-shadow", "staff-everyday")
        assert unknown.returncode == 3 and "no-alice (policies/models.cedar:" in unknown.stderr

        # Enforced, it denies; and back is a removal, which has to be meant.
        policies = gate.data / "policies/models.cedar"
        text = policies.read_text()
        policies.write_text(text.replace(SHADOW, ENFORCED))
        assert gate.cli("apply").returncode == 0
        assert chat(gate, gate.key("ALICE"))[0] == 404
        policies.write_text(text)
        refused = gate.cli("apply")
        assert refused.returncode == 3 and "no-alice (policies/models.cedar:" in refused.stderr, refused.stdout + refused.stderr
        assert chat(gate, gate.key("ALICE"))[0] == 404
        assert gate.cli("apply", "--allow-removal").returncode == 0
        assert chat(gate, gate.key("ALICE"))[0] == 200
        assert ", 0 different" in gate.cli("replay").stdout
        # What was decided under another bundle is explained by that one.
        assert "no-alice" in gate.cli("explain", headers["x-request-id"]).stdout
        assert gate.cli("audit", "verify").returncode == 0


def test_a_case_may_say_what_shadow_policies_would_do(tmp_path: pathlib.Path) -> None:
    folder = copied("organisation", tmp_path)
    append(
        folder / "policies/models.cedar",
        '\n@id("no-streams")\n@mode("shadow")\nforbid (principal, action, resource is Portcullis::Model) when { context.request.stream };\n',
    )
    table = "| who | does | to | given | expect | shadow |\n|--|--|--|--|--|--|\n{}\n"
    row = "| user:ada@example.com | callModel | Model:small | {} | permit | {} |"
    cases = folder / "policies/shadow.cases.md"
    right = [("stream=true", "deny policy-forbidden no-streams"), ("stream=false", "same"), ("stream=true", "")]
    cases.write_text(table.format("\n".join(row.format(*pair) for pair in right)))
    tested = policy(folder, "test", "--json")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert json.loads(tested.stdout)["never_decisive"] == [], "a shadow policy is asked by a case that reaches it"
    for given, shadow, message in [
        ("stream=true", "same", "expected nothing else of shadow policies; it would be denied (policy-forbidden) by policy no-streams"),
        ("stream=false", "deny", "with shadow policies expected deny; they change nothing"),
    ]:
        cases.write_text(table.format(row.format(given, shadow)))
        failed = policy(folder, "test")
        assert failed.returncode == 1 and message in failed.stdout, failed.stdout
    cases.write_text(table.format(row.format("", "perhaps")))
    assert policy(folder, "test").returncode == 3


def test_a_denial_says_what_would_have_to_be_otherwise(tmp_path: pathlib.Path) -> None:
    folder = copied("organisation", tmp_path)

    def changes(who: str, to: str, given: str = "") -> tuple[list[str], dict]:
        told = policy(folder, "explain", "--who", who, "--to", to, "--given", given, "--json")
        assert told.returncode in (0, 2), told.stderr
        result = json.loads(told.stdout)
        return [" + ".join(part["what"] for part in change["if"]) for change in result["changes"]["found"]], result

    wrong_group, _ = changes("user:ben@example.com", "Model:reasoner")
    assert wrong_group[0] == "user:ben@example.com were in group `research`"
    misspelt, _ = changes("user:bem@example.com", "Model:small")
    assert misspelt[0] == "user:ben@example.com were meant, not user:bem@example.com"
    no_model, _ = changes("user:ben@example.com", "Model:smal")
    assert no_model == ["the call asked for Model `small` instead"]
    alone, _ = changes("agent:desk", "Model:small")
    assert alone[0].startswith("agent:desk acted on behalf of a user, such as user:")
    secret, result = changes("user:ben@example.com", "Model:small", "label.level=restricted")
    assert secret[0] == "the task had seen nothing above `internal`"
    assert result["facts"][0]["facts"] == {"context.flow.level": "3", "resource.clearance": "1"}
    # A contractor is in the way of two things.
    both, _ = changes("user:cleo@example.com", "Model:reasoner")
    assert both and all("+" in change or "asked for" in change for change in both), both
    permitted, result = changes("user:ada@example.com", "Model:small")
    assert permitted == [] and result["verdict"] == "permit"


def test_a_recorded_denial_is_explained_by_the_policies_of_its_day() -> None:
    with Upstream() as upstream, Gate(upstream.url) as gate:
        _, headers, _ = chat(gate, gate.key("ALICE"), model="large")
        for _ in range(2):
            told = gate.cli("explain", headers["x-request-id"])
            assert told.returncode == 2, told.stdout + told.stderr
            assert "would be permitted if user:alice were in group `research` (operators)" in told.stdout, told.stdout
            # From here on she may; then it is not.
            append(gate.data / "policies/models.cedar", '\n@id("all") permit (principal, action, resource);\n')
            gate.cli("apply")
        assert chat(gate, gate.key("ALICE"), model="large")[0] == 200
