"""The official `anthropic` client, through the gate, against the real model. See test_sdk_openai.py for `target`."""

import json
import threading

import anthropic
import pytest
from conftest import Target, allowed_model, hidden_model, member
from gate import Gate
from talk import ANTHROPIC_TOOLS, CITY, anthropic_messages
from upstream import Upstream, answer

HELLO = [{"role": "user", "content": "Say hello."}]
COUNT = [{"role": "user", "content": "Count from one to twenty in words."}]
"""What a model needs more than a few tokens for, however it is put."""
GREEDY = {"temperature": 0, "seed": 1}
"""The same answer each time; in the body, because this client has no word for the second."""


def client(target: Target | Gate, key: str | None = None, **options) -> anthropic.Anthropic:
    """A client without retries, so that the first answer is the one that is tested."""
    if isinstance(target, Gate):
        return anthropic.Anthropic(base_url=target.url, api_key=key or member(target), max_retries=0, **options)
    return anthropic.Anthropic(base_url=target.url, api_key=target.key, max_retries=0, timeout=60, **options)


def test_message(target: Target) -> None:
    with client(target) as api:
        message = api.messages.create(model=target.model, messages=HELLO, max_tokens=8, system="Be brief.", extra_body=GREEDY)
    assert message.type == "message"
    assert message.content[0].text.strip()
    assert message.stop_reason in {"max_tokens", "end_turn"}
    assert 0 < message.usage.output_tokens <= 8


def test_streaming(target: Target) -> None:
    with client(target) as api, api.messages.stream(model=target.model, messages=COUNT, max_tokens=8, extra_body=GREEDY) as events:
        pieces = list(events.text_stream)
        final = events.get_final_message()
    assert len(pieces) > 2, "a stream comes in pieces"
    assert "".join(pieces) == final.content[0].text
    assert final.stop_reason in {"max_tokens", "end_turn"}


def test_bearer_credential(gate: Gate) -> None:
    """`auth_token` sends `Authorization: Bearer` instead of `x-api-key`."""
    with anthropic.Anthropic(base_url=gate.url, auth_token=member(gate), api_key=None, max_retries=0) as api:
        assert api.messages.create(model=allowed_model(gate), messages=HELLO, max_tokens=2).content


def test_tool_use(target: Target) -> None:
    options = {"tools": ANTHROPIC_TOOLS, "tool_choice": {"type": "any"}, "max_tokens": 60, "extra_body": {"temperature": 0}}
    with client(target) as api:
        message = api.messages.create(model=target.model, messages=anthropic_messages(), **options)
    use = next(block for block in message.content if block.type == "tool_use")
    assert message.stop_reason == "tool_use"
    assert (use.name, use.input) == ("get_weather", {"city": CITY})


def test_tool_use_streamed(target: Target) -> None:
    options = {"tools": ANTHROPIC_TOOLS, "tool_choice": {"type": "any"}, "max_tokens": 60, "extra_body": {"temperature": 0}}
    with client(target) as api:
        events = list(api.messages.create(model=target.model, messages=anthropic_messages(), stream=True, **options))
    pieces = [event.delta.partial_json for event in events if event.type == "content_block_delta"]
    assert len(pieces) > 2, "the input comes in pieces"
    assert json.loads("".join(pieces)) == {"city": CITY}


def test_a_wrong_key_is_an_authentication_error(gate: Gate) -> None:
    with client(gate, key="sk-ant-nothing") as api, pytest.raises(anthropic.AuthenticationError) as caught:
        api.messages.create(model=allowed_model(gate), messages=HELLO, max_tokens=2)
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["type"] == "authentication_error"
    assert caught.value.response.headers["x-request-id"].startswith("req_")


def test_a_hidden_model_is_not_found(gate: Gate) -> None:
    for model in (hidden_model(gate), "no-such-model"):
        with client(gate) as api, pytest.raises(anthropic.NotFoundError) as caught:
            api.messages.create(model=model, messages=HELLO, max_tokens=2)
        assert caught.value.body["error"]["type"] == "not_found_error"


@pytest.mark.parametrize(
    ("field", "value"), [("messages", 5), ("messages", "hello"), ("max_tokens", "many"), ("system", 3), ("stream", "yes")]
)
def test_a_wrong_type_is_a_bad_request(scripted: tuple[Gate, Upstream], field: str, value: object) -> None:
    gate, upstream = scripted
    body = {"model": allowed_model(gate), "messages": HELLO, "max_tokens": 2, field: value}
    with client(gate) as api, pytest.raises(anthropic.BadRequestError) as caught:
        api.post("/v1/messages", body=body, cast_to=object)
    assert caught.value.body["error"]["type"] == "invalid_request_error"
    assert not upstream.requests


def test_an_unknown_beta_is_refused(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    with client(gate) as api, pytest.raises(anthropic.BadRequestError):
        api.messages.create(
            model=allowed_model(gate), messages=HELLO, max_tokens=2, extra_headers={"anthropic-beta": "no-such-beta-2031-01-01"}
        )
    assert not upstream.requests


def test_the_clients_credential_stays_here(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    with client(gate, default_headers={"x-custom": "private", "cookie": "a=b"}) as api:
        api.messages.create(model=allowed_model(gate), messages=HELLO, max_tokens=2)
    seen = upstream.requests[0]
    assert member(gate) not in repr(seen.headers) + seen.body.decode()
    assert {"x-custom", "cookie"}.isdisjoint(key.lower() for key, _ in seen.headers)


def test_a_timeout_is_a_timeout(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    left = threading.Event()

    async def silent(_, peer) -> list[bytes]:
        await peer.left()
        left.set()
        return []

    upstream.script = silent
    with client(gate, timeout=0.5) as api, pytest.raises(anthropic.APITimeoutError):
        api.messages.create(model=allowed_model(gate), messages=HELLO, max_tokens=2)
    assert left.wait(10), "when the client gives up, the gate lets go of the upstream"


def test_an_upstreams_own_errors(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    words = "these words are the upstream's"
    facts = [
        (400, anthropic.BadRequestError, True),
        (429, anthropic.RateLimitError, True),
        (529, anthropic.InternalServerError, True),
        (401, anthropic.InternalServerError, False),
        (403, anthropic.InternalServerError, False),
    ]
    for status, expected, is_passed in facts:
        body = json.dumps({"type": "error", "error": {"type": "api_error", "message": words}}).encode()

        async def refuse(*_, status=status, body=body) -> list[bytes]:
            return answer(status, body)

        upstream.script = refuse
        with client(gate) as api, pytest.raises(expected) as caught:
            api.messages.create(model=allowed_model(gate), messages=HELLO, max_tokens=2)
        assert (words in str(caught.value.body)) == is_passed
        assert caught.value.status_code == (status if is_passed else 502)


def test_one_model_is_shown_if_it_is_allowed(gate: Gate) -> None:
    with client(gate, key=member(gate)) as api:
        assert api.models.retrieve(allowed_model(gate)).id == allowed_model(gate)
        for absent in (hidden_model(gate), "no-such-model"):
            with pytest.raises(anthropic.NotFoundError):
                api.models.retrieve(absent)
