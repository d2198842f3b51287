"""The official `openai` client, through the gate, against the real model.

Tests that take `target` run twice: against the model server itself and through the gate, so that a claim about the gate
is never a claim about the model.
"""

import asyncio
import json
import threading

import openai
import pytest
from conftest import Target, allowed_model, hidden_model, listed_models, member
from gate import Gate
from llama import Llama
from talk import CITY, OPENAI_TOOLS, openai_messages
from upstream import Upstream, chat, chat_events, answer, stream

HELLO = [{"role": "user", "content": "Say hello."}]


def client(target: Target | Gate, key: str | None = None, **options) -> openai.OpenAI:
    """A client without retries, so that the first answer is the one that is tested."""
    if isinstance(target, Gate):
        return openai.OpenAI(base_url=f"{target.url}/v1", api_key=key or member(target), max_retries=0, **options)
    return openai.OpenAI(base_url=f"{target.url}/v1", api_key=target.key, max_retries=0, timeout=60, **options)


def test_chat(target: Target) -> None:
    with client(target) as api:
        answer = api.chat.completions.create(model=target.model, messages=HELLO, max_tokens=8, temperature=0, seed=1)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content.strip()
    assert 0 < answer.usage.completion_tokens <= 8


def test_the_gate_changes_nothing(llama: Llama, gate: Gate) -> None:
    direct = Target("direct", llama.url, "none", "smollm2")
    texts = []
    for api, model in ((client(direct), direct.model), (client(gate), allowed_model(gate))):
        with api:
            answer = api.chat.completions.create(model=model, messages=HELLO, max_tokens=6, temperature=0, seed=1)
            texts.append((answer.choices[0].message.content, answer.choices[0].finish_reason, answer.usage.completion_tokens))
    assert texts[0] == texts[1]


def test_streaming(target: Target) -> None:
    with client(target) as api:
        options = {"stream_options": {"include_usage": True}, "max_tokens": 8, "temperature": 0}
        chunks = list(api.chat.completions.create(model=target.model, messages=HELLO, stream=True, **options))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.strip()
    assert len(chunks) > 3, "a stream comes in pieces"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert chunks[-1].usage.completion_tokens == 8


def test_streaming_async(target: Target) -> None:
    async def text() -> str:
        api = openai.AsyncOpenAI(base_url=f"{target.url}/v1", api_key=target.key, max_retries=0, timeout=60)
        async with api:
            chunks = await api.chat.completions.create(model=target.model, messages=HELLO, stream=True, max_tokens=8, temperature=0, seed=1)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices])

    assert asyncio.run(text()).strip()


def test_many_at_once(target: Target) -> None:
    async def lengths() -> list[int]:
        api = openai.AsyncOpenAI(base_url=f"{target.url}/v1", api_key=target.key, max_retries=0, timeout=120)

        async def one(index: int) -> int:
            messages = [{"role": "user", "content": f"Count from {index}."}]
            chunks = await api.chat.completions.create(model=target.model, messages=messages, stream=True, max_tokens=12)
            return len([chunk async for chunk in chunks])

        async with api:
            return await asyncio.gather(*(one(index) for index in range(12)))

    assert all(length > 2 for length in asyncio.run(lengths()))


def test_tool_call(target: Target) -> None:
    with client(target) as api:
        answer = api.chat.completions.create(
            model=target.model, messages=openai_messages(), tools=OPENAI_TOOLS, tool_choice="required", max_tokens=60, temperature=0
        )
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": CITY}


def test_tool_call_streamed(target: Target) -> None:
    options = {"tools": OPENAI_TOOLS, "tool_choice": "required", "max_tokens": 60, "temperature": 0}
    with client(target) as api, api.chat.completions.stream(model=target.model, messages=openai_messages(), **options) as events:
        pieces = [event for event in events if event.type == "tool_calls.function.arguments.delta"]
        final = events.get_final_completion()
    assert len(pieces) > 2, "arguments come in pieces"
    assert json.loads(final.choices[0].message.tool_calls[0].function.arguments) == {"city": CITY}


def test_several_choices(target: Target) -> None:
    """`n` > 1: this llama.cpp answers it (with as many choices), so the gate has to pass it."""
    with client(target) as api:
        answer = api.chat.completions.create(model=target.model, messages=HELLO, max_tokens=4, temperature=0, seed=1, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(choice.message.content for choice in answer.choices)


def test_several_choices_streamed(target: Target) -> None:
    with client(target) as api:
        chunks = list(api.chat.completions.create(model=target.model, messages=HELLO, max_tokens=4, temperature=0, seed=1, n=2, stream=True))
    seen = {choice.index for chunk in chunks for choice in chunk.choices if choice.delta.content}
    assert seen == {0, 1}


def test_logprobs(target: Target) -> None:
    with client(target) as api:
        answer = api.chat.completions.create(model=target.model, messages=HELLO, max_tokens=4, temperature=0, seed=1, logprobs=True, top_logprobs=2)
    tokens = answer.choices[0].logprobs.content
    assert "".join(token.token for token in tokens).strip() == answer.choices[0].message.content.strip()
    assert all(len(token.top_logprobs) == 2 for token in tokens)


def test_models_lists_only_what_is_allowed(gate: Gate) -> None:
    alice, hidden = listed_models(gate, member(gate)), hidden_model(gate)
    assert alice
    assert hidden not in alice


def test_a_wrong_key_is_an_authentication_error(gate: Gate) -> None:
    key = member(gate)
    for wrong in ("sk-nothing", key[:-1] + ("A" if key[-1] != "A" else "B"), key.upper()):
        with client(gate, key=wrong) as api, pytest.raises(openai.AuthenticationError) as caught:
            api.chat.completions.create(model=allowed_model(gate), messages=HELLO)
        assert caught.value.code == "credential-unknown"
        assert caught.value.request_id.startswith("req_")


def test_a_hidden_model_is_not_found_like_one_that_is_not_there(gate: Gate) -> None:
    told = []
    for model in (hidden_model(gate), "no-such-model"):
        with client(gate) as api, pytest.raises(openai.NotFoundError) as caught:
            api.chat.completions.create(model=model, messages=HELLO)
        assert caught.value.code == "model_not_found"
        told.append({**caught.value.body, "message": caught.value.body["message"].replace(model, "MODEL").partition("req_")[0]})
    assert told[0] == told[1], "the two must not be told apart"


@pytest.mark.parametrize(
    ("field", "value"),
    [("messages", 5), ("messages", "hello"), ("messages", [5]), ("n", "two"), ("stream", "yes"), ("max_tokens", [1])],
)
def test_a_wrong_type_is_a_bad_request(scripted: tuple[Gate, Upstream], field: str, value: object) -> None:
    gate, upstream = scripted
    with client(gate) as api, pytest.raises(openai.BadRequestError) as caught:
        api.post(
            "/chat/completions",
            body={"model": allowed_model(gate), "messages": HELLO, field: value},
            cast_to=object,
        )
    assert caught.value.code in {"field-type", "field-missing"}
    assert not upstream.requests


def test_unknown_structure_is_refused_and_unknown_text_passes(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    with client(gate) as api:
        with pytest.raises(openai.BadRequestError) as caught:
            api.chat.completions.create(model=allowed_model(gate), messages=HELLO, extra_body={"new_switch": {"on": True}})
        assert caught.value.code == "field-unknown"
        assert not upstream.requests
        api.chat.completions.create(model=allowed_model(gate), messages=HELLO, extra_body={"new_words": "hello", "new_number": 3})
    assert upstream.requests[0].json()["new_words"] == "hello"
    assert upstream.requests[0].json()["new_number"] == 3


def test_the_clients_credential_stays_here(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    with client(gate, default_headers={"x-custom": "private", "cookie": "a=b"}, organization="org-1", project="proj-1") as api:
        api.chat.completions.create(model=allowed_model(gate), messages=HELLO, user="someone")
    seen = upstream.requests[0]
    everything = repr(seen.headers) + seen.body.decode()
    assert member(gate) not in everything
    assert {"x-custom", "cookie", "openai-organization", "openai-project"}.isdisjoint(key.lower() for key, _ in seen.headers)


def test_a_timeout_is_a_timeout(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    left = threading.Event()

    async def silent(_, peer) -> list[bytes]:
        await peer.left()
        left.set()
        return []

    upstream.script = silent
    with client(gate, timeout=0.5) as api, pytest.raises(openai.APITimeoutError):
        api.chat.completions.create(model=allowed_model(gate), messages=HELLO)
    assert left.wait(10), "when the client gives up, the gate lets go of the upstream"


def test_a_client_that_leaves_ends_the_call(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    left = threading.Event()

    async def endless(_, peer) -> list[bytes]:
        for part in stream(chat_events([{"role": "assistant", "content": ""}, {"content": "hello there my friend"}]))[:-2]:
            peer.writer.write(part)
        await peer.writer.drain()
        await peer.left()
        left.set()
        return []

    upstream.script = endless
    with client(gate) as api:
        chunks = api.chat.completions.create(model=allowed_model(gate), messages=HELLO, stream=True)
        pieces = iter(chunks)
        next(pieces)
        chunks.close()
    assert left.wait(10), "the upstream learns that the client left"


def test_an_upstreams_own_errors(scripted: tuple[Gate, Upstream]) -> None:
    """What the upstream refuses is passed in its own words; that it refuses the gate's credential is not the client's affair."""
    gate, upstream = scripted
    words = "these words are the upstream's"
    facts = [
        (400, openai.BadRequestError, True),
        (404, openai.NotFoundError, True),
        (429, openai.RateLimitError, True),
        (500, openai.InternalServerError, True),
        (401, openai.APIStatusError, False),
        (403, openai.APIStatusError, False),
    ]
    for status, expected, is_passed in facts:
        body = json.dumps({"error": {"message": words, "type": "t", "code": "c", "param": None}}).encode()

        async def refuse(*_, status=status, body=body) -> list[bytes]:
            return answer(status, body)

        upstream.script = refuse
        with client(gate) as api, pytest.raises(expected) as caught:
            api.chat.completions.create(model=allowed_model(gate), messages=HELLO)
        if is_passed:
            assert caught.value.status_code == status
            assert caught.value.body["message"] == words
        else:
            assert caught.value.status_code == 502
            assert caught.value.code == "upstream-refused-gate"
            assert words not in str(caught.value.body)


def test_an_upstream_that_is_gone_is_a_server_error() -> None:
    with Upstream() as upstream:
        url = upstream.url
    with Gate(url) as gate, client(gate) as api, pytest.raises(openai.InternalServerError) as caught:
        api.chat.completions.create(model=allowed_model(gate), messages=HELLO)
    assert caught.value.code == "upstream-unavailable"


def test_an_upstream_that_breaks_off(scripted: tuple[Gate, Upstream]) -> None:
    """Half an answer is no answer: the client gets an error, never a short text that looks whole."""
    gate, upstream = scripted
    whole = answer(200, chat("a long answer"))[0]

    async def half(_, peer) -> list[bytes]:
        peer.writer.write(whole[:-20])
        await peer.writer.drain()
        peer.writer.close()
        return []

    upstream.script = half
    with client(gate) as api, pytest.raises(openai.InternalServerError) as caught:
        api.chat.completions.create(model=allowed_model(gate), messages=HELLO)
    assert caught.value.code in {"upstream-broke-off", "upstream-unavailable"}


def test_a_stream_that_breaks_off(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted

    async def half(_, peer) -> list[bytes]:
        for part in stream(chat_events([{"role": "assistant", "content": ""}, {"content": "hello there"}]))[:-2]:
            peer.writer.write(part)
        await peer.writer.drain()
        peer.writer.close()
        return []

    upstream.script = half
    with client(gate) as api, pytest.raises((openai.APIError, openai.APIConnectionError)) as caught:
        list(api.chat.completions.create(model=allowed_model(gate), messages=HELLO, stream=True))
    assert "upstream-broke-off" in str(getattr(caught.value, "code", "")) + str(getattr(caught.value, "body", ""))


def test_overhead_is_told(gate: Gate) -> None:
    with client(gate) as api:
        raw = api.chat.completions.with_raw_response.create(model=allowed_model(gate), messages=HELLO, max_tokens=2)
    assert raw.headers["x-request-id"].startswith("req_")
    assert 0 <= float(raw.headers["x-portcullis-overhead-ms"]) < 1000


def test_one_model_is_shown_if_it_is_allowed(gate: Gate) -> None:
    with client(gate, key=member(gate)) as api:
        assert api.models.retrieve(allowed_model(gate)).id == allowed_model(gate)
        for absent in (hidden_model(gate), "no-such-model"):
            with pytest.raises(openai.NotFoundError):
                api.models.retrieve(absent)
