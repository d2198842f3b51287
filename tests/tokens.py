"""A gate that takes tokens and makes them: the sample organisation with agents that may be handed a token."""

import json
import pathlib
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

from gate import Gate
from test_operations import call, replace

GATE = "https://gate.example"
"""The name of the gate as an issuer. Nobody resolves it: a token only has to name it."""
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
SMALL = [{"type": "call_model", "models": ["small"]}, {"type": "delegate", "agents": ["scribe"]}]
POLICIES = """
@id("helpers-call") permit (principal in Portcullis::Group::"helpers", action == Portcullis::Action::"callModel", resource);
@id("helpers-act") permit (principal in Portcullis::Group::"helpers", action == Portcullis::Action::"issueToken", resource);
@id("staff-delegate") permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"issueToken", resource);
@id("store") permit (principal, action == Portcullis::Action::"storeRemotely", resource);
@id("no-pii-large")
forbid (principal, action == Portcullis::Action::"callModel", resource == Portcullis::Model::"large")
when { context.flow.compartments.contains("pii") };
"""


def configured(issuers: dict[str, dict], tokens: bool = True, **limits: int) -> Callable[[pathlib.Path], None]:
    """Adds issuers by name, agents, policies."""

    def configure(data: pathlib.Path) -> None:
        main = data / "portcullis.yaml"
        replace(main, "agents:\n", "agents:\n  helper: {groups: [helpers]}\n  scribe: {groups: [helpers]}\n  loner: {}\n"
                "  clerk: {groups: [helpers], below: [helper]}\n")
        replace(main, "  research: {groups: [staff]}\n", "  research: {groups: [staff]}\n  helpers: {}\n")
        text = f"\nissuers: {json.dumps(issuers)}\n"
        if tokens:
            text += f"\ntokens: {json.dumps({'url': GATE, 'lifetime_seconds': 300})}\n"
        main.write_text(main.read_text() + text)
        (data / "policies/tokens.cedar").write_text(POLICIES)

    return configure


def trust(issuer: object, **changes: object) -> dict:
    """An issuer as configured."""
    groups = {"claim": "groups", "map": {"eng": "research", "all": "staff"}}
    return {"url": issuer.url, "audiences": [GATE], "groups": groups, "refetch_seconds": 1, **changes}


def post_form(url: str, key: str | None, form: dict[str, str] | bytes, **headers: str) -> tuple[int, dict]:
    """One form: status and JSON."""
    data = form if isinstance(form, bytes) else urllib.parse.urlencode(form).encode()
    head = {"content-type": "application/x-www-form-urlencoded", **headers}
    if key is not None:
        head["authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, data=data, headers=head, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


class TokenGate(Gate):
    """The gate under test, with the applied configuration and a key for each agent."""

    def __init__(
        self,
        upstream: str,
        issuers: dict[str, dict],
        tokens: bool = True,
        configure: Callable[[pathlib.Path], None] | None = None,
    ) -> None:
        super().__init__(upstream, configure or configured(issuers, tokens))
        try:
            applied = self.cli("apply")
            assert applied.returncode == 0, applied.stderr + applied.stdout
            self.agents = {name: self.new_key(f"agent:{name}") for name in ("helper", "scribe", "loner", "clerk")}
        except BaseException:
            self.close()
            raise

    def new_key(self, principal: str, **spec: object) -> str:
        """A new key of a declared party."""
        return self.admin("POST", "/admin/v1/keys", {"principal": principal, **spec})["secret"]

    def chat(self, token: str, model: str = "small", text: str = "Hello.", **changes: object) -> tuple[int, dict, dict]:
        """One chat call."""
        body = {"model": model, "max_tokens": 16, "messages": [{"role": "user", "content": text}], **changes}
        return call(f"{self.url}/v1/chat/completions", token, body)

    def refusal(self, token: str, **changes: object) -> str:
        """The reason code with which a call by a token is refused."""
        status, _, body = self.chat(token, **changes)
        assert status >= 400, body
        return body["error"]["code"]

    def post(self, path: str, key: str | None, form: dict[str, str] | bytes, **headers: str) -> tuple[int, dict]:
        """One form to an endpoint of OAuth."""
        return post_form(f"{self.url}{path}", key, form, **headers)

    def exchange(self, agent: str, subject: str, details: object = SMALL, **more: str) -> tuple[int, dict]:
        """Exchanges a token."""
        form = {"grant_type": EXCHANGE, "subject_token": subject, "subject_token_type": ACCESS_TOKEN, **more}
        if details is not None:
            form["authorization_details"] = json.dumps(details)
        return self.post("/oauth/token", self.agents[agent], form)

    def task(self, agent: str, subject: str, details: object = SMALL, **more: str) -> str:
        """A task token; the exchange has to succeed."""
        status, body = self.exchange(agent, subject, details, **more)
        assert status == 200, body
        return body["access_token"]


def until(what: Callable[[], bool], seconds: float = 20) -> None:
    """Waits until something holds; asks often."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it does not come to be so"
        time.sleep(0.05)
