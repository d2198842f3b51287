"""The gate with an example's own files in force. What it is pointed at is all that differs: models, the identity provider."""

import json
import os
import pathlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from gate import Gate

TOOL_KEYS = ["SHOP_KEY", "DESK_KEY", "DATABASE_KEY", "DATA_KEY", "RECORDS_KEY", "CORE_KEY"]
SERVER_KEY = "sk-Hc8FdGpJ5sVu1eZk3vT9qLw2Rb7YxN4m"
"""What the gate shows the situations' tool servers; no caller has it."""
EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"


@contextmanager
def situation(name: str, models: str, servers: dict[str, str] | None = None, **addresses: str) -> Iterator[Gate]:
    """A gate in front of `models`, and of tool servers by their names as upstreams; `addresses` are put in the place of those in the example's file, by their key there."""
    given = {"MODELS_URL": models, "MODELS_KEY": "sk-Zk3vT9qLw2Rb7YxN4mHc8FdGpJ5sVu1e"} | dict.fromkeys(TOOL_KEYS, SERVER_KEY)
    before = {variable: os.environ.get(variable) for variable in given}
    os.environ.update(given)
    try:
        with Gate(models) as gate:
            for old in (gate.data / "policies").iterdir():
                old.unlink()
            shutil.copytree(EXAMPLES / name, gate.data, dirs_exist_ok=True)
            main = gate.data / "portcullis.yaml"
            for server, address in (servers or {}).items():
                text = main.read_text()
                line = next(line for line in text.splitlines() if line.startswith(f"    base_url: https://{server}."))
                main.write_text(text.replace(line, f"    base_url: {address}"))
            for written, address in addresses.items():
                text = main.read_text()
                line = next(line for line in text.splitlines() if line.strip().startswith(f"{written}: https://"))
                main.write_text(text.replace(line, f"{line.split(written)[0]}{written}: {address}"))
            apply(gate)
            yield gate
    finally:
        for variable, value in before.items():
            os.environ.pop(variable) if value is None else os.environ.update({variable: value})


def apply(gate: Gate) -> None:
    """Brings the files on disk in force, as an operator does."""
    applied = gate.cli("apply")
    assert applied.returncode == 0, applied.stdout + applied.stderr


def why(gate: Gate, request: str) -> tuple[str, set[str]]:
    """What the log says of a request: the reason of the decision, and the policies that took part."""
    told = gate.cli("explain", "--json", request)
    assert told.stdout, told.stderr
    entry = json.loads(told.stdout)
    links = entry["answer"]["links"]
    return entry["reason"], {policy["id"] for link in links for policy in link["policies"]}
