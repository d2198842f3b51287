"""Twelve denials, as somebody meets them who has not written the policies: where it was refused, by what, and what to do about it.

Each is asked by command, its answer is held word for word, and then somebody does what it says and is permitted.
"""

import json
import pathlib
import re
import shutil
from dataclasses import dataclass, field

import pytest
from test_packs import ROOT
from test_policies import policy


@dataclass(frozen=True)
class Denial:
    """One call that is refused."""

    folder: str
    who: str
    does: str
    to: str
    given: str
    reason: str
    refused_by: str
    """The policy that refuses, or that came nearest, `FILE id`."""
    facts: list[str]
    """What it has read."""
    changes: list[str]
    """What would flip it: everything that is told, in its order."""
    remedy: dict[str, str] = field(default_factory=dict)
    """The words of the call that are others when somebody does the first of it; or a file, and what is written in it."""


PURPOSE = "groups=fraud; task.purpose="
DENIALS = {
    "a contractor and a frontier model": Denial(
        "examples/organisation", "user:cleo@example.com", "callModel", "Model:reasoner", "", "policy-forbidden",
        "policies/models.cedar contractors-no-frontier",
        ['principal in Group "contractors" = true', 'resource in ModelGroup "frontier" = true'],
        ["if the call asked for Model `small` instead (caller)"],
        {"to": "Model:small"},
    ),
    "a bot and a scoring model": Denial(
        "examples/bank", "agent:service-bot", "callModel", "Model:scorer", "", "policy-forbidden",
        "policies/scoring.cedar bot-no-scoring-model",
        ['resource in ModelGroup "credit-scoring" = true'],
        ["if the call asked for Model `chat` instead (caller)"],
        {"to": "Model:chat"},
    ),
    "an agent with another purpose": Denial(
        "examples/bank", "user:sso:anna -> agent:reviewer", "callModel", "Model:review", PURPOSE + "marketing", "policy-forbidden",
        "policies/transactions.cedar reviewer-for-its-purpose",
        ['context.task.purpose = "marketing"'],
        [
            "if the task had the purpose `transaction-review` (task or time)",
            "if user:sso:anna called directly, without agent:reviewer (task or time)",
            "if policy reviewer-for-its-purpose (policies/transactions.cedar:LINE) were gone (operators)",
        ],
        {"given": PURPOSE + "transaction-review"},
    ),
    "a clinician without the approved agent": Denial(
        "examples/hospital", "user:dr-okafor", "callModel", "Model:clinical-writer", "", "policy-forbidden",
        "policies/models.cedar clinical-models-by-use-case",
        ['resource in ModelGroup "clinical" = true', 'context.chain.kind = "direct"'],
        ["if policy clinical-models-by-use-case (policies/models.cedar:LINE) were gone (operators)"],
        {"file": "policies/models.cedar"},
    ),
    "an agent and the exact salaries": Denial(
        "examples/copilot", "user:hanna -> agent:copilot", "read", "dataset:payroll", "", "policy-forbidden",
        "policies/data.cedar salaries-as-bands",
        ['resource.salaries = "exact"'],
        [
            "if user:hanna called directly, without agent:copilot (task or time)",
            "if policy salaries-as-bands (policies/data.cedar:LINE) were gone (operators)",
        ],
        {"who": "user:hanna"},
    ),
    "an engineer and the ledger": Denial(
        "examples/copilot", "user:eva -> agent:copilot", "read", "dataset:ledger", "", "policy-denied",
        "policies/data.cedar engineering-data",
        ['principal in Group "engineering" = true', 'resource.approved_for = ["finance"]'],
        ["if user:eva were in group `finance` (operators)"],
        {"file": "portcullis.yaml", "old": "eva: {groups: [engineering", "new": "eva: {groups: [engineering, finance"},
    ),
    "secrets, strangers' words and a way out": Denial(
        "packs/baseline", "user:ada -> agent:desk", "fetchRemote", "Destination:files.example", "label.level=internal; label.integrity=untrusted",
        "policy-forbidden", "policies/lethal-trifecta.cedar pack-lethal-trifecta",
        ["context.flow.compartments = []", "context.flow.level = 1", "context.flow.tainted = true"],
        [
            "if the task had seen nothing above `public` (task or time)",
            "if nothing untrusted had flowed into the task (task or time)",
            "if the task were a new one that has seen nothing (task or time)",
        ],
        {"given": "label.integrity=untrusted"},
    ),
    "an address in a request that fetches": Denial(
        "packs/baseline", "user:ada", "fetchRemote", "Destination:files.example", "findings.EMAIL_ADDRESS=1", "policy-forbidden",
        "policies/external-egress.cedar pack-egress-without-findings",
        ['context.content.groups = ["pii"]', 'context.content.kinds = ["EMAIL_ADDRESS"]'],
        [
            "if the request held no `EMAIL_ADDRESS` (caller)",
            "if policy pack-egress-without-findings (policies/external-egress.cedar:LINE) were gone (operators)",
        ],
        {"given": ""},
    ),
    "an agent and the production database": Denial(
        "examples/procurement", "user:dora -> agent:helper", "read", "system:orders-db", "", "policy-forbidden",
        "policies/systems.cedar production-never",
        ['resource.stage = "production"'],
        [
            "if user:dora called directly, without agent:helper (task or time)",
            "if policy production-never (policies/systems.cedar:LINE) were gone (operators)",
        ],
        {"who": "user:dora"},
    ),
    "somebody outside research and a frontier model": Denial(
        "examples/organisation", "user:ben@example.com", "callModel", "Model:reasoner", "", "policy-denied",
        "policies/models.cedar research-frontier",
        [],
        [
            "if user:ben@example.com were in group `research` (operators)",
            "if Model `reasoner` were in model group `everyday` (operators)",
            "if the call asked for Model `small` instead (caller)",
        ],
        {"to": "Model:small"},
    ),
    "an order above the ceiling, by its tool": Denial(
        "examples/procurement", "user:petra", "callTool", "Tool:shop/place_order",
        'arguments={"offer": "o-1", "quantity": 1, "total_cents": 1250000}', "policy-forbidden",
        "policies/tools.cedar order-tool-ceiling",
        ["context.input.total_cents = 1250000"],
        [
            "if argument `total_cents` were 1000000 (caller)",
            "if policy order-tool-ceiling (policies/tools.cedar:LINE) were gone (operators)",
        ],
        {"given": 'arguments={"offer": "o-1", "quantity": 1, "total_cents": 1000000}'},
    ),
    "an order above the ceiling, by an enforcement point": Denial(
        "examples/procurement", "user:petra", "order", "purchase:42", "pep.action.amount=15000", "policy-forbidden",
        "policies/purchases.cedar orders-have-a-ceiling",
        ["context.pep.action.amount = 15000"],
        [
            "if `pep.action.amount` were 10000 (caller)",
            "if policy orders-have-a-ceiling (policies/purchases.cedar:LINE) were gone (operators)",
        ],
        {"given": "pep.action.amount=10000"},
    ),
}  # fmt: skip


def explained(folder: pathlib.Path, denial: Denial, **other: str) -> tuple[int, dict, str]:
    """The exit code, the answer for programs, and the one for people."""
    words = {"who": denial.who, "does": denial.does, "to": denial.to, "given": denial.given} | other
    asked = ["explain", *(part for name, word in words.items() if word for part in (f"--{name}", word))]
    shown, told = policy(folder, *asked), policy(folder, *asked, "--json")
    assert told.stdout, told.stderr
    return shown.returncode, json.loads(told.stdout), shown.stdout


def line_of(folder: pathlib.Path, file: str, name: str) -> int:
    """Where a policy begins."""
    return (folder / file).read_text().splitlines().index(f'@id("{name}")') + 1


@pytest.mark.parametrize("name", DENIALS)
def test_a_denial_says_where_why_and_what_to_do(name: str, tmp_path: pathlib.Path) -> None:
    denial = DENIALS[name]
    folder = pathlib.Path(shutil.copytree(ROOT / denial.folder, tmp_path / "copy"))
    status, answer, text = explained(folder, denial)
    assert (status, answer["verdict"], answer["reason"]) == (2, "deny", denial.reason), text
    file, policy_id = denial.refused_by.split()
    at = line_of(folder, file, policy_id)
    # By what, with the line at which an editor opens it.
    assert f"policy {policy_id} ({file}:{at})" in text, text
    # What it has read of this very call.
    read = [line for line in text.splitlines() if line.strip().startswith(f"read by {policy_id} ({file}:{at}) for ")]
    assert len(read) == (1 if denial.facts else 0), text
    assert all(fact in read[0] for fact in denial.facts), text
    # What would flip it: one thing each, for no two are needed.
    told = [line.strip().removeprefix("would be permitted ") for line in text.splitlines() if "would be permitted" in line]
    assert told == [change.replace("LINE", str(at)) for change in denial.changes], text
    assert not any(" and " in change for change in told)
    # Somebody does it, and is permitted.
    if "file" in denial.remedy:
        target = folder / denial.remedy["file"]
        before = target.read_text()
        statement = re.search(rf'@id\("{policy_id}"\)\n(?:.*\n)*?.*;\n', before)
        after = before.replace(denial.remedy["old"], denial.remedy["new"]) if "old" in denial.remedy else before.replace(statement[0], "")
        assert after != before
        target.write_text(after)
        status, answer, text = explained(folder, denial)
    else:
        status, answer, text = explained(folder, denial, **denial.remedy)
    assert (status, answer["verdict"]) == (0, "permit"), text


def test_twelve_are_told() -> None:
    assert len(DENIALS) == 12
    assert len({denial.refused_by for denial in DENIALS.values()}) == 12, "each by another policy"
