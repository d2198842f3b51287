"""A gate that other enforcement points ask: its configurations, and a client for its decision API."""

import json
import os
import pathlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from gate import Gate

HERE = pathlib.Path(__file__).resolve().parent

MAIN = """
listen: {data: 127.0.0.1:7700, admin: 127.0.0.1:7701}
operators: {olivia: admin}
"""
"""`quickstart` makes keys of `alice`, `bob`, `assistant` and `nightly`: each configuration declares them."""

CERTIFICATION = (
    MAIN
    + """
users:
  alice: {}
  bob: {attributes: {role: admin}}
  mallory: {}
agents:
  assistant: {}
  nightly: {autonomous: [access]}
enforcement_points:
  harness: {subjects: ["*"], actions: ["*"], resources: ["*"], searches_per_minute: 10000}
  narrow: {subjects: [user], actions: [read], resources: [record]}
  few: {subjects: [user], actions: [read], resources: [record], searches_per_minute: 2}
  reader: {subjects: [user], actions: [read], resources: [record], searches_per_minute: 100}
  coaz: {subjects: [user], actions: ["*"], resources: ["*"], agent_in_context: true}
access:
  url: https://pdp.example.com
  subject_properties: {role: string}
  context: {ip: string, agent: string}
  resources:
    record:
      attributes: {status: string}
      properties: {status: string, pages: integer, tags: strings}
      entities:
        record-1: {status: active}
        record-2: {status: archived}
    sealed: {}
  actions:
    read: {resources: [record]}
    write: {resources: [record]}
    delete: {resources: [record], properties: {soft: boolean}}
    seal: {resources: [sealed]}
"""
)

CERTIFICATION_POLICIES = """
@id("read")
permit (principal, action == Access::Action::"read", resource is Access::record)
when { principal == Portcullis::User::"alice" || principal == Portcullis::User::"bob" || principal is Portcullis::Agent };

@id("write")
permit (principal == Portcullis::User::"alice", action == Access::Action::"write", resource is Access::record)
unless {
  (context.pep.resource has status && context.pep.resource.status == "archived") ||
  (resource has status && resource.status == "archived")
};

@id("admins-write-archived")
permit (principal, action == Access::Action::"write", resource is Access::record)
when {
  context.pep.subject has role && context.pep.subject.role == "admin" &&
  ((context.pep.resource has status && context.pep.resource.status == "archived") ||
   (resource has status && resource.status == "archived"))
};

@id("admins-known-here")
permit (principal is Portcullis::User, action == Access::Action::"write", resource is Access::record)
when {
  principal.hasTag("role") && principal.getTag("role") == "admin" &&
  context.pep.resource has status && context.pep.resource.status == "archived"
};

@id("delete-softly")
permit (principal == Portcullis::User::"alice", action == Access::Action::"delete", resource is Access::record)
when { context.pep.action has soft && context.pep.action.soft };

@id("from-far-away")
forbid (principal, action == Access::Action::"read", resource)
when { context.pep.context has ip && context.pep.context.ip == "203.0.113.9" };
"""


def shared(path: str) -> pathlib.Path:
    """A file of AuthZEN's own: below `PORTCULLIS_SHARED`, or in a folder `shared` beside a folder above this one."""
    given = os.environ.get("PORTCULLIS_SHARED")
    folders = [pathlib.Path(given)] if given else [folder / "shared" for folder in HERE.parents]
    for folder in folders:
        if (folder / "vectors/authzen" / path).is_file():
            return folder / "vectors/authzen" / path
    pytest.skip(f"no shared data: {path} is in no folder `shared/vectors/authzen` above {HERE.name}; set PORTCULLIS_SHARED")


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict:
        """The body as JSON, of the right type."""
        assert self.headers["content-type"] == "application/json", self
        return json.loads(self.body)


class Point:
    """An enforcement point with its key."""

    def __init__(self, gate: Gate, name: str, key: str | None = None, trust: ssl.SSLContext | None = None) -> None:
        self.gate, self.name, self.trust = gate, name, trust
        self.key = make_key(gate, f"pep:{name}") if key is None else key

    def send(self, path: str, body: bytes | None, headers: dict[str, str] | None = None, method: str = "POST") -> Reply:
        """A request as it is."""
        told = {"content-type": "application/json", "authorization": f"Bearer {self.key}"} | (headers or {})
        told = {name: value for name, value in told.items() if value}
        request = urllib.request.Request(self.gate.url + path, body, told, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.trust) as answer:
                return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read())
        except urllib.error.HTTPError as error:
            return Reply(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())

    def ask(self, path: str, body: object, **headers: str) -> Reply:
        """A request whose body is JSON."""
        return self.send(f"/access/v1/{path}", json.dumps(body).encode(), {name.replace("_", "-"): text for name, text in headers.items()})

    def may(self, subject: object, action: object, resource: object, **more: object) -> dict:
        """The answer to one question."""
        reply = self.ask("evaluation", question(subject, action, resource) | more)
        assert reply.status == 200, reply
        return reply.json()


def question(subject: object, action: object, resource: object) -> dict:
    """`alice`, `read`, `record-1` for what they stand for; an object for itself."""
    entity = lambda kind, value: {"type": kind, "id": value} if isinstance(value, str) else value
    verb = {"name": action} if isinstance(action, str) else action
    return {"subject": entity("user", subject), "action": verb, "resource": entity("record", resource)}


def make_key(gate: Gate, principal: str, *more: str) -> str:
    """A new key."""
    made = gate.cli("key", "--json", "create", principal, *more)
    assert made.returncode == 0, made.stdout + made.stderr
    return json.loads(made.stdout)["secret"]


def configure(data: pathlib.Path, main: str, policies: str) -> None:
    """Puts a configuration in the place of the one that is there."""
    (data / "portcullis.yaml").write_text(main)
    for old in (data / "policies").glob("*.cedar"):
        old.unlink()
    (data / "policies/access.cedar").write_text(policies)


@contextmanager
def asked(main: str, policies: str, *, restarts: bool = False) -> Iterator[Gate]:
    """A gate with that configuration; started again with it, if it has to listen where it did not."""
    write = lambda data: configure(data, main, policies)
    with Gate("http://127.0.0.1:9", write if restarts else None) as gate:
        write(gate.data)
        applied = gate.cli("apply")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        yield gate
