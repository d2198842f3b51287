"""What runs ends with the credential that began it."""

import http.client
import json
import time
import urllib.request
from collections.abc import Iterator

import pytest
from issuer import Issuer
from tokens import GATE, TokenGate, trust, until
from upstream import Peer, Request, Upstream, chat_events, polite, stream

LIFE = 3
"""Seconds: a token's times are whole seconds, so it may be one less."""


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[TokenGate, Issuer, Upstream]]:
    """A gate that allows the issuer's clock nothing."""
    with Upstream() as upstream, Issuer(GATE) as issuer:
        with TokenGate(upstream.url, {"okta": trust(issuer, clock_skew_seconds=0)}) as gate:
            until(lambda: gate.chat(issuer.token())[0] == 200)
            yield gate, issuer, upstream


async def stall(_: Request, __: Peer) -> list[bytes]:
    """Everything but the end: the connection stays, and nothing more comes."""
    return stream(chat_events([{"role": "assistant", "content": ""}, {"content": "hello, "}]))[:3]


@pytest.mark.parametrize("kind", ["access token", "task token", "key"])
def test_a_stream_ends_with_its_credential(world: tuple, kind: str) -> None:
    gate, issuer, upstream = world
    ends = int(time.time()) + LIFE
    if kind == "key":
        credential = gate.new_key("user:alice", expires_in=LIFE)
        ends = time.time() + LIFE
    else:
        credential = issuer.token(exp=ends)
        if kind == "task token":
            credential = gate.task("helper", credential)
    body = json.dumps({"model": "small", "stream": True, "messages": [{"role": "user", "content": "Hello."}]}).encode()
    head = {"authorization": f"Bearer {credential}", "content-type": "application/json"}
    upstream.script = stall
    try:
        request = urllib.request.Request(f"{gate.url}/v1/chat/completions", body, head)
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.readline().startswith(b"data:")
            try:
                rest = answer.read()
            except http.client.IncompleteRead as cut:
                rest = cut.partial
    finally:
        upstream.script = polite
    late = time.time() - ends
    assert b"credential-expired" in rest
    assert -0.5 < late < 2, late
    assert gate.refusal(credential) == "credential-expired"
