"""A small HTTP client over asyncio for thousands of cases on few connections, and the parts of an event stream."""

import asyncio
import json
from dataclasses import dataclass


@dataclass
class Reply:
    """One answer: the head as it came, and the body without its framing. `cut` if the peer closed within it."""

    status: int
    head: str
    body: bytes
    cut: bool = False

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


class Connection:
    """A connection that is opened when needed and kept."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes) -> Reply:
        """Sends a request, reads the whole answer; opens a new connection if the kept one was closed meanwhile."""
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {self._key}\r\ncontent-type: application/json\r\n"
        request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        for attempt in (1, 2):
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
            reader, writer = self._streams
            try:
                writer.write(request)
                await writer.drain()
                reply = await _read(reader)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.close()
                if attempt == 2:
                    raise
                continue
            if reply.cut or (reply.header("connection") or "").lower() == "close":
                self.close()
            return reply
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Closes the kept connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _read(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").removesuffix("\r\n\r\n")
    reply = Reply(int(head.split()[1]), head, b"")
    if (length := reply.header("content-length")) is not None:
        try:
            reply.body = await reader.readexactly(int(length))
        except asyncio.IncompleteReadError as error:
            reply.body, reply.cut = error.partial, True
    elif (reply.header("transfer-encoding") or "").lower() == "chunked":
        parts = []
        try:
            while size := int((await reader.readline()).split(b";")[0] or b"x", 16):
                parts.append((await reader.readexactly(size + 2))[:-2])
            await reader.readline()
        except (asyncio.IncompleteReadError, ValueError):
            reply.cut = True
        reply.body = b"".join(parts)
    else:
        reply.body = await reader.read()
    return reply


@dataclass
class Event:
    """One event of a stream: its name (empty without one) and its data as sent, which mostly is JSON."""

    name: str
    data: str

    def json(self) -> object:
        """The data, read as JSON if it is."""
        try:
            return json.loads(self.data)
        except ValueError:
            return self.data


def events(body: bytes) -> list[Event]:
    """The events of a stream; comments are left out, lines may end in any of the three ways."""
    found = []
    text = body.decode().replace("\r\n", "\n").replace("\r", "\n")
    for block in text.split("\n\n"):
        name, data = "", []
        for line in block.split("\n"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
        if data or name:
            found.append(Event(name, "\n".join(data)))
    return found
