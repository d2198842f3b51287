"""Whose tokens open which tool server (RFC 8707), and which scopes they need: tokens for one server open no other, and a scope opens nothing."""

import json
import pathlib
import re
from collections.abc import Iterator

import pytest
from issuer import Issuer, payload
from test_mcp import META, STATELESS, TOOLS, kb
from test_operations import call, replace
from tokens import GATE, TokenGate, configured, trust, until
from upstream import Upstream

KB, OTHER = f"{GATE}/mcp/kb", f"{GATE}/mcp/other"
POLICIES = """
@id("kb-talk")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"listTools", resource is Portcullis::ToolServer);
@id("kb-search")
permit (principal in Portcullis::Group::"staff", action == kb::Action::"search", resource);
@id("other-search")
permit (principal in Portcullis::Group::"staff", action == other::Action::"search", resource);
@id("kb-publish")
permit (principal == Portcullis::User::"okta:ada", action == kb::Action::"publish", resource);
@id("helpers-talk")
permit (principal in Portcullis::Group::"helpers", action == Portcullis::Action::"listTools", resource is Portcullis::ToolServer);
@id("helpers-tools")
permit (principal in Portcullis::Group::"helpers", action in [Portcullis::Action::"read", Portcullis::Action::"write"], resource);
"""
TOOL_GRANT = [
    {"type": "call_tool", "tools": ["*"]},
    {"type": "list_tools", "servers": ["*"]},
    {"type": "delegate", "agents": ["scribe"]},
]
SCOPES = "    scopes: {all: [kb], write: ['kb:write'], tools: {search: ['kb:search']}}\n"


def two_servers(address: str, issuers: dict[str, dict]):
    """The sample organisation with issuers and two tool servers, of which one asks for scopes."""

    def configure(data: pathlib.Path) -> None:
        configured(issuers)(data)
        main = data / "portcullis.yaml"
        servers = "".join(f"\n  {name}: {{kind: mcp, base_url: '{address}/{name}'}}" for name in ("kb", "other"))
        replace(main, "\nupstreams:\n", f"\nupstreams:{servers}\n")
        text = "\ntool_servers:\n"
        for name, scopes in (("kb", SCOPES), ("other", "")):
            text += f"  {name}:\n    upstream: {name}\n    watch: off\n    definitions: tools/kb.json\n{scopes}    tools:\n"
            text += "      search: {effects: [read]}\n      publish: {effects: [write]}\n"
        main.write_text(main.read_text() + text)
        (data / "tools").mkdir()
        (data / "tools/kb.json").write_text(json.dumps({"tools": TOOLS}))
        (data / "policies/servers.cedar").write_text(POLICIES)

    return configure


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[TokenGate, Issuer, Upstream]]:
    with Upstream(script=kb) as upstream, Issuer(GATE) as okta:
        configure = two_servers(upstream.url, {"okta": trust(okta)})
        with TokenGate(upstream.url, {}, configure=configure) as gate:
            until(lambda: speak(gate, "other", okta.token())[0] == 200)
            yield gate, okta, upstream


@pytest.fixture
def gate(world: tuple) -> TokenGate:
    return world[0]


@pytest.fixture
def okta(world: tuple) -> Issuer:
    return world[1]


def speak(gate: TokenGate, server: str, token: str | None, tool: str = "search", **changes: object) -> tuple[int, dict, dict]:
    """One call of a tool."""
    arguments = {"query": "x"} if tool == "search" else {}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments, "_meta": META}}
    headers = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": tool}
    headers["accept"] = "application/json, text/event-stream"
    return call(f"{gate.url.rstrip('/')}/mcp/{server}", token, body, **headers)


def reason(answered: tuple[int, dict, dict]) -> tuple[int, str]:
    """Status and reason of a refusal; `permitted` for a result."""
    status, _, body = answered
    return status, "permitted" if "result" in body else body["error"].get("data", body["error"])["reason"]


def challenge(answered: tuple[int, dict, dict]) -> dict[str, str]:
    """What `WWW-Authenticate` says."""
    header = next(value for name, value in answered[1].items() if name.lower() == "www-authenticate")
    assert header.startswith("Bearer ")
    return dict(re.findall(r'(\w+)="([^"]*)"', header))


# Audiences


def test_a_token_for_one_server_opens_no_other(gate: TokenGate, okta: Issuer) -> None:
    for audience in (OTHER, [OTHER], ["https://elsewhere.example", OTHER]):
        token = okta.token(aud=audience)
        # Shown where it counts and then where it does not, and the other way round: nothing is remembered of the place.
        facts = [("kb", "token-audience-wrong"), ("other", "permitted"), ("kb", "token-audience-wrong"), ("other", "permitted")]
        assert [reason(speak(gate, server, token))[1] for server, _ in facts] == [expected for _, expected in facts], audience
        assert gate.refusal(token) == "token-audience-wrong", "a model API is none of it"
        status, _, told = call(f"{gate.url}/v1/models", token)
        assert (status, told["error"]["code"]) == (401, "token-audience-wrong")
    refused = speak(gate, "kb", okta.token(aud=OTHER))
    assert challenge(refused)["error"] == "invalid_token"


def test_what_is_nearly_the_name_is_not_it(gate: TokenGate, okta: Issuer) -> None:
    for audience in [f"{OTHER}/", OTHER.upper(), f"{GATE}/mcp/", f"{GATE}/mcp/othe", f"{OTHER}?", "/mcp/other", "other", f"{GATE}/", [], ""]:
        assert reason(speak(gate, "other", okta.token(aud=audience))) == (401, "token-audience-wrong"), audience
    # The address that the request was sent to is not the name: any neighbour on this machine could have been meant.
    here = f"{gate.url.rstrip('/')}/mcp/other"
    assert reason(speak(gate, "other", okta.token(aud=here))) == (401, "token-audience-wrong")


def test_tokens_and_keys_for_the_whole_gate_go_on(gate: TokenGate, okta: Issuer) -> None:
    token = okta.token(scope="kb kb:search")
    assert [reason(speak(gate, server, token)) for server in ("kb", "other")] == [(200, "permitted")] * 2
    assert call(f"{gate.url}/v1/models", token)[0] == 200
    key = gate.key("ALICE")
    assert [reason(speak(gate, server, key)) for server in ("kb", "other")] == [(200, "permitted")] * 2


def test_the_gate_mints_for_one_server(gate: TokenGate, okta: Issuer) -> None:
    user = okta.token(scope="kb kb:search kb:write")
    token = gate.task("helper", user, TOOL_GRANT, resource=OTHER)
    assert payload(token)["aud"] == OTHER
    assert [reason(speak(gate, server, token))[1] for server in ("kb", "other", "kb")] == [
        "token-audience-wrong", "permitted", "token-audience-wrong",
    ]  # fmt: skip
    told = gate.post("/oauth/introspect", gate.agents["helper"], {"token": token})[1]
    assert (told["active"], told["aud"]) == (True, OTHER)
    whole = gate.task("helper", user, TOOL_GRANT, resource=GATE)
    assert payload(whole)["aud"] == GATE
    assert [reason(speak(gate, server, whole))[1] for server in ("kb", "other")] == ["permitted"] * 2
    assert gate.post("/oauth/revoke", gate.agents["helper"], {"token": token})[0] == 200
    assert reason(speak(gate, "other", token))[1] == "credential-revoked"


@pytest.mark.parametrize("resource", [f"{GATE}/mcp/none", f"{KB}/", "https://elsewhere.example", "kb", f"{GATE}/v1", "http://127.0.0.1/mcp/kb"])
def test_unknown_resources_are_no_targets(gate: TokenGate, okta: Issuer, resource: str) -> None:
    status, told = gate.exchange("helper", okta.token(), TOOL_GRANT, resource=resource)
    assert (status, told["error"]) == (400, "invalid_target"), told


def test_an_exchange_widens_no_audience(gate: TokenGate, okta: Issuer) -> None:
    narrow = okta.token(aud=OTHER)
    for wider in (KB, GATE):
        status, told = gate.exchange("helper", narrow, TOOL_GRANT, resource=wider)
        assert (status, told["error"]) == (400, "invalid_target"), told
    # Nothing said means as much as there was, never more.
    token = gate.task("helper", narrow, TOOL_GRANT)
    assert payload(token)["aud"] == OTHER
    assert [reason(speak(gate, server, token))[1] for server in ("kb", "other")] == ["token-audience-wrong", "permitted"]
    # A token for somebody else is no subject either.
    status, told = gate.exchange("helper", okta.token(aud="https://elsewhere.example/mcp/kb"), TOOL_GRANT)
    assert (status, told["code"]) == (400, "token-audience-wrong")


# Scopes


def test_a_missing_scope_is_asked_for(gate: TokenGate, okta: Issuer) -> None:
    refused = speak(gate, "kb", okta.token(scope="kb profile"))
    assert reason(refused) == (403, "insufficient-scope")
    told = challenge(refused)
    assert (told["error"], told["scope"]) == ("insufficient_scope", "kb kb:search")
    assert told["resource_metadata"] == f"{GATE}/.well-known/oauth-protected-resource/mcp/kb"
    # What it has for other things stays in what is asked for.
    refused = speak(gate, "kb", okta.token(scope="kb kb:search profile"), "publish")
    assert challenge(refused)["scope"] == "kb kb:search kb:write"
    # With it, it goes on; on the other server it was never asked for.
    assert reason(speak(gate, "kb", okta.token(scope="kb kb:search kb:write"), "publish")) == (200, "permitted")
    assert reason(speak(gate, "kb", okta.token(scp=["kb", "kb:search"]))) == (200, "permitted")
    assert reason(speak(gate, "other", okta.token(scope=None))) == (200, "permitted")
    assert reason(speak(gate, "kb", okta.token(scope="kb:search"))) == (403, "insufficient-scope")
    assert reason(speak(gate, "kb", okta.token(scope={"kb": 1})))[1] == "token-malformed"


def test_scopes_are_published(gate: TokenGate) -> None:
    _, _, told = call(f"{gate.url}/.well-known/oauth-protected-resource/mcp/kb", None)
    assert (told["resource"], told["scopes_supported"]) == (KB, ["kb", "kb:search", "kb:write"])
    _, _, told = call(f"{gate.url}/.well-known/oauth-protected-resource/mcp/other", None)
    assert told["resource"] == OTHER and "scopes_supported" not in told
    # Who has shown nothing is told what everything needs.
    assert challenge(speak(gate, "kb", None))["scope"] == "kb"


def test_a_scope_opens_nothing(gate: TokenGate, okta: Issuer) -> None:
    """Policies are asked first: who may not publish learns of no scope that would help."""
    everything = "kb kb:search kb:write"
    refused = speak(gate, "kb", okta.token("eve", scope=everything), "publish")
    assert reason(refused) == (200, "tool-not-found")
    assert not any(name.lower() == "www-authenticate" for name in refused[1])
    assert reason(speak(gate, "kb", okta.token("eve", scope=""), "publish")) == (200, "tool-not-found")


def test_an_exchange_widens_no_scope(gate: TokenGate, okta: Issuer) -> None:
    token = gate.task("helper", okta.token(scope="kb kb:search"), TOOL_GRANT)
    assert reason(speak(gate, "kb", token)) == (200, "permitted")
    assert reason(speak(gate, "kb", token, "publish")) == (403, "insufficient-scope")
    child = gate.task("scribe", token, TOOL_GRANT[:2])
    assert reason(speak(gate, "kb", child)) == (200, "permitted")
    assert reason(speak(gate, "kb", child, "publish")) == (403, "insufficient-scope")


def test_refusals_for_a_scope_are_in_the_log(gate: TokenGate, okta: Issuer) -> None:
    refused = speak(gate, "kb", okta.token(scope=""))
    told = gate.admin("GET", f"/admin/v1/explain/{refused[2]['error']['data']['request']}")
    assert told["verdict"] == "deny" and "insufficient-scope" in json.dumps(told)
    assert gate.cli("replay").returncode == 0
