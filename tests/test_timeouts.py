"""Every timeout that belongs to sockets, on the running gate with limits of one or two seconds; the others stand in
`crates/engine/tests/path/paused.rs`, on a clock that jumps. Each end is bounded on both sides: not before, and not much later."""

import json
import pathlib
import socket
import time
from collections.abc import Iterator

import pytest
from conftest import allowed_model, member
from gate import Gate
from upstream import Peer, Request, Upstream, answer, chat

LIMITS = "{head_seconds: 1, body_seconds: 1, first_byte_seconds: 1, idle_seconds: 1, stream_seconds: 3, client_seconds: 1, drain_seconds: 1}"
SLACK = 4.0
"""Seconds beyond a limit that a busy machine may need."""
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def configure(data: pathlib.Path) -> None:
    file = data / "portcullis.yaml"
    file.write_text(f"{file.read_text()}\nlimits: {LIMITS}\n")


@pytest.fixture(scope="module")
def quick() -> Iterator[tuple[Gate, Upstream]]:
    with Upstream() as upstream, Gate(upstream.url, configure=configure) as gate:
        yield gate, upstream


def asking(gate: Gate, *, is_stream: bool = False, declared: int | None = None) -> bytes:
    """A request as bytes; `declared` is a length that is not the body's."""
    body = {"model": allowed_model(gate), "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": is_stream}
    data = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {member(gate)}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {declared or len(data)}\r\n\r\n".encode() + data


def event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    row = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    data = f"data: {json.dumps(row)}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


def exchange(gate: Gate, sent: bytes) -> tuple[bytes, float]:
    """Everything that comes back until the gate closes or the answer is complete, and after how many seconds."""
    with socket.create_connection(("127.0.0.1", gate.port), timeout=20) as connection:
        begun = time.monotonic()
        connection.sendall(sent)
        got = b""
        while not complete(got):
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            got += piece
        return got, time.monotonic() - begun


def complete(got: bytes) -> bool:
    """Whether an answer has come to its end."""
    head, mark, body = got.partition(b"\r\n\r\n")
    if not mark:
        return False
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
    return body.endswith(b"0\r\n\r\n") if length is None else len(body) >= int(length.split(b":")[1])


def within(took: float, limit: float) -> None:
    assert limit * 0.9 <= took <= limit + SLACK, f"{took:.2f} s, the limit is {limit} s"


def test_a_head_that_does_not_end(quick: tuple[Gate, Upstream]) -> None:
    gate, _ = quick
    for beginning in (b"", b"POST /v1/chat/comp", asking(gate)[:90]):
        got, took = exchange(gate, beginning)
        within(took, 1)
        assert b" 200 " not in got.split(b"\r\n")[0]


def test_a_body_that_does_not_end(quick: tuple[Gate, Upstream]) -> None:
    gate, upstream = quick
    upstream.requests.clear()
    got, took = exchange(gate, asking(gate, declared=5000))
    within(took, 1)
    assert got.startswith(b"HTTP/1.1 408") and b"body-timeout" in got
    assert not upstream.requests


def test_an_upstream_that_does_not_answer(quick: tuple[Gate, Upstream]) -> None:
    gate, upstream = quick

    async def hang(_: Request, peer: Peer) -> list[bytes]:
        await peer.left()
        return []

    upstream.script = hang
    got, took = exchange(gate, asking(gate))
    within(took, 1)
    assert got.startswith(b"HTTP/1.1 504") and b"upstream-timeout" in got


def test_a_stream_that_stops(quick: tuple[Gate, Upstream]) -> None:
    gate, upstream = quick

    async def stop(_: Request, peer: Peer) -> list[bytes]:
        peer.writer.write(HEAD + event("one ") + event("two "))
        await peer.left()
        return []

    upstream.script = stop
    got, took = exchange(gate, asking(gate, is_stream=True))
    within(took, 1)
    assert b"one" in got and b"upstream-timeout" in got and b"[DONE]" not in got


def test_a_stream_that_never_ends(quick: tuple[Gate, Upstream]) -> None:
    gate, upstream = quick

    async def drip(_: Request, peer: Peer) -> list[bytes]:
        import asyncio

        peer.writer.write(HEAD)
        for _ in range(200):
            peer.writer.write(event("word "))
            await peer.writer.drain()
            await asyncio.sleep(0.1)
        return []

    upstream.script = drip
    got, took = exchange(gate, asking(gate, is_stream=True))
    within(took, 3)
    assert got.count(b"word") > 5 and b"upstream-timeout" in got and b"[DONE]" not in got


def test_a_client_that_does_not_read(quick: tuple[Gate, Upstream]) -> None:
    """The gate resets it: what it has not read by then is not an answer."""
    gate, upstream = quick

    async def pour(_: Request, peer: Peer) -> list[bytes]:
        peer.writer.write(HEAD)
        for _ in range(2000):
            peer.writer.write(event("word " * 1000))
            await peer.writer.drain()
        return [b"0\r\n\r\n"]

    upstream.script = pour
    with socket.create_connection(("127.0.0.1", gate.port), timeout=20) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(asking(gate, is_stream=True))
        begun = time.monotonic()
        while b"client-too-slow" not in metrics(gate) and time.monotonic() < begun + 1 + SLACK:
            pass
        within(time.monotonic() - begun, 1)
        with pytest.raises(ConnectionResetError):
            while connection.recv(1 << 20):
                pass


def metrics(gate: Gate) -> bytes:
    import urllib.request

    asked = urllib.request.Request(f"{gate.admin_url}/metrics", headers={"authorization": f"Bearer {gate.environment['PORTCULLIS_OPERATOR']}"})
    with urllib.request.urlopen(asked, timeout=10) as reply:
        return reply.read()


def test_an_upstream_that_does_not_take_the_connection() -> None:
    """A full queue: the system drops what knocks, so only the gate's own limit ends the wait."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(4):
            knocking = socket.socket()
            knocking.setblocking(False)
            knocking.connect_ex(("127.0.0.1", port))
            waiting.append(knocking)
        with Gate(f"http://127.0.0.1:{port}", configure=configure) as gate:
            got, took = exchange(gate, asking(gate))
        for knocking in waiting:
            knocking.close()
    within(took, 1)
    assert got.startswith((b"HTTP/1.1 502", b"HTTP/1.1 504")), got[:200]


def test_a_drain_ends(quick: tuple[Gate, Upstream]) -> None:
    """Last in this file: the gate of the other tests is stopped. A call that takes longer than the drain does not hold it."""
    gate, upstream = quick

    async def hang(_: Request, peer: Peer) -> list[bytes]:
        peer.writer.write(HEAD + event("one "))
        await peer.left()
        return answer(200, chat())

    upstream.script = hang
    with socket.create_connection(("127.0.0.1", gate.port), timeout=20) as connection:
        connection.sendall(asking(gate, is_stream=True))
        assert connection.recv(10)
        begun = time.monotonic()
        gate._stop()  # noqa: SLF001 - SIGTERM
        assert time.monotonic() - begun <= 1 + SLACK
    verified = gate.cli("audit", "verify", "--json")
    assert verified.returncode == 0, verified.stdout
    assert json.loads(verified.stdout)["open"] == 0, "every call has an outcome"
