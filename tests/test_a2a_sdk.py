"""The official SDK's client and server of the Agent2Agent protocol, with the gate between them."""

import asyncio
import json
import urllib.request
import uuid
from collections.abc import Iterator

import httpx
import pytest
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientError
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    TaskState,
)
from a2a.utils.errors import TaskNotFoundError
from a2a.utils.signing import create_agent_card_signer, create_signature_verifier
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.json_format import MessageToDict
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm

from agent import SECRET, Agent
from gate import Gate
from situations import apply
from test_operations import replace
from upstream import Upstream

POLICIES = """
@id("travel-staff")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"sendMessage", resource == Portcullis::Agent::"travel")
when { context.input.skill != "book" };
@id("travel-book")
permit (principal == Portcullis::User::"alice", action == Portcullis::Action::"sendMessage", resource == Portcullis::Agent::"travel");
"""


def configured(gate: Gate, agent: Agent, *, algorithm: str = "ES256") -> None:
    """Puts the agent behind a running gate, with its card as it serves it, signed by a key that operators know."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = json.loads(ECAlgorithm.to_jwk(key)) | {"kid": "agent-1", "alg": algorithm}
    public = {name: value for name, value in own.items() if name not in ("d", "key_ops")}
    sign = create_agent_card_signer(PyJWK.from_dict(own).key, {"kid": "agent-1", "alg": algorithm, "jku": "https://127.0.0.1:9/jwks", "typ": "JOSE"})
    main = gate.data / "portcullis.yaml"
    replace(main, "\nupstreams:\n", f"\nupstreams:\n  travel: {{kind: a2a, base_url: '{agent.url}/rpc'}}\n")
    main.write_text(
        main.read_text()
        + f"\ntokens: {{url: '{gate.url}'}}\n"
        + "remote_agents:\n  travel:\n    upstream: travel\n    card: agents/travel.json\n    card_keys: agents/keys.json\n"
        + "    clearance: internal\n    skills: [book, search]\n"
    )
    (gate.data / "agents").mkdir()
    (gate.data / "agents/travel.json").write_text(json.dumps(MessageToDict(sign(agent.card))))
    (gate.data / "agents/keys.json").write_text(json.dumps({"keys": [public]}))
    (gate.data / "policies/travel.cedar").write_text(POLICIES)
    apply(gate)


@pytest.fixture(scope="module")
def agent() -> Iterator[Agent]:
    with Agent() as agent:
        yield agent


@pytest.fixture(scope="module")
def gate(agent: Agent) -> Iterator[Gate]:
    with Upstream() as upstream, Gate(upstream.url) as gate:
        configured(gate, agent)
        yield gate


def http(gate: Gate, who: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(headers={"authorization": f"Bearer {gate.key(who)}"}, timeout=30)


async def client(gate: Gate, who: str, *, streaming: bool):
    """The SDK's client, as it comes out of the card that the gate serves."""
    connection = http(gate, who)
    card = await A2ACardResolver(connection, f"{gate.url}/a2a/travel").get_agent_card()
    return ClientFactory(ClientConfig(streaming=streaming, httpx_client=connection)).create(card)


def say(words: str, **more: object) -> SendMessageRequest:
    return SendMessageRequest(message=Message(message_id=str(uuid.uuid4()), role=Role.ROLE_USER, parts=[Part(text=words)], **more))


async def answers(gate: Gate, who: str, request: SendMessageRequest, *, streaming: bool) -> list[StreamResponse]:
    async with await client(gate, who, streaming=streaming) as sdk:
        return [event async for event in sdk.send_message(request)]


def test_the_card_is_the_gates_own_and_signed_with_its_key(gate: Gate, agent: Agent) -> None:
    async def read(who: str):
        async with http(gate, who) as connection:
            keys = (await connection.get(f"{gate.url}/oauth/jwks")).json()["keys"]
            by_id = {key["kid"]: PyJWK.from_dict(key) for key in keys}
            verify = create_signature_verifier(lambda kid, _: by_id[kid], ["EdDSA"])
            return await A2ACardResolver(connection, f"{gate.url}/a2a/travel").get_agent_card(signature_verifier=verify)

    card = asyncio.run(read("ALICE"))
    assert [skill.id for skill in card.skills] == ["book", "search"], "`cancel` is not approved"
    assert [(at.url, at.protocol_binding) for at in card.supported_interfaces] == [(f"{gate.url}/a2a/travel", "JSONRPC")]
    assert card.capabilities.streaming and not card.capabilities.push_notifications
    assert agent.url not in str(card), "where the agent is, is told to nobody"
    assert [skill.id for skill in asyncio.run(read("BOB")).skills] == ["search"]


def test_a_message_is_answered(gate: Gate) -> None:
    [event] = asyncio.run(answers(gate, "BOB", say("hello"), streaming=False))
    assert event.message.parts[0].text == "hello yourself"
    [event] = asyncio.run(answers(gate, "BOB", say("a trip"), streaming=False))
    assert event.task.status.state == TaskState.TASK_STATE_COMPLETED
    assert event.task.artifacts[0].parts[0].text == "said: a trip"


def test_a_task_is_streamed(gate: Gate) -> None:
    events = asyncio.run(answers(gate, "BOB", say("a trip"), streaming=True))
    kinds = [event.WhichOneof("payload") for event in events]
    assert kinds[0] == "task" and "artifact_update" in kinds and kinds[-1] == "status_update", kinds
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
    ids = {event.task.id or event.status_update.task_id or event.artifact_update.task_id for event in events}
    assert len(ids) == 1, "one task has one id, in every event"


def test_a_task_goes_on_where_the_agent_asked(gate: Gate) -> None:
    async def both() -> list[StreamResponse]:
        async with await client(gate, "BOB", streaming=False) as sdk:
            [asked] = [event async for event in sdk.send_message(say("ask"))]
            assert asked.task.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
            assert asked.task.status.message.parts[0].text == "where to?"
            again = say("to Graz", task_id=asked.task.id, context_id=asked.task.context_id)
            return [asked] + [event async for event in sdk.send_message(again)]

    asked, told = asyncio.run(both())
    assert (told.task.id, told.task.context_id) == (asked.task.id, asked.task.context_id)
    assert told.task.status.state == TaskState.TASK_STATE_COMPLETED
    words = [part.text for message in told.task.history for part in message.parts if message.role == Role.ROLE_USER]
    assert words == ["ask", "to Graz"]


def test_a_task_is_read_heard_listed_and_ended_by_whom_it_belongs_to(gate: Gate, agent: Agent) -> None:
    async def course() -> None:
        async with await client(gate, "BOB", streaming=False) as bob, await client(gate, "ALICE", streaming=False) as alice:
            request = say("wait")
            request.configuration.CopyFrom(SendMessageConfiguration(return_immediately=True))
            [event] = [event async for event in bob.send_message(request)]
            task = event.task
            read = await bob.get_task(GetTaskRequest(id=task.id))
            assert (read.id, read.context_id) == (task.id, task.context_id)
            listed = await bob.list_tasks(ListTasksRequest(context_id=task.context_id))
            assert [one.id for one in listed.tasks] == [task.id]
            # Whoever has the id, and is somebody else.
            for refused in (
                alice.get_task(GetTaskRequest(id=task.id)),
                alice.cancel_task(CancelTaskRequest(id=task.id)),
                alice.list_tasks(ListTasksRequest(context_id=task.context_id)),
            ):
                with pytest.raises(TaskNotFoundError):
                    await refused
            for taken in (say("mine now", task_id=task.id), say("look", reference_task_ids=[task.id]), say("in", context_id=task.context_id)):
                with pytest.raises(TaskNotFoundError):
                    _ = [event async for event in alice.send_message(taken)]
            async with await client(gate, "ALICE", streaming=True) as hearing:
                with pytest.raises(TaskNotFoundError):
                    _ = [event async for event in hearing.subscribe(SubscribeToTaskRequest(id=task.id))]
            # What the agent itself calls the task opens nothing.
            with pytest.raises(TaskNotFoundError):
                await bob.get_task(GetTaskRequest(id=task.id.rpartition("_pcl")[0]))
            async with await client(gate, "BOB", streaming=True) as hearing:
                heard = hearing.subscribe(SubscribeToTaskRequest(id=task.id))
                first = await anext(heard)
                assert first.task.id == task.id
                agent.travel.go()
                rest = [event async for event in heard]
            assert rest[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED

    asyncio.run(course())


def test_a_task_is_ended(gate: Gate) -> None:
    async def course() -> None:
        async with await client(gate, "BOB", streaming=False) as bob:
            request = say("wait")
            request.configuration.CopyFrom(SendMessageConfiguration(return_immediately=True))
            [event] = [event async for event in bob.send_message(request)]
            ended = await bob.cancel_task(CancelTaskRequest(id=event.task.id))
            assert (ended.id, ended.status.state) == (event.task.id, TaskState.TASK_STATE_CANCELED)

    asyncio.run(course())


def test_a_skill_is_decided_on(gate: Gate) -> None:
    def book() -> SendMessageRequest:
        request = say("a trip")
        request.message.metadata.update({"skillId": "book"})
        return request

    [event] = asyncio.run(answers(gate, "ALICE", book(), streaming=False))
    assert event.task.status.state == TaskState.TASK_STATE_COMPLETED
    with pytest.raises(A2AClientError, match="agent-not-found"):
        asyncio.run(answers(gate, "BOB", book(), streaming=False))


@pytest.mark.parametrize("streaming", [False, True])
def test_a_secret_in_pieces_does_not_come_through(gate: Gate, streaming: bool) -> None:
    events = asyncio.run(answers(gate, "BOB", say("leak"), streaming=streaming))
    words = ""
    for event in events:
        words += "".join(part.text for part in event.artifact_update.artifact.parts)
        words += "".join(part.text for artifact in event.task.artifacts for part in artifact.parts)
    assert SECRET not in words and SECRET[: len(SECRET) // 2] not in words, words
    assert "the key is " in words and " !" in words and "[redacted:aws-access-token]" in words, words


def test_an_operator_stops_an_agent(gate: Gate) -> None:
    assert gate.cli("kill", "agent:travel").returncode == 0
    try:
        with pytest.raises(A2AClientError):
            asyncio.run(answers(gate, "BOB", say("hello"), streaming=False))
    finally:
        assert gate.cli("unlock", "agent:travel").returncode == 0
    assert asyncio.run(answers(gate, "BOB", say("hello"), streaming=False))


def test_a_stream_is_cut_when_its_agent_is_stopped(gate: Gate, agent: Agent) -> None:
    async def course() -> None:
        async with await client(gate, "BOB", streaming=True) as sdk:
            heard = sdk.send_message(say("wait"))
            assert (await anext(heard)).task.id
            assert (await asyncio.to_thread(gate.cli, "kill", "agent:travel")).returncode == 0
            with pytest.raises(A2AClientError):
                _ = [event async for event in heard]

    try:
        asyncio.run(course())
    finally:
        agent.travel.go()
        assert gate.cli("unlock", "agent:travel").returncode == 0


def test_what_was_said_is_on_record(gate: Gate) -> None:
    asyncio.run(answers(gate, "BOB", say("hello"), streaming=False))
    gate.settled()
    told = gate.cli("usage", "--by", "model", "--json")
    assert "agent:travel" in told.stdout, told.stdout + told.stderr
    with urllib.request.urlopen(f"{gate.url}/oauth/jwks", timeout=10) as reply:
        assert json.load(reply)["keys"]
