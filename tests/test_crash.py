"""SIGKILL at random moments under load: what a client has an answer to is in the log, and no call stays open in it.

200 times the gate is killed while 16 clients talk to it, and started again on the same data folder. The clients keep their own
list of the request ids of complete answers.
"""

import asyncio
import json
import random
import threading

import wire
from conftest import allowed_model, member
from gate import AdminConnection, Gate
from upstream import Upstream

KILLS = 200
CLIENTS = 16
LONGEST = 0.12
"""Seconds between the first answer after a start and the kill, at most; drawn with a fixed seed."""


class Clients:
    """16 connections that ask again and again until the gate is gone."""

    def __init__(self, port: int, key: str, model: str) -> None:
        self.answered: list[str] = []
        self._first = threading.Event()
        self._body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}).encode()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all(port, key)))
        self._thread.start()

    async def _all(self, port: int, key: str) -> None:
        await asyncio.gather(*(self._one(wire.Connection(port, key)) for _ in range(CLIENTS)))

    async def _one(self, connection: wire.Connection) -> None:
        while True:
            try:
                reply = await connection.post("/v1/chat/completions", self._body)
            except (OSError, asyncio.IncompleteReadError):
                return
            if reply.cut:
                return
            assert reply.status == 200, reply
            self.answered.append(reply.header("x-request-id"))
            self._first.set()

    def wait_for_an_answer(self) -> None:
        """Until the first answer is complete."""
        assert self._first.wait(30), "no answer after a restart"

    def end(self) -> list[str]:
        """When every client has noticed."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.answered


def test_nothing_acknowledged_is_lost() -> None:
    draw = random.Random(20261121)
    never = threading.Event()
    answered: list[str] = []
    with Upstream() as upstream, Gate(upstream.url) as gate:
        model, key = allowed_model(gate), member(gate)
        for _ in range(KILLS):
            clients = Clients(gate.port, key, model)
            clients.wait_for_an_answer()
            never.wait(draw.random() * LONGEST)
            gate.kill_hard()
            answered += clients.end()
            upstream.requests.clear()
            gate.start_again()
        assert len(answered) > KILLS
        assert len(set(answered)) == len(answered), "a request id was given out twice"
        lost, open_, results = [], [], set()
        with AdminConnection(gate.data) as admin:
            for request in answered:
                rows = admin.ask("POST", "/admin/v1/query", {"request": request, "limit": 10})["rows"]
                kinds = [row["kind"] for row in rows]
                if "intent" not in kinds:
                    lost.append(request)
                elif "outcome" not in kinds:
                    open_.append(request)
                results |= {row["result"] for row in rows if row["kind"] == "outcome"}
        assert not lost, f"{len(lost)} of {len(answered)} answered requests are not in the log: {lost[:5]}"
        assert not open_, f"{len(open_)} of {len(answered)} requests have no outcome: {open_[:5]}"
        verified = gate.cli("audit", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        print(f"{KILLS} kills, {len(answered)} answered requests, outcomes {sorted(results)}")
