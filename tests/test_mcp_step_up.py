"""The OAuth client of the official Python SDK against the gate: it finds the issuer, gets a token for one server, and one with more scopes."""

import asyncio
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from authorization import AuthorizationServer, NoRedirect
from gate import Gate
from issuer import Key, encode, part
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from test_mcp_sdk import defined
from test_operations import replace
from tokens import until
from tool_server import ToolServer, shop

BACK = "http://127.0.0.1:9/back"
POLICIES = """
@id("shop-talk")
permit (principal, action == Portcullis::Action::"listTools", resource == Portcullis::ToolServer::"shop");
@id("shop-tools")
permit (principal, action in [Portcullis::Action::"read", Portcullis::Action::"write"], resource in Portcullis::ToolServer::"shop");
"""
CONFIGURATION = """
tool_servers:
  shop:
    upstream: shop
    watch: off
    definitions: tools/shop.json
    scopes: {all: [shop], tools: {order: ['shop:order']}}
    tools:
      find: {effects: [read]}
      order: {effects: [write]}
"""


class SigningServer(AuthorizationServer):
    """Its tokens are JWTs for the resource and the scopes that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.key = Key("one")
        self.granted: list[dict] = []

    def described(self) -> dict:
        return {**super().described(), "jwks_uri": f"{self.url}/jwks"}

    def given(self, form: dict[str, str]) -> tuple[int, bytes]:
        asked = self.codes.pop(form["code"])
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": form["resource"], "sub": "ada", "client_id": "sdk", "jti": form["code"], "iat": now, "exp": now + 600,
            "scope": asked.get("scope", ""),
        }  # fmt: skip
        self.granted.append(claims)
        signed = f"{part({'alg': 'RS256', 'kid': 'one', 'typ': 'at+jwt'})}.{part(claims)}"
        token = f"{signed}.{encode(self.key.sign(signed.encode()))}"
        told = {"access_token": token, "token_type": "Bearer", "expires_in": 600, "scope": claims["scope"]}
        return 200, json.dumps(told).encode()


class Storage:
    """What the SDK keeps: a client that was registered before."""

    def __init__(self, issuer: str) -> None:
        self.tokens: OAuthToken | None = None
        self._client = OAuthClientInformationFull(
            client_id="sdk", redirect_uris=[BACK], token_endpoint_auth_method="none", grant_types=["authorization_code"], issuer=issuer
        )

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info


@pytest.fixture(scope="module")
def server() -> Iterator[SigningServer]:
    with SigningServer() as server:
        yield server


@pytest.fixture(scope="module")
def gate(server: SigningServer) -> Iterator[Gate]:
    with ToolServer(shop()) as tools, Gate("http://127.0.0.1:9") as gate:
        main = gate.data / "portcullis.yaml"
        replace(main, "\nupstreams:\n", f"\nupstreams:\n  shop: {{kind: mcp, base_url: '{tools.url}/mcp'}}\n")
        issuers = {"login": {"url": server.url, "audiences": ["nobody"], "jwks_uri": f"{server.url}/jwks", "refetch_seconds": 1}}
        main.write_text(main.read_text() + CONFIGURATION + f"\nissuers: {json.dumps(issuers)}\ntokens: {{url: '{gate.url.rstrip('/')}'}}\n")
        (gate.data / "tools").mkdir()
        (gate.data / "tools/shop.json").write_text(json.dumps(asyncio.run(defined(f"{tools.url}/mcp"))))
        (gate.data / "policies/tools.cedar").write_text(POLICIES)
        applied = gate.cli("apply")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        until(lambda: "/jwks" in server.paths)
        yield gate


@asynccontextmanager
async def client(gate: Gate, server: SigningServer, mode: str) -> Client:
    """The SDK's client, with its own OAuth and a person who allows everything."""
    went: list[str] = []

    async def redirect(address: str) -> None:
        went.append(address)

    async def callback() -> AuthorizationCodeResult:
        opener = urllib.request.build_opener(NoRedirect())
        try:
            await asyncio.to_thread(opener.open, went[-1], timeout=30)
        except urllib.error.HTTPError as error:
            back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(error.headers["location"]).query))
            return AuthorizationCodeResult(code=back["code"], state=back["state"], iss=back.get("iss"))
        raise AssertionError("the server does not send back")

    address = f"{gate.url.rstrip('/')}/mcp/shop"
    metadata = OAuthClientMetadata(redirect_uris=[BACK], token_endpoint_auth_method="none", grant_types=["authorization_code"])
    auth = OAuthClientProvider(address, metadata, Storage(server.url), redirect, callback)
    async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
        async with Client(streamable_http_client(address, http_client=http), mode=mode) as client:
            yield client


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_the_sdk_gets_what_it_needs_and_then_more(gate: Gate, server: SigningServer, mode: str) -> None:
    server.granted.clear()

    async def within() -> None:
        async with client(gate, server, mode) as session:
            assert sorted(tool.name for tool in (await session.list_tools()).tools) == ["find", "order"]
            found = await session.call_tool("find", {"words": "paper", "limit": 1})
            assert found.structured_content == {"offers": ["paper 0"]}
            assert [claims["scope"] for claims in server.granted] == ["shop"], "no more than everything needs"
            ordered = await session.call_tool("order", {"offer": "paper 0", "cents": 1})
            assert ordered.content[0].text == "ordered paper 0 for 1"
            again = await session.call_tool("find", {"words": "paper", "limit": 1})
            assert again.structured_content == {"offers": ["paper 0"]}

    asyncio.run(asyncio.wait_for(within(), 90))
    assert [set(claims["scope"].split()) for claims in server.granted] == [{"shop"}, {"shop", "shop:order"}]
    assert {claims["aud"] for claims in server.granted} == {f"{gate.url.rstrip('/')}/mcp/shop"}
