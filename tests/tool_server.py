"""A real tool server on loopback: the official Python SDK's, of every revision that it speaks."""

import asyncio
import socket
import threading

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError


def shop() -> MCPServer:
    """Three tools: one reads, one writes and tells how far it is, one nobody is meant to use."""
    server = MCPServer("shop", version="1", log_level="ERROR")

    @server.tool(description="Finds offers.")
    def find(words: str, limit: int = 3) -> dict[str, list[str]]:
        return {"offers": [f"{words} {number}" for number in range(limit)]}

    @server.tool(description="Places an order.")
    async def order(offer: str, cents: int, context: Context) -> str:
        for step in range(1, 4):
            await context.report_progress(step, 3, f"step {step}")
        return f"ordered {offer} for {cents}"

    @server.tool(description="Deletes every order.")
    def forget() -> str:
        return "gone"

    @server.tool(description="Fails.")
    def fail() -> str:
        raise ToolError("out of paper")

    return server


class ToolServer:
    """Serves in a thread of its own; a context manager."""

    def __init__(self, server: MCPServer, *, json_response: bool = False) -> None:
        self._app = server.streamable_http_app(json_response=json_response)
        self.streams = not json_response

    def __enter__(self) -> "ToolServer":
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        # A port of another number stands in the `Host` that the gate sends: its own address, so nothing is to be allowed here.
        config = uvicorn.Config(self._app, log_level="error", lifespan="on")
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._uvicorn.serve([self._socket])), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._uvicorn.should_exit = True
        self._uvicorn.force_exit = True
        self._thread.join(timeout=20)
        self._socket.close()
