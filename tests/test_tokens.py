"""Tokens of issuers and of the gate, and one test for every attack on them. The issuer's keys are the tests' own."""

import base64
import http.client
import json
import pathlib
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from authority import Authority
from issuer import Issuer, Key, encode, number, part, payload
from proxy import Proxy
from test_operations import call, replace
from tokens import ACCESS_TOKEN, EXCHANGE, GATE, SMALL, TokenGate, configured, trust, until
from upstream import Upstream, chat_events, polite, stream

SECRET_MAIL = "please write to jane.roe@example.com"


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[TokenGate, Issuer, Issuer, Upstream]]:
    """The gate, two issuers that it trusts, and its upstream."""
    with Upstream() as upstream, Issuer(GATE) as okta, Issuer(GATE, "ES256", kid="two") as other:
        issuers = {"okta": trust(okta), "other": trust(other, groups={"claim": "/realm/roles", "map": {"eng": "research"}})}
        with TokenGate(upstream.url, issuers) as gate:
            until(lambda: gate.chat(okta.token())[0] == 200 and gate.chat(other.token(realm={"roles": ["eng"]}))[0] == 200)
            yield gate, okta, other, upstream


@pytest.fixture
def gate(world: tuple) -> TokenGate:
    """The gate."""
    return world[0]


@pytest.fixture
def okta(world: tuple) -> Issuer:
    """The first issuer."""
    return world[1]


@pytest.fixture
def other(world: tuple) -> Issuer:
    """The second issuer."""
    return world[2]


# What works


def test_groups_are_those_that_are_mapped(gate: TokenGate, okta: Issuer) -> None:
    assert gate.chat(okta.token(groups=["eng", "unknown"]), model="large")[0] == 200
    assert gate.chat(okta.token(groups=["all"]), model="small")[0] == 200
    assert gate.chat(okta.token(groups=["all"]), model="large")[0] == 404
    assert gate.chat(okta.token(groups=["research"]))[0] == 404, "the name of a group is no value of the claim"
    assert gate.chat(okta.token(groups=None))[0] == 404
    # The same user, with other groups in the same moment: each token by its own.
    many, few = okta.token("grace", groups=["eng"]), okta.token("grace", groups=[])
    assert [gate.chat(token, model="large")[0] for token in (many, few, many, few)] == [200, 404, 200, 404]


def test_a_token_stands_behind_bearer_only(gate: TokenGate, okta: Issuer) -> None:
    body = {"model": "small", "messages": [{"role": "user", "content": "Hello."}]}
    status, _, told = call(f"{gate.url}/v1/chat/completions", None, body, **{"x-api-key": okta.token()})
    assert (status, told["error"]["code"]) == (401, "credential-unknown")


def test_an_exchange_from_end_to_end(gate: TokenGate, okta: Issuer, world: tuple) -> None:
    user = okta.token("ada")
    status, answer = gate.exchange("helper", user, purpose="summary")
    assert status == 200, answer
    assert (answer["token_type"], answer["issued_token_type"], answer["authorization_details"]) == ("Bearer", ACCESS_TOKEN, SMALL)
    assert 290 <= answer["expires_in"] <= 300
    claims = payload(answer["access_token"])
    assert (claims["sub"], claims["act"], claims["aud"]) == ("user:okta:ada", {"sub": "agent:helper"}, GATE)
    assert claims["exp"] <= payload(user)["exp"]
    status, headers, _ = gate.chat(answer["access_token"])
    assert status == 200
    rows = gate.admin("GET", f"/admin/v1/explain/{headers['x-request-id']}")
    assert (rows["chain"], rows["task"]) == (["user:okta:ada", "agent:helper"], claims["task"])
    child = gate.task("scribe", answer["access_token"], [{"type": "call_model", "models": ["small"]}])
    assert payload(child)["act"] == {"sub": "agent:scribe", "act": {"sub": "agent:helper"}}
    assert payload(child)["task"] == claims["task"]
    assert gate.chat(child)[0] == 200
    # Neither the user's token nor the agent's key ever left.
    seen = "".join(f"{request.headers}{request.body!r}" for request in world[3].requests)
    assert user not in seen and answer["access_token"] not in seen and gate.agents["helper"] not in seen


def test_everything_is_decided_again_from_the_log(gate: TokenGate, okta: Issuer) -> None:
    gate.chat(gate.task("helper", okta.token()))
    gate.exchange("loner", okta.token())
    gate.chat(okta.token(groups=["all"]), model="large")

    def replayed() -> bool:
        answer = gate.cli("replay", "--json")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return json.loads(answer.stdout)["equal"] > 3

    until(replayed)


def test_no_token_is_kept(gate: TokenGate, okta: Issuer) -> None:
    user = okta.token()
    shown = [user, gate.task("helper", user), okta.token(aud="elsewhere"), okta.confused()]
    for token in shown:
        gate.chat(token)
    gate.exchange("helper", shown[2])
    kept = b"".join(path.read_bytes() for path in gate.data.rglob("*") if path.is_file())
    told = "\n".join(gate.lines).encode() + gate.cli("audit", "query", "--json", "--limit", "1000").stdout.encode()
    for token in shown:
        signature = token.split(".")[2].encode()
        assert len(signature) > 40 and signature not in kept and signature not in told


def test_what_is_published(gate: TokenGate, okta: Issuer) -> None:
    status, _, metadata = call(f"{gate.url}/.well-known/oauth-authorization-server", None)
    assert (status, metadata["issuer"], metadata["token_endpoint"]) == (200, GATE, f"{GATE}/oauth/token")
    status, _, keys = call(f"{gate.url}/oauth/jwks", None)
    head = json.loads(base64.urlsafe_b64decode(gate.task("helper", okta.token()).split(".")[0] + "=="))
    assert status == 200 and head["kid"] in [key["kid"] for key in keys["keys"]]
    assert all("d" not in key for key in keys["keys"])


def test_clients_show_who_they_are(gate: TokenGate, okta: Issuer) -> None:
    form = {"grant_type": EXCHANGE, "subject_token": okta.token(), "subject_token_type": ACCESS_TOKEN,
            "authorization_details": json.dumps(SMALL)}  # fmt: skip
    key = gate.agents["helper"]
    basic = {"authorization": "Basic " + base64.b64encode(f"agent%3Ahelper:{key}".encode()).decode()}
    wrong = {"authorization": "Basic " + base64.b64encode(f"agent%3Ascribe:{key}".encode()).decode()}
    assert gate.post("/oauth/token", None, form, **basic)[0] == 200
    assert gate.post("/oauth/token", None, {**form, "client_id": "agent:helper", "client_secret": key})[0] == 200
    refused = [
        gate.post("/oauth/token", None, form),
        gate.post("/oauth/token", None, form, **wrong),
        gate.post("/oauth/token", "pcl_nobody", form),
        gate.post("/oauth/token", okta.token(), form),
        gate.post("/oauth/token", None, {**form, "client_id": "agent:scribe", "client_secret": key}),
    ]
    assert [(status, body["error"]) for status, body in refused] == [(401, "invalid_client")] * 5
    status, body = gate.post("/oauth/token", key, {**form, "client_secret": key})
    assert (status, body["error"], body["code"]) == (400, "invalid_request", "two-credentials")


def test_requests_that_are_none(gate: TokenGate, okta: Issuer) -> None:
    user = okta.token()
    facts = [
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"subject_token": ""}, "invalid_request"),
        ({"subject_token": "x"}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"audience": "https://elsewhere.example"}, "invalid_target"),
        ({"actor_token": gate.agents["scribe"], "actor_token_type": ACCESS_TOKEN}, "invalid_request"),
        ({"authorization_details": "[]x"}, "invalid_authorization_details"),
        ({"authorization_details": '[{"type":"payment"}]'}, "invalid_authorization_details"),
        ({"authorization_details": ""}, "invalid_authorization_details"),
        ({"purpose": "two words"}, "invalid_request"),
    ]
    for change, error in facts:
        form = {"grant_type": EXCHANGE, "subject_token": user, "subject_token_type": ACCESS_TOKEN,
                "authorization_details": json.dumps(SMALL), **change}  # fmt: skip
        status, body = gate.post("/oauth/token", gate.agents["helper"], form)
        assert (status, body["error"]) == (400, error), change
    assert gate.post("/oauth/token", gate.agents["helper"], b"a=1&a=1")[1]["error"] == "invalid_request"
    assert gate.post("/oauth/token", gate.agents["helper"], b"x" * 60_000)[0] == 413


def test_who_may_be_handed_a_token(gate: TokenGate, okta: Issuer) -> None:
    assert gate.exchange("loner", okta.token())[0] == 400, "no policy permits it"
    assert gate.exchange("helper", okta.token(groups=None))[0] == 400, "the user may not delegate"
    # The issuer's own word replaces the permits, and only for whom it names.
    assert gate.exchange("loner", okta.token(may_act={"sub": "agent:loner"}))[0] == 200
    assert gate.exchange("loner", okta.token(may_act={"sub": "agent:helper"}))[0] == 400


def test_introspection_tells_clients_of_their_own_tokens(gate: TokenGate, okta: Issuer) -> None:
    token = gate.task("helper", okta.token("ada"))
    status, told = gate.post("/oauth/introspect", gate.agents["helper"], {"token": token})
    assert (status, told["active"], told["sub"], told["act"]) == (200, True, "user:okta:ada", {"sub": "agent:helper"})
    for key, shown in [("scribe", token), ("helper", okta.token()), ("helper", token[:-4] + "AAAA"), ("helper", "x")]:
        assert gate.post("/oauth/introspect", gate.agents[key], {"token": shown}) == (200, {"active": False}), key
    assert gate.post("/oauth/introspect", None, {"token": token})[0] == 401


def test_a_revoked_parent_takes_its_children_with_it(gate: TokenGate, okta: Issuer) -> None:
    parent = gate.task("helper", okta.token())
    child = gate.task("scribe", parent, [{"type": "call_model", "models": ["small"]}])
    assert gate.post("/oauth/revoke", gate.agents["loner"], {"token": parent})[0] == 400, "not its own"
    assert gate.chat(child)[0] == 200
    assert gate.post("/oauth/revoke", gate.agents["helper"], {"token": parent})[0] == 200
    assert [gate.refusal(token) for token in (parent, child)] == ["credential-revoked"] * 2
    assert gate.post("/oauth/introspect", gate.agents["scribe"], {"token": child})[1] == {"active": False}
    assert gate.exchange("scribe", parent)[1]["code"] == "credential-revoked"
    assert gate.post("/oauth/revoke", gate.agents["helper"], {"token": parent})[0] == 200, "again is no error"
    gate.kill_hard()
    gate.start_again()
    until(lambda: gate.refusal(child) == "credential-revoked")


def log_notes(gate: TokenGate, since: int) -> list[str]:
    """What the log says of requests behind an index, without their decisions."""
    rows = json.loads(gate.cli("audit", "query", "--json", "--limit", "1000").stdout)["rows"]
    requests = [row["request"] for row in rows if row["index"] > since and row["kind"] == "intent"]
    told = [line for request in requests for line in gate.admin("GET", f"/admin/v1/explain/{request}")["lines"]]
    return [line.removeprefix("note     ") for line in told if line.startswith("note")]


def test_what_clients_ask_of_tokens_is_recorded_and_said_once(gate: TokenGate, okta: Issuer) -> None:
    token = gate.task("helper", okta.token())
    jti, last = payload(token)["jti"], gate.admin("GET", "/admin/v1/status")["log"]["accepted"]
    gate.post("/oauth/introspect", gate.agents["helper"], {"token": token})
    gate.post("/oauth/introspect", gate.agents["helper"], {"token": okta.token()})
    gate.post("/oauth/revoke", gate.agents["helper"], {"token": token})
    epoch = gate.admin("GET", "/admin/v1/locks")["epoch"]
    for _ in range(3):
        assert gate.post("/oauth/revoke", gate.agents["helper"], {"token": token})[0] == 200
    assert gate.admin("GET", "/admin/v1/locks")["epoch"] == epoch, "what is revoked already wakes nobody"
    assert gate.cli("revoke", f"credential:{jti}").returncode == 0
    expected = [f"introspected: {jti}", "introspected: nothing of this client's that is active", *[f"revoked: {jti}"] * 4]
    until(lambda: sorted(log_notes(gate, last - 1)) == sorted(expected))
    assert gate.cli("replay").returncode == 0
    verified = gate.cli("audit", "verify")
    assert verified.returncode == 0, verified.stdout


def test_what_no_longer_stands_is_not_active() -> None:
    """A client is told of a token what the gate would say of it, whatever it has looked at before."""
    with Upstream() as upstream, Issuer(GATE) as okta, TokenGate(upstream.url, {"okta": trust(okta)}) as gate:
        until(lambda: gate.chat(okta.token())[0] == 200)
        user, tokens = okta.token(), [gate.task(agent, okta.token()) for agent in ("helper", "scribe")]
        asked = [(tokens[0], "helper"), (tokens[1], "scribe")]

        def state() -> list[tuple[int, bool]]:
            introspected = [gate.post("/oauth/introspect", gate.agents[agent], {"token": token})[1] for token, agent in asked]
            return [(gate.chat(token)[0], told["active"]) for (token, _), told in zip(asked, introspected, strict=True)]

        assert (gate.chat(user)[0], state()) == (200, [(200, True)] * 2)
        main = gate.data / "portcullis.yaml"
        text = main.read_text()
        # (what is changed, how the user's token is answered then, how task tokens are)
        changes = [
            ('"eng": "research", ', "", 404, [(401, False)] * 2),
            ("issuers: ", "issuers: {} # ", 401, [(401, False)] * 2),
            ('"audiences": ["', '"audiences": ["x', 401, [(200, True)] * 2),
        ]
        for old, new, by_user, by_task in changes:
            replace(main, old, new)
            assert gate.cli("apply").returncode == 0
            until(lambda by_user=by_user: gate.chat(user)[0] == by_user)
            assert state() == by_task, old
            main.write_text(text)
            assert gate.cli("apply").returncode == 0
            until(lambda: gate.chat(user)[0] == 200)
            assert state() == [(200, True)] * 2


def test_attack_what_was_accepted_once(gate: TokenGate, okta: Issuer) -> None:
    until(lambda: gate.chat(okta.token())[0] == 200)
    # It ends when it says, not when it is forgotten.
    short = okta.token(exp=int(time.time()) + 2, iat=int(time.time()) - 60)
    assert gate.chat(short)[0] == 200
    task = gate.task("helper", okta.token(exp=int(time.time()) + 3))
    assert gate.chat(task)[0] == 200
    until(lambda: gate.refusal(task) == "credential-expired" if gate.chat(task)[0] != 200 else False)
    # The same words with another signature, or with other words around the same signature.
    good = okta.token()
    assert gate.chat(good)[0] == 200
    head, body, signature = good.split(".")
    flipped = signature[:-4] + ("AAAA" if signature[-4:] != "AAAA" else "BBBB")
    assert gate.refusal(f"{head}.{body}.{flipped}") == "token-unverified"
    other = okta.token("eve")
    assert gate.refusal(f"{head}.{other.split('.')[1]}.{signature}") == "token-unverified"
    assert gate.chat(good)[0] == 200


def test_a_revocation_cuts_live_streams(gate: TokenGate, okta: Issuer, world: tuple) -> None:
    async def stall(*_: object) -> list[bytes]:
        # Everything but the end: the connection stays, and nothing more comes.
        return stream(chat_events([{"role": "assistant", "content": ""}, {"content": "hello"}]))[:3]

    until(lambda: gate.chat(okta.token())[0] == 200)
    token = gate.task("helper", okta.token())
    body = json.dumps({"model": "small", "stream": True, "messages": [{"role": "user", "content": "Hello."}]}).encode()
    head = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    world[3].script = stall
    try:
        request = urllib.request.Request(f"{gate.url}/v1/chat/completions", body, head)
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.readline().startswith(b"data:")
            assert gate.post("/oauth/revoke", gate.agents["helper"], {"token": token})[0] == 200
            try:
                rest = answer.read()
            except http.client.IncompleteRead as cut:
                rest = cut.partial
        assert b"credential-revoked" in rest
    finally:
        world[3].script = polite


def test_operators_revoke_tasks_tokens_and_agents(gate: TokenGate, okta: Issuer) -> None:
    until(lambda: gate.chat(okta.token())[0] == 200)
    first, second = gate.task("helper", okta.token()), gate.task("helper", okta.token())
    child = gate.task("scribe", first, [{"type": "call_model", "models": ["small"]}])
    assert gate.cli("revoke", f"task:{payload(first)['task']}").returncode == 0
    assert [gate.refusal(token) for token in (first, child)] == ["credential-revoked"] * 2
    assert gate.chat(second)[0] == 200
    assert gate.cli("revoke", f"credential:{payload(second)['jti']}").returncode == 0
    assert gate.refusal(second) == "credential-revoked"
    third = gate.task("helper", okta.token())
    assert gate.cli("kill", "agent:helper").returncode == 0
    assert gate.refusal(third) == "principal-locked"
    assert gate.cli("unlock", "agent:helper").returncode == 0
    assert gate.chat(third)[0] == 200


def test_a_task_token_ends_with_its_agents_key(gate: TokenGate, okta: Issuer) -> None:
    key = gate.new_key("agent:helper")
    before, gate.agents["helper"] = gate.agents["helper"], key
    token = gate.task("helper", okta.token())
    gate.agents["helper"] = before
    assert gate.chat(token)[0] == 200
    assert gate.cli("key", "expire", key[:16]).returncode == 0
    assert gate.refusal(token) == "credential-expired"


def test_the_gates_key_rotates_with_overlap(gate: TokenGate, okta: Issuer) -> None:
    old = gate.task("helper", okta.token())
    assert gate.cli("key", "rotate-tokens").returncode == 0
    new = gate.task("helper", okta.token())
    assert old.split(".")[0] != new.split(".")[0]
    assert [gate.chat(token)[0] for token in (old, new)] == [200, 200]
    assert gate.cli("key", "rotate-tokens").returncode == 0
    assert (gate.refusal(old), gate.chat(new)[0]) == ("token-unverified", 200)


# Attacks


def test_attack_alg_none(gate: TokenGate, okta: Issuer) -> None:
    for alg in ("none", "None", "NONE", "nOnE", ""):
        assert gate.refusal(okta.unsigned(alg)) == "token-malformed"


def test_attack_algorithm_confusion(gate: TokenGate, okta: Issuer) -> None:
    assert gate.refusal(okta.confused()) == "token-malformed"
    # Another asymmetric algorithm than the key is for, and one that its operator has not allowed.
    assert gate.refusal(okta.token(header={"alg": "PS256"})) == "token-unverified"
    assert gate.refusal(okta.token(header={"alg": "RS512"})) == "token-unverified"


@pytest.mark.parametrize("kid", ["../../../../dev/null", "/dev/null", "x' OR '1'='1", "one\u0000", "one;two", ["one"], {"a": 1}])
def test_attack_kid_injection(gate: TokenGate, okta: Issuer, kid: object) -> None:
    assert gate.refusal(okta.token(header={"kid": kid})) in ("token-unverified", "token-malformed")


def test_attack_kid_of_another_issuer(gate: TokenGate, okta: Issuer, other: Issuer) -> None:
    key = other.keys[0]
    assert gate.refusal(okta.token(key=key)) == "token-unverified", "okta's words, signed by the other issuer"
    assert gate.refusal(okta.token(key=key, header={"kid": "one"})) == "token-unverified"


def test_attack_keys_in_the_header(gate: TokenGate, okta: Issuer) -> None:
    own = Key("own")
    with Issuer(GATE) as evil:
        evil.keys = [own]
        for header in ({"jwk": own.jwk()}, {"jku": f"{evil.url}/jwks"}, {"x5u": f"{evil.url}/x"}, {"x5c": ["MIIB"]}):
            assert gate.refusal(okta.token(key=own, header=header)) == "token-malformed"
        assert evil.fetches == []


def test_attack_critical_header(gate: TokenGate, okta: Issuer) -> None:
    assert gate.refusal(okta.token(header={"crit": ["b64"], "b64": False})) == "token-malformed"


def test_attack_wrong_audience(gate: TokenGate, okta: Issuer) -> None:
    for audience in ("https://elsewhere.example", [f"{GATE}/"], [], None, f"{GATE} "):
        assert gate.refusal(okta.token(aud=audience)) in ("token-audience-wrong", "token-malformed")


def test_attack_wrong_issuer(gate: TokenGate, okta: Issuer, other: Issuer) -> None:
    with Issuer(GATE) as evil:
        assert gate.refusal(evil.token()) == "token-unverified"
        assert evil.fetches == [], "an issuer that nobody trusts is not asked for its keys"
    for url in (f"{okta.url}/", okta.url.upper(), other.url, GATE, None, ["x"]):
        assert gate.refusal(okta.token(iss=url)) in ("token-unverified", "token-malformed"), url


def test_attack_an_id_token_is_no_access_token(gate: TokenGate, okta: Issuer) -> None:
    for typ in ("JWT", "id+jwt", None, "at+jwt "):
        assert gate.refusal(okta.token(header={"typ": typ}, nonce="x")) == "token-malformed"


def test_attack_times(gate: TokenGate, okta: Issuer) -> None:
    now = int(time.time())
    assert gate.refusal(okta.token(exp=now - 31)) == "credential-expired"
    assert gate.chat(okta.token(exp=now - 15))[0] == 200, "within the skew of 30 seconds"
    assert gate.refusal(okta.token(nbf=now + 60)) == "token-not-yet-valid"
    assert gate.refusal(okta.token(iat=now + 60)) == "token-not-yet-valid"
    assert gate.chat(okta.token(nbf=now + 15))[0] == 200
    for exp in (None, "9999999999", -1, 1e400, True):
        assert gate.refusal(okta.token(exp=exp)) == "token-malformed", exp


def test_attack_two_readings(gate: TokenGate, okta: Issuer) -> None:
    claims = json.dumps(okta.claims("eve"))
    twice = claims[:-1] + ', "sub": "ada"}'
    signed = f"{part({'alg': 'RS256', 'kid': 'one', 'typ': 'at+jwt'})}.{part(twice.encode())}"
    assert gate.refusal(f"{signed}.{encode(okta.keys[0].sign(signed.encode()))}") == "token-malformed"
    assert gate.refusal(okta.token(padding="x" * 9000)) == "credential-unknown", "longer than a token may be"


def test_attack_a_bound_token_is_no_bearer_token(gate: TokenGate, okta: Issuer) -> None:
    assert gate.refusal(okta.token(cnf={"jkt": "x"})) == "token-bound"


def test_attack_forged_act_chain(gate: TokenGate, okta: Issuer) -> None:
    token = gate.task("helper", okta.token())
    head, claims, signature = token.split(".")
    forged = {**payload(token), "act": {"sub": "agent:scribe"}}
    assert gate.refusal(f"{head}.{part(forged)}.{signature}") == "token-unverified"
    # The gate's words under a key of one's own, and an issuer that speaks of agents of the gate.
    own = Key("own", "EdDSA")
    signed = f"{part({'alg': 'EdDSA', 'kid': 'own', 'typ': 'at+jwt'})}.{claims}"
    assert gate.refusal(f"{signed}.{encode(own.sign(signed.encode()))}") == "token-unverified"
    assert gate.refusal(okta.token(act={"sub": "agent:helper"})) == "token-malformed"
    assert gate.refusal(okta.token(iss=GATE)) == "token-unverified"


def test_attack_widened_exchange(gate: TokenGate, okta: Issuer) -> None:
    token = gate.task("helper", okta.token())
    assert gate.chat(token, model="small")[0] == 200
    assert gate.refusal(token, model="large") == "grant-exceeded"
    assert gate.refusal(token, store=True) == "grant-exceeded"
    for details in (
        [{"type": "call_model", "models": ["*"]}],
        [{"type": "call_model", "models": ["small", "large"]}],
        [{"type": "call_model", "models": ["small"]}, {"type": "store_remotely", "models": ["small"]}],
    ):
        status, body = gate.exchange("scribe", token, details)
        assert (status, body["error"], body["code"]) == (400, "invalid_authorization_details", "grant-exceeded")
    status, _, body = call(f"{gate.url}/v1/models", token)
    assert (status, [model["id"] for model in body["data"]]) == (200, ["small"])
    # Not granted to hand it on; and nobody at all may hand it to an agent that the grant does not name.
    narrow = gate.task("helper", okta.token(), [{"type": "call_model", "models": ["small"]}])
    assert gate.exchange("scribe", narrow, None)[1]["code"] == "grant-exceeded"
    assert gate.exchange("loner", token, None)[0] == 400
    # A task token is no way to a longer life.
    assert payload(gate.task("scribe", token, None))["exp"] <= payload(token)["exp"]


def test_attack_re_exchange_for_a_clean_ledger(gate: TokenGate, okta: Issuer) -> None:
    both = [{"type": "call_model", "models": ["small", "large"]}]
    until(lambda: gate.chat(okta.token("mallory"))[0] == 200)
    spare = gate.task("helper", okta.token("mallory"), both)
    token = gate.task("helper", okta.token("mallory"), both)
    assert gate.chat(token, model="large")[0] == 200
    assert gate.chat(token, text=SECRET_MAIL)[0] == 200
    assert gate.chat(token, model="large")[0] != 200, "the task has seen personal data"
    again = gate.task("helper", okta.token("mallory"), both)
    assert payload(again)["task"] != payload(token)["task"]
    for other in (again, spare):
        assert gate.chat(other, model="large")[0] != 200, "neither a new token nor one from before is clean"
    child = gate.task("helper", okta.token("mallory", client_id="another", jti="another"), both)
    assert gate.chat(child, model="large")[0] != 200
    # Another user's task knows nothing of it.
    assert gate.chat(gate.task("helper", okta.token("clean"), both), model="large")[0] == 200
    # What a user's own calls have seen, its agents' tasks have seen.
    gate.chat(okta.token("trent"), text=SECRET_MAIL)
    assert gate.chat(gate.task("helper", okta.token("trent"), both), model="large")[0] != 200


def test_attack_re_exchange_for_a_fresh_budget() -> None:
    """Whoever has spent a task's budget gets nothing more by having the token made again, for another task id, or by another key."""
    organisation = configured({})

    def configure(data: pathlib.Path) -> None:
        organisation(data)
        # Of a model alone: exchanges are requests of the agent's own, and count against its key.
        text = "\nbudgets:\n  calls: {per: [task], every: day, requests: 2, agents: [helper], models: [small]}\n"
        main = data / "portcullis.yaml"
        main.write_text(main.read_text().replace("issuers: {}", f"issuers: {json.dumps({'okta': trust(okta)})}") + text)

    with Upstream() as upstream, Issuer(GATE) as okta, TokenGate(upstream.url, {}, configure=configure) as gate:
        until(lambda: gate.chat(okta.token("ada"))[0] == 200)
        unused = gate.task("helper", okta.token("ada"))
        first = gate.task("helper", okta.token("ada"))
        assert [gate.chat(first)[0] for _ in range(3)] == [200, 200, 429]
        again = gate.task("helper", okta.token("ada", jti="another"), purpose="another")
        gate.agents["helper"] = gate.new_key("agent:helper")
        by_another_key = gate.task("helper", okta.token("ada"))
        tokens = [first, unused, again, by_another_key]
        assert len({payload(token)["task"] for token in tokens}) == len(tokens), "each is a task of its own"
        assert [gate.chat(token)[0] for token in tokens] == [429] * len(tokens)
        # Another user's tasks have a part of their own.
        assert [gate.chat(gate.task("helper", okta.token("grace")))[0] for _ in range(3)] == [200, 200, 429]
        gate.settled()
        rows = json.loads(gate.cli("usage", "--by", "task", "--json").stdout)["usage"]
        assert sorted(row["requests"] for row in rows if row["task"].startswith("task_")) == [2, 2]
        gate.stop()
        gate.start_again()
        until(lambda: gate.chat(okta.token("eve"))[0] == 200)
        assert [gate.chat(gate.task("helper", okta.token(user)))[0] for user in ("ada", "grace", "linus")] == [429, 429, 200]


def test_attack_dropped_user_link(gate: TokenGate, okta: Issuer) -> None:
    # The agent without the user: its own key opens nothing, and there is no exchange without a subject.
    assert gate.refusal(gate.agents["helper"]) == "agent-without-user"
    token = gate.task("helper", okta.token())
    for claim in ("sub", "act", "authorization_details", "task", "portcullis"):
        claims = payload(token)
        del claims[claim]
        head, _, signature = token.split(".")
        assert gate.refusal(f"{head}.{part(claims)}.{signature}") == "token-unverified"
    form = {"grant_type": EXCHANGE, "subject_token": gate.agents["helper"], "subject_token_type": ACCESS_TOKEN}
    assert gate.post("/oauth/token", gate.agents["helper"], form)[1]["code"] == "token-malformed"
    # A client's own token stands for a service: an agent behind it still misses its user.
    machine = okta.token("app", client_id="app", groups=["eng"])
    assert gate.exchange("helper", machine)[1]["code"] == "agent-without-user"
    # An agent whose key acts for a fixed user cannot act for another one.
    gate.agents["assistant"] = gate.key("ASSISTANT")
    assert gate.exchange("assistant", okta.token())[1]["code"] == "exchange-refused"


def test_attack_dropped_middle_agent(gate: TokenGate, okta: Issuer) -> None:
    # Registered below `helper`: the whole chain works.
    small, user = [{"type": "call_model", "models": ["small"]}], okta.token("ada")
    token = gate.task("helper", user, [*small, {"type": "delegate", "agents": ["clerk"]}])
    child = gate.task("clerk", token, small)
    act = {"sub": "agent:clerk", "act": {"sub": "agent:helper"}}
    assert payload(child)["act"] == act
    assert gate.chat(child)[0] == 200
    # Without the one in the middle: the user's own token in its hands, and a key that acts for a user.
    assert gate.exchange("clerk", user, small)[1]["code"] == "link-missing"
    assert gate.refusal(gate.new_key("agent:clerk", on_behalf_of="alice")) == "link-missing"
    assert gate.refusal(gate.agents["clerk"]) == "agent-without-user"
    # Behind another one, the same.
    other = gate.task("scribe", user, [*small, {"type": "delegate", "agents": ["clerk"]}])
    assert gate.exchange("clerk", other, small)[1]["code"] == "link-missing"
    # An entry of `act` cut out of the token, exchanged, or put in another's place.
    head, _, signature = child.split(".")
    for forged in ({"sub": "agent:clerk"}, {"sub": "agent:helper"}, {"sub": "agent:helper", "act": {"sub": "agent:clerk"}}):
        assert gate.refusal(f"{head}.{part({**payload(child), 'act': forged})}.{signature}") == "token-unverified"
    # The grant cut out, or that of the parent put in.
    for grant in ([], payload(token)["authorization_details"]):
        forged = {**payload(child), "authorization_details": grant}
        assert gate.refusal(f"{head}.{part(forged)}.{signature}") == "token-unverified"
    # A token that the gate did sign says no more than its own chain: the parent's is the parent's.
    assert payload(token)["act"] == {"sub": "agent:helper"}
    assert gate.exchange("clerk", child, small)[0] == 400, "nobody stands twice in a chain"


def test_attack_a_flood_of_exchanges() -> None:
    issuers: dict[str, dict] = {}

    def bounded(data: pathlib.Path) -> None:
        configured(issuers)(data)
        main = data / "portcullis.yaml"
        main.write_text(main.read_text() + "\nbudgets:\n  agents: {per: [agent], every: day, requests: 6}\n")

    with Upstream() as upstream, Issuer(GATE) as okta:
        issuers["okta"] = trust(okta)
        with TokenGate(upstream.url, issuers, configure=bounded) as gate:
            until(lambda: gate.chat(okta.token())[0] == 200)
            token = gate.task("helper", okta.token())
            assert gate.chat(token)[0] == 200
            # What is refused makes an entry in the log as well.
            assert gate.exchange("helper", "nonsense")[0] == 400
            for path in ("/oauth/introspect", "/oauth/revoke"):
                assert gate.post(path, gate.agents["helper"], {"token": token})[0] == 200
            assert gate.exchange("helper", okta.token())[0] == 200
            form = f"grant_type={EXCHANGE}&subject_token={okta.token()}&subject_token_type={ACCESS_TOKEN}".encode()
            head = {"authorization": f"Bearer {gate.agents['helper']}", "content-type": "application/x-www-form-urlencoded"}
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(urllib.request.Request(f"{gate.url}/oauth/token", form, head), timeout=30)
            assert refused.value.code == 429 and int(refused.value.headers["retry-after"]) > 5
            told = json.loads(refused.value.read())
            assert (told["error"], told["code"]) == ("temporarily_unavailable", "budget-spent"), told
            assert "budget 'agents' allows 6 requests per day, 0 left" in told["error_description"]
            assert gate.exchange("scribe", okta.token())[0] == 200, "another agent has a part of its own"


def test_attack_a_flood_of_unknown_keys(gate: TokenGate, okta: Issuer) -> None:
    before, begun = okta.n_key_fetches(), time.monotonic()
    codes = {gate.refusal(okta.token(key=okta.keys[0], header={"kid": f"made-up-{n}"})) for n in range(200)}
    took = time.monotonic() - begun
    assert codes == {"token-unverified"}
    # At most one a second, as configured, and one that was under way.
    assert okta.n_key_fetches() - before <= took + 2


def test_keys_rotate(gate: TokenGate, okta: Issuer) -> None:
    old = okta.keys[0]
    okta.keys = [Key("next"), old]
    until(lambda: gate.chat(okta.token(key=okta.keys[0]))[0] == 200)
    assert gate.chat(okta.token(key=old))[0] == 200, "while both are published, both hold"
    okta.keys = [okta.keys[0]]
    until(lambda: gate.chat(okta.token(header={"kid": "x"}))[0] == 401 and gate.chat(okta.token(key=old))[0] == 401)
    okta.keys = [old]
    until(lambda: gate.chat(okta.token())[0] == 200)


def test_the_issuer_is_down() -> None:
    with Upstream() as upstream, Issuer(GATE) as issuer:
        trusted = trust(issuer, refresh_seconds=1, max_key_age_seconds=3)
        with TokenGate(upstream.url, {"okta": trusted}) as gate:
            until(lambda: gate.chat(issuer.token())[0] == 200)
            issuer.is_down = True
            assert gate.chat(issuer.token())[0] == 200, "the last good keys hold"
            until(lambda: gate.chat(issuer.token())[0] == 503)
            assert gate.refusal(issuer.token()) == "issuer-keys-stale"
            assert gate.chat(gate.key("BOB"))[0] == 200, "nobody else is concerned"
            issuer.is_down = False
            until(lambda: gate.chat(issuer.token())[0] == 200, 70)


def test_a_restart_while_the_issuer_is_down() -> None:
    """The keys from before the start hold as long as they would have held without one; an altered file holds nothing."""
    with Upstream() as upstream, Issuer(GATE) as issuer:
        trusted = trust(issuer, max_key_age_seconds=604800, refresh_seconds=86400)
        with TokenGate(upstream.url, {"okta": trusted}) as gate:
            until(lambda: gate.chat(issuer.token())[0] == 200)
            kept = gate.data / "issuers/okta.keys"
            until(kept.exists)
            assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)

            def again(after_start: int) -> None:
                assert gate.stopped() == 0
                gate.start_again()
                until(lambda: gate.chat(issuer.token())[0] == after_start)

            issuer.is_down = True
            again(200)
            assert gate.refusal(issuer.token(key=Key("one"))) == "token-unverified"
            good = kept.read_bytes()
            # The keys of somebody else who knows the file, under the signature that stands there.
            forged, key = good.replace(number(issuer.keys[0].private.public_key().public_numbers().n).encode(), b"AQAB"), Key("one")
            assert forged != good
            kept.write_bytes(forged)
            again(503)
            assert gate.refusal(issuer.token(key=key)) == "issuer-keys-stale"
            assert any("kept keys of an issuer cannot be used" in line for line in gate.lines)
            kept.write_bytes(good)
            # Withdrawn while the gate was down: where the issuer can be asked, what it says counts from the first call on.
            old = issuer.keys[0]
            issuer.keys, issuer.is_down = [Key("next")], False
            again(200)
            assert gate.refusal(issuer.token(key=old)) == "token-unverified"
            # Too old is too old, whoever kept it.
            issuer.is_down = True
            replace(gate.data / "portcullis.yaml", '"max_key_age_seconds": 604800', '"max_key_age_seconds": 1')
            again(503)


def test_what_is_known_of_an_issuer_outlives_an_apply() -> None:
    with Upstream() as upstream, Issuer(GATE) as issuer:
        with TokenGate(upstream.url, {"okta": trust(issuer)}) as gate:
            until(lambda: gate.chat(issuer.token())[0] == 200)
            issuer.is_down = True
            replace(gate.data / "portcullis.yaml", '"refetch_seconds": 1', '"refetch_seconds": 2')
            assert gate.cli("apply").returncode == 0
            assert gate.chat(issuer.token())[0] == 200


def test_an_issuer_behind_a_proxy_with_an_authority_of_its_own(tmp_path: pathlib.Path) -> None:
    root, stranger = Authority(), Authority("stranger")
    root.write(tmp_path, "server", "idp.example")
    with Upstream() as upstream, Issuer(GATE, tls=root.server(tmp_path, "server"), host="idp.example") as issuer:
        with Proxy(("127.0.0.1", issuer.port)) as proxy:

            def configure(data: pathlib.Path) -> None:
                configured({"okta": trust(issuer, ca="ca.pem")})(data)
                (data / "ca.pem").write_bytes(root.pem())
                main = data / "portcullis.yaml"
                main.write_text(main.read_text() + f"\nproxy: {json.dumps({'url': f'http://127.0.0.1:{proxy.port}'})}\n")

            with TokenGate(upstream.url, {}, configure=configure) as gate:
                until(lambda: gate.chat(issuer.token())[0] == 200)
                assert {head.split(b"\r\n")[0] for head in proxy.heads} == {b"CONNECT idp.example:443 HTTP/1.1"}
                assert b"jwks" not in bytes(proxy.crossed)
                # Another authority is another source: what was known by the word of the first one is not taken over.
                n_fetches = len(issuer.fetches)
                (gate.data / "ca.pem").write_bytes(stranger.pem())
                assert gate.cli("apply").returncode == 0
                until(lambda: gate.chat(issuer.token())[0] == 503)
                assert len(issuer.fetches) == n_fetches
                (gate.data / "ca.pem").write_text("no certificate")
                checked = gate.cli("check")
                assert checked.returncode == 3 and "issuers.okta.ca: " in checked.stderr, checked.stderr
                assert gate.cli("apply").returncode == 3


def test_the_issuer_redirects_or_lies() -> None:
    with Upstream() as upstream, Issuer(GATE) as issuer, Issuer(GATE) as evil:
        issuer.redirect = f"{evil.url}/jwks"
        with TokenGate(upstream.url, {"okta": trust(issuer, refresh_seconds=1)}, tokens=False) as gate:
            until(lambda: len(issuer.fetches) > 1)
            assert gate.refusal(issuer.token()) == "issuer-keys-stale"
            assert evil.fetches == []
            status, body = gate.exchange("helper", issuer.token())
            assert (status, body["code"]) == (404, "route-unknown"), "nobody has made this gate an issuer"


# Tool servers as protected resources


def test_a_tool_server_says_whose_tokens_open_it(gate: TokenGate, okta: Issuer, other: Issuer) -> None:
    """RFC 9728, section 5: a client that has no credential finds out where to get one."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    status, headers, _ = call(f"{gate.url}/mcp/kb", None, body)
    header = next(value for name, value in headers.items() if name.lower() == "www-authenticate")
    address = header.removeprefix('Bearer resource_metadata="').removesuffix('"')
    assert status == 401 and address.endswith("/.well-known/oauth-protected-resource/mcp/kb"), header
    with urllib.request.urlopen(f"{gate.url}/.well-known/oauth-protected-resource/mcp/kb", timeout=20) as reply:
        told = json.load(reply)
    assert told["authorization_servers"] == sorted([okta.url, other.url]) and told["resource"] == address.replace("/.well-known/oauth-protected-resource", "")
    status, headers, _ = call(f"{gate.url}/mcp/kb", "no.such.token", body)
    assert status == 401 and any('error="invalid_token"' in value for value in headers.values())
    # Another name than the gate's own is not believed.
    request = urllib.request.Request(f"{gate.url}/.well-known/oauth-protected-resource/mcp/kb", headers={"host": "evil.example"})
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            assert "evil" not in reply.read().decode()
    except urllib.error.HTTPError as error:
        assert error.code in (400, 403, 404)
