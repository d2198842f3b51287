"""Real proxies in front of a small application: nginx and Envoy, on Unix sockets, asking the gate before they forward."""

import http.client
import http.server
import importlib.util
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time

READY_WITHIN = 30.0
"""Seconds."""


class Application:
    """What stands behind a proxy: answers everything, and keeps what reached it."""

    def __init__(self) -> None:
        seen = self.seen = []
        application = self
        self.header = "x-portcullis-subject"
        """Where its proxy tells it who was let through."""

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                seen.append((self.command, self.path, self.headers.get(application.header)))
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            do_GET = do_POST = do_DELETE = handle_one

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> "Application":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: pathlib.Path) -> None:
        super().__init__("app.example", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


class Proxy:
    """A proxy as a child process; ready when its socket takes connections."""

    def __init__(self, name: str, command: list[str], folder: pathlib.Path, application: Application) -> None:
        self.name, self.application, self._folder = name, application, folder
        self._socket = folder / "proxy.sock"
        self._said = (folder / "said.txt").open("wb")
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said)
        deadline = time.monotonic() + READY_WITHIN
        while not self._takes_connections():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (folder / "said.txt").read_text(errors="replace")
                self.close()
                raise RuntimeError(f"{name} did not start:\n{said}")
            threading.Event().wait(0.02)

    def _takes_connections(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._socket))
            except OSError:
                return False
        return True

    def ask(self, method: str, target: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str]]:
        """Status and headers of one request, its target sent as it stands."""
        connection = _Connection(self._socket)
        try:
            connection.request(method, target, headers=headers or {})
            answer = connection.getresponse()
            answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def close(self) -> None:
        """Ends it."""
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _folder() -> pathlib.Path:
    # A socket's path is short.
    return pathlib.Path(tempfile.mkdtemp(prefix="pcl-", dir="/tmp"))


def nginx(application: Application, gate_port: int, key: str) -> Proxy:
    """nginx with `auth_request`, as docs/AUTHZEN.md has it."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    application.header = "x-subject"
    folder = _folder()
    (folder / "nginx.conf").write_text(
        f"""
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen unix:{folder}/proxy.sock;
    location / {{
      auth_request /_gate;
      auth_request_set $subject $upstream_http_x_portcullis_subject;
      proxy_set_header X-Subject $subject;
      proxy_pass http://127.0.0.1:{application.port};
    }}
    location = /_gate {{
      internal;
      proxy_pass http://127.0.0.1:{gate_port}/access/v1/forward;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header X-Original-Method $request_method;
      proxy_set_header X-Original-URI $request_uri;
      proxy_set_header X-Portcullis-Pep "{key}";
    }}
  }}
}}
"""
    )
    return Proxy("nginx", [program, "-p", str(folder), "-c", str(folder / "nginx.conf")], folder, application)


def _typed(name: str) -> str:
    return f"type.googleapis.com/envoy.{name}"


def _cluster(name: str, port: int, *, http2: bool = False) -> dict:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    cluster = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if http2:
        options = {"@type": _typed("extensions.upstreams.http.v3.HttpProtocolOptions"), "explicit_http_config": {"http2_protocol_options": {}}}
        cluster["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}
    return cluster


def envoy(application: Application, gate_port: int, key: str, *, grpc: bool) -> Proxy:
    """Envoy with `ext_authz`, by gRPC or by HTTP."""
    package = importlib.util.find_spec("envoy")
    program = next(pathlib.Path(package.origin).parent.rglob("_bin/envoy"))
    folder = _folder()
    pattern = lambda *names: {"patterns": [{"exact": name} for name in names]}
    by_http = {
        "server_uri": {"uri": f"http://127.0.0.1:{gate_port}", "cluster": "gate", "timeout": "10s"},
        "path_prefix": "/access/v1/ext_authz",
        "authorization_request": {"headers_to_add": [{"key": "x-portcullis-pep", "value": key}]},
        "authorization_response": {
            "allowed_upstream_headers": pattern("x-portcullis-subject"),
            "allowed_client_headers": pattern("x-portcullis-reason", "x-portcullis-request-id", "www-authenticate"),
        },
    }
    by_grpc = {
        "envoy_grpc": {"cluster_name": "gate"},
        "timeout": "10s",
        "initial_metadata": [{"key": "authorization", "value": f"Bearer {key}"}],
    }
    ext_authz = {"@type": _typed("extensions.filters.http.ext_authz.v3.ExtAuthz"), "transport_api_version": "V3"}
    ext_authz |= {"grpc_service": by_grpc} if grpc else {"http_service": by_http, "allowed_headers": pattern("authorization", "x-api-key")}
    manager = {
        "@type": _typed("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "app"}}]}]},
        "http_filters": [
            {"name": "envoy.filters.http.ext_authz", "typed_config": ext_authz},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": _typed("extensions.filters.http.router.v3.Router")}},
        ],
    }
    listener = {
        "name": "in",
        "address": {"pipe": {"path": f"{folder}/proxy.sock"}},
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }
    clusters = [_cluster("app", application.port), _cluster("gate", gate_port, http2=grpc)]
    config = {"static_resources": {"listeners": [listener], "clusters": clusters}}
    (folder / "envoy.json").write_text(json.dumps(config))
    command = [str(program), "-c", str(folder / "envoy.json"), "--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"]
    return Proxy("envoy-grpc" if grpc else "envoy-http", command, folder, application)
