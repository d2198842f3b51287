"""A real agent on loopback: the official Python SDK's server of the Agent2Agent protocol, version 1.0."""

import asyncio
import socket
import threading

import uvicorn
from a2a.helpers.proto_helpers import new_task_from_user_message, new_text_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Part
from a2a.utils.constants import AGENT_CARD_WELL_KNOWN_PATH
from starlette.applications import Starlette

from samples import SAMPLES

SECRET = SAMPLES["aws-access-token"]


def card(url: str) -> AgentCard:
    """What the agent says of itself."""
    skill = {
        "book": AgentSkill(id="book", name="Book", description="Books a trip.", tags=["travel"]),
        "search": AgentSkill(id="search", name="Search", description="Searches trips.", tags=["travel"]),
        "cancel": AgentSkill(id="cancel", name="Cancel", description="Cancels a trip.", tags=[]),
    }
    return AgentCard(
        name="Travel",
        description="Books trips.",
        version="1.0.0",
        supported_interfaces=[AgentInterface(url=f"{url}/rpc", protocol_binding="JSONRPC", protocol_version="1.0")],
        capabilities=AgentCapabilities(streaming=True, push_notifications=True, extended_agent_card=False),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=list(skill.values()),
    )


class Travel(AgentExecutor):
    """Does what the first word says; everything else it says back."""

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def go(self) -> None:
        """Lets everything go on that waits."""
        for loop, event in self._waiting:
            loop.call_soon_threadsafe(event.set)

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        words = context.get_user_input()
        if words == "hello":
            await event_queue.enqueue_event(new_text_message("hello yourself"))
            return
        if context.current_task is None:
            await event_queue.enqueue_event(new_task_from_user_message(context.message))
        updater = TaskUpdater(event_queue, context.task_id, context.context_id)
        await updater.start_work()
        if words == "ask":
            await updater.requires_input(new_text_message("where to?", context_id=context.context_id, task_id=context.task_id))
            return
        if words == "wait":
            event = asyncio.Event()
            self._waiting.append((asyncio.get_running_loop(), event))
            await event.wait()
        if words == "leak":
            # Clients put pieces of one artifact together.
            half = len(SECRET) // 2
            await updater.add_artifact([Part(text=f"the key is {SECRET[:half]}")], artifact_id="a", append=False, last_chunk=False)
            await updater.add_artifact([Part(text=f"{SECRET[half:]} !")], artifact_id="a", append=True, last_chunk=True)
        else:
            await updater.add_artifact([Part(text=f"said: {words}")], name="answer")
        await updater.complete(new_text_message("done", context_id=context.context_id, task_id=context.task_id))

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


class Agent:
    """Serves in a thread of its own; a context manager."""

    def __enter__(self) -> "Agent":
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.card = card(self.url)
        self.travel = Travel()
        handler = DefaultRequestHandler(agent_executor=self.travel, task_store=InMemoryTaskStore(), agent_card=self.card)
        routes = [*create_jsonrpc_routes(handler, "/rpc"), *create_agent_card_routes(self.card, card_url=AGENT_CARD_WELL_KNOWN_PATH)]
        config = uvicorn.Config(Starlette(routes=routes), log_level="error", lifespan="on")
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._uvicorn.serve([self._socket])), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.travel.go()
        self._uvicorn.should_exit = True
        self._uvicorn.force_exit = True
        self._thread.join(timeout=20)
        self._socket.close()

