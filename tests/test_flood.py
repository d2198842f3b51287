"""The holder of one key cannot fill the disk with what is refused: a few refusals stand in the log, a flood of them is counted."""

import concurrent.futures
import http.client
import json
import pathlib

from conftest import member
from gate import Gate
from upstream import Upstream

N_CALLS = 5000
N_CLIENTS = 4
LEAST_WRITTEN = 100
"""What anybody may be refused within a minute and find each of it in the log."""
MOST_BYTES = 4 * 1024 * 1024
"""What the flood may cost on the disk: the journal, the tree, the index."""


def size(data: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in data.rglob("*") if path.is_file())


def refused(gate: Gate, key: str, bodies: list[bytes]) -> list[str]:
    """Sends bodies over one connection; the ids of the refusals."""
    connection = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=60)
    ids = []
    for body in bodies:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (403, 404), answer.status
        ids.append(answer.headers["x-request-id"])
    connection.close()
    return ids


def flood(gate: Gate, key: str, bodies: list[bytes]) -> list[str]:
    with concurrent.futures.ThreadPoolExecutor(N_CLIENTS) as pool:
        parts = pool.map(lambda n: refused(gate, key, bodies[n::N_CLIENTS]), range(N_CLIENTS))
        return [request for part in parts for request in part]


def log(gate: Gate) -> list[dict]:
    told = gate.cli("audit", "query", "--reason", "model-not-found", "--limit", "1000", "--json")
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)["rows"]


def test_a_flood_of_refused_calls_costs_little_and_none_is_lost() -> None:
    with Upstream() as upstream, Gate(upstream.url) as gate:
        key = member(gate)
        others = [other for other in gate.keys().values() if other != key]
        text = "please " * 300
        body = json.dumps({"model": "nothing-like-it", "messages": [{"role": "user", "content": text}]}).encode()
        before = size(gate.data)
        ids = flood(gate, key, [body] * N_CALLS)
        assert len(set(ids)) == N_CALLS
        # Somebody else's refusal stands there in full.
        [other] = refused(gate, others[0], [body])
        gate.stop()
        grown = size(gate.data) - before
        assert grown < MOST_BYTES, grown
        gate.start_again()
        rows = log(gate)
        written = {row["request"] for row in rows if row["kind"] == "intent"} & set(ids)
        counted = [row for row in rows if row["kind"] == "noise" and row["credential"] is not None]
        assert len(written) >= LEAST_WRITTEN
        assert len(written) + sum(row["count"] for row in counted) == N_CALLS
        assert {row["reason"] for row in counted} == {"model-not-found"}
        assert len({row["credential"] for row in counted}) == 1
        assert other in {row["request"] for row in rows}
        assert gate.cli("audit", "verify").returncode == 0
        assert gate.cli("explain", sorted(written)[0]).returncode == 2
        assert not upstream.requests


def test_a_large_call_full_of_findings_is_recorded_and_small() -> None:
    """Nobody escapes from the log by being too long for it."""
    with Upstream() as upstream, Gate(upstream.url) as gate:
        key = member(gate)
        text = "write to jane.doe@example.com or call 555-123-4567, " * 15000
        body = json.dumps({"model": "nothing-like-it", "messages": [{"role": "user", "content": text}]}).encode()
        before = size(gate.data)
        ids = flood(gate, key, [body] * 40)
        gate.stop()
        assert size(gate.data) - before < MOST_BYTES
        gate.start_again()
        rows = log(gate)
        assert {row["request"] for row in rows if row["kind"] == "intent"} >= set(ids)
        told = gate.cli("explain", ids[0], "--json")
        assert told.returncode == 2
        found = json.loads(told.stdout)["findings"]
        assert found["EMAIL_ADDRESS"] >= 15000, "all are counted"
