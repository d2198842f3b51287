"""The official Node client beyond chat: responses, completions, embeddings, structured output, parallel tools, pictures, Azure.

With the real model where it speaks the API, directly and through the gate; else with a scripted upstream."""

import base64
import json
import struct
from collections.abc import Iterator

import pytest
from conftest import Target
from gate import Gate
from samples import SAMPLES
from test_more_apis import let_keep, response, response_events, sent
from test_node_sdks import script
from test_stored import Keeper, another
from upstream import Peer, Request, Upstream, answer, chat_events, polite, stream

SECRET = SAMPLES["aws-access-token"]
HIDDEN = "[redacted:aws-access-token]"
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(64))).decode()
CALLS = [("call_1", "weather", {"city": "Paris"}), ("call_2", "time", {"city": "Rome"})]
VECTOR = [0.25, -0.5, 1.0]


def saw(said: list[dict]) -> dict[str, dict]:
    """What checks saw; none of them failed."""
    assert all("saw" in line for line in said), said
    return {line["check"]: line["saw"] for line in said}


@pytest.fixture(scope="module")
def real(target: Target) -> dict[str, dict]:
    """What the real model answers, by check."""
    with script("apis", ["response", "response_stream", "completion", "structured"], target.url, target.key, target.model) as said:
        return saw(said)


def test_a_response(real: dict) -> None:
    assert (real["response"]["object"], 0 < real["response"]["tokens"] <= 8) == ("response", True)
    assert real["response"]["text"].strip()


def test_a_response_streamed(real: dict) -> None:
    streamed = real["response_stream"]
    assert streamed["n_pieces"] > 3, "a stream comes in pieces"
    assert streamed["text"] == streamed["final"] == real["response"]["text"]


def test_a_completion(real: dict) -> None:
    assert real["completion"]["text"].strip() and real["completion"]["text"] == real["completion"]["final"]


def test_structured_output(real: dict) -> None:
    for form in ("whole", "streamed"):
        place = real["structured"][form]
        assert place["city"] in {"Paris", "Rome"} and isinstance(place["is_capital"], bool) and len(place) == 2


@pytest.fixture(scope="module")
def kept() -> Iterator[tuple[Gate, Keeper]]:
    """A provider that keeps responses, which everybody may ask for."""
    keeper = Keeper(f"the key is {SECRET}.")
    with Upstream(keeper) as upstream, Gate(upstream.url) as gate:
        let_keep(gate)
        yield gate, keeper


def test_responses_that_are_kept(kept: tuple[Gate, Keeper]) -> None:
    gate, keeper = kept
    checks = ["kept", "not_mine", "resumed", "response_helper"]
    with script("apis", checks, gate.url, gate.key("ALICE"), "small", other=gate.key(another(gate))) as said:
        told = saw(said)
    first, shown, previous, cancelled = told["kept"]["ids"]
    assert first == shown == previous and "_pcl" in first and cancelled == told["kept"]["next"] != first
    assert told["kept"]["text"] == f"the key is {HIDDEN}." and told["kept"]["items"] == ["msg_in"]
    assert (told["kept"]["status"], told["kept"]["gone"]) == ("cancelled", 404)
    refused = {"status": 404, "code": "stored-not-found", "type": "invalid_request_error"}
    assert told["not_mine"] == {"mine": [refused] * 3, "none": [refused] * 3, "still": True}
    assert told["response_helper"] == {"text": f"the key is {HIDDEN}.", "final": f"the key is {HIDDEN}.", "arguments": "{}"}
    numbers = told["resumed"]["first"]
    assert told["resumed"]["rest"] == numbers[4:] and len(numbers) > 8
    assert not any("starting_after" in line for line in keeper.asked)


def call_pieces() -> list[dict]:
    """Two calls side by side, their arguments in pieces."""
    begun = [{"index": index, "id": name, "type": "function", "function": {"name": function, "arguments": ""}} for index, (name, function, _) in enumerate(CALLS)]
    texts = [json.dumps(arguments) for _, _, arguments in CALLS]
    pieces = [{"index": index, "function": {"arguments": text[at : at + 5]}} for at in range(0, 20, 5) for index, text in enumerate(texts) if text[at : at + 5]]
    return [{"role": "assistant", "content": None, "tool_calls": [call]} for call in begun] + [{"tool_calls": [piece]} for piece in pieces]


async def provider(request: Request, peer: Peer) -> list[bytes]:
    """Calls two tools if it has them, packs vectors, else greets."""
    body = request.json()
    if request.line.startswith("POST /v1/embeddings"):
        vector = base64.b64encode(struct.pack("<3f", *VECTOR)).decode() if body.get("encoding_format") == "base64" else VECTOR
        data = [{"object": "embedding", "index": 0, "embedding": vector}]
        return answer(200, json.dumps({"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}).encode())
    if not body.get("tools"):
        return await polite(request, peer)
    if body.get("stream"):
        events = chat_events(call_pieces())
        return stream([event.replace(b'"finish_reason": "stop"', b'"finish_reason": "tool_calls"') for event in events])
    calls = [{"id": name, "type": "function", "function": {"name": function, "arguments": json.dumps(arguments)}} for name, function, arguments in CALLS]
    choice = {"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": calls}, "finish_reason": "tool_calls", "logprobs": None}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return answer(200, json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}).encode())


@pytest.fixture(scope="module")
def made_up() -> Iterator[tuple[Gate, Upstream]]:
    """The gate in front of a provider of the test's own."""
    with Upstream(provider) as upstream, Gate(upstream.url) as gate:
        yield gate, upstream


def test_embeddings(made_up: tuple[Gate, Upstream]) -> None:
    gate, upstream = made_up
    with script("apis", ["embedding"], gate.url, gate.key("ALICE"), "small", text=f"key {SECRET}") as said:
        assert saw(said)["embedding"] == {"packed": VECTOR, "plain": VECTOR}
    assert [request.json()["encoding_format"] for request in upstream.requests[-2:]] == ["base64", "float"]
    assert upstream.requests[-2].json()["input"] == ["hello", f"key {HIDDEN}"]


def test_tools_in_parallel(made_up: tuple[Gate, Upstream]) -> None:
    gate, upstream = made_up
    with script("apis", ["parallel"], gate.url, gate.key("ALICE"), "small") as said:
        expected = [list(call) for call in CALLS]
        assert saw(said)["parallel"] == {"whole": expected, "streamed": expected}
    assert all(request.json()["parallel_tool_calls"] is True for request in upstream.requests[-2:])


def test_pictures(made_up: tuple[Gate, Upstream]) -> None:
    """What no scanner understands is a finding; what the provider would fetch is a question of its own."""
    gate, upstream = made_up
    with script("apis", ["vision", "remote_image"], gate.url, gate.key("ALICE"), "small", image=PIXEL) as said:
        vision, remote = said
    part = upstream.requests[-1].json()["messages"][0]["content"][1]
    assert vision["saw"]["text"] == "hello" and part["image_url"]["url"] == f"data:image/png;base64,{PIXEL}"
    explained = json.dumps(gate.admin("GET", f"/admin/v1/explain/{vision['saw']['request']}"))
    assert "uninspected:image" in explained
    assert "PermissionDeniedError" in remote["error"]["is"] and remote["error"]["code"] == "policy-denied"
    # A policy that names the finding refuses it.
    policy = '@id("no-pictures")\nforbid (principal, action == Portcullis::Action::"callModel", resource)\nwhen { context.content.kinds.contains("uninspected:image") };\n'
    (gate.data / "policies" / "pictures.cedar").write_text(policy)
    assert gate.cli("apply").returncode == 0
    try:
        with script("apis", ["vision"], gate.url, gate.key("ALICE"), "small", image=PIXEL) as said:
            assert said[0]["error"]["status"] in (403, 404)
    finally:
        (gate.data / "policies" / "pictures.cedar").unlink()
        assert gate.cli("apply", "--allow-removal").returncode == 0


@pytest.fixture(scope="module")
def of_places() -> Iterator[tuple[Gate, Upstream]]:
    """The gate in front of a provider that says where the Colosseum is."""

    async def reply(request: Request, peer: Peer) -> list[bytes]:
        if "/v1/responses" not in request.line:
            return await polite(request, peer)
        text = json.dumps({"city": "Rome", "is_capital": True})
        if request.json().get("stream"):
            return stream(sent(response_events([text[:9], text[9:]], ["{}"])))
        return answer(200, json.dumps(response(text, "{}")).encode())

    with Upstream(reply) as upstream, Gate(upstream.url) as gate:
        yield gate, upstream


def test_structured_output_of_a_response(of_places: tuple[Gate, Upstream]) -> None:
    gate, upstream = of_places
    with script("apis", ["response_structured"], gate.url, gate.key("ALICE"), "small") as said:
        place = {"city": "Rome", "is_capital": True}
        assert saw(said)["response_structured"] == {"whole": place, "streamed": place}
    for request in upstream.requests[-2:]:
        form = request.json()["text"]["format"]
        assert (form["type"], form["name"], form["strict"], form["schema"]["required"]) == ("json_schema", "place", True, ["city", "is_capital"])


@pytest.mark.parametrize(("name", "check"), [("apis", "response_vision"), ("anthropic", "vision")], ids=["responses", "messages"])
def test_pictures_elsewhere(of_places: tuple[Gate, Upstream], name: str, check: str) -> None:
    gate, upstream = of_places
    with script(name, [check], gate.url, gate.key("ALICE"), "small", image=PIXEL) as said:
        request = saw(said)[check]["request"]
    assert PIXEL in upstream.requests[-1].body.decode(), "the picture passes as it is"
    assert "uninspected:image" in json.dumps(gate.admin("GET", f"/admin/v1/explain/{request}"))


def test_the_client_for_azure(kept: tuple[Gate, Keeper]) -> None:
    gate, keeper = kept
    with Upstream() as plain, Gate(plain.url) as greeting:
        with script("apis", ["azure_absent"], greeting.url, greeting.key("ALICE"), "small") as said:
            assert (said[0]["error"]["status"], said[0]["error"]["code"]) == (404, "model_not_found")
        assert not plain.requests

    async def both(request: Request, peer: Peer) -> list[bytes]:
        return await (keeper(request, peer) if "/v1/responses" in request.line else polite(request, peer))

    with Upstream(both) as upstream, Gate(upstream.url) as gate:
        let_keep(gate)
        with script("apis", ["azure"], gate.url, gate.key("ALICE"), "small", text=f"Hello, {SECRET}") as said:
            told = saw(said)["azure"]
        assert told["chat"] == told["streamed"] == "hello" and "_pcl" in told["made"] and told["shown"] == told["made"]
        lines = [request.line.removesuffix(" HTTP/1.1") for request in upstream.requests]
        assert lines[:3] == ["POST /v1/chat/completions", "POST /v1/chat/completions", "POST /v1/responses"]
        assert lines[3].startswith("GET /v1/responses/resp_") and "api-version" not in lines[3]
        assert not any(SECRET.encode() in request.body for request in upstream.requests)
