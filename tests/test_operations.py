"""What operators do: the tour, roles, locks, bundles, the command line. Everything against the running binary."""

import json
import pathlib
import socket
import subprocess
import urllib.error
import urllib.request

import pytest
from gate import Gate, binary
from samples import SAMPLES
from upstream import Upstream

CHAT = {"model": "small", "max_tokens": 16, "messages": [{"role": "user", "content": "Hello."}]}


def call(url: str, key: str | None, body: object | None = None, method: str | None = None, **headers: str) -> tuple[int, dict, dict]:
    """One HTTP call: status, headers, body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"content-type": "application/json", **headers})
    if key is not None:
        request.add_header("authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            raw = answer.read()
            status, head = answer.status, dict(answer.headers)
    except urllib.error.HTTPError as error:
        raw, status, head = error.read(), error.code, dict(error.headers)
    try:
        return status, head, json.loads(raw)
    except ValueError:
        return status, head, {"text": raw.decode()}


def raw(address: str, request: str) -> int:
    """The status that bytes are answered with."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request.encode())
        return int(connection.makefile("rb").readline().split()[1])


def chat(gate: Gate, key: str, **changes: object) -> tuple[int, dict, dict]:
    """One chat call."""
    return call(f"{gate.url}/v1/chat/completions", key, {**CHAT, **changes})


def quickstart(data: pathlib.Path) -> subprocess.CompletedProcess:
    """The tour against the built-in sample; leaves when it is over."""
    command = [binary(), "quickstart", "--data", data, "--port", "0", "--once"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def replace(path: pathlib.Path, old: str, new: str) -> None:
    """Edits a file; the old text has to be there."""
    text = path.read_text()
    assert old in text, path
    path.write_text(text.replace(old, new))


def append(path: pathlib.Path, text: str) -> None:
    """Adds to a file."""
    path.write_text(path.read_text() + text)


def test_the_tour_holds_and_holds_again(tmp_path: pathlib.Path) -> None:
    data = tmp_path / "data"
    for _ in range(2):
        toured = quickstart(data)
        assert toured.returncode == 0, toured.stdout + toured.stderr
        assert toured.stdout.rstrip().endswith("ready")
        assert all(f"  {step}. " in toured.stdout for step in range(1, 6))
    assert (data / "quickstart.env").stat().st_mode & 0o077 == 0
    checked = subprocess.run([binary(), "check", "--data", data], capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr


BROKEN = {
    "1": lambda data: replace(data / "policies/models.cedar", 'permit (\n    principal in Portcullis::Group::"staff"', 'forbid (\n    principal in Portcullis::Group::"staff"'),
    "2": lambda data: append(data / "policies/models.cedar", "permit (principal, action, resource);\n"),
    "3": lambda data: append(data / "portcullis.yaml", "\ndanger: {scanners_off: [aws-access-token]}\n"),
}


@pytest.mark.parametrize("step", BROKEN)
def test_a_broken_control_fails_the_tour_at_its_step(step: str, tmp_path: pathlib.Path) -> None:
    data = tmp_path / "data"
    assert quickstart(data).returncode == 0
    BROKEN[step](data)
    if step == "1":
        replace(data / "policies/models.cedar", '@obligation("response:redact:pii")\n', "")
    with_bundle = [binary(), "quickstart", "--data", data, "--port", "0", "--no-tour"]
    process = subprocess.Popen(with_bundle, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert any(line.strip() == "ready" for line in process.stdout)
        applied = subprocess.run([binary(), "apply", "--data", data], capture_output=True, text=True, timeout=60, check=False)
        assert applied.returncode == 0, applied.stderr
    finally:
        process.terminate()
        process.wait(timeout=30)
    toured = quickstart(data)
    assert toured.returncode == 1, toured.stdout
    assert f"step {step} of the tour failed" in toured.stderr
    assert not any(line == "ready" for line in toured.stdout.splitlines())


def test_roles_and_planes(scripted: tuple[Gate, Upstream]) -> None:
    gate, _ = scripted
    admin = gate.environment["PORTCULLIS_OPERATOR"]
    viewer = gate.admin("POST", "/admin/v1/keys", {"principal": "operator:victor"})["secret"]
    status = f"{gate.admin_url}/admin/v1/status"
    kill = {"target": "user:nobody", "kind": "kill"}
    facts = [
        (status, None, None, 401),
        (status, gate.key("ALICE"), None, 401),
        (status, admin, None, 200),
        (status, viewer, None, 200),
        (f"{gate.admin_url}/metrics", None, None, 401),
        (f"{gate.admin_url}/metrics", viewer, None, 200),
        (f"{gate.admin_url}/healthz/live", None, None, 200),
        (f"{gate.admin_url}/healthz/ready", None, None, 200),
        (f"{gate.admin_url}/admin/v1/locks", viewer, kill, 403),
        (f"{gate.admin_url}/admin/v1/apply", viewer, {}, 403),
        (f"{gate.admin_url}/admin/v1/keys", viewer, {"principal": "user:alice"}, 403),
        (f"{gate.admin_url}/admin/v1/nothing", admin, None, 404),
        (f"{gate.admin_url}/admin/v1/keys", admin, {"principal": "user:mallory"}, 400),
        (f"{gate.admin_url}/admin/v1/keys", admin, {"principal": "user:alice", "role": "admin"}, 400),
    ]
    for url, key, body, expected in facts:
        assert call(url, key, body)[0] == expected, (url, body)
    assert chat(gate, admin)[0] == 401, "an operator's credential is not valid on the data plane"
    assert call(status, admin, Host="evil.example")[0] == 403
    assert call(status, admin, Origin="http://evil.example")[0] == 403
    locks = f"{gate.admin_url}/admin/v1/locks"
    assert call(locks, admin, kill, **{"content-type": "text/plain"})[0] == 400, "what a form of a page can send"
    own = gate.admin_url.removeprefix("http://")
    for hosts in (["evil.example", own], [own, "evil.example"], [own, own], []):
        lines = "".join(f"host: {host}\r\n" for host in hosts)
        assert raw(own, f"GET /admin/v1/status HTTP/1.1\r\n{lines}authorization: Bearer {admin}\r\nconnection: close\r\n\r\n") in (400, 403)
    absolute = f"GET http://evil.example/admin/v1/status HTTP/1.1\r\nhost: {own}\r\nauthorization: Bearer {admin}\r\nconnection: close\r\n\r\n"
    assert raw(own, absolute) == 403
    assert raw(own, absolute.replace("evil.example", own)) == 200


def test_locks_survive_a_restart_and_come_off(scripted: tuple[Gate, Upstream]) -> None:
    gate, upstream = scripted
    assert chat(gate, gate.key("BOB"))[0] == 200
    assert gate.cli("kill", "user:bob").returncode == 0
    status, _, body = chat(gate, gate.key("BOB"))
    assert (status, body["error"]["code"]) == (403, "principal-locked")
    gate._stop()
    gate.start_again()
    assert chat(gate, gate.key("BOB"))[0] == 403
    assert gate.cli("unlock", "user:bob").returncode == 0
    assert chat(gate, gate.key("BOB"))[0] == 200
    made = gate.admin("POST", "/admin/v1/keys", {"principal": "user:bob"})
    assert chat(gate, made["secret"])[0] == 200
    assert gate.cli("revoke", f"credential:{made['id']}").returncode == 0
    assert chat(gate, made["secret"])[0] == 401
    undone = gate.cli("unlock", f"credential:{made['id']}")
    assert undone.returncode == 3 and "final" in undone.stderr


def test_keys_rotate_and_expire(scripted: tuple[Gate, Upstream]) -> None:
    gate, _ = scripted
    made = gate.admin("POST", "/admin/v1/keys", {"principal": "user:bob"})
    rotated = json.loads(gate.cli("key", "rotate", made["id"], "--overlap", "1h", "--json").stdout)
    assert chat(gate, made["secret"])[0] == 200 and chat(gate, rotated["secret"])[0] == 200
    assert gate.cli("key", "expire", made["id"]).returncode == 0
    assert chat(gate, made["secret"])[0] == 401 and chat(gate, rotated["secret"])[0] == 200
    listed = {row["id"]: row for row in json.loads(gate.cli("key", "list", "--json").stdout)["keys"]}
    assert listed[made["id"]]["state"] == "expired"
    assert listed[rotated["id"]]["ledger"] == made["id"], "the ledger stays"
    shown = gate.cli("key", "list").stdout
    assert made["secret"] not in shown and rotated["secret"] not in shown


def test_an_agent_may_what_its_user_may(scripted: tuple[Gate, Upstream]) -> None:
    gate, _ = scripted
    assert chat(gate, gate.key("ASSISTANT"))[0] == 200
    assert chat(gate, gate.key("ASSISTANT"), model="large")[0] == 404
    for_bob = gate.admin("POST", "/admin/v1/keys", {"principal": "agent:assistant", "on_behalf_of": "user:bob"})["secret"]
    assert chat(gate, for_bob, model="large")[0] == 200
    alone = gate.admin("POST", "/admin/v1/keys", {"principal": "agent:assistant"})["secret"]
    status, _, body = chat(gate, alone)
    assert (status, body["error"]["code"]) == (403, "agent-without-user")


def test_a_refusal_explains_itself(scripted: tuple[Gate, Upstream]) -> None:
    gate, _ = scripted
    status, headers, body = chat(gate, gate.key("ALICE"), model="large")
    assert (status, body["error"]["code"]) == (404, "model_not_found")
    explained = gate.cli("explain", headers["x-request-id"])
    assert explained.returncode == 2, "exit code 2 is a deny"
    assert "user:alice may not callModel Model \"large\"" in explained.stdout
    allowed = chat(gate, gate.key("ALICE"))[1]["x-request-id"]
    explained = gate.cli("explain", allowed)
    assert explained.returncode == 0 and "staff-everyday (policies/models.cedar:" in explained.stdout
    assert gate.cli("explain", "req_00000000000000000000000000").returncode == 3
    assert gate.cli("explain", "nonsense").returncode == 3


def test_bundles_are_all_or_nothing(scripted: tuple[Gate, Upstream]) -> None:
    gate, _ = scripted
    policies = gate.data / "policies/models.cedar"
    good = policies.read_text()
    try:
        append(policies, "\npermit (principal, action, resource) when { context.flow.levle > 1 };\n")
        broken = gate.cli("apply")
        assert broken.returncode == 3 and "policies/models.cedar:" in broken.stderr, broken.stderr
        assert gate.cli("check").returncode == 3
        assert chat(gate, gate.key("ALICE"), model="large")[0] == 404, "the last good stays"
        policies.write_text(good + '\npermit (principal == Portcullis::User::"alice", action, resource == Portcullis::Model::"large");\n')
        dry = gate.cli("apply", "--dry-run")
        assert dry.returncode == 0 and "policies/models.cedar: changed" in dry.stdout
        assert chat(gate, gate.key("ALICE"), model="large")[0] == 404, "a dry run changes nothing"
        assert gate.cli("apply").returncode == 0
        assert chat(gate, gate.key("ALICE"), model="large")[0] == 200
    finally:
        policies.write_text(good)
        assert gate.cli("apply").returncode == 0
    assert chat(gate, gate.key("ALICE"), model="large")[0] == 404


def test_an_operator_who_is_taken_out_has_no_power_left(scripted: tuple[Gate, Upstream]) -> None:
    gate, _ = scripted
    status, lock = f"{gate.admin_url}/admin/v1/status", f"{gate.admin_url}/admin/v1/locks"
    olivia = gate.environment["PORTCULLIS_OPERATOR"]
    main = gate.data / "portcullis.yaml"
    good = main.read_text()
    try:
        replace(main, "olivia: admin", "olivia: viewer")
        assert gate.cli("apply").returncode == 0
        assert call(status, olivia)[0] == 200
        assert call(lock, olivia, {"target": "user:nobody", "kind": "kill"})[0] == 403, "demoted"
        replace(main, "  olivia: viewer\n", "")
        assert gate.cli("apply").returncode == 0
        assert call(status, olivia)[0] == 403, "taken out"
    finally:
        main.write_text(good)
        assert gate.cli("apply").returncode == 0
    assert call(status, olivia)[0] == 200


def test_an_empty_folder_is_shaped_for_production(tmp_path: pathlib.Path) -> None:
    data = tmp_path / "data"
    made = subprocess.run([binary(), "init", "--data", data], capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0 and "pclop_" in made.stdout, made.stderr
    assert (data / "keys").stat().st_mode & 0o077 == 0
    secret = next(word for word in made.stdout.split() if word.startswith("pclop_"))
    for path in data.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    again = subprocess.run([binary(), "init", "--data", data], capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == 1 and "never overwritten" in again.stderr
    for command in (["check"], ["audit", "verify"], ["replay"], ["doctor"]):
        done = subprocess.run([binary(), *command, "--data", data], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_misspelt_configuration_names_line_and_near_name(tmp_path: pathlib.Path) -> None:
    data = tmp_path / "data"
    subprocess.run([binary(), "init", "--data", data], capture_output=True, timeout=60, check=True)
    append(data / "portcullis.yaml", "\nlimts: {depth: 3}\n")
    checked = subprocess.run([binary(), "check", "--data", data], capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 3
    assert "portcullis.yaml:" in checked.stderr and "`limits`" in checked.stderr


def test_scan(tmp_path: pathlib.Path) -> None:
    """Exit codes, JSON Lines in and out, offsets in code points, and nothing told whole to people who did not ask."""
    secret = SAMPLES["github-pat"]

    def scan(*arguments: object, given: str = "") -> subprocess.CompletedProcess:
        return subprocess.run([binary(), "scan", *map(str, arguments)], input=given, capture_output=True, text=True, timeout=60, check=False)

    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "clean.txt").write_text("nothing to see\n")
    assert scan(folder).returncode == 0
    (folder / "keys.txt").write_text(f"first\nkey {secret} end\n")
    found = scan(folder)
    assert found.returncode == 2
    assert found.stdout.startswith(f"{folder}/keys.txt:2:5: secret github-pat: key »ghp_…«")
    assert secret not in found.stdout + found.stderr
    (folder / "image.bin").write_bytes(b"\x00\xff" * 5000 + secret.encode())
    (folder / "wide.txt").write_bytes(f"key {secret}".encode("utf-16"))
    assert [line.split(":")[0].rsplit("/")[-1] for line in scan(folder).stdout.splitlines()] == ["image.bin", "keys.txt", "wide.txt"]
    assert secret in scan("--show", folder).stdout
    rows = [{"id": "a", "text": f"ü👍 {secret}", "kind": "user", "label": "x"}, {"id": 2, "text": "ok"}, {"text": "mail jane@example.com"}]
    told = scan("--format", "jsonl", given="\n".join(map(json.dumps, rows)) + "\n")
    answers = [json.loads(line) for line in told.stdout.splitlines()]
    assert told.returncode == 2
    assert [(answer["id"], answer["flagged"]) for answer in answers] == [("a", True), (2, False), (3, True)]
    (finding,) = answers[0]["findings"]
    assert (finding["kind"], finding["type"]) == ("secret", "github-pat")
    assert rows[0]["text"][finding["start"] : finding["end"]] == secret
    assert secret not in told.stdout
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"text": "ok"}\n{"id": 1}\nnot json\n' + json.dumps(secret) + "\n")
    wrong = scan(lines)
    assert wrong.returncode == 3
    assert "rows.jsonl, line 2" in wrong.stderr
    assert "rows.jsonl, line 3" in wrong.stderr
    assert secret not in wrong.stderr
    gone = scan(tmp_path / "gone", lines.parent / "notes" / "clean.txt")
    assert gone.returncode == 1
    assert "gone" in gone.stderr
    assert scan(given="plain text").returncode == 0


def test_an_open_admin_connection_does_not_keep_the_log_open() -> None:
    with Upstream() as upstream, Gate(upstream.url) as gate:
        host, port = gate.admin_url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as idle, socket.socket(socket.AF_UNIX) as own:
            own.connect(str(gate.data / "admin.sock"))
            # Half a request, and none at all.
            idle.sendall(b"GET /healthz/live HTTP/1.1\r\n")
            own.sendall(b"GET /healthz/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert own.recv(12) == b"HTTP/1.1 200"
            assert gate.stopped() == 0, gate.lines
        gate.start_again()
        assert not any("cut off" in line or "unknown" in line for line in gate.lines)
