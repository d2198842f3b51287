"""The client scenarios of the MCP conformance suite, with the gate as the client: the command that the suite runs (`client --command`).

The suite's server wants to be reached by a client that does OAuth. Here that is the gate, which shows a tool server a credential of each
user's own (decision 0048): an operator puts the server behind it, alice connects her account in a browser, and the official Python client
calls the tool through the gate. The gate registers itself nowhere and reads no metadata of resources: its operator writes which
authorization server it is, as which client, for which resource and scopes. So this command reads the resource's metadata first, as an
operator would; the checks of that part are the operator's (`OPERATORS` in conformance_auth.py).
"""

import asyncio
import json
import os
import pathlib
import re
import sys
import urllib.error
import urllib.request

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from authorization import Browser
from gate import Gate
from situations import apply
from test_operations import replace

TOOL = {"name": "test-tool", "inputSchema": {"type": "object"}}
POLICIES = """
@id("suite-talk")
permit (principal == Portcullis::User::"alice", action == Portcullis::Action::"listTools", resource == Portcullis::ToolServer::"suite");
@id("suite-call")
permit (principal == Portcullis::User::"alice", action in Portcullis::Action::"read", resource in Portcullis::ToolServer::"suite");
"""


REGISTERED = {
    "auth/token-endpoint-auth-post": {"secret_in": "form"},
    "auth/token-endpoint-auth-none": {"client_secret": None},
}
"""How the gate is registered at the authorization server, where that is not with a secret in a header."""


def fetch(address: str, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    """One request of the operator's."""
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=10) as reply:
            return reply.status, {key.lower(): value for key, value in reply.headers.items()}, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, {key.lower(): value for key, value in error.headers.items()}, error.read()


def resource(server: str) -> tuple[dict, list[str]]:
    """What an operator finds out: the metadata of the resource, and the scopes that it asks for."""
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    challenge = dict(re.findall(r'(\w+)="([^"]*)"', fetch(server, ping)[1].get("www-authenticate", "")))
    origin, _, path = server.partition("/mcp")
    usual = [f"{origin}/.well-known/oauth-protected-resource/mcp{path}", f"{origin}/.well-known/oauth-protected-resource"]
    for place in [challenge["resource_metadata"]] if "resource_metadata" in challenge else usual:
        status, _, body = fetch(place)
        if status == 200:
            described = json.loads(body)
            asked = challenge["scope"].split() if "scope" in challenge else described.get("scopes_supported", [])
            return described, asked
    raise SystemExit("no metadata name an authorization server")


def configure(data: pathlib.Path, server: str, context: dict) -> None:
    """What an operator writes."""
    described, asked = ({}, []) if "issuer" in context else resource(server)
    oauth = {
        "per": "user",
        "issuer": context.get("issuer") or described["authorization_servers"][0],
        "client_id": context.get("client_id", "test-client-id"),
        "client_secret": {"file": "client.secret"},
        "scopes": asked,
    }
    # The server's own name of itself, if it is one that holds the address behind it.
    if server.startswith(f"{described.get('resource', server).rstrip('/')}/"):
        oauth["resource"] = described["resource"]
    oauth |= REGISTERED.get(os.environ["MCP_CONFORMANCE_SCENARIO"], {})
    oauth = {member: value for member, value in oauth.items() if value is not None}
    (data / "client.secret").write_text(context.get("client_secret", "test-client-secret"))
    (data / "client.secret").chmod(0o600)
    main = data / "portcullis.yaml"
    replace(main, "\nupstreams:\n", f"\nupstreams:\n  suite: {{kind: mcp, base_url: '{server}', credential: {json.dumps({'oauth': oauth})}}}\n")
    revision = os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"]
    section = f"\ntool_servers:\n  suite:\n    upstream: suite\n    revision: '{revision}'\n    definitions: tools/suite.json\n"
    main.write_text(f"{main.read_text()}{section}    tools:\n      test-tool: {{effects: [read]}}\n")
    (data / "tools").mkdir()
    (data / "tools/suite.json").write_text(json.dumps({"tools": [TOOL]}))
    (data / "policies/suite.cedar").write_text(POLICIES)


def connect(gate: Gate) -> None:
    """Alice connects her account; where the address that is printed leads nowhere, she stays without."""
    main = gate.data / "portcullis.yaml"
    main.write_text(main.read_text() + f"\ntokens: {json.dumps({'url': gate.url.rstrip('/')})}\n")
    apply(gate)
    begun = gate.admin("POST", "/admin/v1/credentials/connect", {"upstream": "suite", "holder": "alice"})
    status, page = Browser().open(begun["address"])
    told = gate.admin("GET", f"/admin/v1/credentials/connect/{begun['id']}")
    print("connect:", status, re.sub("<[^>]*>", " ", page), told["state"], told["detail"], file=sys.stderr)


async def call(gate: Gate) -> None:
    """The tool is listed and called by the official client."""
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {gate.key('ALICE')}"}, timeout=20) as http:
        async with Client(streamable_http_client(f"{gate.url.rstrip('/')}/mcp/suite", http_client=http), mode="legacy") as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["test-tool"]
            result = await client.call_tool("test-tool", {})
            assert not result.is_error and result.content[0].text == "test", result


def main() -> None:
    """Ends with 1 where the call does not come about."""
    server, context = sys.argv[1], json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    with Gate("http://127.0.0.1:9") as gate:
        configure(gate.data, server, context)
        connect(gate)
        asyncio.run(asyncio.wait_for(call(gate), 20))


if __name__ == "__main__":
    main()
