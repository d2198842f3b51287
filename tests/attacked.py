"""The organisation that the attack corpus (`tests/attacks/*.toml`) is driven against: a gate, real parties, and a tool server that says what it is told to."""

import contextlib
import json
import pathlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field

from issuer import Issuer
from test_mcp import META, STATELESS
from test_operations import replace
from tokens import GATE, TokenGate, configured, trust, until
from upstream import Peer, Request, Upstream, answer, chat

SESSIONS = "2025-11-25"
STATE = "what the server itself has given"
TOOLS = [
    {
        "name": "search",
        "description": "Searches the knowledge base.",
        "inputSchema": {"type": "object", "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}}, "required": ["query"]},
    },
    {"name": "publish", "description": "Publishes a page.", "inputSchema": {"type": "object", "properties": {"page": {"type": "string"}}}},
    {
        "name": "located",
        "description": "Says what is stored in a region.",
        "inputSchema": {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}},
    },
    {"name": "ask", "description": "Asks back.", "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    # Both branches look at everything below: each level of a call doubles the work.
    {
        "name": "nested",
        "description": "Counts levels.",
        "inputSchema": {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/level"}},
            "$defs": {"level": {"type": "object", "anyOf": [{"properties": {"a": {"$ref": "#/$defs/level"}}}] * 2}},
        },
    },
]
SHOP = [{"name": "offers", "description": "Lists offers.", "inputSchema": {"type": "object", "properties": {}}}]
CONFIGURATION = """
tool_servers:
  kb:
    upstream: kb
    definitions: tools/kb.json
    clearance: internal
    model_names: ["mcp__kb__{tool}"]
    tools:
      search: {effects: [read]}
      publish: {effects: [write, egress]}
      located: {effects: [read]}
      ask: {effects: [read]}
      nested: {effects: [read]}
    resources:
      open: {uri: "kb://pages/open/**"}
      closed: {uri: "kb://pages/closed/*"}
    client_features: [elicitation]
  shop:
    upstream: shop
    definitions: tools/shop.json
    tools:
      offers: {effects: [read]}
virtual_servers:
  mcp: {members: [kb, shop]}
"""
POLICIES = """
@id("talk")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"listTools", resource is Portcullis::ToolServer);
@id("read-a-little")
permit (principal in Portcullis::Group::"staff", action == kb::Action::"search", resource)
unless { context.input has limit && context.input.limit > 10 };
@id("read")
permit (principal in Portcullis::Group::"staff", action in [kb::Action::"located", kb::Action::"ask", kb::Action::"nested"], resource);
@id("offers")
permit (principal in Portcullis::Group::"staff", action == shop::Action::"offers", resource);
@id("publish")
permit (principal == Portcullis::User::"alice", action == kb::Action::"publish", resource);
@id("pages")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"readResource", resource == Portcullis::Document::"kb/open");
@id("helpers-everything")
permit (
    principal in Portcullis::Group::"helpers",
    action in [Portcullis::Action::"listTools", Portcullis::Action::"callTool"],
    resource
);
"""


@dataclass
class Hostile:
    """The tool server: it serves both addresses, and says of a call what `says` holds for it, once."""

    announces: list[dict] | None = None
    """What both say that they have; nothing: what was approved of each."""
    says: dict | None = None

    async def __call__(self, request: Request, _: Peer) -> list[bytes]:
        if request.line.startswith("POST /v1/"):
            return answer(200, chat())
        asked = request.json() if request.body else {}
        if "id" not in asked:
            return [b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"]
        if asked["method"] == "tools/call" and self.says is not None:
            says, self.says = self.says, None
            return _spoken(says, asked["id"])
        approved = SHOP if request.line.startswith("POST /shop ") else TOOLS
        return _result(asked["id"], self._answer(asked["method"], asked.get("params", {}), approved), asked["method"])

    def _answer(self, method: str, params: dict, approved: list[dict]) -> dict:
        match method:
            case "initialize":
                return {"protocolVersion": SESSIONS, "capabilities": {"tools": {}}, "serverInfo": {"name": "kb", "version": "1"}}
            case "tools/list":
                return {"tools": approved if self.announces is None else self.announces, "resultType": "complete"}
            case "resources/read":
                return {"contents": [{"uri": params["uri"], "text": "a page"}], "resultType": "complete"}
            case "tools/call" if params["name"] == "ask" and "requestState" not in params:
                question = {"method": "elicitation/create", "params": {"message": "sure?", "requestedSchema": {}}}
                return {"resultType": "input_required", "requestState": STATE, "inputRequests": {"q": question}}
            case _:
                return {"content": [{"type": "text", "text": json.dumps(params.get("arguments", {}))}], "resultType": "complete"}


def _result(number: object, value: dict, method: str) -> list[bytes]:
    session = "mcp-session-id: the-server-s-own\r\n" if method == "initialize" else ""
    return answer(200, json.dumps({"jsonrpc": "2.0", "id": number, "result": value}).encode(), extra=session)


def _spoken(says: dict, number: object) -> list[bytes]:
    """What a case makes the server say; `ID` stands for the id that it was asked with."""
    texts = [text.replace('"ID"', json.dumps(number)) for text in says.get("events", [])]
    body = "".join(f"data: {json.dumps(json.loads(text))}\n\n" for text in texts) or says.get("body", "").replace('"ID"', json.dumps(number))
    extra = "".join(f"{name}: {value}\r\n" for name, value in says.get("headers", {}).items())
    return answer(says.get("status", 200), body.encode(), "text/event-stream" if texts else "application/json", extra)


@dataclass
class Organisation:
    """Everything that a case is driven against."""

    gate: TokenGate
    okta: Issuer
    upstream: Upstream
    server: Hostile
    inside: Upstream
    """An address that nobody has declared: nothing may ever go there."""

    def credential(self, who: str) -> str | None:
        """What somebody shows: `alice`, `helper for bob`, `a token for NAME`, or nothing for `nobody`."""
        if who == "nobody":
            return None
        if who.startswith("a token for "):
            return self.okta.token("ada", aud=who.removeprefix("a token for ").replace("GATE", GATE), groups=["all"])
        agent, _, user = who.partition(" for ")
        return self.gate.new_key(f"agent:{agent}", on_behalf_of=user) if user else self.gate.key(who.upper())

    def send(self, request: dict, credential: str | None, placeholders: dict[str, str]) -> tuple[int, dict[str, str], dict, str]:
        """One request of a case: status, headers, the last message, and everything that came as text."""
        path, headers, body = written(request)
        for name, value in placeholders.items():
            body = body.replace(name, value)
            headers = {header: told.replace(name, value) for header, told in headers.items()}
        if credential is not None:
            headers["authorization"] = f"Bearer {credential}"
        address = f"{self.gate.url.rstrip('/')}{path}"
        asked = urllib.request.Request(address, data=body.encode("utf-8", "surrogateescape"), headers=headers, method="POST")
        try:
            with urllib.request.urlopen(asked, timeout=30) as reply:
                status, told, said = reply.status, reply.headers, reply.read().decode()
        except urllib.error.HTTPError as error:
            status, told, said = error.code, error.headers, error.read().decode()
        events = [line.removeprefix("data: ") for line in said.splitlines() if line.startswith("data: ")]
        message = json.loads(events[-1] if events else said) if said else {}
        return status, {name.lower(): value for name, value in told.items()}, message, said

    def session(self, who: str) -> str:
        """The gate's name of a session that somebody has begun."""
        params = {"protocolVersion": SESSIONS, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        handshake = {"method": "initialize", "params": params, "revision": SESSIONS}
        status, headers, message, _ = self.send(handshake, self.credential(who), {})
        assert status == 200, message
        return headers["mcp-session-id"]

    def record(self, request: str) -> list[dict]:
        """What `portcullis audit query` finds of a request, the oldest first."""
        self.gate.settled()
        told = self.gate.cli("audit", "query", "--json", "--request", request)
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout)["rows"][::-1]


def written(request: dict) -> tuple[str, dict[str, str], str]:
    """Path, headers and body of a request as the corpus has it."""
    if "path" in request:
        return request["path"], {"content-type": "application/json"}, request["body"]
    revision, method, params = request.get("revision", STATELESS), request["method"], dict(request.get("params", {}))
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    if method != "initialize":
        headers["mcp-protocol-version"] = revision
    if revision == STATELESS:
        headers["mcp-method"] = method
        if name := params.get("name", params.get("uri")):
            headers["mcp-name"] = name
        params["_meta"] = META
    headers |= request.get("headers", {})
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}, ensure_ascii=False)
    for old, new in request.get("replace", {}).items():
        assert old in body, f"`{old}` does not stand in the honest request"
        body = body.replace(old, new)
    server = request.get("server", "kb")
    return f"/mcp/{server}" if server else "/mcp", headers, request.get("body", "BODY").replace("BODY", body)


def _configure(address: str, issuers: dict[str, dict]):
    def change(data: pathlib.Path) -> None:
        configured(issuers)(data)
        main = data / "portcullis.yaml"
        servers = "".join(f"\n  {name}: {{kind: mcp, base_url: '{address}/{name}'}}" for name in ("kb", "shop"))
        replace(main, "\nupstreams:\n", f"\nupstreams:{servers}\n")
        replace(main, "client_tools: {mode: observe}", "client_tools: {mode: enforce, refused: replace}")
        main.write_text(main.read_text() + CONFIGURATION)
        (data / "tools").mkdir()
        (data / "tools/kb.json").write_text(json.dumps({"tools": TOOLS}))
        (data / "tools/shop.json").write_text(json.dumps({"tools": SHOP}))
        (data / "policies/attacked.cedar").write_text(POLICIES)

    return change


@contextlib.contextmanager
def organisation() -> Iterator[Organisation]:
    """The parties, running."""
    server = Hostile()
    with Upstream(script=server) as upstream, Upstream() as inside, Issuer(GATE) as okta:
        with TokenGate(upstream.url, {}, configure=_configure(upstream.url, {"okta": trust(okta)})) as gate:
            parties = Organisation(gate, okta, upstream, server, inside)
            honest = {"method": "tools/list"}
            until(lambda: parties.send(honest, okta.token("ada", groups=["all"]), {})[0] == 200)
            yield parties
