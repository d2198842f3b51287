"""The gate under test, as a child process."""

import json
import os
import pathlib
import queue
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable

READY_WITHIN = 60.0
"""Seconds; a debug build on a busy machine needs one or two."""


def binary() -> pathlib.Path:
    """The binary that `cargo xtask test` built."""
    path = os.environ.get("PORTCULLIS_BIN")
    if not path or not pathlib.Path(path).is_file():
        raise RuntimeError("PORTCULLIS_BIN does not name the gate's binary: run `cargo xtask test`")
    return pathlib.Path(path)


class AdminConnection:
    """A kept connection to the admin API's socket: for measurements, where connecting would count."""

    def __init__(self, data: pathlib.Path) -> None:
        self._path = str(data / "admin.sock")
        self._connect()

    def _connect(self) -> None:
        self._wire = socket.socket(socket.AF_UNIX)
        self._wire.settimeout(30)
        self._wire.connect(self._path)
        self._reader = self._wire.makefile("rb")

    def ask(self, method: str, path: str, body: object | None = None) -> dict:
        """One request and its answer; raises when the gate refuses. Connects again if the gate closed the idle connection."""
        try:
            return self._exchange(method, path, body)
        except (BrokenPipeError, ConnectionResetError, EOFError):
            self.__exit__()
            self._connect()
            return self._exchange(method, path, body)

    def _exchange(self, method: str, path: str, body: object | None) -> dict:
        self.send(method, path, body)
        return self.receive()

    def send(self, method: str, path: str, body: object | None) -> None:
        """The request alone."""
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        self._wire.sendall(head.encode() + data)

    def receive(self) -> dict:
        """The answer to what was sent."""
        if not (line := self._reader.readline()):
            raise EOFError
        status = int(line.split()[1])
        length = 0
        while (line := self._reader.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answer = json.loads(self._reader.read(length))
        if status != 200:
            raise RuntimeError(f"the admin API answered {status}: {answer}")
        return answer

    def __enter__(self) -> "AdminConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._wire.close()


class Gate:
    """A sample organisation in front of one upstream; a context manager.

    `configure` may change the files of the data folder before the gate that is tested starts.
    """

    def __init__(self, upstream: str, configure: Callable[[pathlib.Path], None] | None = None) -> None:
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="portcullis-test-"))
        self._upstream = upstream
        self._process: subprocess.Popen | None = None
        self.lines: list[str] = []
        try:
            if configure is not None:
                self._start()
                self._stop()
                configure(self.data)
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self, told: Callable[[str], None] | None = None) -> None:
        self._process = subprocess.Popen(
            [binary(), "quickstart", "--data", self.data, "--no-tour", "--port", "0", "--upstream", self._upstream],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={key: value for key, value in os.environ.items() if not key.endswith("_API_KEY")},
        )
        lines: queue.Queue[str | None] = queue.Queue()

        def read(stream, kept: list[str]) -> None:
            for line in stream:
                kept.append(line.rstrip("\n"))
                lines.put(kept[-1])
            lines.put(None)

        self.lines = []
        threading.Thread(target=read, args=(self._process.stdout, self.lines), daemon=True).start()
        while True:
            try:
                line = lines.get(timeout=READY_WITHIN)
            except queue.Empty:
                raise RuntimeError("the gate was not ready in time:\n" + "\n".join(self.lines)) from None
            if line is None:
                # Its output ends a moment before it does: whoever asks then whether it runs must not be told that it does.
                self._process.wait(timeout=20)
                raise RuntimeError("the gate ended before it was ready:\n" + "\n".join(self.lines))
            if line.strip() == "ready":
                break
            if told is not None:
                told(line)
        text = (self.data / "quickstart.env").read_text()
        pairs = (line.removeprefix("export ").split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#")
        self.environment = {key: value.strip("'\"") for key, value in pairs}
        self.url = self.environment["PORTCULLIS_URL"]
        self.admin_url = self.environment["PORTCULLIS_ADMIN_URL"]

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def port(self) -> int:
        """The data plane's port."""
        return int(self.url.rsplit(":", 1)[1].strip("/"))

    def key(self, name: str) -> str:
        """The credential of a sample principal, e.g. `ALICE`."""
        return self.environment[f"PORTCULLIS_KEY_{name}"]

    def keys(self) -> dict[str, str]:
        """Every sample principal's credential."""
        prefix = "PORTCULLIS_KEY_"
        return {key.removeprefix(prefix): value for key, value in self.environment.items() if key.startswith(prefix)}

    def cli(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs a command of the gate's command line on this data folder."""
        command = [binary(), arguments[0], "--data", self.data, *arguments[1:]]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def metrics(self) -> str:
        """What a Prometheus server scrapes."""
        operator = {"authorization": f"Bearer {self.environment['PORTCULLIS_OPERATOR']}"}
        with urllib.request.urlopen(urllib.request.Request(f"{self.admin_url}/metrics", headers=operator), timeout=10) as reply:
            return reply.read().decode()

    def settled(self) -> None:
        """Waits until no call runs: outcomes come into the log after the answer has left."""
        end = time.monotonic() + 20
        while "\nportcullis_interactions_running 0\n" not in self.metrics():
            assert time.monotonic() < end, "calls still run"

    def admin(self, method: str, path: str, body: object | None = None) -> dict:
        """Asks the admin API over the socket in the data folder, as the gate's own user."""
        with AdminConnection(self.data) as connection:
            return connection.ask(method, path, body)

    def kill_hard(self) -> None:
        """SIGKILL: no handler runs."""
        self._process.kill()
        self._process.wait()
        self._process = None

    def start_again(self, told: Callable[[str], None] | None = None) -> None:
        """Starts on the same data folder. `told` gets every line that stands before `ready`, as it comes."""
        self._start(told)

    def stop(self) -> None:
        """Ends it in order; the folder stays."""
        self._stop()

    def stopped(self) -> int:
        """Stops it in order; gives its exit code."""
        self._process.terminate()
        code = self._process.wait(timeout=30)
        self._process = None
        return code

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def close(self) -> None:
        """Stops the gate and removes its folder."""
        self._stop()
        shutil.rmtree(self.data, ignore_errors=True)

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
