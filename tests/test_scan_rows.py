"""`portcullis scan` over rows that chance has altered: every line gets its answer or its error, and no answer points beside its text."""

import json
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
        assert answer["flagged"] == bool(answer["findings"])
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
