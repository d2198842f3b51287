"""A model that is made to write a secret in another form, in a stream: the official client never has it."""

import base64
import json
from collections.abc import Callable, Iterator

import pytest
from gate import Gate
from samples import SAMPLES
from test_sdk_openai import client
from upstream import Peer, Request, Upstream, chat_events, stream

SECRET = SAMPLES["aws-access-token"]
HIDDEN = "[redacted:aws-access-token]"
BEFORE, BEHIND = "Here is what you have asked for: ", " and nothing else was ever there."

DISGUISES: dict[str, Callable[[str], str]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "hex in pairs": lambda text: text.encode().hex(" "),
    "percent": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "references": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "zero width": "\u200b".join,
    "full width": lambda text: "".join(chr(ord(letter) + 0xFEE0) for letter in text),
    "letter by letter": " ".join,
    "reversed": lambda text: text[::-1],
}


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[Gate, Upstream]]:
    """The gate, and an upstream that streams what it is told to."""
    with Upstream() as upstream, Gate(upstream.url) as gate:
        yield gate, upstream


@pytest.mark.parametrize("name", DISGUISES)
@pytest.mark.parametrize("length", [1, 7, 400])
def test_a_text(world: tuple[Gate, Upstream], name: str, length: int) -> None:
    gate, upstream = world
    disguised = DISGUISES[name](SECRET)
    text = f"{BEFORE}{disguised}{BEHIND}"

    async def reply(_: Request, __: Peer) -> list[bytes]:
        return stream(chat_events([{"content": text[at : at + length]} for at in range(0, len(text), length)]))

    upstream.script = reply
    with client(gate) as api:
        chunks = api.chat.completions.create(model="small", messages=[{"role": "user", "content": "hi"}], stream=True)
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    # What pads a block says nothing, and stays.
    assert said.startswith(f"{BEFORE}{HIDDEN}") and said.removeprefix(f"{BEFORE}{HIDDEN}").removesuffix(BEHIND) in ("", "=", "PQ==")


def test_arguments_of_a_tool(world: tuple[Gate, Upstream]) -> None:
    gate, upstream = world
    arguments = json.dumps({"city": "Oslo", "note": DISGUISES["base64"](f"key {SECRET}")})

    async def reply(_: Request, __: Peer) -> list[bytes]:
        head = {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]}
        pieces = [{"tool_calls": [{"index": 0, "function": {"arguments": letter}}]} for letter in arguments]
        return stream(chat_events([head, *pieces]))

    upstream.script = reply
    with client(gate) as api:
        chunks = api.chat.completions.create(model="small", messages=[{"role": "user", "content": "hi"}], stream=True)
        calls = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
    said = json.loads("".join(call.function.arguments or "" for call in calls))
    assert said["city"] == "Oslo" and HIDDEN in said["note"]
    assert SECRET not in base64.b64decode(said["note"].replace(HIDDEN, "") + "==", validate=False).decode(errors="replace")
