"""Task tokens behind a proxy: what a task was granted bounds what it may do elsewhere, as it bounds what it may do here."""

import json
import pathlib
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from issuer import Issuer
from test_operations import replace
from tokens import GATE, TokenGate, configured, trust, until
from upstream import Upstream

FRONT = """
enforcement_points:
  front: {subjects: ["*"], actions: ["*"], resources: [route], routes: [/todos, "/todos/{id}", /admin]}
access:
  resources: {route: {open: true}}
  actions: {GET: {resources: [route]}, POST: {resources: [route]}}
"""
POLICIES = """
@id("todos") permit (principal, action in [Access::Action::"GET", Access::Action::"POST"], resource is Access::route)
unless { resource == Access::route::"/admin" };
@id("told") forbid (principal, action, resource == Access::route::"/todos/{id}")
when { context.task.id != "" && context.task.grant.contains("access:route:POST") };
"""


def access(*actions: str) -> list[dict]:
    """`authorization_details` of that grant."""
    return [{"type": "access", "actions": list(actions)}]


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[TokenGate, Issuer]]:
    """The gate, with a proxy that asks it, and an issuer that it trusts."""

    def configure(data: pathlib.Path) -> None:
        configured({"okta": trust(okta)})(data)
        main = data / "portcullis.yaml"
        main.write_text(main.read_text() + FRONT)
        (data / "policies/front.cedar").write_text(POLICIES)
        replace(data / "policies/tokens.cedar", '@id("store")', '@id("delegates") permit (principal is Portcullis::User, action == Portcullis::Action::"issueToken", resource);\n@id("store")')

    with Upstream() as upstream, Issuer(GATE) as okta, TokenGate(upstream.url, {}, configure=configure) as gate:
        until(lambda: gate.chat(okta.token())[0] == 200)
        yield gate, okta


@pytest.fixture(scope="module")
def front(world: tuple) -> str:
    """The key of the proxy."""
    return world[0].new_key("pep:front")


def asked(gate: TokenGate, front: str, token: str, method: str, path: str) -> str:
    """What a proxy is told: `200`, or why not."""
    headers = {"authorization": f"Bearer {token}", "x-portcullis-pep": front, "x-original-method": method, "x-original-uri": path}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{gate.url}/access/v1/forward", headers=headers), timeout=30) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        return error.headers["x-portcullis-reason"]


GRANTS = [
    (access("*"), {"GET /todos": "200", "POST /todos": "200", "GET /todos/7": "200"}),
    (access("route:GET"), {"GET /todos": "200", "POST /todos": "grant-exceeded", "GET /todos/7": "200"}),
    (access("route:GET#/todos/{id}"), {"GET /todos": "grant-exceeded", "GET /todos/7": "200", "POST /todos/7": "grant-exceeded"}),
    (access("record:GET"), {"GET /todos": "grant-exceeded"}),
    ([{"type": "call_model", "models": ["*"]}], {"GET /todos": "grant-exceeded"}),
    # Policy decides within the grant, and sees it.
    (access("route:GET", "route:POST"), {"POST /todos": "200", "POST /todos/7": "policy-forbidden", "GET /admin": "policy-denied"}),
]


@pytest.mark.parametrize(("grant", "facts"), GRANTS)
def test_what_was_granted_bounds_what_is_asked(world: tuple, front: str, grant: list[dict], facts: dict[str, str]) -> None:
    gate, okta = world
    token = gate.task("helper", okta.token(), grant)
    assert {line: asked(gate, front, token, *line.split()) for line in facts} == facts
    # The user's own token has no task, and so no such bound.
    assert asked(gate, front, okta.token(), "POST", "/todos") == "200"


def test_an_exchange_never_widens(world: tuple, front: str) -> None:
    gate, okta = world
    parent = gate.task("helper", okta.token(), [*access("route:GET", "record:read#1"), {"type": "delegate", "agents": ["scribe"]}])
    narrower = [access("route:GET"), access("route:GET#/todos"), access("record:read#1")]
    for details in narrower:
        assert gate.exchange("scribe", parent, details)[0] == 200, details
    child = gate.task("scribe", parent, access("route:GET#/todos"))
    assert (asked(gate, front, child, "GET", "/todos"), asked(gate, front, child, "GET", "/todos/7")) == ("200", "grant-exceeded")
    for details in [access("*"), access("route:POST"), access("route:GET", "route:POST"), access("record:read"), access("record:read#2")]:
        status, body = gate.exchange("scribe", parent, details)
        assert (status, body["code"]) == (400, "grant-exceeded"), details


def test_what_names_no_question_is_refused(world: tuple) -> None:
    gate, okta = world
    for odd in ["GET", ":GET", "route:", "route:#x", "ro-ute:GET", "route GET"]:
        status, body = gate.exchange("helper", okta.token(), access(odd))
        assert (status, body["code"]) == (400, "grant-malformed"), odd


def test_what_was_exceeded_is_explained(world: tuple, front: str) -> None:
    gate, okta = world
    token = gate.task("helper", okta.token(), access("route:GET"))
    headers = {"authorization": f"Bearer {token}", "x-portcullis-pep": front, "x-original-method": "POST", "x-original-uri": "/todos"}
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{gate.url}/access/v1/forward", headers=headers), timeout=30)
    told = gate.cli("explain", "--json", refused.value.headers["x-portcullis-request-id"])
    text = "\n".join(json.loads(told.stdout)["lines"])
    assert "the task token granted access:route:POST#/todos" in text
