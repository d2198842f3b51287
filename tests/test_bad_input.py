"""Bytes that no SDK would send: each is refused in the provider's shape, carries a request id, and reaches no upstream.

Raw sockets on purpose: an HTTP library would repair or refuse what is tested here.
"""

import hashlib
import json
import socket
from dataclasses import dataclass

import pytest
from conftest import allowed_model, hidden_model, member
from gate import Gate
from upstream import Upstream

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


@dataclass
class Answer:
    """One response off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


def exchange(port: int, request: bytes, pieces: int = 1) -> list[Answer]:
    """Sends the bytes, then reads whatever answers come until the gate closes or an answer is complete and all was sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        try:
            for start in range(0, len(request), max(1, -(-len(request) // pieces))):
                wire.sendall(request[start : start + max(1, -(-len(request) // pieces))])
        except (BrokenPipeError, ConnectionResetError):
            pass  # the gate may refuse and close before it has read everything; its answer is still to be read
        reader = wire.makefile("rb")
        answers = [read_answer(reader)]
        # A gate that took the bytes for two requests would answer twice.
        wire.settimeout(0.3 if answers[0].headers.get("connection", "").lower() != "close" else 5)
        try:
            while True:
                answers.append(read_answer(reader))
        except (TimeoutError, EOFError, ConnectionResetError):
            return answers


def read_answer(reader) -> Answer:
    line = reader.readline()
    if not line:
        raise EOFError
    headers = {}
    while (header := reader.readline()) not in (b"\r\n", b""):
        key, _, value = header.decode("latin-1").partition(":")
        headers[key.strip().lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(reader.readline(), 16):
            body += reader.read(size + 2)[:-2]
        reader.readline()
    else:
        body = reader.read(int(headers.get("content-length", 0)))
    return Answer(int(line.split()[1]), headers, body)


def request(key: str | None, body: bytes, path: str = CHAT, headers: list[str] | None = None, length: bool = True) -> bytes:
    """A well-formed request around a body; `headers` stand before the ones that are always there."""
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", *(headers or [])]
    if not any(line.lower().startswith("content-type") for line in lines):
        lines.append("content-type: application/json")
    if key is not None:
        lines.append(f"authorization: Bearer {key}")
    if length:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def refused(gate: Gate, upstream: Upstream, raw: bytes, code: str | set[str], status: int | set[int], path: str = CHAT) -> Answer:
    """The one thing that every case has to show."""
    answers = exchange(gate.port, raw)
    codes = {code} if isinstance(code, str) else code
    statuses = {status} if isinstance(status, int) else status
    assert len(answers) == 1, f"one request, {len(answers)} answers: {answers}"
    answer = answers[0]
    assert answer.status in statuses, answer
    assert answer.headers["x-request-id"].startswith("req_"), answer
    assert answer.headers["content-type"].startswith("application/json"), answer
    body = json.loads(answer.body)
    assert isinstance(body["error"]["message"], str) and body["error"]["message"], answer
    assert isinstance(body["error"]["type"], str) and body["error"]["type"], answer
    if path == MESSAGES:
        assert body["type"] == "error", answer
        assert any(code in answer.body.decode() for code in codes), answer
    else:
        assert body["error"]["code"] in codes, answer
        assert "param" in body["error"], answer
    assert not upstream.requests, f"forwarded: {upstream.requests}"
    return answer


def good(gate: Gate, text: str = "hi") -> bytes:
    body = {"model": allowed_model(gate), "messages": [{"role": "user", "content": text}], "max_tokens": 2}
    return json.dumps(body).encode()


@pytest.fixture(autouse=True)
def _still_well(scripted: tuple[Gate, Upstream]):
    """After every case a good request still passes: nothing was poisoned, and the counter counts."""
    yield
    gate, upstream = scripted
    upstream.requests.clear()
    answers = exchange(gate.port, request(member(gate), good(gate), headers=["connection: close"]))
    assert [answer.status for answer in answers] == [200], answers
    assert len(upstream.requests) == 1


def body_cases() -> list[tuple[str, bytes, str | set[str], int]]:
    model = b'"model":"MODEL"'
    messages = b'"messages":[{"role":"user","content":"hi"}]'
    whole = b"{" + model + b"," + messages + b"}"
    deep = b"[" * 3000 + b"]" * 3000
    return [
        ("empty", b"", "body-malformed", 400),
        ("not JSON", b"hello", "body-malformed", 400),
        ("cut off", whole[:-1], "body-malformed", 400),
        ("trailing bytes", whole + b"{}", "body-malformed", 400),
        ("trailing comma", b"{" + model + b"," + messages + b",}", "body-malformed", 400),
        ("comment", b"/* hi */" + whole, "body-malformed", 400),
        ("NaN", b"{" + model + b"," + messages + b',"temperature":NaN}', "body-malformed", 400),
        ("single quotes", b"{'model':'m'}", "body-malformed", 400),
        ("byte order mark", b"\xef\xbb\xbf" + whole, {"body-malformed", "body-not-utf8"}, 400),
        ("UTF-16", whole.decode().encode("utf-16"), {"body-malformed", "body-not-utf8"}, 400),
        ("an array", b"[" + whole + b"]", {"field-type", "field-missing", "body-malformed"}, 400),
        ("a string", b'"hello"', {"field-type", "field-missing", "body-malformed"}, 400),
        ("control byte in a string", b"{" + model + b',"messages":[{"role":"user","content":"a\nb"}]}', "body-malformed", 400),
        ("duplicate model", b"{" + model + b',"model":"other",' + messages + b"}", "key-duplicate", 400),
        ("duplicate by escape", b"{" + model + b',"\\u006dodel":"other",' + messages + b"}", "key-duplicate", 400),
        ("duplicate deep", b"{" + model + b',"messages":[{"role":"user","content":"a","content":"b"}]}', "key-duplicate", 400),
        ("key by case", b"{" + model + b',"Messages":[],' + messages + b"}", "key-confusable", 400),
        ("key by case, deep", b"{" + model + b',"messages":[{"role":"user","Content":"b","content":"a"}]}', "key-confusable", 400),
        ("invalid UTF-8", b"{" + model + b',"messages":[{"role":"user","content":"a\xff"}]}', "body-not-utf8", 400),
        ("overlong UTF-8", b"{" + model + b',"messages":[{"role":"user","content":"\xc0\xaf"}]}', "body-not-utf8", 400),
        ("raw surrogate", b"{" + model + b',"messages":[{"role":"user","content":"\xed\xa0\x80"}]}', "body-not-utf8", 400),
        ("half a pair", b"{" + model + b',"messages":[{"role":"user","content":"\\ud83d"}]}', "surrogate-invalid", 400),
        ("pair turned round", b"{" + model + b',"messages":[{"role":"user","content":"\\ude00\\ud83d"}]}', "surrogate-invalid", 400),
        ("deep", b"{" + model + b"," + messages + b',"metadata":' + deep + b"}", "body-too-deep", 400),
        ("many values", b"{" + model + b"," + messages + b',"x":[' + b"1," * 300_000 + b"1]}", {"body-too-deep", "field-unknown"}, 400),
        ("no model", b"{" + messages + b"}", "field-missing", 400),
        ("no messages", b"{" + model + b"}", "field-missing", 400),
        ("unknown part", b"{" + model + b',"messages":[{"role":"user","content":[{"type":"hologram","x":1}]}]}', "part-unknown", 400),
        ("unknown tool", b"{" + model + b"," + messages + b',"tools":[{"type":"teleport"}]}', "tool-type-unknown", 400),
        ("unknown object", b"{" + model + b"," + messages + b',"new_thing":{}}', "field-unknown", 400),
        ("unknown true", b"{" + model + b"," + messages + b',"new_thing":true}', "field-unknown", 400),
        ("file on another machine", b"{" + model + b',"messages":[{"role":"user","content":[{"type":"image_url","image_url":'
         b'{"url":"file:///etc/passwd"}}]}]}', {"remote-malformed", "policy-denied", "policy-forbidden", "part-unknown"}, {400, 403}),
    ]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "status"), [case[1:] for case in body_cases()], ids=[case[0] for case in body_cases()])
def test_bodies(scripted: tuple[Gate, Upstream], body: bytes, code: str | set[str], status: int) -> None:
    gate, upstream = scripted
    body = body.replace(b"MODEL", allowed_model(gate).encode())
    refused(gate, upstream, request(member(gate), body), code, status)
    refused(gate, upstream, request(member(gate), body, path=MESSAGES), code, status, path=MESSAGES)


def test_no_word_of_a_callers_own_lies_in_plain_sight(scripted: tuple[Gate, Upstream]) -> None:
    """Keys are texts of the caller's as much as values are; what is refused is recorded without them, at every depth."""
    gate, upstream = scripted
    canary = "zebra_falcon_27"
    whole = f'"model":"{allowed_model(gate)}","messages":[{{"role":"user","content":"hi"}}]'
    bodies = [
        (f'{{{whole},"{canary}":{{}}}}', "field-unknown"),
        (f'{{{whole},"{canary} buys a lot":true}}', "field-unknown"),
        (f'{{{whole},"metadata":{{"{canary}: in/my `words`":1,"{canary}: in/my `words`":2}}}}', "key-duplicate"),
        (f'{{{whole},"metadata":{{"a":{{"{canary}":1,"{canary}":2}}}}}}', "key-duplicate"),
        (f'{{"model":"{allowed_model(gate)}","messages":[{{"role":"user","content":"hi","{canary}":[1]}}]}}', "field-unknown"),
    ]
    for body, code in bodies:
        refused(gate, upstream, request(member(gate), body.encode()), code, 400)
    assert gate.cli("audit", "verify").returncode == 0
    for path in gate.data.rglob("*"):
        if path.is_file():
            assert canary.encode() not in path.read_bytes(), path
    assert canary not in "\n".join(gate.lines)
    # Who knows the word finds it.
    rows = json.loads(gate.cli("audit", "query", "--json", "--reason", "field-unknown", "--limit", "1000").stdout)["rows"]
    lines = "\n".join("\n".join(gate.admin("GET", f"/admin/v1/explain/{row['request']}")["lines"]) for row in rows)
    digest = hashlib.sha256(canary.encode()).hexdigest()[:8]
    assert f"detail: /~{digest}\n" in lines and f"detail: /messages/0/~{digest}\n" in lines, lines


def test_a_huge_body_is_refused_by_its_length(scripted: tuple[Gate, Upstream]) -> None:
    """The length is enough: nobody has to send, and the gate has to hold, a gigabyte."""
    gate, upstream = scripted
    head = request(member(gate), b"", headers=["content-length: 1073741824"], length=False)
    refused(gate, upstream, head, "body-too-large", 413)


def test_a_huge_chunked_body_is_cut(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    head = request(member(gate), b"", headers=["transfer-encoding: chunked"], length=False)
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    refused(gate, upstream, head + chunk * 80, "body-too-large", 413)


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        ("text/plain", "content-type-refused"),
        ("multipart/form-data; boundary=x", "content-type-refused"),
        ("application/x-www-form-urlencoded", "content-type-refused"),
        ("application/json; charset=utf-16", "content-type-refused"),
        ("application/jsonp", "content-type-refused"),
    ],
)
def test_content_types(scripted: tuple[Gate, Upstream], content_type: str, code: str) -> None:
    gate, upstream = scripted
    refused(gate, upstream, request(member(gate), good(gate), headers=[f"content-type: {content_type}"]), code, 415)


def test_an_encoded_body_is_refused(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    for encoding in ("br", "zstd", "deflate, gzip", "x-unknown"):
        refused(gate, upstream, request(member(gate), good(gate), headers=[f"content-encoding: {encoding}"]), "encoding-refused", 415)


def framing_cases() -> list[tuple[str, list[str], str | set[str]]]:
    ambiguous = {"framing-ambiguous", "header-refused"}
    return [
        ("length and chunked", ["content-length: LENGTH", "transfer-encoding: chunked"], ambiguous),
        ("chunked and length", ["transfer-encoding: chunked", "content-length: LENGTH"], ambiguous),
        ("two lengths", ["content-length: LENGTH", "content-length: 5"], ambiguous),
        ("the same length twice", ["content-length: LENGTH", "content-length: LENGTH"], ambiguous),
        ("a list of lengths", ["content-length: LENGTH, LENGTH"], ambiguous),
        ("signed length", ["content-length: +LENGTH"], ambiguous),
        ("hexadecimal length", ["content-length: 0x10"], ambiguous),
        ("negative length", ["content-length: -1"], ambiguous),
        ("length with a space", ["content-length : LENGTH"], ambiguous),
        ("chunked twice", ["transfer-encoding: chunked", "transfer-encoding: chunked"], ambiguous),
        ("chunked not last", ["transfer-encoding: chunked, gzip"], ambiguous),
        ("chunked misspelt", ["transfer-encoding: xchunked"], ambiguous),
        ("chunked after a tab", ["transfer-encoding:\tchunked", "content-length: LENGTH"], ambiguous),
        ("chunked after a space", ["transfer-encoding : chunked", "content-length: LENGTH"], ambiguous),
        ("folded header", ["x-a: 1\r\n b: 2", "content-length: LENGTH"], ambiguous),
        ("folded transfer-encoding", ["transfer-encoding:\r\n chunked", "content-length: LENGTH"], ambiguous),
        ("nul in a header", ["x-a: 1\x00", "content-length: LENGTH"], ambiguous),
        ("bare CR in a header", ["x-a: 1\rcontent-length: 3", "content-length: LENGTH"], ambiguous),
        ("no colon", ["x-a", "content-length: LENGTH"], ambiguous),
        ("empty header name", [": x", "content-length: LENGTH"], ambiguous),
    ]


@pytest.mark.parametrize(("headers", "code"), [case[1:] for case in framing_cases()], ids=[case[0] for case in framing_cases()])
def test_framing(scripted: tuple[Gate, Upstream], headers: list[str], code: str | set[str]) -> None:
    gate, upstream = scripted
    body = good(gate)
    smuggled = request(member(gate), body)
    lines = [header.replace("LENGTH", str(len(body))) for header in headers]
    # What follows the body would be a second request to whoever reads the length in the other way.
    raw = request(member(gate), body, headers=lines, length=False) + smuggled
    answer = refused(gate, upstream, raw, code, 400)
    assert answer.headers.get("connection", "").lower() == "close", "after ambiguous framing nothing on the connection can be trusted"


def test_good_then_bad(scripted: tuple[Gate, Upstream]) -> None:
    """What was judged good is answered, then the connection ends; nothing is said to what came behind it."""
    gate, upstream = scripted
    one = request(member(gate), good(gate))
    bad = request(member(gate), good(gate), headers=["transfer-encoding: chunked"])
    for n_good in (1, 3):
        with socket.create_connection(("127.0.0.1", gate.port), timeout=20) as wire:
            wire.sendall(one * n_good + bad + one)
            reader = wire.makefile("rb")
            assert [read_answer(reader).status for _ in range(n_good)] == [200] * n_good
            wire.settimeout(4)  # sooner than the gate gives up on a head that does not come
            assert reader.read() == b"", "the gate closes"
        assert len(upstream.requests) == n_good
        upstream.requests.clear()


def test_bare_line_feeds(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    raw = request(member(gate), good(gate))
    head, _, body = raw.partition(b"\r\n\r\n")
    refused(gate, upstream, head.replace(b"\r\n", b"\n") + b"\n\n" + body, {"framing-ambiguous", "header-refused"}, 400)
    one = head.replace(b"host: 127.0.0.1\r\n", b"host: 127.0.0.1\n")
    refused(gate, upstream, one + b"\r\n\r\n" + body, {"framing-ambiguous", "header-refused"}, 400)


@pytest.mark.parametrize("chunks", [b"5;x\r\nhel", b"zz\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n",
                                    b"ffffffffffffffff1\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n"])  # fmt: skip
def test_broken_chunks(scripted: tuple[Gate, Upstream], chunks: bytes) -> None:
    gate, upstream = scripted
    head = request(member(gate), b"", headers=["transfer-encoding: chunked", "connection: close"], length=False)
    with socket.create_connection(("127.0.0.1", gate.port), timeout=20) as wire:
        wire.sendall(head + chunks)
        wire.shutdown(socket.SHUT_WR)
        wire.makefile("rb").read()  # an error answer or a plain close: either is fine, forwarding is not
    assert not upstream.requests


def test_requests_in_pieces_are_whole(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    raw = request(member(gate), good(gate), headers=["connection: close"])
    assert exchange(gate.port, raw, pieces=len(raw))[0].status == 200
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_credentials(scripted: tuple[Gate, Upstream], path: str) -> None:
    gate, upstream = scripted
    key, other = member(gate), "sk-ant-other"
    facts: list[tuple[list[str], str | None, str, int]] = [
        ([], None, "credential-missing", 401),
        ([], "nothing", "credential-unknown", 401),
        ([], key + "x", "credential-unknown", 401),
        ([], key[:-1], "credential-unknown", 401),
        ([f"x-api-key: {key}"], other, "two-credentials", 400),
        ([f"x-api-key: {key}"], key, "two-credentials", 400),
        ([f"authorization: Bearer {key}"], key, "two-credentials", 400),
        ([f"authorization: Basic {key}"], None, "credential-unknown", 401),
    ]
    for headers, bearer, code, status in facts:
        refused(gate, upstream, request(bearer, good(gate), path=path, headers=headers), code, {status, 400, 401}, path=path)


def test_an_expired_key(scripted: tuple[Gate, Upstream]) -> None:
    """A key made for this test, used once, ended, and used again."""
    gate, upstream = scripted
    keys = json.loads(gate.cli("key", "--json", "list").stdout)["keys"]
    made = gate.cli("key", "--json", "create", "user:alice")
    assert made.returncode == 0, made.stdout + made.stderr
    document = json.loads(made.stdout)
    key = document["secret"]
    assert exchange(gate.port, request(key, good(gate), headers=["connection: close"]))[0].status == 200
    upstream.requests.clear()
    ended = gate.cli("key", "expire", document["id"])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    refused(gate, upstream, request(key, good(gate)), "credential-expired", 401)
    assert len(json.loads(gate.cli("key", "--json", "list").stdout)["keys"]) == len(keys) + 1


AZURE = "/openai/deployments"


def route_cases() -> list[tuple[str, str, str, int]]:
    """Request line, the shape of the refusal (a path of its provider), its code, its status."""
    beside_chat = ["/v1/unknown", "/v1/files", "/v1/files/file-1/content", "/v1/batches", "/v1/assistants", "/v1/threads/t/runs", "/v1/vector_stores",
                   "/v1/fine_tuning/jobs", "/v1/images/generations", "/v1/images/edits", "/v1/audio/transcriptions", "/v1/audio/speech", "/v1/moderations",
                   "/v1/uploads", "/v1/realtime/sessions", "/v1/evals", "/v1/containers", "/v1/conversations", "/v1/organization/users", "/v1/engines",
                   "/", "/chat/completions", "/v2/chat/completions", "/api/chat", "/v1beta/models/m:generateContent"]  # fmt: skip
    beside_messages = ["/v1/messages/batches", "/v1/messages/batches/msgbatch_1/results", "/v1/messages/batches/msgbatch_1/cancel", "/v1/messages/",
                       "/v1/messages//count_tokens", "/v1/messages/count_tokens/", "/v1/messages/../files", "/v1/messages/count%5Ftokens"]  # fmt: skip
    beside_azure = [f"{AZURE}/small/images/generations?api-version=2024-10-21", f"{AZURE}/small/audio/translations?api-version=2024-10-21",
                    f"{AZURE}/small/extensions/chat/completions?api-version=2023-08-01-preview", f"{AZURE}/small/chat/completions/", f"{AZURE}/small/",
                    f"{AZURE}/small", f"{AZURE}/a/b/chat/completions?api-version=2024-10-21", f"{AZURE}/small/messages",
                    "/openai/files?api-version=2024-10-21", "/openai/assistants?api-version=2024-05-01-preview", "/openai/batches", "/openai/v1/files",
                    "/openai/models?api-version=2024-10-21", "/openai/messages", "/OpenAI/deployments/small/chat/completions"]  # fmt: skip
    written = ["/v1/chat/completions/../messages", "/v1//chat/completions", "/v1/chat/completions/", "/V1/chat/completions", "/v1/chat/%63ompletions"]
    called = [f"{AZURE}/small/chat/completions?api-version=2024-10-21", f"{AZURE}/small/embeddings", "/openai/v1/responses", CHAT, "/v1/embeddings"]
    return [
        *((f"POST {path}", CHAT, "route-unknown", 404) for path in [*beside_chat, *beside_azure, *written]),
        *((f"{method} {path}", MESSAGES, "route-unknown", 404) for path in beside_messages for method in ("POST", "GET")),
        *((f"{method} {path}", CHAT, "method-not-allowed", 405) for path in called for method in ("GET", "PUT", "DELETE")),
        *((f"{method} {path}", MESSAGES, "method-not-allowed", 405) for path in (MESSAGES, f"{MESSAGES}/count_tokens") for method in ("GET", "PUT", "DELETE")),
        ("POST /v1/models", CHAT, "method-not-allowed", 405),
        ("DELETE /v1/models/small", CHAT, "method-not-allowed", 405),
    ]


@pytest.mark.parametrize(("line", "shape", "code", "status"), route_cases(), ids=[case[0] for case in route_cases()])
def test_routes(scripted: tuple[Gate, Upstream], line: str, shape: str, code: str, status: int) -> None:
    gate, upstream = scripted
    closes = ["connection: close"]
    raw = request(member(gate), good(gate), headers=closes).replace(b"POST /v1/chat/completions", line.encode(), 1)
    answer = refused(gate, upstream, raw, code, status, shape)
    assert status != 405 or answer.headers["allow"] in ("GET", "POST"), answer
    # A client of Anthropic says so, whatever it asks for.
    named = request(member(gate), good(gate), headers=[*closes, "anthropic-version: 2023-06-01"]).replace(b"POST /v1/chat/completions", line.encode(), 1)
    refused(gate, upstream, named, code, status, MESSAGES)


@pytest.mark.parametrize("name", ["", "no-such-deployment", "Small", "small%2F..", "%73mall", "a" * 300, "sm all", "~"])
def test_deployments_that_are_none(scripted: tuple[Gate, Upstream], name: str) -> None:
    """Azure's form names the model in its path: one that is none, or that the caller may not see, is refused like any other model."""
    gate, upstream = scripted
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}).encode()
    for deployment in (name, hidden_model(gate)):
        for api_version in ("?api-version=2024-10-21", "?api-version=1999-01-01", "?api-version=%00", ""):
            raw = request(member(gate), body, path=f"{AZURE}/{deployment}/chat/completions{api_version}", headers=["connection: close"])
            if " " in deployment:
                refused(gate, upstream, raw, "framing-ambiguous", 400)
            else:
                refused(gate, upstream, raw, "model_not_found", 404)


def test_two_models_are_none(scripted: tuple[Gate, Upstream]) -> None:
    """The path names one model and the body another: whoever judged the one could be made to forward the other."""
    gate, upstream = scripted
    raw = request(member(gate), good(gate).replace(allowed_model(gate).encode(), b"another"), path=f"{AZURE}/{allowed_model(gate)}/chat/completions")
    answers = exchange(gate.port, raw)
    assert len(answers) == 1
    reached = [json.loads(got.body)["model"] for got in upstream.requests]
    assert "another" not in reached and (answers[0].status in (400, 404) or len(set(reached)) == 1), (answers, reached)


def test_large_headers(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    refused(gate, upstream, request(member(gate), good(gate), headers=["x-a: " + "a" * 200_000]), "headers-too-large", 431)
    many = [f"x-a{index}: 1" for index in range(2000)]
    refused(gate, upstream, request(member(gate), good(gate), headers=many), "headers-too-large", 431)
