"""The official Node clients, through the gate. See test_sdk_openai.py for `target`; the scripts are in tests/node."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import threading
from collections.abc import Iterator

import pytest
from conftest import Target, allowed_model, hidden_model, member
from gate import Gate
from talk import ANTHROPIC_TOOLS, CITY, OPENAI_TOOLS, anthropic_messages, openai_messages
from upstream import Upstream, chat_events, stream

FOLDER = pathlib.Path(__file__).parent / "node"
SCRIPTS = ["openai", "anthropic"]
TALK = {"openai": (openai_messages(), OPENAI_TOOLS), "anthropic": (anthropic_messages(), ANTHROPIC_TOOLS)}
MOST_SECONDS = 120
"""How long a script may run before it is killed."""
WORDS = [f"word{index} " for index in range(400)]
"""More than the gate holds back to inspect."""


@contextlib.contextmanager
def script(name: str, checks: list[str], url: str, key: str, model: str, **more: str) -> Iterator[list[dict]]:
    """Runs the checks; gives what they said, while the process still lives."""
    if (node := shutil.which("node")) is None:
        raise RuntimeError("`node` is not installed")
    messages, tools = TALK.get(name, TALK["openai"])
    settings = {"checks": checks, "url": url, "key": key, "model": model, "messages": messages, "tools": tools, **more}
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "ANTHROPIC_", "NODE_"))}
    process = subprocess.Popen(
        [node, f"{name}.mjs"], cwd=FOLDER, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    timer = threading.Timer(MOST_SECONDS, process.kill)
    timer.start()
    try:
        process.stdin.write(json.dumps(settings) + "\n")
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in checks]
        assert all(lines), f"{name}.mjs ended before it had run {checks}: its reason stands on the standard error output"
        said = [json.loads(line) for line in lines]
        assert [line["check"] for line in said] == checks
        yield said
        process.stdin.close()
        assert process.wait(timeout=20) == 0
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module", params=SCRIPTS)
def answers(request: pytest.FixtureRequest, target: Target) -> tuple[str, dict[str, dict]]:
    """What a model answers, by check, with the name of the SDK."""
    with script(request.param, ["chat", "stream", "tool"], target.url, target.key, target.model) as said:
        return request.param, {line["check"]: line["saw"] for line in said}


@pytest.fixture(scope="module", params=SCRIPTS)
def refusals(request: pytest.FixtureRequest, gate: Gate) -> tuple[str, dict[str, dict]]:
    """What the gate refuses, by check, with the name of the SDK."""
    checks = ["forbidden", "absent", "bad_key"]
    hidden = hidden_model(gate)
    with script(request.param, checks, gate.url, member(gate), allowed_model(gate), forbidden=hidden) as said:
        return request.param, {line["check"]: line["error"] for line in said}


def test_chat(answers: tuple[str, dict]) -> None:
    sdk, said = answers
    assert said["chat"]["object"] == {"openai": "chat.completion", "anthropic": "message"}[sdk]
    assert said["chat"]["role"] == "assistant"
    assert said["chat"]["text"].strip()
    assert 0 < said["chat"]["tokens"] <= 8


def test_streaming(answers: tuple[str, dict]) -> None:
    sdk, said = answers
    assert said["stream"]["text"].strip()
    assert said["stream"]["n_pieces"] > 2, "a stream comes in pieces"
    assert said["stream"]["reason"] in {"openai": {"length", "stop"}, "anthropic": {"max_tokens", "end_turn"}}[sdk]
    # Put together, the pieces are the whole text: as the SDK itself did it, or as the same call gave it without a stream.
    assert said["stream"]["text"] == (said["stream"]["final"] if sdk == "anthropic" else said["chat"]["text"])


def test_tool_call(answers: tuple[str, dict]) -> None:
    sdk, said = answers
    reason = {"openai": "tool_calls", "anthropic": "tool_use"}[sdk]
    assert said["tool"] == {"reason": reason, "name": "get_weather", "input": {"city": CITY}}


def test_a_hidden_model_is_not_found_like_one_that_is_not_there(gate: Gate, refusals: tuple[str, dict]) -> None:
    sdk, said = refusals
    told = []
    for check, model in (("forbidden", hidden_model(gate)), ("absent", "no-such-model")):
        error = said[check]
        assert error["is"] == ["APIError", "NotFoundError"]
        assert error["status"] == 404
        if sdk == "openai":
            assert error["code"] == "model_not_found"
        else:
            assert error["body"]["error"]["type"] == "not_found_error"
        # A request's id is its own; everything else has to be the same.
        told.append(json.dumps({**error, "request": None}).replace(error["request"], "REQUEST").replace(model, "MODEL"))
    assert told[0] == told[1], "the two must not be told apart"


def test_a_wrong_key_is_an_authentication_error(refusals: tuple[str, dict]) -> None:
    sdk, said = refusals
    error = said["bad_key"]
    assert error["is"] == ["APIError", "AuthenticationError"]
    assert error["status"] == 401
    assert error["request"].startswith("req_")
    if sdk == "openai":
        assert error["code"] == "credential-unknown"
    else:
        assert error["body"]["error"]["type"] == "authentication_error"


def anthropic_events(words: list[str]) -> list[bytes]:
    """The events of a streamed message, without its end."""

    def event(name: str, **fields: object) -> bytes:
        return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()

    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    start = event("message_start", message={**message, "stop_reason": None, "stop_sequence": None})
    block = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    deltas = [event("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in words]
    return [start, block, *deltas]


def openai_events(words: list[str]) -> list[bytes]:
    """The events of a streamed chat completion, without its end."""
    return chat_events([{"role": "assistant", "content": ""}, *({"content": word} for word in words)])[:-2]


@pytest.mark.parametrize("sdk", SCRIPTS)
def test_a_client_that_aborts_ends_the_call(scripted: tuple[Gate, Upstream], sdk: str) -> None:
    """The script still lives when the upstream learns it, so it is the abort that let go."""
    gate, upstream = scripted
    left = threading.Event()
    events = {"openai": openai_events, "anthropic": anthropic_events}[sdk](WORDS)

    async def endless(_, peer) -> list[bytes]:
        for part in stream(events)[:-1]:
            peer.writer.write(part)
        await peer.writer.drain()
        await peer.left()
        left.set()
        return []

    upstream.script = endless
    with script(sdk, ["abort"], gate.url, member(gate), allowed_model(gate)) as (said,):
        if sdk == "openai":
            assert said["saw"] == {"n_pieces": 1}, "the loop over the pieces ends"
        else:
            assert said["error"]["is"] == ["APIError", "APIUserAbortError"]
        assert left.wait(10), "the upstream learns that the client left"
    assert len(upstream.requests) == 1
