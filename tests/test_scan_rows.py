"""`portcullis scan` over rows that chance has altered: every line gets its answer or its error, and no answer points beside its text."""

import json
import os
import random
import re
import subprocess

from gate import binary

SEEDS = [
    {"id": "a", "text": "Use AKIAZ7QHT3KXW5M2NV4D, mail mia@example.org", "kind": "prompt"},
    {"id": 7, "text": "caf\u00e9 \U0001f600 4111 1111 1111 1111 \\u0041"},
    {"text": "DE89 3704 0044 0532 0130 00", "id": None, "more": {"text": 5}},
    {"id": {"deep": [1]}, "text": ""},
]
WORDS = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b'"text":', b'"id":', b"\\u0041", b"\\ud83d", b"\xff", b"\x00", "\u200b".encode(), b"1e999", b" "]


def lines(count: int, seed: int) -> list[bytes]:
    """Rows with none to four changes."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        row = json.dumps(chance.choice(SEEDS), ensure_ascii=chance.random() < 0.5).encode()
        for _ in range(chance.randrange(5)):
            at = chance.randrange(len(row) + 1)
            match chance.randrange(4):
                case 0:
                    row = row[:at] + chance.choice(WORDS) + row[at:]
                case 1:
                    row = row[:at] + row[at + chance.randrange(9) :]
                case 2:
                    row = row[:at] + row[at : at + 30] * chance.randrange(4) + row[at:]
                case _:
                    row = row[:at] + chance.randbytes(chance.randrange(4)) + row[at:]
        made.append(row.replace(b"\n", b" "))
    return made


def scan(rows: list[bytes]) -> subprocess.CompletedProcess:
    """The rows on standard input, answers as JSON Lines."""
    command = [binary(), "scan", "--format", "jsonl", "-"]
    return subprocess.run(command, input=b"\n".join(rows) + b"\n", capture_output=True, timeout=120, check=False)


def test_altered_rows() -> None:
    # The first line says what the stream is.
    rows = [json.dumps(SEEDS[0]).encode(), *lines(4000, seed=5)]
    done = scan(rows)
    assert done.returncode == 3, done.stderr[-500:]
    refused = {int(number) for number in re.findall(rb"line (\d+):", done.stderr)}
    answers = [json.loads(line) for line in done.stdout.decode().splitlines()]
    blank = {number for number, row in enumerate(rows, 1) if not row.strip()}
    read = [number for number in range(1, len(rows) + 1) if number not in refused | blank]
    assert len(answers) == len(read) and 300 < len(refused) < 3900
    for number, answer in zip(read, answers, strict=True):
        # Members that nobody reads may hold anything.
        text = json.loads(rows[number - 1].decode(errors="replace"), strict=False)["text"]
        for finding in answer["findings"]:
            assert 0 <= finding["start"] < finding["end"] <= len(text), (number, finding)
        injection = answer["injection"]
        assert answer["flagged"] == (bool(answer["findings"]) or injection["score"] >= 0.5)
        for window in injection["windows"]:
            assert 0 <= window["start"] < window["end"] <= len(text), (number, window)
    # Python reads some rows that are refused, but none of them as an object with a text.
    secrets = [b"AKIAZ7QHT3KXW5M2NV4D", b"mia@example.org"]
    assert not any(secret in done.stderr for secret in secrets), "an error repeats what stands in a row"


def test_unaltered_rows_are_all_read() -> None:
    rows = [json.dumps(seed).encode() for seed in SEEDS]
    done = scan(rows)
    answers = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert done.returncode == 2 and [answer["id"] for answer in answers] == ["a", 7, 3, {"deep": [1]}]
    assert [bool(answer["findings"]) for answer in answers] == [True, True, True, False]


def test_a_byte_order_mark_is_no_part_of_the_first_row() -> None:
    rows = [b"\xef\xbb\xbf" + json.dumps(SEEDS[0]).encode(), json.dumps(SEEDS[1]).encode()]
    done = scan(rows)
    assert done.returncode == 2, done.stderr
    answers = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [answer["id"] for answer in answers] == ["a", 7] and answers == [json.loads(line) for line in scan([row.removeprefix(b"\xef\xbb\xbf") for row in rows]).stdout.splitlines()]
    # Only there: elsewhere it is a character like others.
    assert scan([rows[1], rows[0]]).returncode == 3


CONFIDENCES = [
    ("IBAN DE89 3704 0044 0532 0130 00", "pii", "IBAN_CODE", 0.99),
    ("send to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "pii", "CRYPTO", 0.99),
    ("eth wallet 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "pii", "CRYPTO", 0.6),
    ("Use AKIAZ7QHT3KXW5M2NV4D", "secret", "aws-access-token", 0.95),
    ("card 4111 1111 1111 1111", "pii", "CREDIT_CARD", 0.9),
    ("mail mia@example.org", "pii", "EMAIL_ADDRESS", 0.75),
    ("ssn 219-09-9998", "pii", "US_SSN", 0.75),
    ("ssn 219 09 9998", "pii", "US_SSN", 0.6),
    ("born 31 August 1970", "pii", "DATE_OF_BIRTH", 0.6),
    ("adafruit_key = a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6", "secret", "adafruit-api-key", 0.6),
]


def test_a_row_has_these_members_and_confidence_says_what_a_finding_rests_on() -> None:
    rows = [json.dumps({"id": number, "text": text, "kind": "prompt"}).encode() for number, (text, *_) in enumerate(CONFIDENCES)]
    done = scan([*rows, b'{"id": "none", "text": "nothing here"}'])
    assert done.returncode == 2, done.stderr
    *answers, nothing = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert (nothing["id"], nothing["flagged"], nothing["findings"]) == ("none", False, []) and nothing["injection"]["score"] < 0.5
    for number, (answer, (text, kind, name, confidence)) in enumerate(zip(answers, CONFIDENCES, strict=True)):
        assert set(answer) == {"id", "flagged", "injection", "findings"}, answer
        assert (answer["id"], answer["flagged"], len(answer["findings"])) == (number, True, 1), (text, answer)
        assert set(answer["injection"]) == {"score", "windows"}
        finding = answer["findings"][0]
        assert set(finding) == {"kind", "type", "start", "end", "confidence"}
        assert (finding["kind"], finding["type"], finding["confidence"]) == (kind, name, confidence), text
        value = text[finding["start"] : finding["end"]]
        assert value and text.endswith(value), (text, value)


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What `scan` writes when its standard output is a terminal."""
    ours, theirs = os.openpty()
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    try:
        process = subprocess.Popen([binary(), "scan", *arguments, "-"], stdin=subprocess.PIPE, stdout=theirs, stderr=subprocess.DEVNULL, env={**kept, **environment})
        os.close(theirs)
        process.stdin.write(b"mail mia@example.org now\n")
        process.stdin.close()
        told = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            told += piece
        assert process.wait(timeout=60) == 2
        return told.decode()
    finally:
        os.close(ours)


def test_findings_are_turned_over_on_a_terminal_only() -> None:
    assert "mail \x1b[7mmia@…\x1b[0m now" in on_a_terminal()
    assert "mail \x1b[7mmia@example.org\x1b[0m now" in on_a_terminal("--show")
    assert "mail »mia@…« now" in on_a_terminal(NO_COLOR="1")
    piped = subprocess.run([binary(), "scan", "-"], input=b"mail mia@example.org now\n", capture_output=True, timeout=60, check=False)
    assert b"\x1b" not in piped.stdout and "mail »mia@…« now" in piped.stdout.decode()
