"""A scripted upstream on loopback that remembers everything it was sent.

It runs an asyncio loop in a thread of its own. A script is a function from a request to an answer; an answer is a list of
byte strings that are written one after the other, each in a write (and so mostly a TCP segment) of its own.
"""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from served import Served


@dataclass
class Request:
    """One request as it arrived: nothing is normalised."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> object:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Peer:
    """What a script may do besides answering: learn that the peer left."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def left(self) -> None:
        """Returns when the peer has closed the connection."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass


Script = Callable[[Request, Peer], Awaitable[list[bytes]]]


def answer(status: int, body: bytes, content_type: str = "application/json", extra: str = "") -> list[bytes]:
    """A whole answer with a length."""
    head = f"HTTP/1.1 {status} Any\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
    return [head.encode() + body]


def stream(events: list[bytes], extra: str = "") -> list[bytes]:
    """An event stream, one chunk and one write per event."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n{extra}\r\n".encode()
    return [head, *(b"%x\r\n%s\r\n" % (len(event), event) for event in events), b"0\r\n\r\n"]


def chat(text: str = "hello") -> bytes:
    """The body of a chat completion."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return json.dumps(
        {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    ).encode()


def chat_events(deltas: list[dict]) -> list[bytes]:
    """The events of a streamed chat completion."""

    def event(delta: dict, reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    return [*(event(delta, None) for delta in deltas), event({}, "stop"), b"data: [DONE]\n\n"]


def message(text: str = "hello") -> bytes:
    """The body of an Anthropic message."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    content = [{"type": "text", "text": text, "citations": None}]
    return json.dumps(
        {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
            "stop_reason": "end_turn", "stop_sequence": None, "usage": usage,
        }
    ).encode()  # fmt: skip


async def polite(request: Request, _: Peer) -> list[bytes]:
    """Answers both dialects with a greeting."""
    if request.line.startswith("POST /v1/messages"):
        return answer(200, message())
    if b'"stream":true' in request.body.replace(b" ", b""):
        return stream(chat_events([{"role": "assistant", "content": ""}, {"content": "hel"}, {"content": "lo"}]))
    return answer(200, chat())


@dataclass
class Upstream(Served):
    """The server; a context manager. `script` may be changed at any time."""

    script: Script = polite
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    tls: ssl.SSLContext | None = None
    """Set before it starts: it speaks TLS."""

    async def _start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 24, ssl=self.tls)
        scheme = "http" if self.tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (request := await read_request(reader)) is not None:
                self.requests.append(request)
                for part in await self.script(request, Peer(reader, writer)):
                    writer.write(part)
                    await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """One request, or None when the peer closed."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    line, *rest = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    headers = [(key, value.strip()) for key, _, value in (header.partition(":") for header in rest)]
    request = Request(line, headers, b"")
    if (length := request.header("content-length")) is not None:
        request.body = await reader.readexactly(int(length))
    elif (request.header("transfer-encoding") or "").lower() == "chunked":
        while size := int((await reader.readline()).split(b";")[0], 16):
            request.body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    return request
