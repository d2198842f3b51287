"""Many mixed requests against a gate whose upstream misbehaves by a seeded plan. `cargo xtask soak` runs it, `test_soak.py` a short one.

Each request names its plan in its text, so that the upstream knows what to do and the client what may come of it. Afterwards:
every request had an outcome that its plan allows, the log verifies and leaves nothing open, memory and descriptors are bounded,
and none of the values planted in requests, answers, headers and credentials stands in a log line, a metric or a file.
"""

import argparse
import asyncio
import collections
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import wire
from gate import Gate, binary
from samples import SAMPLES
from upstream import Peer, Request, Upstream, answer, chat, message

CONNECTIONS = 24
PATIENCE = 25.0
"""Seconds for one request; the limits below let none take longer."""
LIMITS = "first_byte_seconds: 1, idle_seconds: 1, stream_seconds: 10, client_seconds: 2, body_seconds: 2, head_seconds: 2"
CANARY = "Canary"
CANARIES = {
    "request": f"{CANARY}Request7f3a91",
    "refused": f"{CANARY}Refused58be02",
    "answer": f"{CANARY}Answer2c44d7",
    "header": f"{CANARY}Header90aa13",
    "error": f"{CANARY}Error6b1f50",
}
SECRET = SAMPLES["aws-access-token"]
GIANT = 1 << 30
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
COMPLETIONS, EMBEDDINGS, COUNT = "/v1/completions", "/v1/embeddings", "/v1/messages/count_tokens"
STREAMED = [CHAT, MESSAGES, RESPONSES, COMPLETIONS]


# What is asked ------------------------------------------------------------------------------------------------------------


def request(path: str, model: str, text: str, is_stream: bool) -> dict:
    """The smallest request of an API."""
    body: dict = {"model": model}
    if path == RESPONSES:
        body |= {"input": text, "store": False}
    elif path == COMPLETIONS:
        body |= {"prompt": text}
    elif path == EMBEDDINGS:
        body |= {"input": text}
    else:
        body |= {"messages": [{"role": "user", "content": text}]}
    if path in (MESSAGES, CHAT):
        body["max_tokens"] = 16
    return body | ({"stream": True} if is_stream else {})


def document(path: str, text: str) -> bytes:
    """The answer of an API."""
    if path == MESSAGES:
        return message(text)
    if path == RESPONSES:
        content = [{"type": "output_text", "text": text, "annotations": []}]
        output = [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}]
        return json.dumps({"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": output}).encode()
    if path == COMPLETIONS:
        choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": "stop"}
        return json.dumps({"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}).encode()
    if path == EMBEDDINGS:
        row = {"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}
        return json.dumps({"object": "list", "data": [row], "model": text, "usage": {"prompt_tokens": 1, "total_tokens": 1}}).encode()
    return json.dumps({"input_tokens": 7}).encode() if path == COUNT else chat(text)


def events(path: str, words: list[str]) -> list[bytes]:
    """The same as events of a stream, one word each."""
    if path == CHAT:
        choices = [{"index": 0, "delta": {"content": word}, "finish_reason": None} for word in words]
        rows = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]} for choice in choices]
    elif path == COMPLETIONS:
        choices = [{"index": 0, "text": word, "finish_reason": None, "logprobs": None} for word in words]
        rows = [{"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]} for choice in choices]
    elif path == RESPONSES:
        rows = [{"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": word} for word in words]
        rows.append({"type": "response.completed", "response": json.loads(document(path, "".join(words)))})
    else:
        start = {"type": "message_start", "message": {**json.loads(message("")), "content": []}}
        begin = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        deltas = [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in words]
        rows = [start, begin, *deltas, {"type": "content_block_stop", "index": 0}, {"type": "message_stop"}]
    named = [f"event: {row['type']}\n".encode() if "type" in row else b"" for row in rows]
    found = [name + b"data: " + json.dumps(row).encode() + b"\n\n" for name, row in zip(named, rows, strict=True)]
    return [*found, b"data: [DONE]\n\n"] if path in (CHAT, COMPLETIONS) else found


def chunked(parts: list[bytes]) -> list[bytes]:
    """Chunks, without the last one."""
    return [b"%x\r\n%s\r\n" % (len(part), part) for part in parts]


# What the upstream does ---------------------------------------------------------------------------------------------------

TEXT = f"The {CANARIES['answer']} bridge is repaired before the winter. "


async def _pour(peer: Peer, head: bytes, piece: bytes, total: int) -> list[bytes]:
    """Sends until the gate has had enough."""
    peer.writer.write(head)
    for _ in range(total // len(piece)):
        peer.writer.write(piece)
        await peer.writer.drain()
    return []


def _close(peer: Peer, *parts: bytes) -> list[bytes]:
    for part in parts:
        peer.writer.write(part)
    peer.writer.close()
    return []


def _reset(peer: Peer) -> list[bytes]:
    peer.writer.transport.abort()
    return []


async def misbehave(plan: str, path: str, peer: Peer) -> list[bytes]:
    """What a plan's answer is on the wire; the names are those of `PLANS`."""
    body = document(path, TEXT)
    words = events(path, TEXT.split(" "))
    whole_stream = [STREAM_HEAD, *chunked(words), b"0\r\n\r\n"]
    declared = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body) + 500}\r\n\r\n".encode()
    match plan:
        case "stream" | "left-early" | "left-late":
            return whole_stream
        case "findings":
            return answer(200, document(path, f"Use {SECRET} today."))
        case "findings-stream":
            return [STREAM_HEAD, *chunked(events(path, ["Use ", SECRET[:7], SECRET[7:], " today."])), b"0\r\n\r\n"]
        case "hang":
            await peer.left()
            return []
        case "reset":
            return _reset(peer)
        case "garbage":
            return _close(peer, random.Random(plan).randbytes(700))
        case "no-json":
            return answer(200, f'{{"choices": [{CANARIES["answer"]}'.encode())
        case "cut":
            return _close(peer, declared + body)
        case "cut-stream":
            return _close(peer, *whole_stream[: len(whole_stream) // 2], b"40\r\ndata: {\"half")
        case "silent-stream":
            for part in whole_stream[:4]:
                peer.writer.write(part)
            await peer.left()
            return []
        case "drip":
            for byte in range(0, len(body), 20):
                peer.writer.write((declared.replace(str(len(body) + 500).encode(), str(len(body)).encode()) if byte == 0 else b"") + body[byte : byte + 20])
                await asyncio.sleep(0.02)
            return []
        case "drip-stream":
            whole = b"".join(whole_stream)
            for start in range(0, len(whole), 97):
                peer.writer.write(whole[start : start + 97])
                await asyncio.sleep(0.005)
            return []
        case "too-much":
            return [answer(200, body)[0] + b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nxyz"]
        case "giant":
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {GIANT}\r\n\r\n".encode()
            return await _pour(peer, head, b" " * 65536, GIANT)
        case "giant-stream":
            return await _pour(peer, STREAM_HEAD, b"".join(chunked(words[:3])), GIANT)
        case "giant-event":
            return await _pour(peer, STREAM_HEAD, b"".join(chunked([b"data: " + b"x" * 65530])), 64 << 20)
        case "error-500":
            return answer(500, json.dumps({"error": {"message": CANARIES["error"]}}).encode())
        case "error-401":
            return answer(401, json.dumps({"error": {"message": CANARIES["error"]}}).encode())
        case "error-html":
            return answer(503, f"<html>{CANARIES['error']}</html>".encode(), "text/html")
        case "wide-head":
            return answer(200, body, extra=f"x-filler: {'a' * 400_000}\r\n")
        case _:
            return answer(200, body)


# What may come of it ------------------------------------------------------------------------------------------------------


@dataclass
class Plan:
    """One way a request may go. `weight` is how often, `is_good` judges the answer."""

    weight: float
    is_good: Callable[[wire.Reply], bool]
    is_stream: bool = False
    paths: list[str] = field(default_factory=lambda: [CHAT, MESSAGES, RESPONSES, COMPLETIONS])
    client: str = "whole"
    """`whole`, or a way to leave, or a body that is refused."""


def status(*wanted: int) -> Callable[[wire.Reply], bool]:
    """Answered whole, with one of these."""
    return lambda reply: reply.status in wanted and not reply.cut


def _whole(reply: wire.Reply) -> bool:
    return reply.status == 200 and not reply.cut and CANARIES["answer"].encode() in reply.body


def _redacted(reply: wire.Reply) -> bool:
    return reply.status == 200 and not reply.cut and b"[redacted:" in reply.body and SECRET.encode() not in reply.body


def _broken(reply: wire.Reply) -> bool:
    """A stream that began well ends with an error event, or is cut; it never ends as if it were whole."""
    has_end = b"[DONE]" in reply.body or b"message_stop" in reply.body or b"response.completed" in reply.body
    return reply.status in (502, 504) or (reply.status == 200 and not has_end and (reply.cut or b"error" in reply.body))


def _any(reply: wire.Reply) -> bool:
    return True


PLANS: dict[str, Plan] = {
    "plain": Plan(500, lambda reply: status(200)(reply), paths=[CHAT, MESSAGES, RESPONSES, COMPLETIONS, EMBEDDINGS, COUNT]),
    "stream": Plan(200, _whole, True),
    "secret-in-request": Plan(60, _whole),
    "findings": Plan(40, _redacted),
    "findings-stream": Plan(40, _redacted, True, [CHAT, MESSAGES, COMPLETIONS]),
    "large": Plan(4, _whole),
    "left-early": Plan(15, _any, True, client="left-early"),
    "left-late": Plan(15, _any, True, client="left-late"),
    "half-head": Plan(5, _any, client="half-head"),
    "half-body": Plan(5, _any, client="half-body"),
    "hang": Plan(1, status(504)),
    "reset": Plan(10, status(502)),
    "garbage": Plan(10, status(502)),
    "no-json": Plan(10, status(502)),
    "cut": Plan(10, status(502)),
    "cut-stream": Plan(10, _broken, True),
    "silent-stream": Plan(1, _broken, True),
    "drip": Plan(1, _whole),
    "drip-stream": Plan(1, _whole, True),
    "too-much": Plan(5, status(200, 502)),
    "giant": Plan(0.02, status(502)),
    "giant-stream": Plan(0.02, _broken, True),
    "giant-event": Plan(0.2, _broken, True),
    "error-500": Plan(8, status(500, 502)),
    "error-401": Plan(3, status(502)),
    "error-html": Plan(5, status(502, 503)),
    "wide-head": Plan(2, status(200, 502)),
    "no-such-model": Plan(8, status(404), client="no-such-model"),
    "no-such-key": Plan(8, status(401), client="no-such-key"),
    "two-keys": Plan(4, status(400), client="two-keys"),
    "bad-json": Plan(8, status(400), client="bad-json"),
    "unknown-field": Plan(8, status(400), client="unknown-field"),
    "too-large": Plan(1, status(413), client="too-large"),
    "bad-framing": Plan(4, status(400), client="bad-framing"),
}


def schedule(count: int, seed: int) -> Iterator[tuple[int, str, str]]:
    """Number, plan and path of every request: each plan once, then by weight."""
    chance = random.Random(seed)
    names, weights = list(PLANS), [plan.weight for plan in PLANS.values()]
    drawn = names + chance.choices(names, weights, k=max(0, count - len(names)))
    for number, name in enumerate(drawn):
        yield number, name, chance.choice(PLANS[name].paths)


# The run ------------------------------------------------------------------------------------------------------------------


@dataclass
class Result:
    """What came of a run."""

    outcomes: collections.Counter = field(default_factory=collections.Counter)
    wrong: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)


class Soak:
    """The gate, its upstream and the clients."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self.result = Result()
        self._upstream = Upstream(script=self._answer)

    async def _answer(self, got: Request, peer: Peer) -> list[bytes]:
        self._upstream.requests.clear()
        if SECRET.encode() in got.body:
            self.result.wrong.append("a secret of a request reached the upstream")
        found = re.search(rb"plan=([a-z0-9-]+)", got.body)
        path = got.line.split()[1].split("?")[0]
        return await misbehave(found[1].decode() if found else "plain", path, peer)

    @staticmethod
    def _configure(data: pathlib.Path) -> None:
        file = data / "portcullis.yaml"
        text = file.read_text()
        assert "\nlimits:" not in text
        file.write_text(f"{text}\nlimits: {{{LIMITS}}}\n")

    def run(self) -> Result:
        """Everything, in order."""
        with self._upstream, Gate(self._upstream.url, configure=self._configure) as gate:
            self._gate = gate
            self._key, self._model = gate.key("ALICE"), "small"
            begun = time.monotonic()
            before = self._process()
            self.result.figures["rss_start_mb"] = before["rss_kb"] / 1024
            asyncio.run(self._clients())
            self.result.figures["seconds"] = time.monotonic() - begun
            self._settle(before)
            metrics = self._metrics()
            gate._stop()  # noqa: SLF001 - the log is checked while nobody writes it
            self._log()
            self._canaries(gate, metrics)
        return self.result

    def _process(self) -> dict[str, int]:
        folder = pathlib.Path(f"/proc/{self._gate.pid}")
        rss = re.search(r"VmRSS:\s+(\d+)", (folder / "status").read_text())
        threads = len(list((folder / "task").iterdir()))
        return {"rss_kb": int(rss[1]), "descriptors": len(list((folder / "fd").iterdir())), "threads": threads}

    async def _clients(self) -> None:
        plans = schedule(self.count, self.seed)
        marks = {max(len(PLANS), self.count // 10): "rss_early_mb", max(len(PLANS) + 1, self.count // 2): "rss_middle_mb"}

        async def worker() -> None:
            connection = wire.Connection(self._gate.port, self._key)
            for number, name, path in plans:
                if number in marks:
                    self.result.figures[marks[number]] = self._process()["rss_kb"] / 1024
                try:
                    said = await asyncio.wait_for(self._one(connection, number, name, path), PATIENCE)
                except (TimeoutError, OSError, EOFError, ValueError) as error:
                    connection.close()
                    said = f"{type(error).__name__}: {error}"
                self.result.outcomes[name if said is None else f"{name} WRONG"] += 1
                if said is not None:
                    self.result.wrong.append(f"{name} {path} #{number}: {said}")
            connection.close()

        await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))

    async def _one(self, connection: wire.Connection, number: int, name: str, path: str) -> str | None:
        plan = PLANS[name]
        text = f"plan={name} {CANARIES['request']} number {number}."
        if name == "secret-in-request":
            text += f" The key is {SECRET}."
        if name == "large":
            text += " The committee met in the old library." * 50_000
        body = request(path, self._model, text, plan.is_stream)
        if plan.client != "whole":
            return await self._rude(plan, path, body)
        reply = await connection.post(path, json.dumps(body).encode())
        return None if plan.is_good(reply) else f"status {reply.status}, cut {reply.cut}: {reply.body[:300]!r}"

    async def _rude(self, plan: Plan, path: str, body: dict) -> str | None:
        """Requests on connections of their own: refused ones, and clients that leave."""
        key, more = self._key, f"cookie: {CANARIES['header']}\r\nx-note: {CANARIES['header']}\r\n"
        body = {key: f"{value} {CANARIES['refused']}" if key in ("input", "prompt") else value for key, value in body.items()}
        match plan.client:
            case "no-such-model":
                body["model"] = "no-such-model"  # what was asked for is told in the log's plain part
            case "no-such-key":
                key = f"pcl_{CANARIES['refused']}"
            case "two-keys":
                more += f"x-api-key: {CANARIES['refused']}\r\n"
            case "unknown-field":
                # The name of an unknown field is told in the log's plain part; what stands in it is not.
                body["frobnicate"] = {"a": CANARIES["refused"]}
            case "too-large":
                body["padding"] = "x" * (9 << 20)
            case "bad-framing":
                more += "transfer-encoding: chunked\r\n"
        data = json.dumps(body).encode()
        if plan.client == "bad-json":
            data = data[:-1] + f",{CANARIES['refused']}".encode()
        head = f"POST {path} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n{more}"
        whole = f"{head}content-length: {len(data)}\r\n\r\n".encode() + data
        sent = {"half-head": whole[:60], "half-body": whole[:-20]}.get(plan.client, whole)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._gate.port, limit=1 << 24)
        try:
            writer.write(sent)
            if plan.client in ("half-head", "half-body", "left-early"):
                await writer.drain()
                return None
            if plan.client == "left-late":
                await reader.read(200)
                return None
            reply = await wire._read(reader)  # noqa: SLF001 - one connection, one answer
        finally:
            writer.close()
        return None if plan.is_good(reply) else f"status {reply.status}, cut {reply.cut}: {reply.body[:300]!r}"

    def _settle(self, before: dict[str, int]) -> None:
        """What is open must go: connections of clients that left, tasks, threads."""
        # Idle connections to the upstream are kept for the next request.
        figures, allowed = self.result.figures, before["descriptors"] + 2 * CONNECTIONS
        deadline = time.monotonic() + 20
        while (now := self._process())["descriptors"] > allowed and time.monotonic() < deadline:
            time.sleep(0.1)
        figures |= {"rss_late_mb": now["rss_kb"] / 1024, "descriptors_before": before["descriptors"]}
        figures |= {"descriptors_after": now["descriptors"], "threads_after": now["threads"]}
        if now["descriptors"] > allowed:
            self.result.wrong.append(f"{now['descriptors']} descriptors are open, {before['descriptors']} were")
        growth = figures["rss_late_mb"] - figures.get("rss_early_mb", figures["rss_late_mb"])
        figures["rss_growth_mb"] = growth
        if growth > 64:
            self.result.wrong.append(f"memory grew by {growth:.0f} MB after the first tenth")

    def _metrics(self) -> str:
        operator = {"authorization": f"Bearer {self._gate.environment['PORTCULLIS_OPERATOR']}"}
        asked = urllib.request.Request(f"{self._gate.admin_url}/metrics", headers=operator)
        with urllib.request.urlopen(asked, timeout=10) as reply:
            return reply.read().decode()

    def _log(self) -> None:
        command = [binary(), "audit", "verify", "--data", self._gate.data, "--json"]
        verified = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        report = json.loads(verified.stdout) if verified.stdout.startswith("{") else {}
        self.result.figures["log_entries"] = report.get("entries", -1)
        self.result.figures["log_open"] = report.get("open", -1)
        if verified.returncode != 0 or report.get("open") != 0:
            self.result.wrong.append(f"audit verify: {verified.stdout[:2000]} {verified.stderr[:2000]}")

    def _canaries(self, gate: Gate, metrics: str) -> None:
        """Every planted value, in everything that is written or shown. Files handed to their owner hold credentials."""
        handed = {"quickstart.env"}
        secrets = {name: value for name, value in gate.environment.items() if name.startswith(("PORTCULLIS_KEY_", "PORTCULLIS_OPERATOR"))}
        wanted = {**CANARIES, **secrets, "secret": SECRET}
        # Until it is ready, `quickstart` shows its owner how to make a first call.
        shown = gate.lines[gate.lines.index("ready") :] if "ready" in gate.lines else gate.lines
        places = {"metrics": metrics.encode(), "output": "\n".join(shown).encode()}
        files = [path for path in gate.data.rglob("*") if path.is_file() and path.name not in handed]
        n_bytes = 0
        for place, content in [*places.items(), *((str(path.relative_to(gate.data)), path.read_bytes()) for path in files)]:
            n_bytes += len(content)
            for name, value in wanted.items():
                if value.encode() in content:
                    self.result.wrong.append(f"the value planted as {name} stands in {place}")
        self.result.figures["canaries"] = len(wanted)
        self.result.figures["searched_mb"] = n_bytes / (1 << 20)
        self.result.figures["files_searched"] = len(files)


WHAT = {
    "plain": "a call of any API",
    "stream": "a stream, whole",
    "secret-in-request": "a secret in the request: redacted before it leaves",
    "findings": "a secret in the answer: redacted",
    "findings-stream": "a secret in two pieces of a stream: redacted",
    "large": "a request of 1.8 MB",
    "left-early": "the client leaves before the answer",
    "left-late": "the client leaves within a stream",
    "half-head": "the client leaves within its headers",
    "half-body": "the client leaves within its body",
    "hang": "the upstream never answers",
    "reset": "the upstream resets the connection",
    "garbage": "the upstream answers random bytes",
    "no-json": "the answer is no JSON",
    "cut": "the answer ends before its length",
    "cut-stream": "the stream is cut within an event",
    "silent-stream": "the stream falls silent",
    "drip": "the answer comes 20 bytes at a time",
    "drip-stream": "the stream comes 97 bytes at a time",
    "too-much": "bytes behind the answer's end",
    "giant": "an answer of 1 GB",
    "giant-stream": "a stream of 1 GB",
    "giant-event": "one event of 64 MB",
    "error-500": "the upstream answers 500",
    "error-401": "the upstream refuses the gate's key",
    "error-html": "the upstream answers 503 in HTML",
    "wide-head": "headers of 400 KB in the answer",
    "no-such-model": "refused: no such model",
    "no-such-key": "refused: no such key",
    "two-keys": "refused: two credentials",
    "bad-json": "refused: no JSON",
    "unknown-field": "refused: an unknown field with a value",
    "too-large": "refused: a body of 9 MB",
    "bad-framing": "refused: two lengths",
}


def report(result: Result, seed: int) -> str:
    """The page of a run."""
    figures, total = result.figures, sum(result.outcomes.values())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    day = time.strftime("%Y-%m-%d", time.gmtime())
    memory = [f"{figures[name]:.1f}" if name in figures else "-" for name in ("rss_start_mb", "rss_early_mb", "rss_middle_mb", "rss_late_mb")]
    lines = [
        "# Soak",
        "",
        f"Written by `cargo xtask soak --requests {total} --seed {seed}` on {day} at commit {commit}; `tests/soak.py` says how. {CONNECTIONS} clients send {total:,}",
        "mixed requests through one gate (release build) to an upstream that misbehaves by a seeded plan. Every request must end as its plan",
        "allows, the log must verify and leave nothing open, memory and descriptors must be bounded, no planted value may be found.",
        "",
        "| | |",
        "|---|---|",
        f"| requests, ended otherwise than allowed | {total:,}, **{sum(count for name, count in result.outcomes.items() if name.endswith('WRONG'))}** |",
        f"| all that was found wrong | **{len(result.wrong)}** |",
        f"| took | {figures['seconds']:.0f} s, {total / figures['seconds']:.0f} requests/s |",
        f"| memory (RSS, MB): start, after a tenth, half way, end | {', '.join(memory)} |",
        f"| descriptors before and after; threads after | {figures['descriptors_before']:.0f}, {figures['descriptors_after']:.0f}; {figures['threads_after']:.0f} |",
        f"| log: entries, calls left open; `audit verify` | {figures['log_entries']:,.0f}, {figures['log_open']:.0f}; {'ok' if not any('audit verify' in wrong for wrong in result.wrong) else 'FAILED'} |",
        f"| planted values, files searched beside metrics and output | {figures['canaries']:.0f}, {figures['files_searched']:.0f} files of {figures['searched_mb']:.0f} MB |",
        "",
        "| plan | what happens | ended as allowed | otherwise |",
        "|---|---|---|---|",
        *(f"| {name} | {WHAT[name]} | {result.outcomes[name]:,} | {result.outcomes[f'{name} WRONG']} |" for name in PLANS),
        "",
    ]
    return "\n".join([*lines, *(f"- WRONG: {wrong[:200]}" for wrong in result.wrong[:20])])


def main() -> int:
    parser = argparse.ArgumentParser(description="soaks the gate that PORTCULLIS_BIN names")
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--report", type=pathlib.Path, help="writes the page of the run there")
    options = parser.parse_args()
    result = Soak(options.requests, options.seed).run()
    for name, count in sorted(result.outcomes.items()):
        print(f"{name:24} {count:8}")
    print(json.dumps({name: round(value, 1) for name, value in result.figures.items()}))
    for wrong in result.wrong[:40]:
        print(f"WRONG: {wrong}")
    if options.report is not None:
        options.report.write_text(report(result, options.seed))
    print(f"{sum(result.outcomes.values())} requests, {len(result.wrong)} wrong")
    return 1 if result.wrong else 0


if __name__ == "__main__":
    os.environ.setdefault("PORTCULLIS_BIN", "target/release/portcullis")
    sys.exit(main())
