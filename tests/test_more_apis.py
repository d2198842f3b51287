"""The APIs beside chat and messages: responses, completions, embeddings, counts of tokens. Official clients, real model where it
speaks the API, else a scripted upstream."""

import base64
import json
import pathlib
import struct

import anthropic
import openai
import pydantic
import pytest
from conftest import Target
from gate import Gate
from samples import SAMPLES
from test_sdk_openai import client
from upstream import Peer, Request, Upstream, answer, message, stream

SECRET = SAMPLES["aws-access-token"]
HIDDEN = "[redacted:aws-access-token]"
PROVIDER_KEY = "b7Qx92LmVt4KzR8sYw1NcE6uHd3PfJ5a"


def test_a_response(target: Target) -> None:
    with client(target) as api:
        response = api.responses.create(model=target.model, input="Say hello.", max_output_tokens=8, temperature=0, store=False)
    assert response.object == "response"
    assert response.output_text.strip()
    assert 0 < response.usage.output_tokens <= 8


def test_a_response_streamed(target: Target) -> None:
    options = {"input": "Say hello.", "max_output_tokens": 8, "temperature": 0, "store": False}
    with client(target) as api:
        events = list(api.responses.create(model=target.model, stream=True, **options))
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    last = events[-1]
    assert len(pieces) > 3, "a stream comes in pieces"
    assert last.type == "response.completed"
    assert last.response.output_text == "".join(pieces)


def test_a_completion(target: Target) -> None:
    with client(target) as api:
        whole = api.completions.create(model=target.model, prompt="Once upon a time", max_tokens=6, temperature=0, seed=1)
        chunks = list(api.completions.create(model=target.model, prompt="Once upon a time", max_tokens=6, temperature=0, seed=1, stream=True))
    assert whole.choices[0].text.strip()
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text


def test_a_count_of_tokens(target: Target) -> None:
    with anthropic.Anthropic(base_url=target.url, api_key=target.key, max_retries=0, timeout=60) as api:
        count = api.messages.count_tokens(model=target.model, messages=[{"role": "user", "content": "Say hello."}])
    assert 0 < count.input_tokens < 100


def refused(gate: Gate, **members: object) -> openai.APIStatusError:
    with client(gate) as api, pytest.raises(openai.APIStatusError) as refusal:
        api.responses.create(**{"model": "small", "input": "hi", "store": False, **members})
    return refusal.value


def test_what_a_provider_would_keep_is_asked_for(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    before = len(upstream.requests)
    for members, code in (
        ({"store": None}, "policy-denied"),
        ({"store": True}, "policy-denied"),
        ({"previous_response_id": "resp_1"}, "stateful-id-refused"),
        ({"conversation": "conv_1"}, "stateful-id-refused"),
        ({"background": True}, "policy-denied"),
        ({"conversation": {"id": "conv_1"}}, "stateful-id-refused"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "stateful-id-refused"),
        ({"input": [{"type": "brand_new", "text": "a"}]}, "part-unknown"),
        ({"tools": [{"type": "brand_new"}]}, "tool-type-unknown"),
        ({"tools": [{"type": "web_search"}]}, "policy-denied"),
        ({"tools": [{"type": "mcp", "server_label": "a", "server_url": "https://a.example/mcp"}]}, "policy-denied"),
    ):
        error = refused(gate, **members)
        assert code in json.dumps(error.body), (members, error.body)
    assert len(upstream.requests) == before


def let_keep(gate: Gate) -> None:
    """Everybody may have the provider keep what is said."""
    policy = '@id("keep")\npermit (principal, action == Portcullis::Action::"storeRemotely", resource);\n'
    (gate.data / "policies" / "keep.cedar").write_text(policy)
    applied = gate.cli("apply")
    assert applied.returncode == 0, applied.stderr


@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_kept_is_named_again_by_its_own_task_only(streamed: bool) -> None:
    """The provider gives back what it keeps to everybody behind the gate; the gate does not."""

    async def reply(request: Request, __: Peer) -> list[bytes]:
        asked = request.json()
        number = len(upstream.requests)
        final = {**response("kept", "{}"), "id": f"resp_{number}", "previous_response_id": asked.get("previous_response_id")}
        if not asked.get("stream"):
            return answer(200, json.dumps(final).encode())
        events = [{**event, **({"response": {**final, "output": event["response"]["output"]}} if "response" in event else {})} for event in response_events(["kept"], ["{}"])]
        return stream(sent(events))

    def ask(key: str, **members: object) -> list[dict]:
        """Every response object that the answer holds."""
        with openai.OpenAI(base_url=f"{gate.url}/v1", api_key=key, max_retries=0) as api:
            if not streamed:
                return [api.responses.create(model="small", input="hi", **members).model_dump()]
            events = list(api.responses.create(model="small", input="hi", stream=True, **members))
            return [event.response.model_dump() for event in events if hasattr(event, "response")]

    with Upstream(reply) as upstream, Gate(upstream.url) as gate:
        let_keep(gate)
        mine, other = list(gate.keys().values())[:2]
        first = ask(mine)
        (name,) = {said["id"] for said in first}
        assert name.startswith("resp_1_pcl")
        again = ask(mine, previous_response_id=name)
        assert upstream.requests[-1].json()["previous_response_id"] == "resp_1", "the provider knows its own name only"
        assert {said["previous_response_id"] for said in again} == {name}
        (second,) = {said["id"] for said in again}
        assert ask(mine, previous_response_id=second)
        before = len(upstream.requests)
        tampered = name[:-1] + ("0" if name[-1] != "0" else "1")
        for key, claimed in ((other, name), (mine, "resp_1"), (mine, tampered), (mine, second.replace("resp_2", "resp_1"))):
            with pytest.raises(openai.APIStatusError) as refusal:
                ask(key, previous_response_id=claimed)
            assert "stateful-id-refused" in json.dumps(refusal.value.body)
        assert len(upstream.requests) == before
        # Nothing is kept, so nothing is named.
        assert {said["id"] for said in ask(mine, store=False)} == {f"resp_{before + 1}"}


def response(text: str, arguments: str) -> dict:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    said = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": arguments, "status": "completed"}
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "output": [said, call],
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None, "incomplete_details": None,
        "instructions": None, "metadata": {}, "temperature": 1.0, "top_p": 1.0,
    }  # fmt: skip


def response_events(pieces: list[str], arguments: list[str]) -> list[dict]:
    """A stream of a text and a call's arguments, side by side, with every copy that the API sends in the end."""
    text, whole = "".join(pieces), "".join(arguments)
    final = response(text, whole)
    at, call = {"item_id": "msg_1", "output_index": 0, "content_index": 0}, {"item_id": "fc_1", "output_index": 1}
    events: list[dict] = [{"type": "response.created", "response": {**final, "status": "in_progress", "output": []}}]
    events.append({"type": "response.output_item.added", "output_index": 0, "item": {**final["output"][0], "content": []}})
    events.append({"type": "response.content_part.added", **at, "part": {"type": "output_text", "text": "", "annotations": []}})
    events.append({"type": "response.output_item.added", "output_index": 1, "item": {**final["output"][1], "arguments": ""}})
    for number in range(max(len(pieces), len(arguments))):
        if number < len(pieces):
            events.append({"type": "response.output_text.delta", **at, "delta": pieces[number], "logprobs": []})
        if number < len(arguments):
            events.append({"type": "response.function_call_arguments.delta", **call, "delta": arguments[number]})
    events.append({"type": "response.output_text.done", **at, "text": text, "logprobs": []})
    events.append({"type": "response.content_part.done", **at, "part": final["output"][0]["content"][0]})
    events.append({"type": "response.output_item.done", "output_index": 0, "item": final["output"][0]})
    events.append({"type": "response.function_call_arguments.done", **call, "name": "f", "arguments": whole})
    events.append({"type": "response.output_item.done", "output_index": 1, "item": final["output"][1]})
    events.append({"type": "response.completed", "response": final})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def sent(events: list[dict]) -> list[bytes]:
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def test_a_response_in_pieces_tells_nothing() -> None:
    """Every cut of a secret, in text and in arguments at once: the pieces and every final copy say the same."""
    escaped = "\\u0041" + SECRET[1:]
    streams = []
    for cut in range(len(SECRET) + 1):
        pieces = ["The key is ", SECRET[:cut], SECRET[cut:], " and no other."]
        whole = json.dumps({"key": "K"}).replace("K", escaped)
        at = whole.index("\\u") + cut
        streams.append(response_events(pieces, [whole[:at], whole[at:]]))
    turn = iter(streams)

    async def reply(_: Request, __: Peer) -> list[bytes]:
        return stream(sent(next(turn)))

    with Upstream(reply) as upstream, Gate(upstream.url) as gate, client(gate) as api:
        for number in range(len(streams)):
            events = list(api.responses.create(model="small", input="hi", stream=True, store=False))
            final = events[-1].response
            text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
            arguments = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
            assert text == f"The key is {HIDDEN} and no other." == final.output_text, number
            assert json.loads(arguments) == {"key": HIDDEN} == json.loads(final.output[1].arguments), number
            assert SECRET not in json.dumps([event.model_dump(mode="json") for event in events])


def reasoning_events(summary: list[str], thoughts: list[str]) -> list[dict]:
    """A stream of an item of reasoning: its summary and its thoughts side by side, with every copy that the API sends in the end."""
    place = {"item_id": "rs_1", "output_index": 0}
    summed, thought = {"type": "summary_text", "text": "".join(summary)}, {"type": "reasoning_text", "text": "".join(thoughts)}
    item = {"type": "reasoning", "id": "rs_1", "summary": [summed], "content": [thought], "status": "completed"}
    final = {**response("", ""), "output": [item]}
    in_summary, in_content = {**place, "summary_index": 0}, {**place, "content_index": 0}
    events: list[dict] = [{"type": "response.created", "response": {**final, "status": "in_progress", "output": []}}]
    events.append({"type": "response.output_item.added", "output_index": 0, "item": {**item, "summary": [], "content": []}})
    events.append({"type": "response.reasoning_summary_part.added", **in_summary, "part": {**summed, "text": ""}})
    for number in range(max(len(summary), len(thoughts))):
        if number < len(summary):
            events.append({"type": "response.reasoning_summary_text.delta", **in_summary, "delta": summary[number]})
        if number < len(thoughts):
            events.append({"type": "response.reasoning_text.delta", **in_content, "delta": thoughts[number]})
    events.append({"type": "response.reasoning_summary_text.done", **in_summary, "text": summed["text"]})
    events.append({"type": "response.reasoning_summary_part.done", **in_summary, "part": summed})
    events.append({"type": "response.reasoning_text.done", **in_content, "text": thought["text"]})
    events.append({"type": "response.output_item.done", "output_index": 0, "item": item})
    events.append({"type": "response.completed", "response": final})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def test_reasoning_in_pieces_tells_nothing() -> None:
    """Every cut of a secret, in the summary and in the thoughts at once: the pieces and every final copy say the same."""
    pieces = [["They want ", SECRET[:cut], SECRET[cut:], " to be used."] for cut in range(len(SECRET) + 1)]
    pieces += [list(f"They want {SECRET} to be used.")]
    streams = [reasoning_events(some, other) for some, other in zip(pieces, reversed(pieces), strict=True)]
    turn = iter(streams)

    async def reply(_: Request, __: Peer) -> list[bytes]:
        return stream(sent(next(turn)))

    expected = f"They want {HIDDEN} to be used."
    with Upstream(reply) as upstream, Gate(upstream.url) as gate, client(gate) as api:
        for number in range(len(streams)):
            events = list(api.responses.create(model="small", input="hi", stream=True, store=False, reasoning={"summary": "auto"}))
            for kind in ("reasoning_summary_text", "reasoning_text"):
                joined = "".join(event.delta for event in events if event.type == f"response.{kind}.delta")
                told = next(event.text for event in events if event.type == f"response.{kind}.done")
                assert (joined, told) == (expected, expected), (number, kind)
            thought = events[-1].response.output[0]
            assert (thought.summary[0].text, thought.content[0].text) == (expected, expected)
            assert SECRET not in json.dumps([event.model_dump(mode="json") for event in events])
        # Effort and summary are asked for as the client says it.
        assert upstream.requests[-1].json()["reasoning"] == {"summary": "auto"}


class Place(pydantic.BaseModel):
    """What is asked for in structured output."""

    city: str = pydantic.Field(description=f"not {SECRET}")
    is_capital: bool


def test_structured_output_of_a_response() -> None:
    """The schema reaches the provider as it is but for what is found in it; what comes back is parsed by the client."""

    async def reply(request: Request, _: Peer) -> list[bytes]:
        text = json.dumps({"city": f"Rome, {SECRET}", "is_capital": True})
        if b'"stream":true' in request.body:
            return stream(sent(response_events([text[at : at + 7] for at in range(0, len(text), 7)], ["{}"])))
        return answer(200, json.dumps(response(text, "{}")).encode())

    with Upstream(reply) as upstream, Gate(upstream.url) as gate, client(gate) as api:
        parsed = api.responses.parse(model="small", input="Where is the Colosseum?", text_format=Place, store=False).output_parsed
        assert parsed == Place(city=f"Rome, {HIDDEN}", is_capital=True)
        with api.responses.stream(model="small", input="Where is the Colosseum?", text_format=Place, store=False) as events:
            assert events.get_final_response().output_parsed == parsed
        for request in upstream.requests:
            form = request.json()["text"]["format"]
            assert (form["type"], form["name"], form["strict"]) == ("json_schema", "Place", True)
            assert set(form["schema"]["properties"]) == {"city", "is_capital"} == set(form["schema"]["required"])
            assert form["schema"]["properties"]["city"]["description"] == f"not {HIDDEN}"
        # Formats that nobody knows are refused before anything leaves.
        before = len(upstream.requests)
        error = refused(gate, text={"format": {"type": "grammar", "definition": "x"}})
        assert (error.status_code, error.code, len(upstream.requests)) == (400, "field-unknown", before)


PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(64))).decode()
NO_PICTURES = """
@id("no-pictures")
forbid (principal, action == Portcullis::Action::"callModel", resource)
when { context.content.kinds.contains("uninspected:image") };
"""


def test_pictures_in_responses_and_messages() -> None:
    """What no scanner understands is a finding in the record; what the provider would fetch is a question of its own."""

    async def reply(request: Request, _: Peer) -> list[bytes]:
        return answer(200, message() if request.line.startswith("POST /v1/messages") else json.dumps(response("a point", "{}")).encode())

    with Upstream(reply) as upstream, Gate(upstream.url) as gate:
        with client(gate) as api, anthropic.Anthropic(base_url=gate.url, api_key=gate.key("ALICE"), max_retries=0) as other:

            def respond(url: str) -> object:
                content = [{"type": "input_text", "text": f"What is {SECRET}?"}, {"type": "input_image", "image_url": url, "detail": "low"}]
                return api.responses.with_raw_response.create(model="small", input=[{"role": "user", "content": content}], store=False)

            def write(source: dict) -> object:
                content = [{"type": "image", "source": source}, {"type": "text", "text": f"What is {SECRET}?"}]
                return other.messages.with_raw_response.create(model="small", max_tokens=9, messages=[{"role": "user", "content": content}])

            data, remote = f"data:image/png;base64,{PIXEL}", "https://pictures.example/a.png"
            bytes_of = {"type": "base64", "media_type": "image/png", "data": PIXEL}
            facts = [
                (lambda: respond(data), lambda: respond(remote), lambda body: body["input"][0]["content"], "image_url", data, openai.PermissionDeniedError),
                (
                    lambda: write(bytes_of),
                    lambda: write({"type": "url", "url": remote}),
                    lambda body: body["messages"][0]["content"],
                    "source",
                    bytes_of,
                    anthropic.PermissionDeniedError,
                ),
            ]
            for ask, ask_remote, content, member, expected, denied in facts:
                answered = ask()
                parts = content(upstream.requests[-1].json())
                assert next(part[member] for part in parts if member in part) == expected, "the picture passes as it is"
                assert next(part["text"] for part in parts if "text" in part) == f"What is {HIDDEN}?"
                explained = gate.admin("GET", f"/admin/v1/explain/{answered.headers['x-request-id']}")
                assert "uninspected:image" in json.dumps(explained)
                before = len(upstream.requests)
                with pytest.raises(denied) as refusal:
                    ask_remote()
                assert "policy-denied" in json.dumps(refusal.value.body) and len(upstream.requests) == before
            # A policy that names the finding refuses it.
            (gate.data / "policies" / "pictures.cedar").write_text(NO_PICTURES)
            assert gate.cli("apply").returncode == 0
            before = len(upstream.requests)
            for ask, _, _, _, _, denied in facts:
                with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as refusal:
                    ask()
                assert refusal.value.status_code in (403, 404) and len(upstream.requests) == before


def test_what_clients_join_has_one_lane_in_responses_too() -> None:
    """Half of a secret in each of two places that clients join: other indexes, other spellings, what was begun with."""
    first, second = SECRET[:9], SECRET[9:]
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}

    def delta(piece: str, **members: object) -> dict:
        return {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": [], **members}

    part = {"type": "output_text", "text": first, "annotations": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": first, "status": "in_progress"}
    begun = {**response("", ""), "output": [{**item, "content": [part]}], "status": "in_progress"}
    streams = [
        [delta(first, x_index=0), delta(second, x_index=1)],
        [delta(first), delta(second, output_index=0.0)],
        [delta(first), delta(second, content_index="0")],
        [{"type": "response.content_part.added", **at, "part": part}, delta(second)],
        [{"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": [part]}}, delta(second)],
        [
            {"type": "response.output_item.added", "output_index": 1, "item": call},
            {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 1, "delta": second},
        ],
        [{"type": "response.created", "response": begun}, delta(second)],
        [delta("x", logprobs=[{"token": first, "logprob": 0, "top_logprobs": []}]), delta("y", logprobs=[{"token": second, "logprob": 0, "top_logprobs": []}])],
    ]
    turn = iter(streams)

    async def reply(_: Request, __: Peer) -> list[bytes]:
        return stream(sent(next(turn)))

    with Upstream(reply) as upstream, Gate(upstream.url) as gate, client(gate) as api:
        for events in streams:
            try:
                with api.responses.with_streaming_response.create(model="small", input="hi", stream=True, store=False) as answered:
                    raw = b"".join(answered.iter_bytes()).decode()
            except openai.InternalServerError as refused_at_once:
                raw = json.dumps(refused_at_once.body)
            assert not (first in raw and second in raw), events
            assert second not in raw, events


def test_token_records_of_a_response_go_with_what_was_redacted() -> None:
    """Tokens spell the text a second time, whole and in pieces; without findings they pass as they are."""

    def records(text: str) -> list[dict]:
        tokens = [text[start : start + 5] for start in range(0, len(text), 5)]
        return [{"token": token, "bytes": list(token.encode()), "logprob": -0.5, "top_logprobs": []} for token in tokens]

    texts = iter(["The key is " + SECRET, "Nothing to see here, really"])

    async def reply(request: Request, _: Peer) -> list[bytes]:
        text = next(texts) if b"stream" not in request.body else "The key is " + SECRET
        document = response(text, "{}")
        document["output"][0]["content"][0]["logprobs"] = records(text)
        return answer(200, json.dumps(document).encode())

    with Upstream(reply) as upstream, Gate(upstream.url) as gate, client(gate) as api:
        redacted = api.responses.create(model="small", input="hi", store=False, include=["message.output_text.logprobs"])
        assert redacted.output_text == f"The key is {HIDDEN}"
        assert redacted.output[0].content[0].logprobs is None
        plain = api.responses.create(model="small", input="hi", store=False, include=["message.output_text.logprobs"])
        assert "".join(token.token for token in plain.output[0].content[0].logprobs) == plain.output_text


def test_a_response_without_findings_passes_unchanged() -> None:
    raw = sent(response_events(["Good ", "morning", "."], ['{"a"', ": 1}"]))

    async def reply(_: Request, __: Peer) -> list[bytes]:
        return stream(raw)

    with Upstream(reply) as upstream, Gate(upstream.url) as gate, client(gate) as api:
        with api.responses.with_streaming_response.create(model="small", input="hi", stream=True, store=False) as response:
            assert b"".join(response.iter_bytes()) == b"".join(raw)


def test_embeddings_pass_unchanged_and_what_is_embedded_is_inspected() -> None:
    """Digits that spell a card number stand in every other vector."""
    vector = [0.4532071216424424, -0.25, 1e-09, 0.4111111111111111]
    packed = base64.b64encode(struct.pack("<4f", *vector)).decode()

    async def reply(request: Request, _: Peer) -> list[bytes]:
        form = packed if json.loads(request.body).get("encoding_format") == "base64" else vector
        data = [{"object": "embedding", "index": 0, "embedding": form}]
        return answer(200, json.dumps({"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}).encode())

    with Upstream(reply) as upstream, Gate(upstream.url) as gate, client(gate) as api:
        plain = api.embeddings.create(model="small", input=["hello", f"key {SECRET}"], encoding_format="float")
        assert plain.data[0].embedding == vector
        assert json.loads(upstream.requests[-1].body)["input"] == ["hello", f"key {HIDDEN}"]
        assert [round(number, 3) for number in api.embeddings.create(model="small", input="hello").data[0].embedding] == [0.453, -0.25, 0, 0.411]
        unread = api.embeddings.with_raw_response.create(model="small", input=[1, 2, 3])
        explained = gate.admin("GET", f"/admin/v1/explain/{unread.headers['x-request-id']}")
        assert "uninspected:tokens" in json.dumps(explained), "numbers of tokens are a finding that policies can refuse"


def test_every_api_names_its_own_member(scripted: tuple[Gate, Upstream]) -> None:
    gate, _ = scripted
    with client(gate) as api:
        for path, missing in (("/completions", "/prompt"), ("/embeddings", "/input"), ("/responses", "/input"), ("/messages/count_tokens", "/messages")):
            with pytest.raises(openai.BadRequestError) as error:
                api.post(path, body={"model": "small"}, cast_to=object)
            assert missing in json.dumps(error.value.body), path


def test_azure_clients() -> None:
    """The path names the model, the key stands in `api-key`; an upstream may take its own key there too."""
    model = "small"

    def keyed(data) -> None:
        file = data / "portcullis.yaml"
        text = file.read_text()
        assert "base_url" in text
        (data / "provider.key").write_text(PROVIDER_KEY)
        (data / "provider.key").chmod(0o600)
        lines = []
        for line in text.splitlines():
            lines.append(line)
            if line.strip().startswith("base_url"):
                pad = line[: len(line) - len(line.lstrip())]
                lines += [f"{pad}key_header: api-key", f"{pad}api_key: {{file: provider.key}}"]
        file.write_text("\n".join(lines) + "\n")

    with Upstream() as upstream, Gate(upstream.url, configure=keyed) as gate:
        options = {"azure_endpoint": gate.url, "api_key": gate.key("ALICE"), "api_version": "2024-10-21", "max_retries": 0}
        hello = [{"role": "user", "content": f"Hello, {SECRET}"}]
        with openai.AzureOpenAI(**options) as api:
            assert api.chat.completions.create(model=model, messages=hello).choices[0].message.content == "hello"
        with openai.AzureOpenAI(azure_deployment=model, **options) as api:
            text = "".join(chunk.choices[0].delta.content or "" for chunk in api.chat.completions.create(model="anything", messages=hello, stream=True))
            assert text == "hello"
            # Without a model in the body the gate puts it there.
            api.post("/chat/completions", body={"messages": hello}, cast_to=object)
        with openai.AzureOpenAI(azure_deployment="no-such-model", **options) as api, pytest.raises(openai.NotFoundError):
            api.chat.completions.create(model=model, messages=hello)
        assert len(upstream.requests) == 3
        for request in upstream.requests:
            assert request.line.startswith("POST /v1/chat/completions ")
            body = json.loads(request.body)
            assert body["model"] != "anything"
            assert SECRET not in request.body.decode()
            assert request.header("api-key") == PROVIDER_KEY
            assert gate.key("ALICE") not in str(request.headers)
        assert len({json.loads(request.body)["model"] for request in upstream.requests}) == 1
