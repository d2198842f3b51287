"""A proxy that opens tunnels and keeps every byte that crosses it."""

import asyncio
import base64
import ssl
from dataclasses import dataclass, field

from served import Served


@dataclass
class Proxy(Served):
    """The server; a context manager. Every tunnel goes to `target`, whatever name was asked for, as no test has a resolver."""

    target: tuple[str, int]
    credentials: str | None = None
    """`user:password`, if it asks for them."""
    answer: bytes | None = None
    """What it answers instead of opening a tunnel."""
    tls: ssl.SSLContext | None = None
    heads: list[bytes] = field(default_factory=list)
    """What it was asked."""
    crossed: bytearray = field(default_factory=bytearray)
    """Every byte of every tunnel, both ways."""
    port: int = 0

    async def _start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
                # Until the gate has had enough.
                await reader.read(1)
                return
            if self.credentials is not None:
                wanted = b"proxy-authorization: basic " + base64.b64encode(self.credentials.encode())
                if wanted.lower() not in head.lower():
                    writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                    await writer.drain()
                    return
            to_target = await asyncio.open_connection(*self.target)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(self._copy(reader, to_target[1]), self._copy(to_target[0], writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                self.crossed += piece
                writer.write(piece)
                await writer.drain()
        finally:
            writer.close()
