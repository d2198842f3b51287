"""A secret cut across the parts of one message: clients and models read the parts as one text, and so does the gate."""

import json
from collections.abc import Iterator

import anthropic
import openai
import pytest
from gate import Gate
from samples import SAMPLES
from test_more_apis import response, sent
from test_sdk_openai import client
from upstream import Peer, Request, Upstream, answer, polite, stream

SECRET = SAMPLES["aws-access-token"]
HIDDEN = "[redacted:aws-access-token]"
CUTS = range(1, len(SECRET))


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[Gate, Upstream]]:
    with Upstream() as upstream, Gate(upstream.url) as gate:
        yield gate, upstream


@pytest.fixture(autouse=True)
def _polite(world: tuple[Gate, Upstream]) -> None:
    world[1].script = polite
    world[1].requests.clear()


def halves(cut: int) -> tuple[str, str]:
    return f"The key is {SECRET[:cut]}", f"{SECRET[cut:]} and no other."


def parts(kind: str, *texts: str) -> list[dict]:
    return [{"type": kind, "text": text} for text in texts]


def test_requests(world: tuple[Gate, Upstream]) -> None:
    gate, upstream = world

    async def respond(_: Request, __: Peer) -> list[bytes]:
        return answer(200, json.dumps(response("hi", "{}")).encode())

    expected = [f"The key is {HIDDEN}", f"{HIDDEN} and no other."]
    with client(gate) as api, anthropic.Anthropic(base_url=gate.url, api_key=gate.key("ALICE"), max_retries=0) as other:
        for cut in CUTS:
            api.chat.completions.create(model="small", messages=[{"role": "user", "content": parts("text", *halves(cut))}])
            sent_parts = upstream.requests[-1].json()["messages"][0]["content"]
            assert [part["text"] for part in sent_parts] == expected, cut
            other.messages.create(
                model="small",
                max_tokens=9,
                system=parts("text", *halves(cut)),
                messages=[{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": parts("text", *halves(cut))}]}],
            )
            body = upstream.requests[-1].json()
            for found in (body["system"], body["messages"][0]["content"][0]["content"]):
                assert [part["text"] for part in found] == expected, cut
        upstream.script = respond
        api.responses.create(model="small", store=False, input=[{"role": "user", "content": parts("input_text", *halves(9))}])
        assert [part["text"] for part in upstream.requests[-1].json()["input"][0]["content"]] == expected


def test_whole_answers(world: tuple[Gate, Upstream]) -> None:
    """`output_text` joins the parts of all messages of a response; blocks of a message are joined by whoever prints them."""
    gate, upstream = world
    turn: dict = {}

    async def reply(_: Request, __: Peer) -> list[bytes]:
        return answer(200, json.dumps(turn["answer"]).encode())

    upstream.script = reply
    usage = {"input_tokens": 1, "output_tokens": 1}
    with client(gate) as api, anthropic.Anthropic(base_url=gate.url, api_key=gate.key("ALICE"), max_retries=0) as other:
        for cut in CUTS:
            first, second = ({"type": "output_text", "text": text, "annotations": []} for text in halves(cut))
            message, call = response("", "{}")["output"]
            together = [{**message, "content": [first, second]}]
            apart = [{**message, "content": [first]}, call, {**message, "id": "msg_2", "content": [second]}]
            for output in (together, apart):
                turn["answer"] = {**response("", "{}"), "output": output}
                assert api.responses.create(model="small", input="hi", store=False).output_text == f"The key is {HIDDEN}{HIDDEN} and no other."
            turn["answer"] = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": parts("text", *halves(cut)), "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
            said = other.messages.create(model="small", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
            assert "".join(block.text for block in said.content) == f"The key is {HIDDEN}{HIDDEN} and no other."


def of_parts(texts: list[str], places: list[tuple[int, int]], deltas: bool = True, copies: str = "text part item last") -> list[dict]:
    """The events of a response whose texts stand at these places: item and part."""
    final = response("", "{}")
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    items = {item: {**final["output"][0], "id": f"msg_{item}", "content": []} for item, _ in places}
    events: list[dict] = [{"type": "response.created", "response": {**final, "status": "in_progress", "output": []}}]
    for (item, part), said in zip(places, content, strict=True):
        at = {"item_id": f"msg_{item}", "output_index": item, "content_index": part}
        items[item]["content"].append(said)
        if deltas:
            half = len(said["text"]) // 2
            events += [{"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []} for piece in (said["text"][:half], said["text"][half:])]
        if "text" in copies:
            events.append({"type": "response.output_text.done", **at, "text": said["text"], "logprobs": []})
        if "part" in copies:
            events.append({"type": "response.content_part.done", **at, "part": said})
        if "item" in copies and (item, part + 1) not in places:
            events.append({"type": "response.output_item.done", "output_index": item, "item": items[item]})
    if "last" in copies:
        events.append({"type": "response.completed", "response": {**final, "output": list(items.values())}})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def raw_of(api: openai.OpenAI) -> str:
    """Every byte that a client sees of a streamed response, be it refused at once."""
    try:
        with api.responses.with_streaming_response.create(model="small", input="hi", stream=True, store=False) as answered:
            return b"".join(answered.iter_bytes()).decode()
    except openai.InternalServerError as refused:
        return json.dumps(refused.body)


def test_streams_of_a_response(world: tuple[Gate, Upstream]) -> None:
    """The second half never leaves, whichever copy of the text it stands in."""
    gate, upstream = world
    turn: dict = {}

    async def reply(_: Request, __: Peer) -> list[bytes]:
        return stream(sent(turn["events"]))

    upstream.script = reply
    with client(gate) as api:
        for cut in CUTS:
            for places in ([(0, 0), (0, 1)], [(0, 0), (2, 0)]):
                turn["events"] = of_parts(list(halves(cut)), places)
                raw = raw_of(api)
                assert f"{SECRET[cut:]} and no other" not in raw and "values that clients join" in raw, (cut, places)
        for places in ([(0, 0), (0, 1)], [(0, 0), (2, 0)]):
            for copies in ("text", "part", "item", "last"):
                turn["events"] = of_parts(list(halves(9)), places, deltas=False, copies=copies)
                raw = raw_of(api)
                assert SECRET[9:] not in raw, (places, copies)


def test_texts_that_come_side_by_side(world: tuple[Gate, Upstream]) -> None:
    """Each is read by itself, and all of them as one where the answer ends: in the order of their places."""
    gate, upstream = world

    def delta(item: int, text: str) -> dict:
        return {"type": "response.output_text.delta", "item_id": f"msg_{item}", "output_index": item, "content_index": 0, "delta": text, "logprobs": []}

    texts = [f"zero {SECRET} ", f"one {SECRET} "]
    final = response("", "{}")
    message = final["output"][0]
    output = [{**message, "id": f"msg_{item}", "content": [{"type": "output_text", "text": text, "annotations": []}]} for item, text in enumerate((f"a {SECRET[:9]}", SECRET[9:]))]
    letters = [delta(item, text[at]) for at in range(min(map(len, texts))) for item, text in enumerate(texts)]
    events = [*letters, {"type": "response.completed", "response": {**final, "output": output}}]

    async def reply(_: Request, __: Peer) -> list[bytes]:
        return stream(sent(events))

    upstream.script = reply
    with client(gate) as api:
        seen = list(api.responses.create(model="small", input="hi", stream=True, store=False))
    for item, text in enumerate(texts):
        said = "".join(event.delta for event in seen if event.type == "response.output_text.delta" and event.output_index == item)
        assert said == text[: len(said) - len(HIDDEN) + len(SECRET)].replace(SECRET, HIDDEN), said
        assert HIDDEN in said
    assert seen[-1].response.output_text == f"a {HIDDEN}{HIDDEN}"


def test_streams_of_a_message(world: tuple[Gate, Upstream]) -> None:
    gate, upstream = world

    def event(name: str, **fields: object) -> bytes:
        return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()

    def events(blocks: list[list[str]], between: bool) -> list[bytes]:
        usage = {"input_tokens": 1, "output_tokens": 1}
        begun = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        found = [event("message_start", message=begun)]
        index = 0
        for pieces in blocks:
            found.append(event("content_block_start", index=index, content_block={"type": "text", "text": ""}))
            found += [event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece}) for piece in pieces]
            found.append(event("content_block_stop", index=index))
            index += 1
            if between:
                found.append(event("content_block_start", index=index, content_block={"type": "tool_use", "id": "t", "name": "f", "input": {}}))
                found.append(event("content_block_stop", index=index))
                index += 1
        return [*found, event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=usage), event("message_stop")]

    turn: list[bytes] = []

    async def reply(_: Request, __: Peer) -> list[bytes]:
        return stream(turn)

    upstream.script = reply
    with anthropic.Anthropic(base_url=gate.url, api_key=gate.key("ALICE"), max_retries=0) as api:

        def raw() -> bytes:
            try:
                with api.messages.with_streaming_response.create(model="small", max_tokens=9, messages=[{"role": "user", "content": "hi"}], stream=True) as answered:
                    return b"".join(answered.iter_bytes())
            except anthropic.InternalServerError as refused:
                return json.dumps(refused.body).encode()

        for between in (False, True):
            for cut in CUTS:
                first, second = halves(cut)
                turn = events([[first], [second[:1], second[1:]]], between)
                told = raw()
                assert f"{SECRET[cut + 1:]} and no".encode() not in told and b"values that clients join" in told, (between, cut)
            # Without a finding every byte is as it came.
            turn = events([["Good ", "morning"], [", how ", "are you?"], ["AKIA"]], between)
            assert raw() == b"".join(turn)
