"""Telemetry over OTLP, read by the project's own messages in Python; and nothing secret in any byte of it."""

import http.server
import json
import pathlib
import queue
import socket
import threading
import time
from collections.abc import Callable

from gate import Gate
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from test_operations import CHAT, call, chat
from upstream import Upstream, answer
from upstream import Request as UpstreamRequest
from upstream import chat as chat_body
from upstream import stream

CANARY = "canary-Zk3vT9qLw2Rb7YxN4mHc"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
PATIENCE = 30.0
FORMS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


class Collector:
    """An OTLP receiver; a context manager. Keeps what it got, raw and decoded."""

    def __init__(self, status: int = 200) -> None:
        self.raw: list[bytes] = []
        self.heads: list[dict[str, str]] = []
        self._got: dict[str, queue.Queue] = {path: queue.Queue() for path in FORMS}
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.raw.append(str(self.headers).encode() + body)
                collector.heads.append({key.lower(): value for key, value in self.headers.items()})
                collector._got[self.path].put(FORMS[self.path].FromString(body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Collector":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def until(self, path: str, wanted: Callable[[object], bool]) -> object:
        """Waits for an item of a signal: a span, a metric or a log record."""
        while True:
            message = self._got[path].get(timeout=PATIENCE)
            for item in items(message):
                if wanted(item):
                    return item


def items(message: object) -> list:
    """Every span, metric or log record of a request, after a look at its resource."""
    found = []
    for name, scope, inner in (
        ("resource_spans", "scope_spans", "spans"),
        ("resource_metrics", "scope_metrics", "metrics"),
        ("resource_logs", "scope_logs", "log_records"),
    ):
        for resource in getattr(message, name, []):
            assert values(resource.resource.attributes)["service.name"] == "portcullis"
            found += [item for scoped in getattr(resource, scope) for item in getattr(scoped, inner)]
    return found


def plain(value: object) -> object:
    """An attribute's value."""
    form = value.WhichOneof("value")
    return [plain(item) for item in value.array_value.values] if form == "array_value" else getattr(value, form)


def values(attributes: object) -> dict[str, object]:
    """Attributes as a dictionary."""
    return {pair.key: plain(pair.value) for pair in attributes}


def configured(collector: str, **more: object) -> Callable[[pathlib.Path], None]:
    def configure(data: pathlib.Path) -> None:
        (data / "collector.key").write_text(CANARY)
        (data / "collector.key").chmod(0o600)
        section = {"endpoint": collector, "interval_seconds": 1, "headers": {"X-Api-Key": {"file": "collector.key"}}, **more}
        with (data / "portcullis.yaml").open("a") as file:
            file.write(f"\ntelemetry: {json.dumps(section)}\n")

    return configure


def is_call(request: str) -> Callable[[object], bool]:
    return lambda item: values(item.attributes).get("portcullis.request") == request


def test_calls_refusals_and_sums() -> None:
    with Collector() as collector, Upstream() as upstream, Gate(upstream.url, configured(collector.url)) as gate:
        url, key = f"{gate.url}/v1/chat/completions", gate.key("ALICE")
        status, head, _ = call(url, key, CHAT, traceparent=TRACEPARENT, tracestate=f"a={CANARY}")
        assert status == 200
        span = collector.until("/v1/traces", is_call(head["x-request-id"]))
        told = values(span.attributes)
        assert (span.name, span.kind, span.trace_id.hex(), span.parent_span_id.hex()) == ("chat small", 2, TRACE, PARENT)
        assert len(span.span_id) == 8 and any(span.span_id) and span.span_id.hex() != PARENT
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
        assert told["gen_ai.operation.name"] == "chat" and told["gen_ai.provider.name"] == "openai"
        assert told["gen_ai.request.model"] == "small" and told["portcullis.upstream"] == "provider"
        assert told["http.response.status_code"] == 200 and "error.type" not in told and span.status.code == 0
        # Upstreams are not told unless the file says so.
        assert upstream.requests[0].header("traceparent") is None and upstream.requests[0].header("tracestate") is None

        # A model that nobody declared is a text of the client's.
        status, head, _ = chat(gate, key, model=CANARY)
        assert status == 404
        span = collector.until("/v1/traces", is_call(head["x-request-id"]))
        told = values(span.attributes)
        assert span.name == "portcullis.request" and "gen_ai.request.model" not in told
        assert told["error.type"] == "model-not-found" and span.status.code == 2 and not span.parent_span_id
        line = collector.until("/v1/logs", is_call(head["x-request-id"]))
        assert (line.severity_text, line.event_name) == ("WARN", "portcullis.call.failed")
        assert line.trace_id == span.trace_id and line.span_id == span.span_id

        def counted(metric: object) -> bool:
            if metric.name != "gen_ai.client.operation.duration":
                return False
            points = [point for point in metric.histogram.data_points if values(point.attributes)["gen_ai.request.model"] == "small"]
            return any(point.count == sum(point.bucket_counts) >= 1 and point.sum > 0 for point in points)

        metric = collector.until("/v1/metrics", counted)
        assert metric.unit == "s" and metric.histogram.aggregation_temporality == 2
        point = metric.histogram.data_points[0]
        assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
        assert all(head["x-api-key"] == CANARY for head in collector.heads)
        assert all(head["content-type"] == "application/x-protobuf" for head in collector.heads)


def named(data: pathlib.Path) -> None:
    """`small` has a name of its own at the provider."""
    file = data / "portcullis.yaml"
    file.write_text(file.read_text().replace('model: "default"', 'model: "real-model"', 1))


def test_what_an_answer_used_and_why_it_ended() -> None:
    """The names of OpenTelemetry's conventions for generative models, in every form of answer."""
    usage = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42, "prompt_tokens_details": {"cached_tokens": 20}}
    words = {"input_tokens": 10, "output_tokens": 12, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 0}
    choices = [{"index": at, "message": {"role": "assistant", "content": "hi"}, "finish_reason": reason} for at, reason in enumerate(("stop", "length"))]
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "real-model-2026-08-06", "choices": choices, "usage": usage}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": f"real-model {CANARY}"}
    chunks = [
        {**chunk, "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}]},
        {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": CANARY}]},
        {**chunk, "choices": [], "usage": usage},
    ]
    message = {"id": "m", "type": "message", "role": "assistant", "model": "real-model", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "stop_sequence": None, "usage": words}
    response = {"id": "r", "object": "response", "model": "real-model", "status": "incomplete", "output": [], "usage": {"input_tokens": 30, "output_tokens": 12}}

    async def reply(request: UpstreamRequest, _: object) -> list[bytes]:
        if b'"stream":true' in request.body.replace(b" ", b""):
            return stream([f"data: {json.dumps(event)}\n\n".encode() for event in chunks] + [b"data: [DONE]\n\n"])
        path = request.line.split()[1]
        return answer(200, json.dumps({"/v1/messages": message, "/v1/responses": response}.get(path, whole)).encode())

    def configure(data: pathlib.Path) -> None:
        named(data)
        configured(collector.url)(data)

    with Collector() as collector, Upstream(script=reply) as upstream, Gate(upstream.url, configure) as gate:
        key = gate.key("ALICE")
        facts = [
            ("chat/completions", CHAT, "real-model-2026-08-06", ["stop", "length"]),
            ("chat/completions", {**CHAT, "stream": True}, "real-model", ["_OTHER"]),
            ("messages", {**CHAT, "max_tokens": 20}, "real-model", ["end_turn"]),
            ("responses", {"model": "small", "input": "hi", "store": False}, "real-model", ["incomplete"]),
        ]
        for path, body, model, reasons in facts:
            status, head, _ = call(f"{gate.url}/v1/{path}", key, body)
            assert status == 200
            told = values(collector.until("/v1/traces", is_call(head["x-request-id"])).attributes)
            assert told["gen_ai.operation.name"] == "chat" and told["gen_ai.request.model"] == "small", path
            assert told["gen_ai.provider.name"] == ("anthropic" if path == "messages" else "openai")
            assert (told["gen_ai.response.model"], told["gen_ai.response.finish_reasons"]) == (model, reasons), path
            used = (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"], told["portcullis.usage.is_estimate"])
            assert used == (30, 12, False), path
        # What never left used nothing.
        _, head, _ = chat(gate, key, tools=CANARY)
        told = values(collector.until("/v1/traces", is_call(head["x-request-id"])).attributes)
        assert not any(name.startswith(("gen_ai.usage", "gen_ai.response")) for name in told)
        assert not any(CANARY.encode() in raw.split(b"\n\n", 1)[-1] for raw in collector.raw)


def test_tokens_are_counted_by_operation_and_kind() -> None:
    """The histogram of the conventions: what the provider counted, apart from what the gate estimated."""
    chat_usage = {"prompt_tokens": 30, "completion_tokens": 1025, "total_tokens": 1055}
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop", "logprobs": None}
    completion = {"index": 0, "text": "hi", "finish_reason": "stop", "logprobs": None}
    vector = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
    bodies = {
        "/v1/chat/completions": {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": chat_usage},
        "/v1/completions": {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [completion], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}},
        "/v1/embeddings": {"object": "list", "model": "m", "data": [vector], "usage": {"prompt_tokens": 5, "total_tokens": 5}},
    }

    async def reply(request: UpstreamRequest, _: object) -> list[bytes]:
        body = dict(bodies[request.line.split()[1]])
        if b"untold" in request.body:
            del body["usage"]
        return answer(200, json.dumps(body).encode())

    with Collector() as collector, Upstream(script=reply) as upstream, Gate(upstream.url, configured(collector.url)) as gate:
        key = gate.key("ALICE")
        facts = [
            ("chat/completions", CHAT, "chat"),
            ("chat/completions", CHAT, "chat"),
            ("chat/completions", {**CHAT, "messages": [{"role": "user", "content": "untold"}]}, "chat"),
            ("completions", {"model": "small", "prompt": "Hello.", "max_tokens": 16}, "text_completion"),
            ("embeddings", {"model": "small", "input": "Hello."}, "embeddings"),
        ]
        for path, body, operation in facts:
            status, head, told = call(f"{gate.url}/v1/{path}", key, body)
            assert status == 200, told
            span = collector.until("/v1/traces", is_call(head["x-request-id"]))
            assert span.name == f"{operation} small" and values(span.attributes)["gen_ai.operation.name"] == operation

        def counts(metric: object) -> dict[tuple, object]:
            points = {}
            for point in metric.histogram.data_points:
                told = values(point.attributes)
                assert (told.pop("gen_ai.request.model"), told.pop("gen_ai.provider.name")) == ("small", "openai")
                points[tuple(told.pop(name) for name in ("gen_ai.operation.name", "gen_ai.token.type", "portcullis.usage.is_estimate"))] = point
                assert not told, "nothing else"
            return points

        def is_complete(metric: object) -> bool:
            return metric.name == "gen_ai.client.token.usage" and ("embeddings", "input", False) in counts(metric)

        metric = collector.until("/v1/metrics", is_complete)
        assert metric.unit == "{token}" and metric.histogram.aggregation_temporality == 2
        points = counts(metric)
        exact = {key: (point.count, point.sum) for key, point in points.items() if not key[2]}
        assert exact == {
            ("chat", "input", False): (2, 60),
            ("chat", "output", False): (2, 2050),
            ("text_completion", "input", False): (1, 7),
            ("text_completion", "output", False): (1, 3),
            ("embeddings", "input", False): (1, 5),
        }
        assert {key for key in points if key[2]} == {("chat", "input", True), ("chat", "output", True)}
        for point in points.values():
            assert list(point.explicit_bounds) == [4**power for power in range(14)] and len(point.bucket_counts) == 15
            assert sum(point.bucket_counts) == point.count
        # 30 stands between 16 and 64, 1025 above 1024.
        assert points["chat", "input", False].bucket_counts[3] == points["chat", "output", False].bucket_counts[6] == 2


def test_a_collector_that_hangs_slows_nobody() -> None:
    """It takes a request and never answers; the exporter gives each ten seconds, and calls do not wait for it."""
    with socket.create_server(("127.0.0.1", 0)) as hanging, Upstream() as upstream:
        configure = configured(f"http://127.0.0.1:{hanging.getsockname()[1]}")
        with Gate(upstream.url, configure) as gate:
            key = gate.key("ALICE")
            assert chat(gate, key)[0] == 200
            hanging.settimeout(PATIENCE)
            held, _ = hanging.accept()
            with held:
                begun = time.monotonic()
                assert all(chat(gate, key)[0] == 200 for _ in range(50))
                assert time.monotonic() - begun < 10
                begun = time.monotonic()
                gate._stop()
                assert time.monotonic() - begun < 9, "nor does the end"


def test_nothing_secret_in_any_byte() -> None:
    async def leaky(request: UpstreamRequest, _: object) -> list[bytes]:
        return answer(200, chat_body(f"the answer is {CANARY}-answer"), extra=f"x-ratelimit-note: {CANARY}\r\n")

    with Collector() as collector, Upstream(script=leaky) as upstream, Gate(upstream.url, configured(collector.url)) as gate:
        url, key = f"{gate.url}/v1/chat/completions", gate.key("ALICE")
        body = {**CHAT, "messages": [{"role": "user", "content": f"{CANARY}-prompt"}], "user": f"{CANARY}-user"}
        headers = {
            "traceparent": f"00-{TRACE}-{PARENT}-01-{CANARY}",
            "baggage": CANARY,
            "user-agent": f"{CANARY}-agent",
            "x-forwarded-for": "203.0.113.77",
        }
        last = ""
        for changes in ({}, {"model": f"{CANARY}-model"}, {"tools": CANARY}, {CANARY: {}}, {"stream": True}):
            _, head, _ = call(url, key, {**body, **changes}, **headers)
            last = head["x-request-id"]
        call(url, f"{key}{CANARY}", body, **headers)
        call(f"{gate.url}/{CANARY}", key, body, **headers)
        collector.until("/v1/traces", is_call(last))
        gate._stop()
        # All of it was sent when the gate had stopped. The collector's own key is in the head of each request, once.
        assert collector.raw
        for raw, head in zip(collector.raw, collector.heads, strict=True):
            text = raw.replace(head["x-api-key"].encode(), b"", 1)
            for secret in (CANARY, key, "203.0.113.77", "127.0.0.1:", "alice"):
                assert secret.encode() not in text.split(b"\n\n", 1)[-1], secret


def test_a_trace_is_passed_on_if_the_file_says_so() -> None:
    configure = configured("http://127.0.0.1:9", propagate=True)
    with Upstream() as upstream, Gate(upstream.url, configure) as gate:
        url, key = f"{gate.url}/v1/chat/completions", gate.key("ALICE")
        for sent, is_kept in ((TRACEPARENT, True), (TRACEPARENT.upper(), False), (CANARY, False)):
            assert call(url, key, CHAT, traceparent=sent)[0] == 200
            version, trace, span, flags = upstream.requests[-1].header("traceparent").split("-")
            assert (version, flags, len(trace), len(span)) == ("00", "01", 32, 16)
            assert (trace == TRACE) is is_kept and span != PARENT


def test_a_collector_that_is_not_there_costs_nothing_but_telemetry() -> None:
    with Upstream() as upstream, Gate(upstream.url, configured("http://127.0.0.1:9")) as gate:
        for _ in range(20):
            assert chat(gate, gate.key("ALICE"))[0] == 200
        operator = gate.environment["PORTCULLIS_OPERATOR"]
        text = call(f"{gate.admin_url}/metrics", operator)[2]["text"]
        assert 'portcullis_telemetry_records_total{result="dropped"} 0' in text


def test_what_cannot_be_a_collector() -> None:
    def endpoint(section: dict) -> str:
        with Upstream() as upstream, Gate(upstream.url) as gate:
            with (gate.data / "portcullis.yaml").open("a") as file:
                file.write(f"\ntelemetry: {json.dumps(section)}\n")
            done = gate.cli("check")
            assert done.returncode == 3
            return done.stderr

    assert "write `https`" in endpoint({"endpoint": "http://otel.example:4318"})
    told = endpoint({"endpoint": "http://127.0.0.1:4318", "headers": {"host": "${PATH}", "x-key": CANARY}})
    assert "is not a header that can be set here" in told and "expected `${NAME}` or `{file: PATH}`" in told
    assert CANARY not in told
