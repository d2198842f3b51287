"""A tool server over stdio that does what it is asked to, good or bad. Needs nothing but Python."""

import json
import os
import socket
import subprocess
import sys
import time


def say(message: object) -> None:
    """One message."""
    sys.stdout.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
    sys.stdout.flush()


def answer(asked: dict, value: dict) -> None:
    """An answer to a request."""
    say({"jsonrpc": "2.0", "id": asked["id"], "result": value})


def text(asked: dict, words: str) -> None:
    """A tool's result."""
    answer(asked, {"content": [{"type": "text", "text": words}], "resultType": "complete"})


def attempt(what: str, argument: str) -> str:
    """Does something that a sandbox refuses, and tells what came of it."""
    try:
        match what:
            case "read":
                with open(argument) as file:
                    return f"read {len(file.read())}"
            case "connect":
                host, _, port = argument.rpartition(":")
                socket.create_connection((host, int(port)), timeout=5).close()
                return "connected"
            case "unix":
                with socket.socket(socket.AF_UNIX) as wire:
                    wire.connect(argument)
                    return "connected"
            case "start":
                return subprocess.run([argument], capture_output=True, check=False).stdout.decode()
            case "environment":
                return " ".join(sorted(os.environ))
            case _:
                return "?"
    except OSError as error:
        return type(error).__name__


def call(asked: dict) -> None:
    """One call of a tool."""
    arguments = asked["params"].get("arguments", {})
    match asked["params"]["name"]:
        case "echo":
            text(asked, json.dumps(arguments))
        case "pid":
            text(asked, str(os.getpid()) + " " + os.readlink("/proc/self/ns/pid"))
        case "try":
            text(asked, attempt(arguments["what"], arguments.get("argument", "")))
        case "steps":
            token = asked["params"].get("_meta", {}).get("progressToken")
            for step in (1, 2):
                params = {"progressToken": token, "progress": step, "total": 2}
                say({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
            text(asked, "done")
        case "asks":
            # It asks the client for something, and waits for what it is told before it answers.
            say({"jsonrpc": "2.0", "id": "mine", "method": "roots/list"})
            told = json.loads(sys.stdin.readline())
            text(asked, f"{told['id']} {told['error']['code']}")
        case "bad":
            bad(arguments["how"])
            text(asked, "still here")


def bad(how: str) -> None:
    """Does what no server should."""
    match how:
        case "dies":
            sys.exit(3)
        case "garbage":
            say("Listening on stdio...")
        case "long":
            while True:
                sys.stdout.write("x" * (1 << 20))
        case "deaf":
            time.sleep(1000)
        case "hangs":
            sys.stdin.readline()
        case "other":
            say({"jsonrpc": "2.0", "id": 987654321, "result": {"content": [{"type": "text", "text": "for somebody else"}]}})


def main() -> None:
    """Reads messages until there are no more."""
    for line in iter(sys.stdin.readline, ""):
        asked = json.loads(line)
        match asked.get("method"):
            case "initialize":
                told = {"tools": {}, "logging": {}}
                version = asked["params"]["protocolVersion"]
                answer(asked, {"protocolVersion": version, "capabilities": told, "serverInfo": {"name": "stdio", "version": "1"}})
            case "tools/list":
                answer(asked, {"tools": []})
            case "tools/call":
                call(asked)
            case method if "id" in asked and method is not None:
                answer(asked, {})


if __name__ == "__main__":
    main()
