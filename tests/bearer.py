"""A reverse proxy that adds a credential to every request, for clients that cannot be given one. It changes nothing else."""

import asyncio
from dataclasses import dataclass

from served import Served

MOST_HEAD = 1 << 16
"""Bytes of a request's head; more end the connection."""


@dataclass
class Bearer(Served):
    """The server; a context manager. A connection of its own to `target` for each of a client's; answers pass byte by byte, as they come."""

    target: tuple[str, int]
    key: str
    port: int = 0

    async def _start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MOST_HEAD)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_gate: asyncio.StreamWriter | None = None
        try:
            from_gate, to_gate = await asyncio.open_connection(*self.target)
            answers = asyncio.create_task(_pass_on(from_gate, writer))
            requests = asyncio.create_task(self._requests(reader, to_gate))
            # Whoever closes, closes both: a client that has left must not be sent to, and one that is sent nothing more must know.
            _, open_ones = await asyncio.wait([answers, requests], return_when=asyncio.FIRST_COMPLETED)
            for task in open_ones:
                task.cancel()
            await asyncio.gather(answers, requests, return_exceptions=True)
        except ConnectionError:
            pass
        finally:
            writer.close()
            if to_gate is not None:
                to_gate.close()

    async def _requests(self, reader: asyncio.StreamReader, to_gate: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                return
            to_gate.write(head[:-2] + b"Authorization: Bearer " + self.key.encode() + b"\r\n\r\n")
            left = _length(head)
            while left > 0 and (piece := await reader.read(min(left, 1 << 16))):
                to_gate.write(piece)
                left -= len(piece)
            await to_gate.drain()


def _length(head: bytes) -> int:
    """Bytes of the body that follows a head; raises where only its pieces would say so, which these clients do not send."""
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:-2])
    if b"transfer-encoding" in fields:
        raise ConnectionError("a body in chunks is not passed on")
    return int(fields.get(b"content-length", b"0"))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(1 << 16):
        writer.write(piece)
        await writer.drain()
