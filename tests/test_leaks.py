"""Nothing leaks: a made-up secret in every string leaf of everything a provider can answer with.

A scripted upstream answers; the gate stands between; what comes out has to equal what `oracle.py` makes of what went in. The
leaves are generated from the classes of the installed SDKs and from streams recorded live from the model server (see
`leaves.py`). Cases share connections, so that tens of thousands of them run in a minute or two.

`test_every_scanner_is_noticed` switches each scanner of the gate off in turn and demands that the same cases then fail.
"""

import asyncio
import functools
import gzip
import itertools
import json
import pathlib
import random
import re
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import leaves
import oracle
import pytest
import wire
from conftest import allowed_model, member
from gate import Gate
from leaves import ROOTS, Leaf, Root
from llama import MODEL, Llama
from samples import SAMPLES, VARIANTS, jwt, pem
from talk import ANTHROPIC_TOOLS, OPENAI_TOOLS, anthropic_messages, openai_messages
from upstream import Peer, Request, Upstream, answer, chat, stream

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
RESPONSES, COMPLETIONS = "/v1/responses", "/v1/completions"
ACTS = {"pii": "redact"}
"""What the policy of these tests demands, beside the default for secrets."""
POLICY = """
@id("leak-tests-redact-personal-data")
@obligation("both:redact:pii")
permit (principal, action == Portcullis::Action::"callModel", resource);
"""
WORKERS = 12
AT_MOST = 150
"""Failures that are told; the count is always told."""


@dataclass
class Case:
    """One answer of the upstream and what has to come of it."""

    name: str
    path: str
    parts: list[bytes]
    check: Callable[[wire.Reply], str | None]
    is_stream: bool
    secrets: list[str] = field(default_factory=list)
    """What must stand nowhere in the answer, as it is and as JSON would escape it."""


def asked(path: str, text: str) -> dict[str, object]:
    """A request but for its model."""
    if path == RESPONSES:
        return {"input": text, "max_output_tokens": 16, "store": False}
    if path == COMPLETIONS:
        return {"prompt": text, "max_tokens": 9}
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 9}


class Lab:
    """The gate, the scripted upstream behind it, and the cases that the upstream knows by number."""

    def __init__(self, scanners_off: list[str] | None = None, *, is_bare: bool = False) -> None:
        self._cases: list[Case] = []
        self._off = scanners_off or []
        self._upstream = Upstream(script=self._answer)
        self._upstream.__enter__()
        self._gate = None
        self._port, self._model, self._key = int(self._upstream.url.rsplit(":", 1)[1]), "m", "none"
        if is_bare:
            return  # no gate at all: what the tests must notice
        try:
            self._gate = Gate(self._upstream.url, configure=self._configure)
            self._port, self._model, self._key = self._gate.port, allowed_model(self._gate), member(self._gate)
        except BaseException:
            self._upstream.__exit__()
            raise

    def _configure(self, data: pathlib.Path) -> None:
        (data / "policies" / "leak-tests.cedar").write_text(POLICY)
        if self._off:
            file = data / "portcullis.yaml"
            file.write_text(f"{file.read_text()}\ndanger:\n  scanners_off: [{', '.join(self._off)}]\n")

    async def _answer(self, request: Request, _: Peer) -> list[bytes]:
        number = re.search(rb"case-([0-9]+)-", request.body)
        self._upstream.requests.clear()  # the counter is not used here, and it would only grow
        return self._cases[int(number[1])].parts

    def run(self, cases: list[Case]) -> list[str]:
        """Every failure, as one line each."""
        self._cases = cases
        failures: list[str] = []

        async def worker(numbers: Iterator[int]) -> None:
            connection = wire.Connection(self._port, self._key)
            for number in numbers:
                case = cases[number]
                body = {"model": self._model, **asked(case.path, f"case-{number}-")}
                if case.is_stream:
                    body["stream"] = True
                    if case.path in (CHAT, COMPLETIONS):
                        # A client that does not ask for it is not shown what was used; here everything that is sent is looked for.
                        body["stream_options"] = {"include_usage": True}
                reply = await connection.post(case.path, json.dumps(body).encode())
                if problem := judge(case, reply):
                    failures.append(f"{case.name}: {problem}")
            connection.close()

        async def everything() -> None:
            numbers = iter(range(len(cases)))
            await asyncio.gather(*(worker(numbers) for _ in range(WORKERS)))

        asyncio.run(everything())
        return failures

    def close(self) -> None:
        """Stops both."""
        if self._gate is not None:
            self._gate.close()
        self._upstream.__exit__()


def judge(case: Case, reply: wire.Reply) -> str | None:
    """What is wrong with an answer, or None."""
    whole = reply.head + "\n" + reply.body.decode(errors="replace")
    for secret in case.secrets:
        for form in {secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[1:-1]}:
            if form in whole:
                return f"LEAKED {secret[:24]!r}"
    return case.check(reply)


def told(failures: list[str], n_cases: int) -> None:
    """Fails with what failed."""
    shown = "\n".join(sorted(failures)[:AT_MOST])
    assert not failures, f"{len(failures)} of {n_cases} cases failed:\n{shown}"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.close()


def differ(got: object, wanted: object, way: str = "") -> str | None:
    """Where two JSON values differ first."""
    if isinstance(got, dict) and isinstance(wanted, dict):
        if list(got) != list(wanted):
            return f"{way or '/'}: keys {list(got)} instead of {list(wanted)}"
        return next((found for key in got if (found := differ(got[key], wanted[key], f"{way}/{key}"))), None)
    if isinstance(got, list) and isinstance(wanted, list) and len(got) == len(wanted):
        pairs = enumerate(zip(got, wanted, strict=True))
        return next((found for index, (one, other) in pairs if (found := differ(one, other, f"{way}/{index}"))), None)
    return None if got == wanted and type(got) is type(wanted) else f"{way or '/'}: {str(got)[:160]!r} instead of {str(wanted)[:160]!r}"


# Documents ------------------------------------------------------------------------------------------------------------


def document_case(name: str, path: str, document: object, secrets: list[str], status: int = 200, **how) -> Case:
    """A whole answer; `body` and `extra` change how it is sent."""
    body = how.get("body") or json.dumps(document, ensure_ascii=how.get("ascii", True)).encode()
    wanted = how.get("wanted", oracle.redact_json(document, ACTS))

    def check(reply: wire.Reply) -> str | None:
        if reply.status != how.get("wanted_status", status):
            return f"status {reply.status}: {reply.body[:200]!r}"
        got = json.loads(reply.body)
        if wanted != document:
            got, expected = forget_logprobs([got, json.loads(json.dumps(wanted))])
            return differ(got, expected)
        return differ(got, wanted)

    parts = answer(status, body, extra=how.get("extra", ""))
    if "split" in how:
        parts = [parts[0][: how["split"]], parts[0][how["split"] :]]
    return Case(name, path, parts, check, False, secrets)


# Streams --------------------------------------------------------------------------------------------------------------

LANES: dict[str, list[str]] = {
    CHAT: ["content", "refusal", "reasoning_content", "reasoning"],
    MESSAGES: ["text", "thinking", "partial_json", "signature"],
}


RESPONSE_DELTA = re.compile(r"response\.[a-z_]+\.delta")
RESPONSE_LANES = {
    "output_text": "text",
    "refusal": "refusal",
    "reasoning_text": "text",
    "reasoning_summary_text": "text",
    "function_call_arguments": "arguments",
    "custom_tool_call_input": "input",
}
"""Texts of the Responses API, and the member in which the whole text is told in the end."""


def lanes_of(event: object) -> Iterator[tuple[tuple, dict, str]]:
    """The pieces of lanes in an event: the lane, and the object and member that hold the piece."""
    if not isinstance(event, dict):
        return
    for choice in event.get("choices") or []:
        index, delta = choice.get("index"), choice.get("delta")
        if not isinstance(delta, dict):
            continue
        for name in ("content", "refusal", "reasoning_content", "reasoning"):
            yield ("chat", index, name), delta, name
        for call in delta.get("tool_calls") or []:
            if isinstance(call.get("function"), dict):
                yield ("chat", index, "tool", call.get("index"), "arguments"), call["function"], "arguments"
                yield ("chat", index, "tool", call.get("index"), "name"), call["function"], "name"
            yield ("chat", index, "tool", call.get("index"), "id"), call, "id"
            if isinstance(call.get("custom"), dict):
                yield ("chat", index, "tool", call.get("index"), "input"), call["custom"], "input"
        if isinstance(delta.get("function_call"), dict):
            yield ("chat", index, "function_call", "arguments"), delta["function_call"], "arguments"
            yield ("chat", index, "function_call", "name"), delta["function_call"], "name"
        if isinstance(delta.get("audio"), dict):
            yield ("chat", index, "audio", "transcript"), delta["audio"], "transcript"
            yield ("chat", index, "audio", "data"), delta["audio"], "data"
    for holder in (event.get("content_block"), event.get("delta")):
        if isinstance(holder, dict) and "index" in event:
            for name in ("text", "thinking", "partial_json", "signature"):
                yield ("messages", event["index"], name), holder, name
    kind = event.get("type")
    if isinstance(kind, str) and RESPONSE_DELTA.fullmatch(kind) and isinstance(event.get("delta"), str):
        places = [event.get(name) for name in ("output_index", "content_index", "summary_index")]
        # An index that is a text may be redacted, as any other text.
        yield ("responses", *(place if isinstance(place, int) else None for place in places), kind), event, "delta"


def take_lanes(events: list[object]) -> tuple[list[object], dict[tuple, str]]:
    """The events with every lane's piece blanked, and the joined lanes."""
    events = json.loads(json.dumps(events))
    joined: dict[tuple, str] = {}
    for event in events:
        for lane, holder, name in lanes_of(event):
            if isinstance(holder.get(name), str):
                joined[lane] = joined.get(lane, "") + holder[name]
                holder[name] = "·"
    return events, joined


def stream_case(name: str, path: str, sent: list[object], secrets: list[str], **how) -> Case:
    """A stream: every lane's joined text has to be the oracle's, everything else is redacted where it stands.

    With `may_hide_more` a lane shows no more than the oracle's: it is read behind disguises, which the oracle is not.
    """
    raw = how.get("raw") or encode(path, sent)
    rest, joined = take_lanes(sent)
    wanted_rest = [oracle.redact_json(event, ACTS) for event in rest]
    wanted_lanes = {lane: oracle.redact(text, ACTS) for lane, text in joined.items()}
    parts = stream(raw, extra=how.get("extra", ""))
    if "split" in how:
        whole = b"".join(parts)
        parts = [whole[: how["split"]], whole[how["split"] :]]
    if how.get("gzip"):
        body = gzip.compress(b"".join(raw))
        parts = [*stream([], extra="content-encoding: gzip\r\n")[:1], *stream([body[:40], body[40:]])[1:]]

    def check(reply: wire.Reply) -> str | None:
        if reply.status != 200 or reply.cut:
            return f"status {reply.status}, cut {reply.cut}: {reply.body[:200]!r}"
        got = [event.json() for event in wire.events(reply.body)]
        got = [event for event in got if event != "[DONE]"]
        got_rest, got_lanes = take_lanes(got)
        for lane, text in wanted_lanes.items():
            is_right = shows_no_more(got_lanes.get(lane) or "", text) if how.get("may_hide_more") else got_lanes.get(lane) == text
            if not is_right:
                return f"lane {lane}: {str(got_lanes.get(lane))[-160:]!r} instead of {text[-160:]!r}"
        return differ(forget_logprobs(got_rest), forget_logprobs(wanted_rest)) if "rest" not in how else None

    return Case(name, path, parts, check, True, secrets)


def forget_logprobs(events: list[object]) -> list[object]:
    """Log probabilities of an answer in which something was redacted may be gone; their own test judges them."""
    for event in events:
        if isinstance(event, dict):
            event.pop("logprobs", None)
            forget_logprobs(list(event.values()))
        elif isinstance(event, list):
            forget_logprobs(event)
    return events


def encode(path: str, sent: list[object], escape: bool = False) -> list[bytes]:
    """Events on the wire, each as the provider writes it; `escape` writes every letter of strings as `\\u`."""
    found = []
    for event in sent:
        data = event if isinstance(event, str) else json.dumps(event)
        if escape:
            data = escaped(event)
        name = f"event: {event['type']}\n" if path in (MESSAGES, RESPONSES) and isinstance(event, dict) and isinstance(event.get("type"), str) else ""
        if "\n" in name.strip() or "\r" in name:
            name = ""
        found.append(f"{name}data: {data}\n\n".encode())
    return [*found, b"data: [DONE]\n\n"] if path in (CHAT, COMPLETIONS) else found


def escaped(value: object) -> str:
    """JSON with every letter and digit of string values written as an escape."""
    if isinstance(value, str):
        return '"' + "".join(f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else letter for letter in value) + '"'
    if isinstance(value, list):
        return "[" + ",".join(map(escaped, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{escaped(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


def chunk(delta: object, index: int = 0, **choice) -> dict:
    """A chunk of a streamed chat completion."""
    whole = {"index": index, "delta": delta, "finish_reason": None, **choice}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [whole]}


def frame(path: str, middle: list[object]) -> list[object]:
    """A plausible stream around some events."""
    if path == CHAT:
        return [chunk({"role": "assistant", "content": ""}), *middle, chunk({}, finish_reason="stop")]
    if path == COMPLETIONS:
        return middle
    if path == RESPONSES:
        response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": []}
        begun, ended = ({"type": f"response.{state}", "response": response} for state in ("created", "completed"))
        return [begun, *middle, ended]
    usage = {"input_tokens": 1, "output_tokens": 1}
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
             "stop_sequence": None, "usage": usage}  # fmt: skip
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 1}}
    return [{"type": "message_start", "message": start}, *middle, end, {"type": "message_stop"}]


# The cases ------------------------------------------------------------------------------------------------------------

KIND_CYCLE = ["aws-access-token", "github-pat", "jwt", "EMAIL_ADDRESS", "IBAN_CODE", "stripe-access-token", "CREDIT_CARD", "US_SSN"]


def leaf_cases(root: Root, some_leaves: list[Leaf]) -> list[Case]:
    """Each leaf with a secret of a kind that changes from leaf to leaf."""
    cases = []
    for kind, leaf in zip(itertools.cycle(KIND_CYCLE), some_leaves, strict=False):
        secret = SAMPLES[kind]
        document = leaves.plant(leaf.document, f"Use {secret} now")
        name = f"{root.name} {leaf.way} {kind}"
        if not root.is_event:
            cases.append(document_case(name, root.path, document, [secret]))
        else:
            case = stream_case(name, root.path, frame(root.path, [document]), [secret])
            kind = str(document.get("type"))
            if secret in kind or kind.endswith(".added") or kind in ("response.created", "response.queued", "response.in_progress"):
                # The event's own name, or a beginning that says something already: a gate may as well refuse to go on, if it says so.
                case.check = lambda reply, check=case.check: None if b"upstream-response-invalid" in reply.body else check(reply)
            cases.append(case)
    return cases


@pytest.mark.parametrize("root", ROOTS, ids=[root.name for root in ROOTS])
def test_every_leaf(lab: Lab, root: Root) -> None:
    cases = leaf_cases(root, list(leaves.fixtures(root.kind)))
    assert len(cases) > (10 if root.path == COMPLETIONS else 80), "the list of leaves is generated, and long"
    told(lab.run(cases), len(cases))


@pytest.mark.parametrize("root", ROOTS, ids=[root.name for root in ROOTS])
def test_every_leaf_has_a_fixture(root: Root) -> None:
    """The leaves by another way: pydantic's own JSON Schema of the same classes."""
    covered = {leaf.owner for leaf in leaves.fixtures(root.kind)}
    missing = leaves.declared_strings(root.kind) - covered
    assert not missing, f"{leaves.versions()}: no fixture for {sorted(missing)}"


@pytest.mark.parametrize("root", ROOTS, ids=[root.name for root in ROOTS])
def test_without_a_gate_every_case_fails(root: Root) -> None:
    """The cases themselves: against the bare upstream each of them has to see the leak."""
    bare = Lab(is_bare=True)
    try:
        cases = leaf_cases(root, list(leaves.fixtures(root.kind)))
        unseen = {case.name for case in cases} - {failure.split(": ")[0] for failure in bare.run(cases) if "LEAKED" in failure}
        assert not unseen
    finally:
        bare.close()


@functools.cache
def recorded(url: str) -> dict[str, list[object]]:
    """Answers and events of the real model server, by path."""
    chat_options = {"model": MODEL, "max_tokens": 12, "temperature": 0}
    tools = {"tools": OPENAI_TOOLS, "tool_choice": "required", "messages": openai_messages(), "max_tokens": 60}
    hello = {"messages": [{"role": "user", "content": "Say hello."}]}
    anthropic_tools = {"tools": ANTHROPIC_TOOLS, "tool_choice": {"type": "any"}, "messages": anthropic_messages(), "max_tokens": 60}
    usage = {"stream_options": {"include_usage": True}}
    asked = [
        (CHAT, {**chat_options, **hello, "logprobs": True, "top_logprobs": 2}),
        (CHAT, {**chat_options, **tools}),
        (CHAT, {**chat_options, **hello, **usage, "stream": True, "logprobs": True, "top_logprobs": 2, "n": 2}),
        (CHAT, {**chat_options, **tools, "stream": True}),
        (CHAT, {"model": MODEL, "messages": 5}),
        (COMPLETIONS, {**chat_options, "prompt": "Once upon a time", "logprobs": 2}),
        (COMPLETIONS, {**chat_options, "prompt": "Once upon a time", "stream": True, "logprobs": 2}),
        (RESPONSES, {"model": MODEL, "input": "Say hello.", "max_output_tokens": 12, "temperature": 0, "store": False}),
        (RESPONSES, {"model": MODEL, "input": "Say hello.", "max_output_tokens": 12, "temperature": 0, "store": False, "stream": True}),
        (MESSAGES, {**chat_options, **hello}),
        (MESSAGES, {**chat_options, **anthropic_tools}),
        (MESSAGES, {**chat_options, **hello, "stream": True}),
        (MESSAGES, {**chat_options, **anthropic_tools, "stream": True}),
    ]
    found: dict[str, list[object]] = {f"{path} {kind}": [] for path in (CHAT, COMPLETIONS, RESPONSES, MESSAGES) for kind in ("document", "event")}
    for path, body in asked:
        request = urllib.request.Request(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                text = reply.read()
        except urllib.error.HTTPError as error:
            text = error.read()
        if body.get("stream"):
            found[f"{path} event"] += [event.json() for event in wire.events(text) if event.data != "[DONE]"]
        else:
            found[f"{path} document"].append(json.loads(text))
    return found


@pytest.mark.parametrize("root", ROOTS, ids=[root.name for root in ROOTS])
def test_every_recorded_leaf(lab: Lab, llama: Llama, root: Root) -> None:
    """What the model server really sends has members that no class names."""
    documents = recorded(llama.url)[f"{root.path} {'event' if root.is_event else 'document'}"]
    assert documents
    by_way: dict[str, object] = {}
    for document in documents:
        shape = document.get("type", "") if isinstance(document, dict) else ""
        for way, planted in leaves.recorded_leaves(document):
            by_way.setdefault(f"{shape}{way}", planted)
    cases = leaf_cases(root, [Leaf(f"recorded {way}", planted) for way, planted in sorted(by_way.items())])
    assert len(cases) >= 8
    told(lab.run(cases), len(cases))


def test_recorded_streams_pass_unchanged(lab: Lab, llama: Llama) -> None:
    """Without anything to find, the bytes of every event are the upstream's."""
    cases = []
    for root in (root for root in ROOTS if root.is_event):
        streams: list[list[object]] = []
        for event in recorded(llama.url)[f"{root.path} event"]:
            is_first = not streams or (isinstance(event, dict) and event.get("type") == "message_start")
            streams.append([event]) if is_first else streams[-1].append(event)
        for sent in streams:
            raw = encode(root.path, sent)

            def check(reply: wire.Reply, raw=raw) -> str | None:
                return None if reply.body == b"".join(raw) else f"changed: {reply.body[:300]!r}"

            cases.append(Case(root.name, root.path, stream(raw), check, True))
    told(lab.run(cases), len(cases))


def lane_events(lane: str, pieces: list[str], index: int) -> list[object]:
    """Events that carry the pieces in one lane."""
    if lane == "content":
        return [chunk({"content": piece}, index) for piece in pieces]
    if lane in ("refusal", "reasoning_content", "reasoning"):
        return [chunk({lane: piece}, index) for piece in pieces]
    if lane == "arguments":
        head = [chunk({"tool_calls": [{"index": 0, "id": f"c{index}", "type": "function", "function": {"name": "f", "arguments": ""}}]}, index)]
        return head + [chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}, index) for piece in pieces]
    if lane == "function_call":
        return [chunk({"function_call": {"arguments": piece}}, index) for piece in pieces]
    if lane == "name":
        return [chunk({"tool_calls": [{"index": 0, "function": {"name": piece}}]}, index) for piece in pieces]
    if lane == "transcript":
        return [chunk({"audio": {"transcript": piece}}, index) for piece in pieces]
    if lane in RESPONSE_LANES:
        part = {"reasoning_summary_text": "summary_index"}.get(lane, "content_index")
        place = {"item_id": f"i{index}", "output_index": index, **({} if RESPONSE_LANES[lane] in ("arguments", "input") else {part: 0})}
        deltas = [{"type": f"response.{lane}.delta", **place, "delta": piece} for piece in pieces]
        return [*deltas, {"type": f"response.{lane}.done", **place, RESPONSE_LANES[lane]: "".join(pieces)}]
    block = {"text": {"type": "text", "text": ""}, "thinking": {"type": "thinking", "thinking": "", "signature": ""},
             "partial_json": {"type": "tool_use", "id": f"t{index}", "name": "f", "input": {}}}[lane]  # fmt: skip
    kind = {"text": "text_delta", "thinking": "thinking_delta", "partial_json": "input_json_delta"}[lane]
    deltas = [{"type": "content_block_delta", "index": index, "delta": {"type": kind, lane: piece}} for piece in pieces]
    return [{"type": "content_block_start", "index": index, "content_block": block}, *deltas, {"type": "content_block_stop", "index": index}]


SPLIT_LANES = [(CHAT, lane) for lane in ("content", "refusal", "reasoning_content", "arguments", "function_call", "name", "transcript")]
SPLIT_LANES += [(MESSAGES, lane) for lane in ("text", "thinking", "partial_json")]
SPLIT_LANES += [(RESPONSES, lane) for lane in RESPONSE_LANES]
AT_ONCE = 16
"""Splits that ride in one stream, each in a choice or block of its own."""


def split_cases(path: str, lane: str, kind: str, secret: str, extra_bytes: int = 6) -> list[Case]:
    """The value cut in two at every byte, some text around it; many cuts share a stream."""
    text = f"Use {secret} now, please."
    first = text.index(secret)
    cuts = range(max(1, first - 1), min(len(text), first + len(secret) + extra_bytes))
    cases = []
    for batch in itertools.batched(cuts, AT_ONCE) if hasattr(itertools, "batched") else _batched(cuts, AT_ONCE):
        middle = [event for index, cut in enumerate(batch) for event in lane_events(lane, [text[:cut], text[cut:]], index)]
        cases.append(stream_case(f"{path} {lane} {kind} cut at {batch[0]}…{batch[-1]}", path, frame(path, middle), [secret]))
    return cases


def _batched(items: range, size: int) -> Iterator[range]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def interleaved_case(path: str, lane: str, kind: str, secret: str) -> Case:
    """One byte per event, and eight choices or blocks whose events alternate."""
    text = f"Use {secret} now, please."
    streams = [lane_events(lane, list(text), index) for index in range(8)]
    mixed = [event for row in itertools.zip_longest(*streams) for event in row if event is not None]
    return stream_case(f"{path} {lane} {kind} byte by byte", path, frame(path, mixed), [secret])


@pytest.mark.parametrize(("path", "lane"), SPLIT_LANES, ids=[f"{path}-{lane}" for path, lane in SPLIT_LANES])
def test_every_split(lab: Lab, path: str, lane: str) -> None:
    """Every kind, in every lane, cut at every byte across two events."""
    cases = []
    for kind, secret in [*SAMPLES.items(), *((kind, value) for kind, values in VARIANTS.items() for value in values)]:
        cases += split_cases(path, lane, kind, secret)
        cases.append(interleaved_case(path, lane, kind, secret))
    told(lab.run(cases), len(cases))


@pytest.mark.parametrize(("kind", "secret"), [("jwt", jwt(8192)), ("private-key", pem(4096))], ids=["jwt of 8 KB", "key of 4 KB"])
def test_every_split_of_long_values(lab: Lab, kind: str, secret: str) -> None:
    cases = split_cases(CHAT, "content", kind, secret) + split_cases(MESSAGES, "text", kind, secret)
    told(lab.run(cases), len(cases))


def test_every_segment(lab: Lab) -> None:
    """The same bytes, cut at every byte of the value across two writes of the upstream."""
    cases = []
    for path, lane in ((CHAT, "content"), (CHAT, "arguments"), (MESSAGES, "text"), (MESSAGES, "partial_json")):
        for kind in ("aws-access-token", "github-pat", "EMAIL_ADDRESS"):
            secret = SAMPLES[kind]
            sent = frame(path, lane_events(lane, [f"Use {secret} now."], 0))
            at = b"".join(stream(encode(path, sent))).index(secret.encode())
            for cut in range(at - 24, at + len(secret) + 8):
                cases.append(stream_case(f"{path} {lane} {kind} segment {cut}", path, sent, [secret], split=cut))
    document = json.loads(chat(f"Use {SAMPLES['github-pat']} now."))
    raw = answer(200, json.dumps(document).encode())[0]
    at = raw.index(SAMPLES["github-pat"].encode())
    cases += [document_case(f"document segment {cut}", CHAT, document, [SAMPLES["github-pat"]], split=cut) for cut in range(at - 4, at + 44)]
    told(lab.run(cases), len(cases))


def test_escapes(lab: Lab) -> None:
    """Written as `\\u` escapes, in documents, in deltas, and cut within an escape."""
    cases = []
    for kind, secret in SAMPLES.items():
        document = json.loads(chat(f"Use {secret} now"))
        cases.append(document_case(f"escaped document {kind}", CHAT, document, [secret], body=escaped(document).encode()))
        for path, lane in ((CHAT, "content"), (CHAT, "arguments"), (MESSAGES, "text"), (MESSAGES, "partial_json")):
            text = f"Use {secret} now"
            sent = frame(path, lane_events(lane, [text[:9], text[9:]], 0))
            cases.append(stream_case(f"escaped {path} {lane} {kind}", path, sent, [secret], raw=escaped_stream(path, sent)))
    told(lab.run(cases), len(cases))


def escaped_stream(path: str, sent: list[object]) -> list[bytes]:
    """The stream with every lane's piece escaped; names and types stay readable, as a provider would have them."""
    found = []
    for event in sent:
        data = json.dumps(event)
        for _, holder, name in lanes_of(event):
            if isinstance(holder.get(name), str) and holder[name]:
                data = data.replace(json.dumps(holder[name]), escaped(holder[name]))
        kind = f"event: {event['type']}\n" if path == MESSAGES else ""
        found.append(f"{kind}data: {data}\n\n".encode())
    return [*found, b"data: [DONE]\n\n"] if path == CHAT else found


def arguments_of(reply: wire.Reply) -> list[str]:
    """The tool arguments of a stream, joined and read as JSON, as a client would."""
    _, joined = take_lanes([event.json() for event in wire.events(reply.body)])
    texts = [text for lane, text in joined.items() if lane[-1] in ("arguments", "partial_json")]
    return [json.dumps(json.loads(text), ensure_ascii=False) for text in texts if text.strip()]


def test_escapes_within_arguments(lab: Lab) -> None:
    """Arguments are JSON within JSON: what a client reads out of them must not hold the secret, however it was escaped."""
    cases = []
    for kind in ("aws-access-token", "github-pat", "stripe-access-token", "EMAIL_ADDRESS", "jwt"):
        secret = SAMPLES[kind]
        inner = '{"city": ' + escaped(f"Use {secret} now") + "}"
        mixed = '{"city": "Use ' + f"\\u{ord(secret[0]):04x}" + secret[1:] + ' now"}'
        for text in (inner, mixed):
            for path, lane in ((CHAT, "arguments"), (MESSAGES, "partial_json")):
                for cuts in ([], [12], [13, 14, 15], list(range(1, len(text)))):
                    pieces = [text[start:end] for start, end in itertools.pairwise([0, *cuts, len(text)])]
                    sent = frame(path, lane_events(lane, pieces, 0))

                    def check(reply: wire.Reply, secret=secret) -> str | None:
                        try:
                            read = arguments_of(reply)
                        except ValueError:
                            return f"the arguments are no JSON any more: {reply.body[-600:]!r}"
                        return f"LEAKED to whoever reads the arguments: {read}" if any(secret in text for text in read) else None

                    cases.append(Case(f"{path} {lane} {kind} {len(cuts)} cuts", path, stream(encode(path, sent)), check, True))
    told(lab.run(cases), len(cases))


def _escaped_arguments() -> Iterator[tuple[str, str]]:
    """Secrets behind a second and a third layer of escapes: the secret, and JSON that holds it."""
    for kind in ("aws-access-token", "github-pat", "stripe-access-token", "jwt", "private-key"):
        secret = SAMPLES[kind]
        inner = '{"city": ' + escaped(f"Use\n{secret}\n now") + "}"
        plain = json.dumps({"city": f"Use\n{secret}\n now"})
        mixed = plain.replace(json.dumps(secret)[1:-1], f"\\u{ord(secret[0]):04x}" + json.dumps(secret[1:])[1:-1])
        for text in (inner, mixed, json.dumps({"inner": inner})):
            yield secret, text


def test_escapes_within_a_request(scripted: tuple[Gate, Upstream]) -> None:
    """What a client sends back of earlier calls is JSON within JSON too: the upstream must not read the secret out of it."""
    gate, upstream = scripted
    connection = wire.Connection(gate.port, member(gate))

    def places(text: str) -> dict[str, tuple[str, list[dict]]]:
        function = {"name": "f", "arguments": text}
        called = {"role": "assistant", "content": None}
        return {
            "tool call": (CHAT, [{**called, "tool_calls": [{"id": "c", "type": "function", "function": function}]}]),
            "function call": (CHAT, [{**called, "function_call": function}]),
            "tool message": (CHAT, [{"role": "tool", "tool_call_id": "c", "content": text}]),
            "tool result": (MESSAGES, [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": text}]}]),
        }

    def readings(value: object) -> Iterator[str]:
        """Every string, and every string that a reader finds in it."""
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                yield from readings(item)
        elif isinstance(value, str):
            yield value
            if value.startswith("{"):
                yield from readings(json.loads(value))

    async def everything() -> None:
        for secret, text in _escaped_arguments():
            for place, (path, messages) in places(text).items():
                upstream.requests.clear()
                body = {"model": allowed_model(gate), "max_tokens": 9, "messages": messages}
                reply = await connection.post(path, json.dumps(body).encode())
                assert reply.status == 200, (place, reply.body)
                read = list(readings(upstream.requests[0].json()["messages"]))
                assert not [text for text in read if secret in text], f"LEAKED from a {place}: {text}"
                assert any("Use\n[redacted:" in text and text.endswith("\n now") for text in read), (place, read)
        connection.close()

    asyncio.run(everything())


def test_logprobs_do_not_spell_it(lab: Lab) -> None:
    """Each token alone is harmless; together they are the secret that was redacted from the text."""
    cases = []
    for kind in ("aws-access-token", "github-pat", "CREDIT_CARD"):
        secret = SAMPLES[kind]
        tokens = [" ".join(["Use", ""]), *(secret[at : at + 5] for at in range(0, len(secret), 5)), " now"]
        entries = [{"token": token, "logprob": -0.1, "bytes": list(token.encode()), "top_logprobs": []} for token in tokens]
        pieces = [token for token in tokens[1:-1] if len(token) == 5]

        def check(reply: wire.Reply, pieces=pieces) -> str | None:
            text = reply.body.decode()
            spelled = [piece for piece in pieces if piece in text or ", ".join(map(str, piece.encode())) in text]
            return f"logprobs spell {spelled}" if spelled else None

        document = json.loads(chat("".join(tokens)))
        document["choices"][0]["logprobs"] = {"content": entries, "refusal": None}
        cases.append(Case(f"document {kind}", CHAT, answer(200, json.dumps(document).encode()), check, False, [secret]))
        sent = [chunk({"content": token}, logprobs={"content": [entry], "refusal": None}) for token, entry in zip(tokens, entries, strict=True)]
        cases.append(Case(f"stream {kind}", CHAT, stream(encode(CHAT, frame(CHAT, sent))), check, True, [secret]))
    told(lab.run(cases), len(cases))


def test_final_copies(lab: Lab) -> None:
    """Some servers repeat the whole text at the end; the copy has to be what was released."""
    secret = SAMPLES["github-pat"]
    text = f"Use {secret} now"
    pieces = lane_events("content", [text[:10], text[10:]], 0)
    final = {**chunk({}, finish_reason="stop"), "x_final": {"message": {"content": text}}}
    cases = [stream_case("openai final copy", CHAT, [*pieces, final], [secret])]
    block = lane_events("text", [text[:10], text[10:]], 0)
    block[-1] = {"type": "content_block_stop", "index": 0, "content_block": {"type": "text", "text": text}}
    cases.append(stream_case("anthropic final copy", MESSAGES, frame(MESSAGES, block), [secret], rest="judged by the secrets alone"))
    cases[-1].check = lambda reply: None if reply.status == 200 else f"status {reply.status}"
    told(lab.run(cases), len(cases))


def test_unknown_events(lab: Lab) -> None:
    secret = SAMPLES["gitlab-pat"]
    cases = []
    for path in (CHAT, MESSAGES):
        for event in (
            {"type": "brand_new_event", "payload": {"deep": [f"Use {secret} now"]}},
            {"type": "ping", "note": secret},
            {"type": f"x {secret}"},
            {"error": {"message": f"Use {secret} now", "type": "overloaded"}},
            {"type": "error", "error": {"type": "overloaded_error", "message": secret}},
            [secret],
            {secret: 1},
        ):
            def check(reply: wire.Reply) -> str | None:
                return None if reply.status == 200 else f"status {reply.status}"

            raw = encode(path, frame(path, [event]))
            cases.append(Case(f"{path} {str(event)[:30]}", path, stream(raw), check, True, [secret]))
        for raw in (
            f"event: {secret}\ndata: {{}}\n\n",
            f": {secret}\n\n",
            f"id: {secret}\ndata: {{}}\n\n",
            f"data: {secret}\n\n",
            f"data: {{\"a\":\ndata: \"{secret}\"}}\n\n",
            f"unknown: {secret}\n\n",
            f"data: {json.dumps(chunk({'content': secret}))}\r\n\r\n",
            f"data: {json.dumps(chunk({'content': secret}))}\r\r",
            f"data:{json.dumps(chunk({'content': secret}))}\n\n",
            f"\ufeffdata: {json.dumps(chunk({'content': secret}))}\n\n",
            f"data: {json.dumps(chunk({'content': secret}))}",
        ):
            parts = stream([*encode(path, frame(path, []))[:1], raw.encode(), *encode(path, frame(path, []))[1:]])
            cases.append(Case(f"{path} {raw[:30]!r}", path, parts, lambda _: None, True, [secret]))
    told(lab.run(cases), len(cases))


def test_a_text_has_one_lane(lab: Lab) -> None:
    """Half of a secret in a lane, and half where clients join it all the same: behind the lane's end, or under an index that is
    the same number to some readers."""
    secret = SAMPLES["aws-access-token"]
    first, second = secret[:9], secret[9:]

    def text(index: object, piece: str) -> dict:
        return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": piece}}

    def call(index: object, piece: str) -> dict:
        return chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})

    begun = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    stopped = {"type": "content_block_stop", "index": 0}
    early = frame(MESSAGES, [])[0]
    early = {**early, "message": {**early["message"], "content": [{"type": "text", "text": first}]}}
    sent: list[tuple[str, list[object]]] = [
        (CHAT, [chunk({"content": first}, finish_reason="stop"), chunk({"content": second})]),
        (CHAT, [chunk({"content": first}), chunk({}, finish_reason="length"), chunk({"content": second})]),
        (CHAT, [call(0, first), chunk({}, finish_reason="tool_calls"), call(0, second)]),
        (MESSAGES, [begun, text(0, first), stopped, text(0, second)]),
        (MESSAGES, [begun, text(0, first), stopped, begun, text(0, second)]),
        (MESSAGES, [begun, text(0, first), {"type": "message_stop"}, text(0, second)]),
        (MESSAGES, [early, begun, text(0, second)]),
        (MESSAGES, [begun, text(0, first), {**text(0, second), "index": None}]),
    ]
    # What is told once, and joined by some clients all the same.
    for delta in (
        lambda piece: {"role": piece},
        lambda piece: {"message_id": piece},
        lambda piece: {"status": piece},
        lambda piece: {"audio": {"id": piece, "transcript": "a"}},
        lambda piece: {"tool_calls": [{"index": 0, "id": piece}]},
        lambda piece: {"tool_calls": [{"index": 0, "function": {"name": piece, "arguments": "1"}}]},
    ):
        sent.append((CHAT, [chunk(delta(first)), chunk(delta(second))]))
    # A choice without an index is the first, or what it is by its place.
    nameless = chunk({"content": second})
    del nameless["choices"][0]["index"]
    nameless["choices"].insert(0, chunk({}, index=5)["choices"][0])
    sent.append((CHAT, [chunk({"content": first}), nameless]))
    sent.append((CHAT, [chunk({}, message={"content": first}), chunk({}, message={"content": second})]))
    signed = [{"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": piece}} for piece in (first, second)]
    sent.append((MESSAGES, [{**begun, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}, *signed]))
    for odd in ("0.0", "-0", "-1", "0e0", "1e0", '"0"', "false", "[]", "00000000000"):
        for path, events in ((CHAT, [chunk({"content": first}), chunk({"content": second}, index="ODD")]),
                             (CHAT, [call(0, first), call("ODD", second)]),
                             (MESSAGES, [begun, text(0, first), text("ODD", second)])):  # fmt: skip
            sent.append((path, [events[0], *events[1:-1], json.dumps(events[-1]).replace('"ODD"', odd)]))
    cases = []
    for path, events in sent:
        raw = encode(path, events if path == CHAT else [*frame(path, [])[:1], *events])
        cases.append(Case(f"{path} {str(events[-1])[-160:]}", path, stream(raw), lambda _: None, True, [second]))
    told(lab.run(cases), len(cases))


def test_what_honest_upstreams_do_passes_unchanged(lab: Lab) -> None:
    """Oddities of servers that people use; none of them tells anything."""

    def call(index: object, name: str | None, arguments: str, identity: str | None = "call_1") -> dict:
        told = {"index": index, "id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}
        return chunk({"role": "assistant", "tool_calls": [{key: value for key, value in told.items() if value != "absent"}]})

    def signed(piece: str) -> dict:
        return {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": piece}}

    thinking = {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}
    stopped = {"type": "content_block_stop", "index": 0}
    last = chunk({}, finish_reason="stop")
    usage = {**last, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
    streams: dict[str, tuple[str, list[object]]] = {
        "the role in every chunk": (CHAT, [chunk({"role": "assistant", "content": word}) for word in ("a", " b", " c")] + [last]),
        "usage behind the end": (CHAT, [chunk({"content": "a"}), last, usage]),
        "the end told twice": (CHAT, [chunk({"content": "a"}), last, chunk({"content": ""}, finish_reason="stop")]),
        "the end told in every chunk": (CHAT, [chunk({"role": "assistant", "content": word}, finish_reason="stop") for word in ("", "a", " b", "")]),
        "the end told beside the last words": (CHAT, [chunk({"content": "a"}), chunk({"content": " b"}, finish_reason="stop"), usage]),
        "an end that is empty": (CHAT, [chunk({"content": word}, finish_reason="") for word in ("a", " b")] + [last]),
        "a new id in every chunk": (CHAT, [call(0, "f" if n == 0 else None, f"{n}", f"call_{n}") for n in range(4)] + [last]),
        "an empty id behind the first chunk": (CHAT, [call(0, "f", "{"), call(0, None, "}", ""), last]),
        "parallel calls under one index": (CHAT, [call(0, "f", "{}", "call_1"), call(0, "g", "{}", "call_2"), last]),
        "calls without an index": (CHAT, [call("absent", "f", "{}", "call_1"), call("absent", "g", "{}", "call_2"), last]),
        "the name in every chunk": (CHAT, [call(0, "look_up", part) for part in ("", '{"a"', ": 1}")] + [last]),
        "an empty name first": (CHAT, [call(0, "", ""), call(0, "", '{"a"'), call(0, "look_up", ": 1}"), last]),
        "the whole message beside its pieces": (
            CHAT,
            [chunk({"content": "a"}, message={"role": "assistant", "content": "a"}), chunk({"content": "b"}, message={"role": "assistant", "content": "ab"}), last],
        ),
        "citations with numbers of their own": (CHAT, [{**chunk({"content": "a"}), "citations": [{"index": "1"}, {"index": -1}]}, last]),
        "a signature in pieces": (MESSAGES, [thinking, signed("RXJp"), signed("Y0lz"), stopped]),
    }
    cases = []
    for title, (path, events) in streams.items():
        raw = encode(path, frame(path, events) if path == MESSAGES else events)
        cases.append(Case(title, path, stream(raw), lambda reply, raw=raw: None if reply.body == b"".join(raw) else f"changed: {reply.body[:400]!r}", True))
    told(lab.run(cases), len(cases))


def test_error_bodies(lab: Lab) -> None:
    cases = []
    for path in (CHAT, MESSAGES):
        for status in (400, 404, 413, 422, 429, 500, 503, 529):
            for kind, leaf in zip(itertools.cycle(KIND_CYCLE), leaves.error_leaves(path), strict=False):
                secret = SAMPLES[kind]
                document = leaves.plant(leaf.document, f"Use {secret} now")
                parts = answer(status, json.dumps(document).encode())

                def check(reply: wire.Reply, status=status) -> str | None:
                    return None if reply.status in {status, 502, 503} else f"status {reply.status}"

                cases.append(Case(f"{path} {status} {leaf.way} {kind}", path, parts, check, False, [secret]))
                cases.append(Case(f"{path} {status} {leaf.way} {kind} to a stream", path, parts, check, True, [secret]))
        text = f"<html>{SAMPLES['github-pat']}</html>".encode()
        for status in (200, 500, 502):
            parts = answer(status, text, content_type="text/html")
            cases.append(Case(f"{path} {status} page", path, parts, lambda _: None, False, [SAMPLES["github-pat"]]))
            cases.append(Case(f"{path} {status} page to a stream", path, parts, lambda _: None, True, [SAMPLES["github-pat"]]))
    told(lab.run(cases), len(cases))


def test_headers(lab: Lab) -> None:
    secret = SAMPLES["npm-access-token"]
    names = ["x-secret", "set-cookie", "x-request-id", "openai-organization", "server", "location", "request-id", "www-authenticate", "retry-after"]
    cases = [
        Case(f"{path} {name}", path, answer(200, chat(), extra=f"{name}: {secret}\r\n"), lambda _: None, False, [secret])
        for path in (CHAT, MESSAGES)
        for name in names
    ]
    told(lab.run(cases), len(cases))


def test_gzip(lab: Lab) -> None:
    cases = []
    for kind, secret in SAMPLES.items():
        document = json.loads(chat(f"Use {secret} now"))
        body = gzip.compress(json.dumps(document).encode())
        cases.append(document_case(f"document {kind}", CHAT, document, [secret], body=body, extra="content-encoding: gzip\r\n"))
        text = f"Use {secret} now"
        sent = frame(CHAT, lane_events("content", [text[:9], text[9:]], 0))
        cases.append(stream_case(f"stream {kind}", CHAT, sent, [secret], gzip=True))
    told(lab.run(cases), len(cases))


def mixtures(seed: int, count: int) -> list[str]:
    """Texts put together from whole values, halves of them, near misses and what stands between."""
    draw = random.Random(seed)
    values = [*SAMPLES.values(), *itertools.chain.from_iterable(VARIANTS.values())]
    between = [" ", "", "\n", ".", ",", "-", "_", "/", "+", "=", "@", ":", "é", "€", "𝄞", "\\", '"', "0", "a", "-----", "eyJ", "sk-", "4"]

    def piece() -> str:
        value = draw.choice(values)
        match draw.randrange(8):
            case 0 | 1 | 2:
                return value
            case 3:
                return value[: draw.randrange(len(value))]
            case 4:
                return value[draw.randrange(len(value)) :]
            case 5:
                at = draw.randrange(len(value))
                return value[:at] + draw.choice(between) + value[at:]
            case 6:
                return value.swapcase() if draw.random() < 0.5 else value.replace(value[-1], "x")
            case _:
                return draw.choice(["the bridge over the river", "10.5", "2026-11-21", "12345678901234567890", "a@b", "x.y@z.io"])

    return ["".join(piece() + draw.choice(between) for _ in range(draw.randrange(1, 6))) for _ in range(count)]


def shows_no_more(got: str, wanted: str) -> bool:
    """Whether everything that `got` shows stands in `wanted` too, in the same order."""
    at = 0
    for shown in re.split(r"\[redacted:[^\]]*\](?:#\d+)?", got):
        at = wanted.find(shown, at)
        if at < 0:
            return False
        at += len(shown)
    return True


def mixture_case(name: str, batch: list[str]) -> Case:
    """Texts are read behind disguises as well, which the oracle is not: more may be hidden, and nothing less."""
    document = json.loads(chat(""))
    document["extra"] = {"texts": batch, "keys": {text: 1 for text in batch}}

    def check(reply: wire.Reply) -> str | None:
        if reply.status != 200:
            return f"status {reply.status}: {reply.body[:200]!r}"
        extra = json.loads(reply.body)["extra"]
        pairs = [*zip(extra["texts"], batch, strict=True), *zip(extra["keys"], dict.fromkeys(batch), strict=True)]
        return next((f"{got!r} shows more than {text!r}" for got, text in pairs if not shows_no_more(got, oracle.redact(text, ACTS))), None)

    return Case(name, CHAT, answer(200, json.dumps(document).encode()), check, False, [])


def test_mixtures(lab: Lab) -> None:
    """Of texts that nobody chose, full of torn and joined secrets, the gate shows no more than the oracle, whole and in pieces."""
    draw = random.Random(7)
    cases = []
    texts = mixtures(1, 2400)
    for number, batch in enumerate(_batched_list(texts, 12)):
        cases.append(mixture_case(f"mixture {number}", batch))
        events: list[object] = []
        for index, text in enumerate(batch):
            cuts = sorted(draw.sample(range(1, len(text)), min(len(text) - 1, draw.randrange(6)))) if len(text) > 1 else []
            events.append(lane_events("content", [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])], index))
        mixed = [event for row in itertools.zip_longest(*events) for event in row if event is not None]
        cases.append(stream_case(f"mixture {number} in pieces", CHAT, frame(CHAT, mixed), [], may_hide_more=True))
    told(lab.run(cases), len(cases))


def _batched_list(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def test_numbers_and_keys(lab: Lab) -> None:
    card = re.sub("[^0-9]", "", SAMPLES["CREDIT_CARD"])
    pat = SAMPLES["github-pat"]
    raw = '{"choices":[],"a":%s,"b":[%s],"c":{"%s":1,"%s":2,"[redacted:github-pat]":3}}' % (card, card, pat, SAMPLES["github-pat"] + "x")
    cases = [document_case("numbers and keys", CHAT, json.loads(raw), [card, pat], body=raw.encode())]
    told(lab.run(cases), len(cases))


def control_cases(kind: str) -> list[Case]:
    """Few cases that hold only this kind."""
    secret = SAMPLES[kind]
    return [
        document_case(f"document {kind}", CHAT, json.loads(chat(f"Use {secret} now")), [secret]),
        stream_case(f"stream {kind}", CHAT, frame(CHAT, lane_events("content", [f"Use {secret[:7]}", f"{secret[7:]} now"], 0)), [secret]),
        stream_case(f"message {kind}", MESSAGES, frame(MESSAGES, lane_events("text", [f"Use {secret} now"], 0)), [secret]),
    ]


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_scanner_is_noticed(kind: str) -> None:
    """With one scanner of the gate off, the cases of its kind fail, and those of every other kind still pass."""
    lab = Lab(scanners_off=[kind])
    try:
        others = [case for other in SAMPLES if other != kind for case in control_cases(other)]
        cases = control_cases(kind)
        assert len(lab.run(cases)) == len(cases), "a switched-off scanner went unnoticed"
        overlapping = {case.split(":")[0] for case in lab.run(others)}
        assert not overlapping, overlapping
    finally:
        lab.close()
