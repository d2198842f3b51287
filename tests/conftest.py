"""What the suites share: the real model, the gate in front of it, and the gate in front of a scripted upstream."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from gate import Gate
from llama import MODEL, Llama
from upstream import Upstream, polite


@dataclass(frozen=True)
class Target:
    """Where an SDK is pointed: the model server itself, or the gate in front of it."""

    name: str
    url: str
    key: str
    model: str


@pytest.fixture(scope="session")
def llama() -> Iterator[Llama]:
    """The real model."""
    with Llama() as server:
        yield server


@pytest.fixture(scope="session")
def gate(llama: Llama) -> Iterator[Gate]:
    """The gate in front of the real model."""
    with Gate(llama.url) as gate:
        yield gate


@pytest.fixture(scope="module")
def scripted() -> Iterator[tuple[Gate, Upstream]]:
    """The gate in front of a scripted upstream that counts what reaches it."""
    with Upstream() as upstream, Gate(upstream.url) as gate:
        yield gate, upstream


@pytest.fixture(autouse=True)
def _forget(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test starts with a polite upstream that has seen nothing."""
    if "scripted" in request.fixturenames:
        upstream = request.getfixturevalue("scripted")[1]
        upstream.script = polite
        upstream.requests.clear()
        upstream.connections = 0
    yield


@pytest.fixture(scope="session", params=["direct", "gate"])
def target(request: pytest.FixtureRequest, llama: Llama) -> Target:
    """Both: what holds of the model server has to hold through the gate."""
    if request.param == "direct":
        return Target("direct", llama.url, "none", MODEL)
    gate: Gate = request.getfixturevalue("gate")
    return Target("gate", gate.url, member(gate), allowed_model(gate))


def listed_models(gate: Gate, key: str) -> list[str]:
    """What `/v1/models` lists to a credential."""
    import openai

    with openai.OpenAI(base_url=f"{gate.url}/v1", api_key=key, max_retries=0) as client:
        return [model.id for model in client.models.list()]


@functools.cache
def _people(gate: Gate) -> dict[str, list[str]]:
    return {name: listed_models(gate, key) for name, key in gate.keys().items()}


@functools.cache
def member(gate: Gate) -> str:
    """The credential of a sample principal who may use some model but not every one."""
    everything = {model for models in _people(gate).values() for model in models}
    name = next(name for name, models in _people(gate).items() if models and set(models) < everything)
    return gate.key(name)


def allowed_model(gate: Gate) -> str:
    """A model that the member may use."""
    return listed_models(gate, member(gate))[0]


def hidden_model(gate: Gate) -> str:
    """A model that exists and that the member may not use."""
    everything = {model for models in _people(gate).values() for model in models}
    return min(everything - set(listed_models(gate, member(gate))))
