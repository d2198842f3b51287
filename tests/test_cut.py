"""A lock cuts what is running: 200 times, in four situations, measured at the client's own socket.

The clock starts before the operator's request is sent and stops when the client's socket shows the end, so the measured time
holds the admin API and Python itself, and whatever of the record of the act the cut would wait for.
"""

import json
import pathlib
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from conftest import allowed_model, member
from gate import AdminConnection, Gate

CUTS = 50
WITHIN = 0.010
"""Seconds; of the 99th percentile over all situations."""
TIMES: dict[str, list[float]] = {}


@pytest.fixture(scope="module")
def cut_gate() -> Iterator[Gate]:
    """The gate in front of an upstream in another process."""
    program = pathlib.Path(__file__).with_name("cut_upstream.py")
    with subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as upstream:
        try:
            with Gate(upstream.stdout.readline().strip()) as gate:
                yield gate
        finally:
            upstream.stdin.close()


def open_stream(gate: Gate, script: str) -> socket.socket:
    """A client's socket whose stream has begun."""
    body = {"model": allowed_model(gate), "messages": [{"role": "user", "content": script}], "stream": True}
    data = json.dumps(body).encode()
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    wire.settimeout(20)
    wire.connect(("127.0.0.1", gate.port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {member(gate)}\r\n"
    wire.sendall(f"{head}content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
    seen = b""
    while b"first words" not in seen:
        piece = wire.recv(4096)
        assert piece, f"the stream ended before it began: {seen!r}"
        seen += piece
    return wire


def end_of(wire: socket.socket, reads: bool) -> float:
    """When the socket shows the end (the last chunk, or a close), by reading everything up to it or without reading anything."""
    if reads:
        tail = b""
        try:
            while not tail.endswith(b"\r\n0\r\n\r\n") and (piece := wire.recv(65536)):
                tail = (tail + piece)[-16:]
        except ConnectionResetError:
            pass
        return time.perf_counter()
    poll = select.poll()  # a client that does not read sees only a reset; a mere end stands behind what it did not read
    poll.register(wire, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    assert poll.poll(20_000), "a client that does not read was never cut"
    return time.perf_counter()


@pytest.mark.parametrize(
    ("script", "reads"),
    [("flowing", True), ("silent", True), ("held", True), ("flowing", False)],
    ids=["streaming", "silent", "held back", "slow reader"],
)
def test_cut(cut_gate: Gate, request: pytest.FixtureRequest, script: str, reads: bool) -> None:
    gate = cut_gate
    model = allowed_model(gate)
    times = TIMES.setdefault(request.node.callspec.id, [])
    with AdminConnection(gate.data) as admin:
        for _ in range(CUTS):
            wire = open_stream(gate, script)
            start = time.perf_counter()
            admin.send("POST", "/admin/v1/locks", {"target": f"model:{model}", "kind": "kill"})
            try:
                times.append(end_of(wire, reads) - start)
            finally:
                wire.close()
                admin.receive()  # after its record is on the disk, which the cut does not wait for
                admin.ask("POST", "/admin/v1/unlock", {"target": f"model:{model}"})
    times.sort()
    print(f"\n{request.node.callspec.id}: median {times[len(times) // 2] * 1000:.2f} ms, worst {times[-1] * 1000:.2f} ms")


def test_cut_times() -> None:
    """The 99th percentile over the 200 cuts above."""
    times = sorted(time for times in TIMES.values() for time in times)
    assert len(times) == 4 * CUTS, "the cuts themselves failed"
    told = {name: f"median {times[len(times) // 2] * 1000:.2f} ms, worst {max(times) * 1000:.2f} ms" for name, times in TIMES.items()}
    assert times[int(len(times) * 0.99) - 1] <= WITHIN, told


def test_a_cut_is_told(cut_gate: Gate) -> None:
    """The stream ends with an error that names the reason, and the log has the cut."""
    gate = cut_gate
    model = allowed_model(gate)
    wire = open_stream(gate, "silent")
    gate.admin("POST", "/admin/v1/locks", {"target": f"model:{model}", "kind": "kill"})
    rest = b""
    while not rest.endswith(b"\r\n0\r\n\r\n") and (piece := wire.recv(65536)):
        rest += piece
    gate.admin("POST", "/admin/v1/unlock", {"target": f"model:{model}"})
    assert b"model-locked" in rest, rest
    assert b"[DONE]" not in rest, "a cut stream must not look complete"
