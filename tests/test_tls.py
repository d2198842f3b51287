"""TLS at the gate's listeners: real certificates, real clients, and clients that behave badly."""

import concurrent.futures
import contextlib
import http.client
import json
import pathlib
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import openai
import pytest
from authority import Authority, replace_file
from conftest import allowed_model, member
from cut_upstream import flowing, silent
from gate import AdminConnection, Gate
from upstream import Upstream

CHAT = {"model": "small", "max_tokens": 16, "messages": [{"role": "user", "content": "Hello."}]}
HANDSHAKE = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The beginning of a client's first record."""
MANY = 16
"""`limits.handshakes` of the gate under test."""


def with_tls(data: pathlib.Path, listen: str, more: str = "") -> None:
    """Gives the sample organisation's listeners what stands in `listen`."""
    path = data / "portcullis.yaml"
    text = path.read_text()
    assert "listen:\n" in text
    path.write_text(text.replace("listen:\n", f"listen:\n{listen}\n") + more)


class Site:
    """A gate behind TLS on both planes, and the authority of its certificates."""

    def __init__(self, upstream: str, client_ca: Authority | None = None, patience: int = 60) -> None:
        self.root = Authority()

        def configure(data: pathlib.Path) -> None:
            self.root.write(data / "tls", "gate", "127.0.0.1", "localhost")
            self.root.write(data / "tls", "admin", "127.0.0.1", "localhost")
            asks = ""
            if client_ca is not None:
                replace_file(data / "tls" / "clients.crt", client_ca.pem(), 0o644)
                asks = ", client_ca: tls/clients.crt"
            listen = f"  tls: {{certificate: tls/gate.crt, key: tls/gate.key{asks}}}\n"
            listen += "  admin_tls: {certificate: tls/admin.crt, key: tls/admin.key}"
            with_tls(data, listen, f"\nlimits: {{handshakes: {MANY}, handshake_seconds: {patience}, head_seconds: 60}}\n")

        self.gate = Gate(upstream, configure=configure)
        self.tls = self.gate.data / "tls"

    def connect(self, context: ssl.SSLContext | None = None) -> http.client.HTTPSConnection:
        """A connection to the data plane."""
        return http.client.HTTPSConnection("127.0.0.1", self.gate.port, timeout=30, context=context or self.root.client())

    def serial(self) -> int:
        """The serial number of the certificate that a new connection is shown."""
        from cryptography import x509

        with socket.create_connection(("127.0.0.1", self.gate.port), 10) as plain, self.root.client().wrap_socket(
            plain, server_hostname="127.0.0.1"
        ) as wire:
            return x509.load_der_x509_certificate(wire.getpeercert(binary_form=True)).serial_number

    def metric(self, name: str) -> int:
        """One line of the admin plane's metrics, over its TLS."""
        port = int(self.gate.admin_url.rsplit(":", 1)[1])
        wire = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=self.root.client())
        wire.request("GET", "/metrics", headers={"authorization": f"Bearer {self.gate.environment['PORTCULLIS_OPERATOR']}"})
        text = wire.getresponse().read().decode()
        wire.close()
        values = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(f"{name} ")]
        assert len(values) == 1, (name, text)
        return int(values[0])


def ask(wire: http.client.HTTPConnection, key: str) -> dict:
    """One chat call on a connection."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    wire.request("POST", "/v1/chat/completions", json.dumps(CHAT), headers)
    answer = wire.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    return json.loads(body)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Upstream() as upstream:
        site = Site(upstream.url)
        with site.gate:
            yield site


def test_the_official_client_with_an_authority_of_its_own(site: Site) -> None:
    assert site.gate.url.startswith("https://")
    options = {"base_url": f"{site.gate.url}/v1", "api_key": site.gate.key("ALICE"), "max_retries": 0}
    messages = [{"role": "user", "content": "Hello."}]
    with openai.OpenAI(http_client=openai.DefaultHttpxClient(verify=site.root.client()), **options) as api:
        assert api.chat.completions.create(model="small", messages=messages).choices[0].message.content == "hello"
        chunks = list(api.chat.completions.create(model="small", messages=messages, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "hello"
    # Nobody else's authority has signed it.
    with openai.OpenAI(**options) as api, pytest.raises(openai.APIConnectionError):
        api.chat.completions.create(model="small", messages=messages)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_and_the_one_protocol(site: Site, version: ssl.TLSVersion) -> None:
    context = site.root.client()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    wire = site.connect(context)
    wire.connect()
    assert wire.sock.selected_alpn_protocol() == "http/1.1"
    assert wire.sock.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
    assert ask(wire, site.gate.key("ALICE"))["choices"]
    wire.close()


def test_what_is_not_agreed_on(site: Site) -> None:
    only_http2 = site.root.client()
    only_http2.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError):
        site.connect(only_http2).connect()
    other_name = site.root.client()
    with socket.create_connection(("127.0.0.1", site.gate.port), 10) as plain, pytest.raises(ssl.SSLCertVerificationError):
        other_name.wrap_socket(plain, server_hostname="gate.example")


def test_plain_http_is_told_what_is_wrong(site: Site) -> None:
    wire = http.client.HTTPConnection("127.0.0.1", site.gate.port, timeout=10)
    headers = {"content-type": "application/json", "authorization": f"Bearer {site.gate.key('ALICE')}"}
    wire.request("POST", "/v1/chat/completions", json.dumps(CHAT), headers)
    answer = wire.getresponse()
    error = json.loads(answer.read())["error"]
    assert (answer.status, error["code"]) == (400, "tls-expected")


def exchange(site: Site, sent: bytes) -> bytes:
    """Everything that comes back over TLS until the gate ends the connection, which it has to tell."""
    with socket.create_connection(("127.0.0.1", site.gate.port), 10) as plain:
        context = site.root.client()
        with context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as wire:
            wire.sendall(sent)
            received = b""
            while piece := wire.recv(65536):
                received += piece
            return received


def test_the_framing_guard_stands_behind_tls(site: Site) -> None:
    cases = {
        "length and chunked": b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        "two lengths": b"Content-Length: 5\r\nContent-Length: 0",
        "two hosts": b"Host: b",
        "a folded line": b"Transfer-Encoding:\r\n chunked",
    }
    behind = b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"
    for title, lines in cases.items():
        answer = exchange(site, b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n\r\n" + behind)
        assert answer.startswith(b"HTTP/1.1 400 ") and b"framing-ambiguous" in answer, title
        assert answer.count(b"HTTP/1.1") == 1, title
    # A good request in front of a bad one is served, and nothing behind it is.
    good = f"GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {site.gate.key('ALICE')}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", site.gate.port), 10) as plain:
        with site.root.client().wrap_socket(plain, server_hostname="127.0.0.1") as wire:
            wire.sendall(good + b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + good)
            answer = b"".join(iter(lambda: wire.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.count(b"HTTP/1.1") == 1


def test_slow_handshakes_push_out_each_other_and_nobody_else(site: Site) -> None:
    given_up = 'portcullis_tls_handshakes_total{plane="data",result="given_up"}'
    before = site.metric(given_up)
    slow = []
    for _ in range(3 * MANY):
        wire = socket.create_connection(("127.0.0.1", site.gate.port), 10)
        wire.sendall(HANDSHAKE)
        slow.append(wire)
        if len(slow) % 12 == 0:
            fast = site.connect()
            assert ask(fast, site.gate.key("ALICE"))["choices"]
            fast.close()
    # The oldest are closed long before their 60 seconds are over.
    slow[0].settimeout(20)
    assert slow[0].recv(16) == b""
    for wire in slow:
        wire.close()
    assert site.metric(given_up) >= before + 2 * MANY


def test_garbage_ends_the_connection(site: Site) -> None:
    for sent in (b"\x16" + b"\xff" * 400, HANDSHAKE + b"\0" * 600, b"\x16\x03\x01\x40\x00" + b"a" * 17000):
        with socket.create_connection(("127.0.0.1", site.gate.port), 10) as wire:
            wire.sendall(sent)
            wire.settimeout(20)
            try:
                while wire.recv(4096):
                    pass
            except ConnectionError:
                pass


def test_a_certificate_is_replaced_under_load(site: Site) -> None:
    key, errors, n_done = site.gate.key("ALICE"), [], []
    stop = threading.Event()

    def work(keeps: bool) -> None:
        wire, count = site.connect(), 0
        while not stop.is_set():
            try:
                ask(wire, key)
            except Exception as error:
                errors.append(error)
                return
            count += 1
            if not keeps:
                wire.close()
                wire = site.connect()
        wire.close()
        n_done.append(count)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for at in range(8):
            pool.submit(work, at % 2 == 0)
        serials = [site.serial()]
        for _ in range(5):
            site.root.write(site.tls, "gate", "127.0.0.1", "localhost")
            done = site.gate.cli("apply")
            assert done.returncode == 0, done.stderr
            serials.append(site.serial())
        stop.set()
    assert not errors, errors[:3]
    assert len(set(serials)) == 6, "each new connection sees the new one"
    assert len(n_done) == 8 and min(n_done) > 5, n_done


def test_a_new_certificate_is_noticed_without_a_word(site: Site) -> None:
    before = site.serial()
    site.root.write(site.tls, "gate", "127.0.0.1", "localhost")
    deadline = time.monotonic() + 30
    while site.serial() == before:
        assert time.monotonic() < deadline, "the gate looks every two seconds"


def test_a_bad_pair_leaves_the_last_good_one(site: Site) -> None:
    stale, good = 'portcullis_tls_certificate_stale{plane="data"}', site.serial()
    key = (site.tls / "gate.key").read_bytes()
    certificate = (site.tls / "gate.crt").read_bytes()
    for path, content, why in (
        ("gate.key", site.root.issue("127.0.0.1")[1], "the key belongs to another certificate"),
        ("gate.key", b"nothing of the kind", "no unencrypted private key"),
        ("gate.crt", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate"),
    ):
        original = (site.tls / path).read_bytes()
        replace_file(site.tls / path, content, 0o600)
        assert site.gate.cli("apply").returncode == 0
        assert site.serial() == good
        assert site.metric(stale) == 1
        doctor = site.gate.cli("doctor")
        assert doctor.returncode == 1 and why in doctor.stdout, doctor.stdout
        check = site.gate.cli("check")
        assert check.returncode == 3 and why in check.stderr, check.stderr
        status = json.loads(site.gate.cli("status", "--json").stdout)["tls"]
        assert why in next(row["problem"] for row in status if row["plane"] == "data")
        replace_file(site.tls / path, original, 0o600)
        assert site.gate.cli("apply").returncode == 0
        assert site.metric(stale) == 0
    assert (site.tls / "gate.key").read_bytes() == key and (site.tls / "gate.crt").read_bytes() == certificate
    assert not any("BEGIN" in line for line in site.gate.lines)


def test_a_key_that_others_can_read_is_refused(site: Site) -> None:
    (site.tls / "gate.key").chmod(0o640)
    try:
        done = site.gate.cli("check")
        assert done.returncode == 3 and "listen.tls.key" in done.stderr and "make it 0600" in done.stderr, done.stderr
        assert site.gate.cli("apply").returncode == 3
    finally:
        (site.tls / "gate.key").chmod(0o600)
    assert site.gate.cli("check").returncode == 0


def test_an_end_that_is_near_is_told(site: Site) -> None:
    site.root.write(site.tls, "gate", "127.0.0.1", "localhost", days=5)
    assert re.search("listen.tls: the certificate expires in [45] days", site.gate.cli("doctor").stdout)
    site.root.write(site.tls, "gate", "127.0.0.1", "localhost")


def test_clients_are_asked_for_a_certificate() -> None:
    clients, strangers = Authority("clients"), Authority("strangers")
    with Upstream() as upstream:
        site = Site(upstream.url, client_ca=clients, patience=1)
        with site.gate as gate:
            clients.write(site.tls, "client", "client.example")
            strangers.write(site.tls, "stranger", "client.example")
            wire = site.connect(site.root.client(site.tls, "client"))
            assert ask(wire, gate.key("ALICE"))["choices"]
            # It is no credential.
            wire.request("GET", "/v1/models")
            answer = wire.getresponse()
            assert answer.status == 401 and b"credential-missing" in answer.read()
            wire.close()
            for context in (site.root.client(), site.root.client(site.tls, "stranger")):
                # In TLS 1.3 a client learns of it when it reads.
                with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
                    ask(site.connect(context), gate.key("ALICE"))
            assert len(upstream.requests) == 1
            # A handshake that does not go on is ended after its second.
            with socket.create_connection(("127.0.0.1", gate.port), 10) as slow:
                slow.sendall(HANDSHAKE)
                slow.settimeout(30)
                assert slow.recv(16) == b""


@pytest.mark.parametrize("reads", [True, False])
def test_a_lock_cuts_what_runs_over_tls(reads: bool) -> None:
    upstream_of = {True: silent, False: flowing}
    with Upstream(script=upstream_of[reads]) as upstream:
        site = Site(upstream.url)
        with site.gate as gate, AdminConnection(gate.data) as admin:
            wire = site.connect()
            headers = {"content-type": "application/json", "authorization": f"Bearer {gate.key('ALICE')}"}
            wire.request("POST", "/v1/chat/completions", json.dumps({**CHAT, "stream": True}), headers)
            answer = wire.getresponse()
            seen = answer.read1()
            while b"first words" not in seen:
                seen += answer.read1()
            began = time.monotonic()
            admin.ask("POST", "/admin/v1/locks", {"target": "user:alice", "kind": "kill"})
            if reads:
                # Who reads is told why, and then the stream is over.
                with contextlib.suppress(ConnectionError, http.client.IncompleteRead):
                    while piece := answer.read1():
                        seen += piece
                assert b"principal-locked" in seen
            else:
                # Who does not read sees a reset, whatever lies unread.
                poll = select.poll()
                poll.register(wire.sock, 0)
                assert poll.poll(10_000), "no end"
            # The bound of 10 ms is held by test_cut.py; here: at once, and not when a time-out ends.
            assert time.monotonic() - began < 5


def test_the_plain_gate_is_as_it_was() -> None:
    with Upstream() as upstream, Gate(upstream.url) as gate:
        assert gate.url.startswith("http://")
        assert ask(http.client.HTTPConnection("127.0.0.1", gate.port, timeout=10), member(gate))["choices"]
        assert allowed_model(gate) == "small"
