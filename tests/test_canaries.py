"""Nothing sensitive in logs, metrics, errors, answers to operators and unencrypted files: one gate with everything switched on, a
value of its own for every kind of secret, and then a search through all that was written or shown.

The gate logs at the most verbose level that there is. A value is searched as it is and in the forms that programs give it: JSON's
escapes, base64 and hexadecimal digits.
"""

import base64
import json
import os
import pathlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from authority import Authority
from authzen import question
from issuer import Issuer
from samples import SAMPLES
from test_operations import call
from tokens import GATE, TokenGate, configured, trust, until
from upstream import Peer, Request, Upstream, answer, chat, chat_events, message, stream

MARK = "Kanarie"
"""Stands in every planted value, so that a value that was cut is still noticed by eye."""
PROVIDER_KEY = f"sk-{MARK}b7Qx92LmVt4KzR8sYw1NcE6u"
PASSPHRASE = f"{MARK} passphrase of the backup 41"
PLANTED = {
    "text of a prompt": f"{MARK}Prompt7f3a91",
    "text of a system prompt": f"{MARK}System16ce20",
    "argument of a tool, asked for by the model": f"{MARK}Argument2c90b4",
    "argument of a tool, in the history": f"{MARK}History85ab17",
    "result of a tool": f"{MARK}Result40fe93",
    "name of an end user": f"{MARK}Enduser2210cd",
    "text of an answer": f"{MARK}Answer2c44d7",
    "text of a streamed answer": f"{MARK}Streamed71d08e",
    "text of an upstream's error": f"{MARK}Error6b1f50",
    "header of an upstream": f"{MARK}Upstream3e81aa",
    "header of a client": f"{MARK}Header90aa13",
    "cookie": f"{MARK}Cookie77b2f0",
    "query": f"{MARK}Query5d19ce",
    "path that is none": f"{MARK}Path0c8e42",
    "body that is no JSON": f"{MARK}Broken18d3a5",
    "value of an unknown field": f"{MARK}Unknown94e0b7",
    "key that is none": f"pcl_{MARK}Key58be02",
    "token that is none": f"eyJhbGciOiJub25lIn0.{MARK}Token.{MARK}Signature",
    "match of an operator's own rule": "acme_kanarie0123abcd",
    "subject of a question": f"{MARK}Subject3b61f8",
    "property of an action": f"{MARK}Action6ea5d2",
    "property of a resource": f"{MARK}Resource9f04b1",
    "context of a question": f"{MARK}Context27c6e9",
    "context that nobody declared": f"{MARK}Undeclared50ab3d",
    "client secret of a form": f"pcl_{MARK}Form9e27c0",
    "argument in a table of cases": f"{MARK}Case61f9b8",
    "provider's key": PROVIDER_KEY,
    "passphrase": PASSPHRASE,
    "secret that a scanner finds": SAMPLES["aws-access-token"],
    "card that a scanner finds": "4111 1111 1111 1111",
}
ACCESS = {
    "enforcement_points": {"app": {"subjects": ["*"], "actions": ["*"], "resources": ["*"], "searches_per_minute": 1000}},
    "access": {
        "url": "https://pdp.example.com",
        "subject_properties": {"note": "string"},
        "context": {"note": "string"},
        "resources": {"record": {"properties": {"note": "string"}}},
        "actions": {"read": {"resources": ["record"], "properties": {"note": "string"}}},
    },
}
POLICY = """
@id("canary-read") permit (principal, action == Access::Action::"read", resource is Access::record)
when { context.pep.context has note && context.pep.context.note != "" };
@id("canary-redact") @obligation("both:redact:pii") permit (principal, action == Portcullis::Action::"callModel", resource);
"""
RULES = "[[rules]]\nid = \"acme-token\"\nregex = '''\\bacme_[a-z0-9]{8,40}\\b'''\nkeywords = [\"acme_\"]\n"


@dataclass
class Run:
    """What is searched: by place, and the values that were planted or made while it ran."""

    places: dict[str, bytes] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=lambda: dict(PLANTED))
    used: set[str] = field(default_factory=set)


async def leaky(request: Request, _: Peer) -> list[bytes]:
    """An upstream with something of its own in every place."""
    extra = f"x-note: {PLANTED['header of an upstream']}\r\nset-cookie: a={PLANTED['header of an upstream']}\r\n"
    if PLANTED["text of an upstream's error"].encode() in request.body:
        return answer(500, json.dumps({"error": {"message": PLANTED["text of an upstream's error"]}}).encode(), extra=extra)
    if request.line.startswith("POST /v1/messages"):
        return answer(200, message(PLANTED["text of an answer"]), extra=extra)
    if b'"stream":true' in request.body.replace(b" ", b""):
        words = [{"content": PLANTED["text of a streamed answer"]}, {"content": f" {SAMPLES['aws-access-token']}"}]
        return stream(chat_events(words))
    body = json.loads(chat(PLANTED["text of an answer"]))
    called = {"name": "search", "arguments": json.dumps({"q": PLANTED["argument of a tool, asked for by the model"]})}
    body["choices"][0]["message"]["tool_calls"] = [{"id": "c1", "type": "function", "function": called}]
    return answer(200, json.dumps(body).encode(), extra=extra)


def configure(upstream: str, issuers: dict) -> object:
    """Tokens, rules, enforcement points, TLS on the admin plane, a key for the provider."""

    def write(data: pathlib.Path) -> None:
        configured(issuers)(data)
        Authority().write(data / "tls", "admin", "127.0.0.1", "localhost")
        (data / "rules").mkdir()
        (data / "rules/own.toml").write_text(RULES)
        (data / "policies/canaries.cedar").write_text(POLICY)
        (data / "provider.key").write_text(PROVIDER_KEY)
        (data / "provider.key").chmod(0o600)
        path = data / "portcullis.yaml"
        before, _, rest = path.read_text().partition("upstreams:\n")
        _, _, behind = rest.partition("models:\n")
        there = {"kind": "openai", "base_url": upstream, "api_key": {"file": "provider.key"}}
        text = f"{before}upstreams:\n  provider: {json.dumps(there)}\nmodels:\n{behind}"
        text += "".join(f"\n{key}: {json.dumps(value)}\n" for key, value in {**ACCESS, "inspection": {"rule_files": ["rules/own.toml"]}}.items())
        path.write_text(text)

    return write


def send(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A request whatever it is; the answer's head and body."""
    request = urllib.request.Request(url, body, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return str(reply.headers).encode() + reply.read()
    except urllib.error.HTTPError as error:
        return str(error.headers).encode() + error.read()


def calls(gate: TokenGate, token: str, run: Run) -> None:
    """Every API of models, good and bad. Refusals are searched; what a good call answers is the caller's own."""
    plant = PLANTED
    key = gate.key("ALICE")
    run.secrets |= {"key of Alice": key, "token of an issuer": token.split(".")[2]}
    history = {"role": "assistant", "content": None, "tool_calls": [
        {"id": "c0", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": plant["argument of a tool, in the history"]})}}]}  # fmt: skip
    own = " ".join(plant[name] for name in ("text of a prompt", "match of an operator's own rule", "secret that a scanner finds", "card that a scanner finds"))
    messages = [
        {"role": "system", "content": plant["text of a system prompt"]},
        history,
        {"role": "tool", "tool_call_id": "c0", "content": plant["result of a tool"]},
        {"role": "user", "content": own},
    ]
    body = {"model": "small", "max_tokens": 16, "messages": messages, "user": plant["name of an end user"]}
    headers = {"x-note": plant["header of a client"], "cookie": f"a={plant['cookie']}", "user-agent": plant["header of a client"],
               "traceparent": plant["header of a client"], "x-forwarded-for": plant["header of a client"]}  # fmt: skip
    for with_key in (key, token):
        for more in ({}, {"stream": True}):
            assert call(f"{gate.url}/v1/chat/completions", with_key, {**body, **more}, **headers)[0] == 200
    assert call(f"{gate.url}/v1/messages", key, {"model": "small", "max_tokens": 9, "messages": [{"role": "user", "content": own}]}, **headers)[0] in (200, 400)
    # The caller is told what the upstream said; nobody else is.
    assert call(f"{gate.url}/v1/chat/completions", key, body | {"messages": [{"role": "user", "content": plant["text of an upstream's error"]}]})[0] == 500
    refused = {
        "unknown field": (body | {"frobnicate": {"a": plant["value of an unknown field"]}}, key),
        "key that is none": (body, plant["key that is none"]),
        "token that is none": (body, plant["token that is none"]),
    }
    for name, (wrong, with_key) in refused.items():
        data = json.dumps(wrong).encode()
        run.places[f"refusal: {name}"] = send(f"{gate.url}/v1/chat/completions", data, {"authorization": f"Bearer {with_key}", **headers})
    bearer = {"authorization": f"Bearer {key}", **headers}
    run.places["refusal: no JSON"] = send(f"{gate.url}/v1/chat/completions", f'{{"model":{plant["body that is no JSON"]}'.encode(), bearer)
    run.places["refusal: path"] = send(f"{gate.url}/v1/{plant['path that is none']}", b"{}", bearer)
    run.places["refusal: query"] = send(f"{gate.url}/v1/files?api_key={plant['query']}&x={plant['query']}", b"{}", bearer)


def questions(gate: TokenGate, run: Run) -> None:
    """AuthZEN, with something in every place."""
    key = run.secrets["key of an enforcement point"] = gate.new_key("pep:app")
    headers = {"authorization": f"Bearer {key}", "x-note": PLANTED["header of a client"]}
    properties = lambda name: {"properties": {"note": PLANTED[name]}}
    subject = {"type": "user", "id": "alice", **properties("subject of a question")}
    action = {"name": "read", **properties("property of an action")}
    # What is asked about is named in the log's plain part, as models are; what is said of it is not.
    resource = {"type": "record", "id": "record-7", **properties("property of a resource")}
    for context in ({"note": PLANTED["context of a question"]}, {"secret": PLANTED["context that nobody declared"]}, {}):
        asked = question(subject, action, resource) | {"context": context}
        for path, body in {"evaluation": asked, "evaluations": asked | {"evaluations": [{}, {"context": context}]}, "search/subject": asked}.items():
            told = send(f"{gate.url}/access/v1/{path}", json.dumps(body).encode(), headers)
            run.places[f"answer of {path} ({len(run.places)})"] = told


def forms(gate: TokenGate, token: str, run: Run) -> None:
    """The gate as an issuer."""
    task = gate.task("helper", token)
    run.secrets |= {"task token": task.split(".")[2], "key of an agent": gate.agents["helper"]}
    assert gate.chat(task)[0] == 200
    for path in ("token", "introspect", "revoke"):
        form = {"client_secret": PLANTED["client secret of a form"], "token": task, "subject_token": token, "grant_type": PLANTED["query"]}
        run.places[f"refusal of /oauth/{path}"] = json.dumps(gate.post(f"/oauth/{path}", None, form)[1]).encode()
    assert gate.post("/oauth/revoke", gate.agents["helper"], {"token": task})[0] == 200
    run.places["a token that was revoked"] = json.dumps(gate.chat(task)[2]).encode()


def cases(gate: TokenGate, folder: pathlib.Path, run: Run) -> None:
    """A table of cases beside the policies, and what it prints."""
    given = f'arguments={{"q":"{PLANTED["argument in a table of cases"]}"}}'
    row = f"| user:alice | callModel | Model:small | {given} | permit |"
    (folder / "canaries.cases.md").write_text(f"| who | does | to | given | expect |\n|---|---|---|---|---|\n{row}\n")
    done = gate.cli("policy", "test")
    assert "1 case" in done.stdout, done.stdout + done.stderr
    run.places["command policy test"] = (done.stdout + done.stderr).encode()


def told(gate: TokenGate, run: Run, folder: pathlib.Path) -> None:
    """What operators are shown, and what they carry away."""
    secret = folder / "passphrase"
    secret.write_text(PASSPHRASE)
    secret.chmod(0o600)
    archive = folder / "backup.tar"
    commands = {
        "status": ["status", "--json"], "doctor": ["doctor"], "query": ["audit", "query", "--json", "--limit", "1000"], "keys": ["key", "--json", "list"],
        "verify": ["audit", "verify", "--json"], "usage": ["usage", "--json"], "locks": ["locks", "--json"], "check": ["check"], "diff": ["policy", "diff"],
        "backup": ["backup", str(archive), "--with-keys", "--passphrase-file", str(secret)],
    }  # fmt: skip
    for name, words in commands.items():
        done = gate.cli(*words)
        run.places[f"command {name}"] = (done.stdout + done.stderr).encode()
    run.places["archive"] = archive.read_bytes()
    run.places["metrics"] = gate.metrics().encode()


def forms_of(value: str) -> Iterator[bytes]:
    """A value as programs write it."""
    raw = value.encode()
    yield raw
    yield json.dumps(value).strip('"').encode()
    yield raw.hex().encode()
    # Whatever stands before it: the middle of a value is the same in one of three places.
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + raw)[4:-4].rstrip(b"=")


def search(run: Run) -> list[str]:
    """Where something stands that must not."""
    found = []
    for name, value in run.secrets.items():
        assert len(value) >= 12, name
        for place, content in run.places.items():
            if any(form in content for form in forms_of(value)):
                found.append(f"{name} stands in {place}")
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Everything happens once; then it is searched."""
    run, folder = Run(), tmp_path_factory.mktemp("canaries")
    before = os.environ.get("PORTCULLIS_LOG")
    os.environ["PORTCULLIS_LOG"] = "trace"
    try:
        with Upstream(script=leaky) as upstream, Issuer(GATE) as okta:
            issuers = {"okta": trust(okta)}
            with TokenGate(upstream.url, issuers, configure=configure(upstream.url, issuers)) as gate:
                until(lambda: gate.chat(okta.token())[0] == 200)
                run.secrets |= {f"credential {name}": value for name, value in gate.environment.items() if name.startswith(("PORTCULLIS_KEY", "PORTCULLIS_OPERATOR"))}
                calls(gate, okta.token(), run)
                questions(gate, run)
                forms(gate, okta.token(), run)
                told(gate, run, folder)
                # After the backup, which rightly takes along what operators keep beside their policies.
                cases(gate, gate.data / "policies", run)
                assert all(got.header("authorization") == f"Bearer {PROVIDER_KEY}" for got in upstream.requests)
                reached = b"".join(got.body for got in upstream.requests)
                run.used = {name for name, value in PLANTED.items() if value.encode() in reached}
                for path in (gate.data / "keys").iterdir():
                    run.secrets[f"file keys/{path.name}"] = path.read_text().strip()[-24:]
                run.secrets["key of the TLS listener"] = (gate.data / "tls/admin.key").read_text().splitlines()[1]
                gate.stop()
                shown = gate.lines[gate.lines.index("ready") :]
                run.places["the gate's own output"] = "\n".join(shown).encode()
                # Files that their owner has written or was handed; each holds what it is for.
                handed = {"quickstart.env", "provider.key", "admin.key", "canaries.cases.md"}
                for path in gate.data.rglob("*"):
                    if path.is_file() and path.name not in handed and path.parent.name != "keys":
                        run.places[f"file {path.relative_to(gate.data)}"] = path.read_bytes()
                yield run
    finally:
        os.environ.pop("PORTCULLIS_LOG")
        if before is not None:
            os.environ["PORTCULLIS_LOG"] = before


def test_nothing_that_was_planted_is_found(run: Run) -> None:
    found = search(run)
    assert not found, "\n".join(found)


def test_the_search_saw_everything(run: Run) -> None:
    """What was planted was really sent, the log is really verbose, and a value in any place is found."""
    to_upstream = {"text of a prompt", "text of a system prompt", "result of a tool", "argument of a tool, in the history", "name of an end user"}
    assert to_upstream <= run.used, "calls reached the upstream as they are"
    assert not run.used & {"match of an operator's own rule", "secret that a scanner finds", "card that a scanner finds"}, "and without what is redacted"
    kinds = [place.split()[0] for place in run.places]
    assert kinds.count("file") > 15 and kinds.count("refusal:") == 6 and kinds.count("command") == 11 and kinds.count("answer") == 9
    assert len(run.places["the gate's own output"]) > 5_000 and b" TRACE " in run.places["the gate's own output"], "the most verbose level"
    assert len(run.secrets) > len(PLANTED) + 8
    assert b"portcullis" in run.places["metrics"] and b"rows" in run.places["command query"]
    for place in ("metrics", "archive", "the gate's own output"):
        for form in forms_of(PLANTED["context of a question"]):
            planted = Run({**run.places, place: run.places[place] + b"\n" + form + b"\n"})
            assert search(planted) == [f"context of a question stands in {place}"]
