"""Every decision file of AuthZEN's interoperability scenarios (todo, API gateways, search, IdP), asked of the running gate.

The files say what the answers are; the organisations behind them are declared here, as their scenarios describe them.
"""

import json
from collections.abc import Iterator

import pytest
from authzen import MAIN, Point, asked, shared



def sections(content: dict[str, object]) -> str:
    """Further sections of a configuration: JSON is YAML."""
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in content.items())


PEOPLE = {
    "rick@the-citadel.com": ("CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", "admins"),
    "morty@the-citadel.com": ("CiRmZDE2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", "editors"),
    "summer@the-smiths.com": ("CiRmZDI2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", "editors"),
    "beth@the-smiths.com": ("CiRmZDM2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", "viewers"),
    "jerry@the-smiths.com": ("CiRmZDQ2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", "viewers"),
}
TODOS = {
    "7240d0db-8ff0-41ec-98b2-34a096273b91": "morty@the-citadel.com",
    "7240d0db-8ff0-41ec-98b2-34a096273b92": "rick@the-citadel.com",
    "7240d0db-8ff0-41ec-98b2-34a096273b93": "summer@the-smiths.com",
    "7240d0db-8ff0-41ec-98b2-34a096273b94": "beth@the-smiths.com",
    "7240d0db-8ff0-41ec-98b2-34a096273b95": "jerry@the-smiths.com",
}
USERS = {"alice": {}, "bob": {}} | {
    name: {"groups": [group], "attributes": {"email": email}} for email, (pid, group) in PEOPLE.items() for name in (email, pid)
}
TODO = MAIN + sections(
    {
        "agents": {"assistant": {}, "nightly": {}},
        "groups": {"viewers": {}, "editors": {"groups": ["viewers"]}, "admins": {"groups": ["editors"]}},
        "users": USERS,
        "enforcement_points": {"todo": {"subjects": ["*"], "actions": ["*"], "resources": ["*"]}},
        "access": {
            "subjects": {"identity": "user"},
            "resources": {
                "user": {"open": True},
                "route": {"open": True},
                "todo": {
                    "open": True,
                    "attributes": {"ownerID": "string"},
                    "properties": {"ownerID": "string"},
                    "entities": {todo: {"ownerID": owner} for todo, owner in TODOS.items()},
                },
            },
            "actions": {
                "can_read_user": {"resources": ["user"]},
                **{f"can_{verb}": {"resources": ["todo"]} for verb in ("read_todos", "create_todo", "update_todo", "delete_todo")},
                **{method: {"resources": ["route"]} for method in ("GET", "POST", "PUT", "DELETE")},
            },
        },
    }
)
TODO_POLICIES = """
permit (principal in Portcullis::Group::"viewers", action in
  [Access::Action::"can_read_user", Access::Action::"can_read_todos", Access::Action::"GET"], resource);
permit (principal in Portcullis::Group::"editors", action in
  [Access::Action::"can_create_todo", Access::Action::"POST", Access::Action::"PUT", Access::Action::"DELETE"], resource);
permit (principal in Portcullis::Group::"admins", action in
  [Access::Action::"can_update_todo", Access::Action::"can_delete_todo"], resource);
permit (principal in Portcullis::Group::"editors", action in
  [Access::Action::"can_update_todo", Access::Action::"can_delete_todo"], resource)
when {
  principal is Portcullis::User && principal.hasTag("email") &&
  (if resource has ownerID then resource.ownerID == principal.getTag("email")
   else context.pep.resource has ownerID && context.pep.resource.ownerID == principal.getTag("email"))
};
"""

OWNERS = ["alice", "bob", "carol", "dan", "erin", "felix"]
AUDIENCES = {
    "west": {101, 102, 103, 105, 108, 112, 116, 117, 119},
    "south": {104, 109, 111, 112, 114, 120},
    "north": {115},
}
TEAMS = {"bob": "west", "carol": "west", "felix": "south", "erin": "north"}
EDITORS = {110: ["alice"], 115: ["dan"]}
SEARCH = MAIN + sections(
    {
        "agents": {"assistant": {}, "nightly": {}},
        "groups": {"managers": {}},
        "users": {
            name: ({"attributes": {"team": TEAMS[name]}} if name in TEAMS else {"groups": ["managers"]}) for name in OWNERS
        },
        "enforcement_points": {"idp": {"subjects": ["user"], "actions": ["*"], "resources": ["record"], "searches_per_minute": 10000}},
        "access": {
            "resources": {
                "record": {
                    "attributes": {"owner": "user", "editors": "users", "audience": "strings"},
                    "entities": {
                        str(number): {
                            "owner": OWNERS[(number - 101) % 6],
                            "editors": EDITORS.get(number, []),
                            "audience": [name for name, records in AUDIENCES.items() if number in records],
                        }
                        for number in range(101, 121)
                    },
                }
            },
            "actions": {verb: {"resources": ["record"]} for verb in ("view", "edit", "delete")},
        },
    }
)
SEARCH_POLICIES = """
permit (principal, action, resource is Access::record) when { resource has owner && resource.owner == principal };
permit (principal in Portcullis::Group::"managers", action == Access::Action::"view", resource is Access::record);
permit (principal is Portcullis::User, action == Access::Action::"view", resource is Access::record)
when { principal.hasTag("team") && resource has audience && resource.audience.contains(principal.getTag("team")) };
permit (principal is Portcullis::User, action == Access::Action::"edit", resource is Access::record)
when { resource has editors && resource.editors.contains(principal) };
"""


@pytest.fixture(scope="module")
def todo() -> Iterator[Point]:
    """The todo application's gateway."""
    with asked(TODO, TODO_POLICIES) as gate:
        yield Point(gate, "todo")


@pytest.fixture(scope="module")
def idp() -> Iterator[Point]:
    """The record application."""
    with asked(SEARCH, SEARCH_POLICIES) as gate:
        yield Point(gate, "idp")


def cases(path: str) -> dict[str, list[dict]]:
    """A decision file."""
    return json.loads(shared(f"decisions/{path}").read_text())


@pytest.mark.parametrize("version", ["00", "01", "02"])
def test_todo(todo: Point, version: str) -> None:
    file = cases(f"todo/decisions-authorization-api-1_0-{version}.json")
    assert len(file["evaluation"]) == 40
    for case in file["evaluation"]:
        reply = todo.ask("evaluation", case["request"])
        assert (reply.status, reply.json()["decision"]) == (200, case["expected"]), case["request"]
    for case in file.get("evaluations", []):
        answers = todo.ask("evaluations", case["request"]).json()["evaluations"]
        assert [{"decision": answer["decision"]} for answer in answers] == case["expected"], case["request"]
    assert version != "02" or len(file["evaluations"]) == 3


def test_api_gateways(todo: Point) -> None:
    file = cases("api-gateways/decisions.json")
    assert len(file["evaluation"]) == 25
    for case in file["evaluation"]:
        assert todo.ask("evaluation", case["request"]).json()["decision"] is case["expected"], case["request"]


def _in_any_order(found: list[dict]) -> set[str]:
    return {json.dumps(item, sort_keys=True) for item in found}


@pytest.mark.parametrize("what", ["subject", "resource", "action"])
def test_search(idp: Point, what: str) -> None:
    file = cases(f"search/{what}-results.json")
    for case in file["evaluation"]:
        found = idp.ask(f"search/{what}", case["request"]).json()["results"]
        assert _in_any_order(found) == _in_any_order(case["expected"]["results"]), case["request"]
    assert len(file["evaluation"]) == {"subject": 60, "resource": 18, "action": 120}[what]


def test_idp(idp: Point) -> None:
    file = cases("idp/results.json")
    assert len(file["search"]) == 6
    for case in file["search"]:
        found = idp.ask("search/resource", case["request"]).json()["results"]
        assert _in_any_order(found) == _in_any_order(case["expected"]["results"]), case["request"]


COAZ_METHODS = [
    "initialize", "tools/list", "tools/call", "resources/list", "resources/read", "prompts/list", "prompts/get", "completion/complete",
    "logging/setLevel", "tasks/get", "tasks/list",
]  # fmt: skip
COAZ = MAIN + sections(
    {
        "users": {"alice": {}, "bob": {}, "alice@example.com": {}},
        "agents": {"assistant": {}, "nightly": {}, "http://agentprovider.com/agent-app-id": {}},
        "enforcement_points": {"mcp": {"subjects": ["identity"], "actions": ["*"], "resources": ["*"], "agent_in_context": True}},
        "access": {
            "subjects": {"identity": "user"},
            "context": {"protocol_version": "string", "level": "string"},
            "resources": {kind: {"open": True} for kind in ("mcp_server", "tool", "resource", "prompt", "task")},
            "actions": {
                method: {"resources": ["mcp_server", "tool", "resource", "prompt", "task"]} for method in COAZ_METHODS
            },
        },
    }
)
COAZ_POLICIES = """
permit (principal == Portcullis::User::"alice@example.com", action, resource);
permit (principal == Portcullis::Agent::"http://agentprovider.com/agent-app-id", action, resource);
forbid (principal is Portcullis::Agent, action == Access::Action::"tools/call", resource == Access::tool::"drop_tables");
"""
COAZ_VALUES = {
    "$token.sub": "alice@example.com",
    "$token.?client_id": "http://agentprovider.com/agent-app-id",
    "$token.aud": "https://mcp.example.com",
    "$params.name": "get_customer",
    "$params.uri": "file:///notes.txt",
    "$params.taskId": "task-1",
    "$params.level": "info",
    "$params.protocolVersion": "2025-11-25",
    "$params.ref.type == 'ref/prompt' ? 'prompt' : 'resource'": "prompt",
    "$params.ref.type == 'ref/prompt' ? $params.ref.name : $params.ref.uri": "greeting",
}


def coaz_mappings() -> list[dict]:
    """Every default mapping of the COAZ-MCP binding (draft), read from its text."""
    text = shared("profiles/authzen-coaz-mcp-binding-1_0.md").read_text()
    text = text[text.index("# Default Mappings") : text.index("# Declared Mappings")]
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := text.find('{ "evaluation"', at)) >= 0:
        mapping, length = decoder.raw_decode(text[at:])
        found.append(mapping["evaluation"])
        at += length
    return found


def resolved(template: object) -> object:
    """A mapping with the values of one call."""
    if isinstance(template, dict):
        return {key: resolved(value) for key, value in template.items()}
    return COAZ_VALUES[template] if isinstance(template, str) and template.startswith("$") else template


def test_coaz_mcp_default_mappings() -> None:
    """What an MCP gateway sends for each method is understood, and the agent in it is a link that has to be permitted."""
    mappings = coaz_mappings()
    assert [mapping["action"]["name"] for mapping in mappings] == COAZ_METHODS
    with asked(COAZ, COAZ_POLICIES) as gate:
        point = Point(gate, "mcp")
        for mapping in mappings:
            request = resolved(mapping)
            assert point.ask("evaluation", request).json()["decision"] is True, request
            for agent in ["assistant", "http://other.example/agent"]:
                other = request | {"context": request["context"] | {"agent": agent}}
                assert point.ask("evaluation", other).json()["decision"] is False, other
            stranger = request | {"subject": {"type": "identity", "id": "mallory@example.com"}}
            assert point.ask("evaluation", stranger).json()["decision"] is False, stranger
        call = resolved(mappings[2]) | {"resource": {"type": "tool", "id": "drop_tables"}}
        assert point.ask("evaluation", call).json()["context"]["reason"] == "policy-forbidden"
        assert point.ask("evaluation", call | {"context": {}}).json()["decision"] is True, "the user alone may"
