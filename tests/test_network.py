"""The way to upstreams (own authorities, client certificates, proxies) and proxies in front of the gate."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator

import pytest
from authority import Authority, replace_file
from gate import Gate, binary
from proxy import Proxy
from test_operations import CHAT, call, chat
from test_tls import Site
from upstream import Upstream

CANARY = "canary-b7Qx92LmVt4K"
PASSWORD = "hunter-Zk3vT9qLw2Rb"
PROVIDER_KEY = "b7Qx92LmVt4KzR8sYw1NcE6uHd3PfJ5a"


@pytest.fixture
def folder() -> Iterator[pathlib.Path]:
    path = pathlib.Path(tempfile.mkdtemp(prefix="portcullis-certificates-"))
    yield path
    shutil.rmtree(path)


def configured(upstream: dict, more: dict | None = None, files: dict[str, bytes] | None = None) -> Callable[[pathlib.Path], None]:
    """Changes the sample's upstream (a JSON object is YAML) and adds further keys and files."""

    def configure(data: pathlib.Path) -> None:
        for name, content in (files or {}).items():
            replace_file(data / name, content, 0o600)
        path = data / "portcullis.yaml"
        before, _, rest = path.read_text().partition("upstreams:\n")
        _, _, behind = rest.partition("models:\n")
        text = f"{before}upstreams:\n  provider: {json.dumps({'kind': 'openai', **upstream})}\nmodels:\n{behind}"
        text += "".join(f"\n{key}: {json.dumps(value)}\n" for key, value in (more or {}).items())
        path.write_text(text)

    return configure


def port_of(url: str) -> int:
    return urllib.parse.urlsplit(url).port


def test_an_upstream_with_an_authority_of_its_own(folder: pathlib.Path) -> None:
    root, stranger = Authority(), Authority("stranger")
    root.write(folder, "server", "127.0.0.1")
    with Upstream(tls=root.server(folder, "server")) as upstream:
        with Gate(upstream.url, configured({"base_url": upstream.url, "ca": "ca.pem"}, files={"ca.pem": root.pem()})) as gate:
            status, _, body = chat(gate, gate.key("ALICE"))
            assert (status, body["choices"][0]["message"]["content"]) == (200, "hello")
            assert [line.split()[0] for line in (request.line for request in upstream.requests)] == ["POST"]
            # A wrong authority is put in force: nothing reaches the upstream any more.
            replace_file(gate.data / "ca.pem", stranger.pem(), 0o644)
            assert gate.cli("apply").returncode == 0
            status, _, body = chat(gate, gate.key("ALICE"))
            assert (status, body["error"]["code"]) == (502, "upstream-unavailable")
            replace_file(gate.data / "ca.pem", b"nothing of the kind", 0o644)
            done = gate.cli("check")
            assert done.returncode == 3 and "upstreams.provider.ca: no certificate in PEM form" in done.stderr, done.stderr
            assert gate.cli("apply").returncode == 3
        # Nor with Mozilla's list.
        with Gate(upstream.url, configured({"base_url": upstream.url})) as gate:
            assert chat(gate, gate.key("ALICE"))[0] == 502
        assert len(upstream.requests) == 1


def test_a_name_that_is_not_the_host(folder: pathlib.Path) -> None:
    root = Authority()
    root.write(folder, "server", "models.example")
    with Upstream(tls=root.server(folder, "server")) as upstream:
        known = {"base_url": upstream.url, "ca": "ca.pem"}
        for more, status in (({}, 502), ({"server_name": "models.example"}, 200), ({"server_name": "other.example"}, 502)):
            with Gate(upstream.url, configured({**known, **more}, files={"ca.pem": root.pem()})) as gate:
                assert chat(gate, gate.key("ALICE"))[0] == status, more
        assert [request.header("host") for request in upstream.requests] == [f"127.0.0.1:{port_of(upstream.url)}"]


def test_an_upstream_that_asks_for_a_certificate(folder: pathlib.Path) -> None:
    root, clients = Authority(), Authority("clients")
    root.write(folder, "server", "127.0.0.1")
    certificate, key = clients.issue("gate.example")
    _, other_key = clients.issue("gate.example")
    files = {"ca.pem": root.pem(), "gate.crt": certificate, "gate.key": key}
    with Upstream(tls=root.server(folder, "server", clients)) as upstream:
        known = {"base_url": upstream.url, "ca": "ca.pem"}
        with Gate(upstream.url, configured(known, files=files)) as gate:
            assert chat(gate, gate.key("ALICE"))[0] == 502
        own = {**known, "client_certificate": "gate.crt", "client_key": "gate.key"}
        with Gate(upstream.url, configured(own, files=files)) as gate:
            assert chat(gate, gate.key("ALICE"))[0] == 200
            replace_file(gate.data / "gate.key", other_key, 0o600)
            done = gate.cli("check")
            why = "upstreams.provider.client_certificate: the key belongs to another certificate"
            assert done.returncode == 3 and why in done.stderr, done.stderr
            (gate.data / "gate.key").chmod(0o644)
            assert "make it 0600" in gate.cli("check").stderr
            assert chat(gate, gate.key("ALICE"))[0] == 200, "the last good one stays"
        assert len(upstream.requests) == 2


@pytest.mark.parametrize("proxy_speaks_tls", [False, True])
def test_a_tunnel_through_a_proxy(folder: pathlib.Path, proxy_speaks_tls: bool) -> None:
    root = Authority()
    root.write(folder, "server", "models.example", "127.0.0.1")
    context = root.server(folder, "server")
    with Upstream(tls=context) as upstream:
        target = ("127.0.0.1", port_of(upstream.url))
        with Proxy(target, credentials=f"gate:{PASSWORD}", tls=context if proxy_speaks_tls else None) as proxy:
            files = {"ca.pem": root.pem(), "password": PASSWORD.encode(), "key": PROVIDER_KEY.encode()}
            way = {"url": f"http://127.0.0.1:{proxy.port}", "user": "gate", "password": {"file": "password"}}
            if proxy_speaks_tls:
                way |= {"url": f"https://127.0.0.1:{proxy.port}", "ca": "ca.pem"}
            there = {"base_url": "https://models.example", "ca": "ca.pem", "api_key": {"file": "key"}}
            with Gate(upstream.url, configured(there, {"proxy": way}, files)) as gate:
                messages = [{"role": "user", "content": CANARY}]
                for _ in range(3):
                    assert chat(gate, gate.key("ALICE"), messages=messages)[0] == 200
                assert all(request.header("authorization") == f"Bearer {PROVIDER_KEY}" for request in upstream.requests)
                assert len(upstream.requests) == 3 and CANARY.encode() in upstream.requests[0].body
                # Tunnels are kept: at most one per thread that serves connections.
                assert 1 <= len(proxy.heads) <= 3
                line = proxy.heads[0].split(b"\r\n")[0]
                assert line == b"CONNECT models.example:443 HTTP/1.1"
                assert len(proxy.crossed) > 1000
                for secret in (CANARY, PROVIDER_KEY, "chat/completions"):
                    assert secret.encode() not in bytes(proxy.crossed) + b"".join(proxy.heads), "the proxy sees no plain text"
                told = "\n".join(gate.lines) + gate.cli("status", "--json").stdout + gate.cli("doctor").stdout
                assert PASSWORD not in told and PROVIDER_KEY not in told


def test_a_proxy_that_does_not_help(folder: pathlib.Path) -> None:
    root = Authority()
    root.write(folder, "server", "models.example")
    there = {"base_url": "https://models.example", "ca": "ca.pem", "connect_seconds": 1}
    with Upstream(tls=root.server(folder, "server")) as upstream:
        target = ("127.0.0.1", port_of(upstream.url))
        answers = {
            "refused": b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
            "no HTTP": b"SSH-2.0-proxy\r\n\r\n",
            "without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000,
            "bytes of its own": b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03",
            "silence": b"",
        }
        for title, answer in answers.items():
            with Proxy(target, answer=answer) as proxy:
                way = {"url": f"http://127.0.0.1:{proxy.port}"}
                with Gate(upstream.url, configured(there, {"proxy": way}, {"ca.pem": root.pem()})) as gate:
                    status, _, body = chat(gate, gate.key("ALICE"))
                    assert (status, body["error"]["code"]) == (502, "upstream-unavailable"), title
                    assert proxy.heads, title
        assert not upstream.requests


def test_the_environment_counts_only_if_the_file_says_so(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Authority()
    root.write(folder, "server", "models.example", "127.0.0.1")
    with Upstream(tls=root.server(folder, "server")) as upstream, Proxy(("127.0.0.1", port_of(upstream.url))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("https_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        files = {"ca.pem": root.pem()}
        here = {"base_url": upstream.url, "ca": "ca.pem"}
        there = {"base_url": "https://models.example", "ca": "ca.pem"}
        for upstream_at, more, n_tunnels in ((here, {}, 0), (here, {"proxy": "environment"}, 0), (there, {"proxy": "environment"}, 1)):
            with Gate(upstream.url, configured(upstream_at, more, files)) as gate:
                assert chat(gate, gate.key("ALICE"))[0] == 200, (upstream_at, more)
            assert len(proxy.heads) == n_tunnels, (upstream_at, more)


def test_who_is_believed_about_a_clients_address() -> None:
    def peers(gate: Gate) -> set[str]:
        """Whom the log names for requests without a good credential."""
        text = b"".join(path.read_bytes() for path in (gate.data / "log").rglob("*") if path.is_file())
        return {address for address in ("203.0.113.7", "198.51.100.1", "127.0.0.1") if f'"peer":"{address}"'.encode() in text}

    headers = {"X-Forwarded-For": "203.0.113.7, 198.51.100.1", "Forwarded": "for=203.0.113.7"}
    for listen, expected in (({}, {"127.0.0.1"}), ({"trusted_proxies": ["127.0.0.1"]}, {"198.51.100.1"})):

        def configure(data: pathlib.Path, listen: dict = listen) -> None:
            path = data / "portcullis.yaml"
            lines = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in listen.items())
            path.write_text(path.read_text().replace("listen:\n", f"listen:\n{lines}"))

        with Upstream() as upstream, Gate(upstream.url, configure) as gate:
            url = f"{gate.url}/v1/chat/completions"
            assert call(url, "pcl_nobody", CHAT, **headers)[0] == 401
            assert call(url, gate.key("ALICE"), CHAT, **headers)[0] == 200
            names = {name.lower() for name, _ in upstream.requests[0].headers}
            assert not names & {"x-forwarded-for", "forwarded"}
            # What was counted is written when the gate stops, at the latest.
            gate._stop()
            assert peers(gate) == expected


def test_policies_see_where_a_call_comes_from() -> None:
    def configure(data: pathlib.Path) -> None:
        path = data / "portcullis.yaml"
        path.write_text(path.read_text().replace("listen:\n", 'listen:\n  trusted_proxies: ["127.0.0.1"]\n'))
        rule = '@id("home-only")\nforbid (principal, action, resource) unless { context.network.peer like "10.1.*" };\n'
        (data / "policies/network.cedar").write_text(rule)

    with Upstream() as upstream, Gate(upstream.url, configure) as gate:
        assert (applied := gate.cli("apply")).returncode == 0, applied.stderr
        url = f"{gate.url}/v1/chat/completions"
        for forwarded, expected in (("10.1.2.3", 200), ("203.0.113.7", 404), ("10.1.2.3, 192.0.2.1", 404), ("2001:db8::1", 404), ("unknown", 404), ("10.1.2.3, 127.0.0.1", 200), (None, 404)):
            headers = {"X-Forwarded-For": forwarded} if forwarded else {}
            status, _, body = call(url, gate.key("ALICE"), CHAT, **headers)
            assert status == expected, (forwarded, status, body)
            # Models are listed whatever the address: the call decides.
            status, _, body = call(f"{gate.url}/v1/models", gate.key("ALICE"), None, **headers)
            assert status == 200 and body["data"], (forwarded, body)


def test_the_command_line_over_tls() -> None:
    with Upstream() as upstream:
        site = Site(upstream.url)
        with site.gate as gate:
            (gate.data / "root.pem").write_bytes(site.root.pem())
            environment = {
                **os.environ,
                "PORTCULLIS_ADMIN_URL": gate.admin_url.replace("127.0.0.1", "localhost"),
                "PORTCULLIS_OPERATOR": gate.environment["PORTCULLIS_OPERATOR"],
            }

            def status(**more: str) -> subprocess.CompletedProcess:
                command = [binary(), "status", "--json"]
                return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**environment, **more})

            done = status(PORTCULLIS_ADMIN_CA=str(gate.data / "root.pem"))
            assert done.returncode == 0 and json.loads(done.stdout)["log"], done.stderr
            done = status()
            assert done.returncode == 1 and "PORTCULLIS_ADMIN_CA" in done.stderr, done.stderr
