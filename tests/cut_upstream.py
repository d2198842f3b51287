"""The upstream of `test_cut.py`, a process of its own: one that streams as fast as it can would keep Python's lock from the client
whose clock is read, and the test would measure that.

Prints its URL, does what the last message of a request says, and ends when its standard input does.
"""

import asyncio
import os
import sys

from upstream import Peer, Request, Upstream, chat_events, stream

FIRST = stream(chat_events([{"role": "assistant", "content": ""}, {"content": "first words. "}]))[:3]


def event(text: str) -> bytes:
    """One chunk with one event."""
    data = chat_events([{"content": text}])[0]
    return b"%x\r\n%s\r\n" % (len(data), data)


async def silent(_: Request, peer: Peer) -> list[bytes]:
    """Some words, and then nothing for ever."""
    peer.writer.writelines(FIRST)
    await peer.writer.drain()
    await peer.left()
    return []


async def held(_: Request, peer: Peer) -> list[bytes]:
    """The beginning of a secret, which the gate holds back, and then nothing."""
    peer.writer.writelines([*FIRST, event("AKIAZ7QHT3KX")])
    await peer.writer.drain()
    await peer.left()
    return []


async def flowing(_: Request, peer: Peer) -> list[bytes]:
    """Words without end, as fast as they are taken."""
    peer.writer.writelines(FIRST)
    left = asyncio.ensure_future(peer.left())
    while not left.done():
        peer.writer.write(event("more words of no importance. ") * 4)
        await peer.writer.drain()
        await asyncio.sleep(0)  # lets the other tasks of this loop run; waits for nothing
    return []


SCRIPTS = {"silent": silent, "held": held, "flowing": flowing}


async def by_message(request: Request, peer: Peer) -> list[bytes]:
    """Does what the last message says."""
    return await SCRIPTS[request.json()["messages"][-1]["content"]](request, peer)


if __name__ == "__main__":
    os.nice(10)  # another machine's work, in truth: it takes no turn from the gate and the client that are measured
    with Upstream(script=by_message) as upstream:
        print(upstream.url, flush=True)
        sys.stdin.read()
