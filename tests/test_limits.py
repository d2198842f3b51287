"""Budgets: what callers may use, what is left, what is charged, through the running gate and the official clients."""

import asyncio
import concurrent.futures
import json
import pathlib
import time
import urllib.request

import anthropic
import openai
import pytest
from conftest import allowed_model, member
from gate import Gate
from llama import Llama
from test_operations import append, call, chat
from upstream import Peer, Request, Upstream, answer, chat_events, message, stream

PRICES = """\
date: 2026-11-01
source: made up for the tests
currency: XTS
models:
  small: {input: "2.00", output: "10.00", cached_input: "1.00"}
"""


def budgets(text: str, prices: str | None = None):
    """Adds budgets to the sample configuration."""

    def configure(data: pathlib.Path) -> None:
        append(data / "portcullis.yaml", f"\nbudgets:\n{text}")
        if prices is not None:
            append(data / "portcullis.yaml", "\nprices: {file: prices.yaml}\n")
            (data / "prices.yaml").write_text(prices)

    return configure


def usage_of(prompt: int, completion: int) -> dict:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def chat_body(prompt: int, completion: int) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop", "logprobs": None}
    document = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage_of(prompt, completion)}
    return json.dumps(document).encode()


def say(usage: tuple[int, int]):
    """An upstream that answers everything, and says that it used so much."""

    async def script(request: Request, _: Peer) -> list[bytes]:
        if request.line.startswith("POST /v1/messages"):
            return answer(200, message())
        if b'"stream":true' in request.body:
            last = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage_of(*usage)}
            events = chat_events([{"content": "hel"}, {"content": "lo"}])
            return stream([*events[:-1], b"data: " + json.dumps(last).encode() + b"\n\n", events[-1]])
        return answer(200, chat_body(*usage))

    return script


def rows(gate: Gate, by: str = "user") -> dict[str, dict]:
    gate.settled()
    told = gate.cli("usage", "--by", by, "--json")
    assert told.returncode == 0, told.stderr
    return {row[by]: row for row in json.loads(told.stdout)["usage"]}


def left(gate: Gate, budget: str) -> list[int]:
    gate.settled()
    told = json.loads(gate.cli("usage", "--json").stdout)
    return [row["left"] for row in told["budgets"] if row["budget"] == budget]


def used(gate: Gate, budget: str, is_settled: bool = True) -> int:
    if is_settled:
        gate.settled()
    told = json.loads(gate.cli("usage", "--json").stdout)
    return sum(row["used"] for row in told["budgets"] if row["budget"] == budget)


def test_clients_raise_rate_limit_errors_and_see_what_is_left() -> None:
    rules = "  calls: {per: [principal], every: hour, requests: 2}\n  words: {per: [principal], every: day, tokens: 100000}\n"
    with Upstream(say((20, 5))) as upstream, Gate(upstream.url, budgets(rules)) as gate:
        with openai.OpenAI(base_url=f"{gate.url}/v1", api_key=gate.key("ALICE"), max_retries=0) as api:
            create = api.chat.completions.with_raw_response.create
            options = {"model": "small", "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 50}
            first = create(**options)
            assert first.headers["x-ratelimit-limit-requests"] == "2" and first.headers["x-ratelimit-remaining-requests"] == "1"
            assert first.headers["x-ratelimit-limit-tokens"] == "100000"
            assert 99_000 < int(first.headers["x-ratelimit-remaining-tokens"]) < 100_000 - 50
            assert "m" in first.headers["x-ratelimit-reset-requests"] or "s" in first.headers["x-ratelimit-reset-requests"]
            create(**options)
            with pytest.raises(openai.RateLimitError) as refused:
                create(**options)
            error = refused.value
            assert (error.code, error.type, error.status_code) == ("rate_limit_exceeded", "requests", 429)
            assert "budget `calls` allows 2 requests per hour, 0 left" in str(error) and "request-limit.md" in str(error)
            assert 1 <= int(error.response.headers["retry-after"]) <= 7200
            assert error.response.headers["x-ratelimit-remaining-requests"] == "0"
            assert len(upstream.requests) == 2
        assert used(gate, "words") == 2 * 25, "what was not used was given back, and the refusal cost nothing"
        with anthropic.Anthropic(base_url=gate.url, api_key=gate.key("BOB"), max_retries=0) as api:
            create = api.messages.with_raw_response.create
            options = {"model": "small", "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 50}
            first = create(**options)
            assert first.headers["anthropic-ratelimit-requests-remaining"] == "1", "another principal has a part of its own"
            assert first.headers["anthropic-ratelimit-tokens-limit"] == "100000"
            assert first.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
            create(**options)
            with pytest.raises(anthropic.RateLimitError) as refused:
                create(**options)
            assert refused.value.body["error"]["type"] == "rate_limit_error"
            assert int(refused.value.response.headers["retry-after"]) >= 1
        explained = gate.cli("audit", "query", "--reason", "request-limit", "--json")
        refusals = [row for row in json.loads(explained.stdout)["rows"] if row["kind"] == "intent"]
        assert len(refusals) == 2, "refusals stand in the log"


def test_money_is_counted_exactly_and_its_budget_is_a_quota(tmp_path: pathlib.Path) -> None:
    rules = '  purse: {per: [user], every: month, cost: "0.01"}\n'
    with Upstream(say((1000, 100))) as upstream, Gate(upstream.url, budgets(rules, PRICES)) as gate:
        checked = gate.cli("check")
        assert "no price is known of" in checked.stderr and "large" in checked.stderr
        status, headers, body = chat(gate, gate.key("ALICE"), max_tokens=200)
        assert status == 200, body
        # 1000 x 2.00 + 100 x 10.00 per million.
        assert rows(gate)["user:alice"]["cost"] == "0.003"
        assert rows(gate, "model")["small"]["output"] == 100
        assert chat(gate, gate.key("ALICE"), max_tokens=200)[0] == 200
        assert chat(gate, gate.key("ALICE"), max_tokens=200)[0] == 200
        with openai.OpenAI(base_url=f"{gate.url}/v1", api_key=gate.key("ALICE"), max_retries=2) as api:
            with pytest.raises(openai.RateLimitError) as refused:
                api.chat.completions.create(model="small", messages=[{"role": "user", "content": "Hello."}], max_tokens=200)
        assert (refused.value.code, refused.value.type) == ("insufficient_quota", "insufficient_quota")
        assert len(upstream.requests) == 3, "nobody tries again what waits for a month"
        gate.settled()
        text = gate.cli("usage").stdout
        assert "0.009 XTS" in text and "0.001 XTS" in text, text
        # What has no price is refused where money counts.
        old = PRICES.replace("2026-11-01", "2020-01-01").replace("small:", "other:")
        (gate.data / "prices.yaml").write_text(old)
        assert "days old" in gate.cli("check").stderr
        assert gate.cli("apply").returncode == 0
        status, _, body = chat(gate, gate.key("BOB"), max_tokens=1)
        assert (status, body["error"]["code"]) == (403, "price-unknown")


def test_a_hundred_at_once_never_overshoot() -> None:
    cap, each = 100, 400
    async def slow(request: Request, peer: Peer) -> list[bytes]:
        await asyncio.sleep(0)
        return answer(200, chat_body(10, cap))

    rules = f"  words: {{per: [principal], every: day, output_tokens: {cap * 7 + 50}}}\n"
    with Upstream(slow) as upstream, Gate(upstream.url, budgets(rules)) as gate:
        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            calls = [pool.submit(chat, gate, gate.key("ALICE"), max_tokens=cap) for _ in range(each)]
            answers = [done.result()[0] for done in calls]
        assert answers.count(200) == 7 and answers.count(429) == each - 7
        assert used(gate, "words") == 7 * cap
        assert len(upstream.requests) == 7


def test_running_at_once_is_bounded_and_given_back() -> None:
    release = None

    async def hold(request: Request, peer: Peer) -> list[bytes]:
        await asyncio.wait_for(release.wait(), 30)
        return answer(200, chat_body(1, 1))

    with Upstream(hold) as upstream, Gate(upstream.url, budgets("  few: {per: [task], concurrent: 2}\n")) as gate:
        release = asyncio.Event()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            held = [pool.submit(chat, gate, gate.key("ALICE")) for _ in range(2)]
            deadline = time.monotonic() + 30
            while used(gate, "few", is_settled=False) < 2:
                assert time.monotonic() < deadline
            status, headers, body = chat(gate, gate.key("ALICE"))
            assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded"), body
            assert headers["retry-after"] == "1"
            upstream._loop.call_soon_threadsafe(release.set)
            assert [done.result()[0] for done in held] == [200, 200]
        assert chat(gate, gate.key("ALICE"))[0] == 200


def runs_out(gate: Gate, calls: list[tuple[str, str, bool]]) -> None:
    """Calls in order, each with its credential and model, and whether there is room; one is refused for its budget alone."""
    for number, (key, model, has_room) in enumerate(calls):
        status, _, body = chat(gate, key, model=model)
        assert status == (200 if has_room else 429), (number, model, status, body)
        assert has_room or (body["error"]["code"] == "insufficient_quota" and "budget `calls`" in body["error"]["message"]), body


def new_key(gate: Gate, principal: str, **spec: str) -> str:
    return gate.admin("POST", "/admin/v1/keys", {"principal": principal, **spec})["secret"]


def test_each_task_has_a_part_of_its_own() -> None:
    with Upstream(say((3, 2))) as upstream, Gate(upstream.url, budgets("  calls: {per: [task], every: day, requests: 1}\n")) as gate:
        made = [gate.admin("POST", "/admin/v1/keys", {"principal": "user:bob"}) for _ in range(2)]
        first, second = (key["secret"] for key in made)
        runs_out(gate, [(first, "small", True), (first, "small", False), (first, "large", False)])
        # The same user and another credential: another task.
        runs_out(gate, [(second, "small", True), (second, "small", False)])
        # A credential that takes the place of another goes on with its part.
        rotated = json.loads(gate.cli("key", "rotate", made[0]["id"], "--overlap", "1h", "--json").stdout)["secret"]
        runs_out(gate, [(rotated, "small", False)])
        gate.stop()
        gate.start_again()
        runs_out(gate, [(first, "small", False), (second, "small", False), (new_key(gate, "user:bob"), "small", True)])
        by_task = rows(gate, "task")
        assert {made[0]["id"], made[1]["id"]} < set(by_task) and len(by_task) == 3
        assert {row["requests"] for row in by_task.values()} == {1}
        assert used(gate, "calls") == 3 and left(gate, "calls") == [0, 0, 0]


def test_each_model_has_a_part_of_its_own() -> None:
    with Upstream(say((3, 2))) as upstream, Gate(upstream.url, budgets("  calls: {per: [model], every: day, requests: 1}\n")) as gate:
        bob = gate.key("BOB")
        runs_out(gate, [(bob, "small", True), (bob, "small", False), (bob, "large", True), (bob, "large", False)])
        # It is the model's: nobody else has more of it.
        runs_out(gate, [(gate.key("ALICE"), "small", False), (new_key(gate, "user:bob"), "large", False)])
        assert {model: row["requests"] for model, row in rows(gate, "model").items()} == {"small": 1, "large": 1}


def test_each_agent_has_a_part_of_its_own() -> None:
    with Upstream(say((3, 2))) as upstream, Gate(upstream.url, budgets("  calls: {per: [agent], every: day, requests: 1}\n")) as gate:
        assistant, other = gate.key("ASSISTANT"), new_key(gate, "agent:assistant", on_behalf_of="user:bob")
        nightly = new_key(gate, "agent:nightly", on_behalf_of="user:alice")
        runs_out(gate, [(assistant, "small", True), (assistant, "small", False)])
        # Another user, task and model are no way round it; another agent of the same user has its own.
        runs_out(gate, [(other, "small", False), (other, "large", False), (nightly, "small", True), (nightly, "small", False)])
        # Calls without an agent are not counted.
        runs_out(gate, [(gate.key("ALICE"), "small", True)] * 3)
        by_agent = rows(gate, "agent")
        assert {agent: row["requests"] for agent, row in by_agent.items()} == {"agent:assistant": 1, "agent:nightly": 1, "-": 3}
        assert {row["whose"] for row in json.loads(gate.cli("usage", "--json").stdout)["budgets"]} == {"agent:assistant", "agent:nightly"}


def test_each_principal_has_a_part_of_its_own() -> None:
    with Upstream(say((3, 2))) as upstream, Gate(upstream.url, budgets("  calls: {per: [principal], every: day, requests: 1}\n")) as gate:
        alice, bob = gate.key("ALICE"), gate.key("BOB")
        runs_out(gate, [(alice, "small", True), (alice, "small", False), (bob, "small", True), (bob, "large", False)])
        # An agent uses up its user's part.
        runs_out(gate, [(gate.key("ASSISTANT"), "small", False), (new_key(gate, "user:alice"), "small", False)])


def test_usage_is_told_by_whom_and_since_when() -> None:
    with Upstream(say((20, 5))) as upstream, Gate(upstream.url) as gate:
        called = [("ALICE", "small"), ("ASSISTANT", "small"), ("BOB", "large"), ("BOB", "large"), ("BOB", "small")]
        for name, model in called:
            status, _, body = chat(gate, gate.key(name), model=model)
            assert status == 200, body
        expected = {
            "user": {"user:alice": 2, "user:bob": 3},
            "agent": {"agent:assistant": 1, "-": 4},
            "model": {"small": 3, "large": 2},
        }
        keys = json.loads(gate.cli("key", "list", "--json").stdout)["keys"]
        ledgers = {name: next(key["ledger"] for key in keys if gate.key(name).startswith(key["id"])) for name, _ in called}
        expected["task"] = {ledgers["ALICE"]: 1, ledgers["ASSISTANT"]: 1, ledgers["BOB"]: 3}
        for by, requests in expected.items():
            found = rows(gate, by)
            assert {key: row["requests"] for key, row in found.items()} == requests, by
            assert all((row["input"], row["output"]) == (20 * row["requests"], 5 * row["requests"]) for row in found.values()), by
            text = gate.cli("usage", "--by", by).stdout
            assert text.split()[0] == by.upper() and all(key in text for key in requests), text
        assert rows(gate) == rows(gate, "user"), "by user, if nobody says how"
        told = json.loads(gate.cli("usage", "--json", "--since", "1h").stdout)
        assert {row["user"]: row["requests"] for row in told["usage"]} == expected["user"]
        # What lies before the moment that was asked for is not counted: of now, nothing is left but what comes later.
        later = {"by": "model", "since": int(time.time() * 1000) + 1}
        assert gate.admin("POST", "/admin/v1/usage", later)["usage"] == []
        # The clock of the call is the gate's, and the same machine's.
        while int(time.time() * 1000) <= later["since"]:
            pass
        assert chat(gate, gate.key("ALICE"))[0] == 200
        gate.settled()
        assert {row["model"]: row["requests"] for row in gate.admin("POST", "/admin/v1/usage", later)["usage"]} == {"small": 1}
        assert rows(gate, "model")["small"]["requests"] == 4
        refused = gate.cli("usage", "--since", "soon")
        assert refused.returncode == 3 and "is not a length of time" in refused.stderr, (refused.returncode, refused.stderr)
        assert gate.cli("usage", "--by", "colour").returncode != 0


def raw_stream(gate: Gate, key: str, **changes: object) -> bytes:
    body = {"model": "small", "messages": [{"role": "user", "content": "Hello."}], "stream": True, "max_tokens": 50, **changes}
    request = urllib.request.Request(f"{gate.url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json", "authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.read()


def test_the_hidden_usage_chunk_leaves_no_trace() -> None:
    def chunk(choices: list, **rest: object) -> bytes:
        document = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **rest}
        return b"data: " + json.dumps(document).encode() + b"\n\n"

    def choice(text: str, reason: str | None = None) -> list:
        return [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]

    said = [choice("hel"), choice("lo"), choice("", "stop")]
    plain = [*(chunk(each) for each in said), b"data: [DONE]\n\n"]
    told = [*(chunk(each, usage=None) for each in said), chunk([], usage=usage_of(31, 7)), b"data: [DONE]\n\n"]

    async def script(request: Request, _: Peer) -> list[bytes]:
        options = request.json().get("stream_options") or {}
        return stream(told if options.get("include_usage") else plain)

    with Upstream(script) as upstream, Gate(upstream.url) as gate:
        assert raw_stream(gate, gate.key("ALICE")) == b"".join(plain)
        assert upstream.requests[-1].json()["stream_options"] == {"include_usage": True}
        assert raw_stream(gate, gate.key("ALICE"), stream_options={"include_usage": False}) == b"".join(plain)
        # Whoever asks for it gets it, byte for byte.
        assert raw_stream(gate, gate.key("ALICE"), stream_options={"include_usage": True}) == b"".join(told)
        row = rows(gate)["user:alice"]
        assert (row["requests"], row["input"], row["output"], row["estimated"]) == (3, 93, 21, 0)


def test_an_aborted_stream_settles_at_what_arrived() -> None:
    gone = []

    async def endless(request: Request, peer: Peer) -> list[bytes]:
        events = chat_events([{"content": "word and word again "} for _ in range(4)])[:4]
        for part in stream(events)[:-1]:
            peer.writer.write(part)
        await peer.writer.drain()
        await asyncio.wait_for(peer.left(), 30)
        gone.append(True)
        return []

    with Upstream(endless) as upstream, Gate(upstream.url, budgets("  words: {per: [user], every: day, tokens: 5000}\n")) as gate:
        with openai.OpenAI(base_url=f"{gate.url}/v1", api_key=gate.key("ALICE"), max_retries=0) as api:
            chunks = api.chat.completions.create(model="small", messages=[{"role": "user", "content": "Go on."}], max_tokens=1000, stream=True)
            for number, _ in enumerate(chunks):
                if number == 3:
                    break
            assert used(gate, "words", is_settled=False) > 1000, "while it runs, what it may use is reserved"
            chunks.close()
        deadline = time.monotonic() + 30
        while not (row := rows(gate).get("user:alice")):
            assert time.monotonic() < deadline
        assert row["estimated"] == 1
        # Twenty characters each time, about seven tokens by the estimate.
        assert 4 * 7 == row["output"] and row["input"] > 20
        assert used(gate, "words") == row["input"] + row["output"]


def test_a_restart_refills_nothing() -> None:
    rules = "  calls: {per: [user], every: day, requests: 3}\n  words: {per: [user], every: month, tokens: 3000}\n"
    stuck = []

    async def script(request: Request, peer: Peer) -> list[bytes]:
        if b"stuck" in request.body:
            stuck.append(True)
            await peer.left()
            return []
        return answer(200, chat_body(30, 10))

    with Upstream(script) as upstream, Gate(upstream.url, budgets(rules)) as gate:
        assert chat(gate, gate.key("ALICE"))[0] == 200
        gate._stop()
        gate.start_again()
        assert used(gate, "words") == 40 and left(gate, "calls") == [2]
        # A call that is under way when the gate is killed counts with what it had reserved.
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            message = [{"role": "user", "content": "stuck"}]
            lost = pool.submit(chat, gate, gate.key("ALICE"), messages=message, max_tokens=500)
            deadline = time.monotonic() + 30
            while not stuck:
                assert time.monotonic() < deadline
            gate.kill_hard()
            assert lost.exception(30) is not None
        (gate.data / "projection.db").unlink()
        gate.start_again()
        assert left(gate, "calls") == [1] and 540 < used(gate, "words") < 700
        assert rows(gate)["user:alice"]["estimated"] == 1
        # Another name is no new budget.
        text = (gate.data / "portcullis.yaml").read_text()
        (gate.data / "portcullis.yaml").write_text(text.replace("  calls: {", "  renamed: {"))
        assert gate.cli("apply").returncode == 0
        assert left(gate, "renamed") == [1]
        # Nor does one that comes and goes count anything twice.
        for other in (text, text.replace("per: [user], every: day", "per: [principal], every: day"), text.replace("  calls: {", "  renamed: {")):
            (gate.data / "portcullis.yaml").write_text(other)
            assert gate.cli("apply").returncode == 0
            assert left(gate, "calls") + left(gate, "renamed") == [1]
        assert chat(gate, gate.key("ALICE"))[0] == 200
        assert chat(gate, gate.key("ALICE"))[0] == 429
        verified = gate.cli("audit", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert gate.cli("replay").returncode == 0


def test_a_most_is_written_where_a_budget_counts_on_one() -> None:
    rules = "  words: {per: [user], every: day, tokens: 20000, users: [alice]}\n"
    with Upstream(say((5, 5))) as upstream, Gate(upstream.url, budgets(rules)) as gate:
        body = {"model": "small", "messages": [{"role": "user", "content": "Hello."}]}
        for key, path, expected in [
            ("ALICE", "/v1/chat/completions", {"max_completion_tokens": 4096}),
            ("ALICE", "/v1/messages", {"max_tokens": 4096}),
            ("BOB", "/v1/chat/completions", {}),
        ]:
            status, headers, reply = call(f"{gate.url}{path}", gate.key(key), body)
            assert status == 200, reply
            sent = upstream.requests[-1].json()
            assert {name: sent[name] for name in sent if name not in body} == expected
            assert ("x-ratelimit-limit-tokens" in headers or "anthropic-ratelimit-tokens-limit" in headers) == bool(expected)


TEXTS = [
    "Hello.",
    "The quick brown fox jumps over the lazy dog. " * 40,
    "In 1969, 3.14159 people paid 1,234.56 for 42 tickets; call +49 30 1234567 before 12:30. " * 20,
    json.dumps([{"id": number, "name": f"item-{number}", "tags": ["a", "b"], "price": number * 1.5} for number in range(20)], indent=2),
    "def add(left: int, right: int) -> int:\n    return left + right\n\n" * 40,
    "Żółć, naïve café, schöne Grüße, добрый день, 東京都, 🙂🙃 " * 20,
]


def test_the_estimate_is_above_what_a_real_model_counts(llama: Llama) -> None:
    rules = "  words: {per: [user], every: month, tokens: 100000000}\n"
    with Gate(llama.url, budgets(rules)) as gate:
        model, key = allowed_model(gate), member(gate)
        ratios = []
        with openai.OpenAI(base_url=f"{gate.url}/v1", api_key=key, max_retries=0) as api:
            for text in TEXTS:
                options = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 1}
                reply = api.chat.completions.with_raw_response.create(**options)
                before = 100_000_000 - used_before(ratios)
                reserved = before - int(reply.headers["x-ratelimit-remaining-tokens"]) - 1
                real = reply.parse().usage
                ratios.append((reserved, real.prompt_tokens, real.total_tokens))
            for reserved, real, _ in ratios:
                assert real <= reserved <= 6 * real + 60, ratios
            # A stream tells exactly what it used, although nobody asked.
            chunks = list(api.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello."}], max_tokens=5, stream=True))
            assert all(chunk.usage is None for chunk in chunks) and all(chunk.choices for chunk in chunks)
        row = rows(gate, "model")[model]
        assert row["estimated"] == 0
        assert row["input"] + row["cached"] + row["output"] == used(gate, "words")
        assert row["requests"] == len(TEXTS) + 1
        print("estimated/real prompt tokens:", [f"{reserved}/{real}" for reserved, real, _ in ratios])


def used_before(ratios: list[tuple[int, int, int]]) -> int:
    return sum(total for _, _, total in ratios)
