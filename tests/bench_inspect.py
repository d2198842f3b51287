"""The gate's scanners beside Presidio (patterns only) and detect-secrets: same texts, same machine, same run.

`cargo xtask bench inspect` runs it with the Python of `.local/peers/scanners`. Prints progress to stderr and rows to stdout, one
JSON list: `{"bench", "case", "system", "metric", "value", "unit"}`; what could not be measured has no value and a `why`.
"""

import argparse
import collections
import functools
import json
import lzma
import multiprocessing
import os
import pathlib
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

HARD_LIMIT = 12.0
"""Seconds after which a case that has not ended once is stopped."""
SENTENCE = (
    "The committee met in the old library on 17 May 2024 and agreed that bridge 12 should be repaired before winter, since the "
    "river rises early (2.5 m in 1998) and the road floods every second year; see https://example.org/reports/2024 for the text. "
)
CODE = (
    "pub fn total(items: &[Item]) -> u64 {\n    let mut sum = 0x1f_u64; // running\n    for (at, item) in items.iter().enumerate() {\n"
    "        sum = sum.wrapping_add(item.price * 100 + at as u64);\n    }\n    sum\n}\n\nassert_eq!(total(&[]), 31);\n"
)
NOTES = (
    "- 2024-05-17 10:45: order 48213, 3 x 1,200 units at 13.50 EUR, see https://shop.example.org/orders/48213?page=2 (ref. A-1207/b).\n"
    "- 2024-05-18 08:02: room B12, 42 of 100 seats, version 2.14.3; status 404 in 350 ms at https://example.net/api/v2/items.json.\n"
)
PLANTED = "Use AKIAZ7QHT3KXW5M2NV4D and the card 4111 1111 1111 1111, then write to mia.keller@example.org or to 10.20.30.40. "
MB = 1 << 20


def fill(pattern: str, length: int) -> str:
    """The pattern, repeated to a length."""
    return (pattern * (length // len(pattern) + 1))[:length]


def cases() -> dict[str, str]:
    """Every text that is timed."""
    base64 = random.Random(9).choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", k=10 * MB)
    prompts = [{"role": "user", "content": fill(SENTENCE, 360)}, {"role": "assistant", "content": fill(SENTENCE, 300)}]
    chat = json.dumps({"model": "m", "messages": prompts * 3, "temperature": 0.2, "max_tokens": 300})
    hostile = {"digits": "4", "at": "a@", "ey": "ey", "dashes": "-", "numbers": "4111 1111 ", "percent": "%41", "entities": "&#", "tags": "<a "}
    return {
        "prose-2k": fill(SENTENCE, 2048),
        "chat-2k": chat[:2048],
        "findings-2k": fill(SENTENCE, 900) + PLANTED + fill(SENTENCE, 1000),
        "prose-1m": fill(SENTENCE, MB),
        "code-1m": fill(CODE, MB),
        "notes-1m": fill(NOTES, MB),
        **{f"hostile-10m-{name}": fill(pattern, 10 * MB) for name, pattern in hostile.items()},
        "hostile-10m-base64": "".join(base64),
    }


# The other systems --------------------------------------------------------------------------------------------------------

Finder = Callable[[str], list[tuple[str, int, int]]]


def presidio() -> Finder:
    """All predefined recognisers for English that need no model; the list of public suffixes is the one in the package."""
    import logging

    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    offline = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    tldextract.extract = offline
    tldextract.tldextract.TLD_EXTRACTOR = offline
    engine = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}])
    engine.load()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    for recognizer in [each for each in registry.recognizers if "Spacy" in type(each).__name__ or "Ner" in type(each).__name__]:
        registry.remove_recognizer(recognizer.name)
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])

    def find(text: str) -> list[tuple[str, int, int]]:
        names = {"URL": "DOMAIN_NAME"}
        return [(names.get(hit.entity_type, hit.entity_type), hit.start, hit.end) for hit in analyzer.analyze(text, language="en")]

    return find


def detect_secrets() -> Finder:
    """All its plugins and filters as it comes, without verification over the network; it tells values, not places."""
    from detect_secrets.core.scan import scan_line
    from detect_secrets.settings import default_settings, get_settings

    settings = default_settings()
    settings.__enter__()
    get_settings().disable_filters("detect_secrets.filters.common.is_ignored_due_to_verification_policies")

    def find(text: str, _settings: object = settings) -> list[tuple[str, int, int]]:
        found, start = [], 0
        for line in text.split("\n"):
            for secret in scan_line(line):
                at = line.find(secret.secret_value or "")
                if at >= 0:
                    found.append((secret.type, start + at, start + at + len(secret.secret_value or "")))
            start += len(line) + 1
        return found

    return find


PEERS = {"presidio": presidio, "detect-secrets": detect_secrets}


def _time(system: str, text: str, seconds: float, told: multiprocessing.SimpleQueue) -> None:
    find = PEERS[system]()
    find("warm up: mia@example.org")
    us, begun = [], time.perf_counter()
    while not us or (time.perf_counter() - begun < seconds and len(us) < 5000):
        start = time.perf_counter()
        find(text)
        us.append((time.perf_counter() - start) * 1e6)
    told.put(us)


def timed(system: str, text: str, seconds: float) -> list[float]:
    """Microseconds of every run, in a process of its own; none if not even one ended in time."""
    told: multiprocessing.SimpleQueue = multiprocessing.SimpleQueue()
    process = multiprocessing.Process(target=_time, args=(system, text, seconds, told))
    process.start()
    process.join(HARD_LIMIT + seconds)
    if process.is_alive():
        process.kill()
        process.join()
        return []
    return told.get() if process.exitcode == 0 else []


# What was found -----------------------------------------------------------------------------------------------------------


def sets(shared: pathlib.Path) -> dict[str, list[dict]]:
    """The data sets that are there."""
    files = {"pii": shared / "data/pii/presidio_synth.jsonl.xz", "secrets": shared / "data/secrets/gitleaks_strings.jsonl.xz"}
    read = lambda file: [json.loads(line) for line in lzma.open(file, "rt")]  # noqa: E731
    return {name: read(file) for name, file in files.items() if file.is_file()}


Score = collections.namedtuple("Score", "hit missed extra")


def overlaps(one: tuple[str, int, int], other: tuple[str, int, int]) -> bool:
    """Whether they share a character."""
    return one[1] < other[2] and other[1] < one[2]


def score_pii(rows: list[dict], found: list[list[tuple[str, int, int]]]) -> dict[str, Score]:
    """Per type of the set: spans touched by a finding of the type, spans that are not, findings that touch none."""
    scores: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0, 0])
    for row, hits in zip(rows, found, strict=True):
        spans = [(span["type"], span["start"], span["end"]) for span in row["spans"]]
        for span in spans:
            is_hit = any(hit[0] == span[0] and overlaps(hit, span) for hit in hits)
            scores[span[0]][0 if is_hit else 1] += 1
        for hit in hits:
            scores[hit[0]][2] += not any(hit[0] == span[0] and overlaps(hit, span) for span in spans)
    return {kind: Score(*score) for kind, score in scores.items()}


def score_secrets(rows: list[dict], found: list[list[tuple[str, int, int]]]) -> dict[str, Score]:
    """Over all types: secrets touched by any finding; of rows without any secret, those with a finding."""
    hit = missed = extra = 0
    for row, hits in zip(rows, found, strict=True):
        spans = [(span["type"], span["start"], span["end"]) for span in row["spans"]]
        for span in spans:
            is_hit = any(overlaps(each, span) for each in hits)
            hit, missed = hit + is_hit, missed + (not is_hit)
        if not spans and not row.get("also_matches"):
            extra += bool(hits)
    return {"any secret": Score(hit, missed, extra)}


STRUCTURED = ["CREDIT_CARD", "EMAIL_ADDRESS", "IBAN_CODE", "US_SSN", "PHONE_NUMBER", "IP_ADDRESS", "DOMAIN_NAME"]


def quality(system: str, name: str, rows: list[dict], found: list[list[tuple[str, int, int]]]) -> Iterator[dict]:
    """Precision, recall and F1 of a system on a set."""
    scores = score_pii(rows, found) if name == "pii" else score_secrets(rows, found)
    for kind in STRUCTURED if name == "pii" else ["any secret"]:
        score = scores.get(kind, Score(0, 0, 0))
        n_gold, n_found = score.hit + score.missed, score.hit + score.extra
        if n_gold == 0:
            continue
        recall, precision = score.hit / n_gold, score.hit / n_found if n_found else 0.0
        both = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
        for metric, value in (("precision", precision), ("recall", recall), ("f1", both)):
            yield {"bench": "inspect", "case": f"{name}/{kind}", "system": system, "metric": metric, "value": round(value, 4), "unit": "1"}


# The run ------------------------------------------------------------------------------------------------------------------


def speed(system: str, case: str, n_bytes: int, us: list[float]) -> list[dict]:
    """Rows of one timed case."""
    row = functools.partial(dict, bench="inspect", case=case, system=system)
    if not us:
        why = f"not once within {HARD_LIMIT:.0f} s"
        return [row(metric=metric, value=None, unit=unit, why=why) for metric, unit in (("p50_us", "us"), ("p99_us", "us"), ("mb_s", "MB/s"))]
    us = sorted(us)
    p50, p99 = us[len(us) // 2], us[min(len(us) - 1, len(us) * 99 // 100)]
    return [
        row(metric="p50_us", value=round(p50, 2), unit="us"),
        row(metric="p99_us", value=round(p99, 2), unit="us"),
        row(metric="mb_s", value=round(n_bytes / p50, 3), unit="MB/s"),
    ]


def to_characters(text: str, start: int, end: int) -> tuple[int, int]:
    """Byte offsets as offsets of characters."""
    raw = text.encode()
    return len(raw[:start].decode(errors="replace")), len(raw[:end].decode(errors="replace"))


def ours(program: str, folder: pathlib.Path, seconds: float, known: dict[str, list[dict]]) -> list[dict]:
    """The rows of the gate's scanners."""
    rows: list[dict] = []
    found: dict[str, list] = {name: [[] for _ in of] for name, of in known.items()}
    for line in subprocess.run([program, folder, str(seconds)], stdout=subprocess.PIPE, text=True, check=True, timeout=1800).stdout.splitlines():
        told = json.loads(line)
        if "case" in told:
            rows += speed(told["system"], told["case"], told["bytes"], told["us"])
        else:
            text = known[told["set"]][told["row"]]["text"]
            found[told["set"]][told["row"]] = [(kind, *to_characters(text, start, end)) for kind, start, end in told["findings"]]
    for name, of in known.items():
        rows += quality("portcullis", name, of, found[name])
    return rows


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--shared", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    seconds = 0.3 if options.quick else 2.0
    texts, known = cases(), sets(options.shared)
    if options.quick:
        # A tenth of what is hostile: long enough to see more than linear time, short enough for a look.
        texts = {name.replace("10m", "1m"): text[: len(text) // 10] if "10m" in name else text for name, text in texts.items()}
    for name in ("cases", "sets"):
        (options.folder / name).mkdir(parents=True)
    for name, text in texts.items():
        (options.folder / "cases" / f"{name}.txt").write_text(text)
    for name, of in known.items():
        (options.folder / "sets" / f"{name}.jsonl").write_text("".join(json.dumps({"text": row["text"]}) + "\n" for row in of))
    print("[bench] portcullis", file=sys.stderr)
    rows = ours(options.program, options.folder, seconds, known)
    for system, make in PEERS.items():
        for name, text in texts.items():
            us = timed(system, text, seconds)
            rows += speed(system, name, len(text.encode()), us)
            print(f"[bench] {system} {name}: {f'{sorted(us)[len(us) // 2]:.0f} us' if us else 'not in time'}", file=sys.stderr)
        find = make()
        for name, of in known.items():
            if (name == "pii") == (system == "presidio"):
                rows += quality(system, name, of, [find(row["text"]) for row in of])
    print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    os.environ["NO_PROXY"] = "*"
    sys.exit(main())
