"""COAZ-MCP (draft): what a conforming MCP gateway sends for the draft's own examples of declared mappings, decided.

The mappings and the requests that they make are read from the draft's text. Evaluating expressions is the gateway's part; the two
values that depend on a call's arguments are written here, for each branch.
"""

import json
from collections.abc import Iterator

import pytest
from authzen import MAIN, Point, asked, shared
from test_authzen_vectors import sections

ALICE, AGENT = "alice@example.com", "http://agentprovider.com/agent-app-id"
OTHER = "http://other.example/agent"
SOURCE, TARGET = "/bucket/reports/q1.pdf", "/bucket/archive/q1.pdf"
CONFIG = MAIN + sections(
    {
        "users": {"alice": {}, "bob": {}, ALICE: {}},
        "agents": {"assistant": {}, "nightly": {"autonomous": ["access"]}, AGENT: {}, OTHER: {}},
        "enforcement_points": {"mcp": {"subjects": ["*"], "actions": ["*"], "resources": ["*"], "agent_in_context": True}},
        "access": {
            "subjects": {"identity": "user", "treasury_user": "user", "standard_user": "user"},
            "context": {"case": "string", "target_account": "string", "agent": "string"},
            "resources": {
                "customer": {"open": True},
                "storage_object": {"open": True},
                "account": {"open": True, "properties": {"sensitivity": "string"}},
            },
            "actions": {
                "get_customer": {"resources": ["customer"]},
                "read": {"resources": ["storage_object"]},
                "write": {"resources": ["storage_object"]},
                "domestic_transfer": {"resources": ["account"]},
                "international_transfer": {"resources": ["account"]},
            },
        },
    }
)
POLICIES = """
@id("case-work") permit (principal, action == Access::Action::"get_customer", resource)
when { context.pep.context has case && context.pep.context.case like "case-*" };
@id("copy-from") permit (principal, action == Access::Action::"read", resource == Access::storage_object::"/bucket/reports/q1.pdf");
@id("copy-to") permit (principal, action == Access::Action::"write", resource == Access::storage_object::"/bucket/archive/q1.pdf");
@id("small-transfers") permit (principal, action == Access::Action::"domestic_transfer", resource)
when { context.pep.resource has sensitivity && context.pep.resource.sensitivity == "standard" };
@id("alice-abroad") permit (principal == Portcullis::User::"alice@example.com", action == Access::Action::"international_transfer", resource);
@id("one-agent") forbid (principal is Portcullis::Agent, action, resource) unless { principal == Portcullis::Agent::"http://agentprovider.com/agent-app-id" };
"""


@pytest.fixture(scope="module")
def mcp() -> Iterator[Point]:
    """The MCP gateway."""
    with asked(CONFIG, POLICIES) as gate:
        yield Point(gate, "mcp")


def written(figure: str) -> dict:
    """The JSON above a figure's name in the draft."""
    text = shared("profiles/authzen-coaz-mcp-binding-1_0.md").read_text()
    text = text[: text.index(f"{{: #{figure} ")]
    return json.loads(text[text.rindex("~~~ json\n") + len("~~~ json\n") : text.rindex("~~~")])


def declared(figure: str, tool: str) -> dict:
    """The mapping that a tool declares in a figure."""
    told = written(figure)
    (found,) = [one for one in told.get("tools", [told]) if one["name"] == tool]
    return found["inputSchema"]["x-authzen-mapping"]


def resolved(template: object, values: dict[str, object]) -> object:
    """A template with the values of its expressions."""
    if isinstance(template, dict):
        return {key: resolved(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [resolved(value, values) for value in template]
    return values[template] if isinstance(template, str) and template.startswith("$") else template


def decisions(mcp: Point, body: dict) -> list[bool]:
    """The decisions of a batch."""
    reply = mcp.ask("evaluations", body)
    assert reply.status == 200, reply
    return [item["decision"] for item in reply.json()["evaluations"]]


def test_a_single_evaluation(mcp: Point) -> None:
    values = {
        "$token.sub": ALICE, "$token.?client_id": AGENT, "$params.arguments.id": "cust-12345", "$params.arguments.case": "case-67890",
    }  # fmt: skip
    request = resolved(declared("fig-tools-list", "get_customer")["evaluation"], values)
    assert request == written("fig-authzen-single"), "the draft's own request"
    assert mcp.ask("evaluation", request).json()["decision"] is True
    context = request["context"]
    facts = [
        ({"context": context | {"case": "none"}}, "policy-denied"),
        ({"context": {"agent": AGENT}}, "policy-denied"),
        ({"context": context | {"agent": OTHER}}, "policy-forbidden"),
        ({"context": context | {"agent": "nobody"}}, "principal-unknown"),
        ({"context": context | {"case": 7}}, "field-type"),
        ({"subject": {"type": "identity", "id": "mallory@example.com"}}, "principal-unknown"),
    ]
    for changed, reason in facts:
        answer = mcp.ask("evaluation", request | changed).json()
        assert (answer["decision"], answer["context"]["reason"]) == (False, reason), changed


def test_several_evaluations_for_one_call(mcp: Point) -> None:
    values = {"$token.sub": ALICE, "$token.?client_id": AGENT, "$params.arguments.source": SOURCE, "$params.arguments.destination": TARGET}
    request = resolved(declared("fig-coaz-multi", "copy_object")["evaluations"], values)
    assert request == written("fig-authzen-multi"), "the draft's own request"
    assert decisions(mcp, request) == [True, True]
    swapped = resolved(declared("fig-coaz-multi", "copy_object")["evaluations"], values | {"$params.arguments.source": TARGET, "$params.arguments.destination": SOURCE})
    assert decisions(mcp, swapped) == [False, False]
    half = resolved(declared("fig-coaz-multi", "copy_object")["evaluations"], values | {"$params.arguments.destination": "/bucket/other"})
    assert decisions(mcp, half) == [True, False]
    # A gateway that asks one by one, with the defaults in each, is told the same.
    for item, expected in zip(half["evaluations"], [True, False], strict=True):
        one = {"subject": half["subject"], "context": half["context"]} | item
        assert mcp.ask("evaluation", one).json()["decision"] is expected


def test_the_agent_of_a_batch_acts_in_each_of_it(mcp: Point) -> None:
    """`context` above is a default for all: the agent in it is a link of each decision, unless one brings a context of its own."""
    items = [
        {"action": {"name": "read"}, "resource": {"type": "storage_object", "id": SOURCE}},
        {"action": {"name": "write"}, "resource": {"type": "storage_object", "id": TARGET}},
    ]
    base = {"subject": {"type": "identity", "id": ALICE}, "evaluations": items}
    assert decisions(mcp, base | {"context": {"agent": AGENT}}) == [True, True]
    assert decisions(mcp, base | {"context": {"agent": OTHER}}) == [False, False]
    assert decisions(mcp, base | {"context": {"agent": "nobody"}}) == [False, False]
    own = [items[0] | {"context": {"agent": OTHER}}, items[1]]
    assert decisions(mcp, base | {"context": {"agent": AGENT}, "evaluations": own}) == [False, True]
    assert decisions(mcp, base | {"context": {"agent": OTHER}, "evaluations": [items[0] | {"context": {"agent": AGENT}}, items[1]]}) == [True, False]
    odd = mcp.ask("evaluations", base | {"context": {"agent": 7}}).json()["evaluations"]
    assert [(item["decision"], item["context"]["reason"]) for item in odd] == [(False, "field-type")] * 2
    stop = base | {"context": {"agent": OTHER}, "options": {"evaluations_semantic": "deny_on_first_deny"}}
    assert decisions(mcp, stop) == [False]
    told = mcp.ask("evaluations", base | {"context": {"agent": OTHER}}).json()["evaluations"]
    for item in told:
        entry = json.loads(mcp.gate.cli("explain", "--json", item["context"]["request_id"]).stdout)
        assert entry["chain"] == [f"user:{ALICE}", f"agent:{OTHER}"]


@pytest.mark.parametrize(
    ("kind", "action", "sensitivity", "expected"),
    [
        ("standard_user", "domestic_transfer", "standard", True),
        ("treasury_user", "domestic_transfer", "standard", True),
        # What a server declares of the subject is no privilege: who it is decides, in either word.
        ("treasury_user", "domestic_transfer", "high", False),
        ("standard_user", "domestic_transfer", "high", False),
        ("treasury_user", "international_transfer", "high", False),
        ("standard_user", "international_transfer", "standard", False),
    ],
)
def test_conditional_expressions(mcp: Point, kind: str, action: str, sensitivity: str, expected: bool) -> None:
    values = {
        "$token.roles.exists(r, r == 'treasury') ? 'treasury_user' : 'standard_user'": kind,
        "$token.sub": ALICE,
        "$params.arguments.currency == 'USD' ? 'domestic_transfer' : 'international_transfer'": action,
        "$params.arguments.from_account": "acc-1",
        "$params.arguments.amount > 10000 ? 'high' : 'standard'": sensitivity,
        "$token.?client_id": AGENT,
        "$params.arguments.to_account": "acc-2",
    }
    request = resolved(declared("fig-coaz-conditions", "transfer_funds")["evaluation"], values)
    answer = mcp.ask("evaluation", request).json()
    assert answer["decision"] is expected, answer
    # Without the agent the user is asked about alone, who may send money abroad.
    alone = request | {"context": {}}
    assert mcp.ask("evaluation", alone).json()["decision"] is (expected or action == "international_transfer")


def test_an_agent_on_its_own_is_the_subject(mcp: Point) -> None:
    """An autonomous agent: the token's subject is the agent, and the context names it too or not at all."""
    request = {
        "subject": {"type": "agent", "id": "nightly"},
        "action": {"name": "get_customer"},
        "resource": {"type": "customer", "id": "c"},
        "context": {"case": "case-1"},
    }
    assert mcp.ask("evaluation", request).json()["context"]["reason"] == "policy-forbidden"
    assistant = request | {"subject": {"type": "agent", "id": AGENT}}
    assert mcp.ask("evaluation", assistant).json()["context"]["reason"] == "agent-without-user"
