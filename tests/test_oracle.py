"""The oracle itself: each made-up value is found whole and under its own name, and leaving a rule out changes that."""

import clues
import oracle
import pytest
from samples import SAMPLES, TOLD, VARIANTS, jwt, pem

ALL = [*SAMPLES.items(), *((kind, value) for kind, values in VARIANTS.items() for value in values), ("jwt", jwt(8192)), ("private-key", pem(4096))]
REDACT = {"pii": "redact"}


def test_every_kind_has_a_sample() -> None:
    assert set(SAMPLES) | set(TOLD) == set(oracle.KINDS)


@pytest.mark.parametrize(("kind", "words", "value"), [(kind, *pair) for kind, pair in TOLD.items()], ids=list(TOLD))
def test_values_told_by_words(kind: str, words: str, value: str) -> None:
    assert oracle.redact(f"My {words}{value}, please", REDACT) == f"My {words}[redacted:{kind}], please"
    assert oracle.redact(f"My {value}, please", REDACT) == f"My {value}, please"


@pytest.mark.parametrize(("kind", "value"), ALL, ids=[f"{kind}-{len(value)}" for kind, value in ALL])
def test_samples(kind: str, value: str) -> None:
    for before, after in (("", ""), ("Use ", " now"), ("(", ")"), ("é", "é")):
        assert oracle.redact(before + value + after, REDACT) == f"{before}[redacted:{kind}]{after}"
    # In an allowed webhook's address a host's name is found.
    others = {} if kind == "slack-webhook-url" else REDACT
    found = oracle.redact(f"Use {value} now", {**others, kind: "allow", "secret": "allow"} if kind in oracle.TOKENS else {})
    assert value in found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),
        ("4111-1111-1111-1111.", "[redacted:CREDIT_CARD]."),
        ("1.4111111111111111", "1.4111111111111111"),
        ("DE89 3704 0044 0532 0130 00!", "[redacted:IBAN_CODE]!"),
        ("DE89370400440532013001", "DE89370400440532013001"),
        ("666-12-3456 123-45-6789", "666-12-3456 [redacted:US_SSN]"),
        ("a@b.co.u1 x@y", "[redacted:EMAIL_ADDRESS].u1 x@y"),
        ("a@b.co@c.de", "[redacted:EMAIL_ADDRESS]"),
        ("ghp_" + "x" * 36, "ghp_" + "x" * 36),
        ("xAKIAZ7QHT3KXW5M2NV4D", "xAKIAZ7QHT3KXW5M2NV4D"),
    ],
)
def test_edges(text: str, wanted: str) -> None:
    assert oracle.redact(text, REDACT) == wanted


def test_acts() -> None:
    key = SAMPLES["aws-access-token"]
    assert oracle.redact(key, {"secret": "mask"}) == "*" * 16 + key[-4:]
    assert oracle.redact(f"a {SAMPLES['US_SSN']}") == f"a {SAMPLES['US_SSN']}"
    with pytest.raises(ValueError, match="denied: US_SSN"):
        oracle.redact(SAMPLES["US_SSN"], {"US_SSN": "deny"})


def test_documents() -> None:
    pat = SAMPLES["github-pat"]
    document = {pat: 1, "[redacted:github-pat]": 2, "n": 4111111111111111, "l": [pat, True, None]}
    assert oracle.redact_json(document, REDACT) == {
        "[redacted:github-pat]#2": 1,
        "[redacted:github-pat]": 2,
        "n": "[redacted:CREDIT_CARD]",
        "l": ["[redacted:github-pat]", True, None],
    }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (r"a\njane@b.co\n", r"a[redacted:EMAIL_ADDRESS]\n"),
        (r"a\\njane@b.co", r"a[redacted:EMAIL_ADDRESS]"),
        (r"é\u00e9\u006aane@b.co é", r"é\u00e9[redacted:EMAIL_ADDRESS] é"),
        (r"\\\\u006aane\u0040b.co", "[redacted:EMAIL_ADDRESS]"),
        (r"C:\jane@b.co \q \ud83d\ude00 \ud83d \u12", r"C:\[redacted:EMAIL_ADDRESS] \q \ud83d\ude00 \ud83d \u12"),
    ],
)
def test_text_inside_text(text: str, wanted: str) -> None:
    assert oracle.redact_json(text, REDACT) == wanted
    assert oracle.redact(text, REDACT) != wanted or text.startswith("C:")


@pytest.mark.parametrize("kind", clues.KINDS)
def test_clues(kind: str) -> None:
    clue, value = clues.example(kind)
    for before, after in (("", ""), ("(", '"'), ("é ", " é")):
        assert oracle.redact(before + clue + value + after) == f"{before}{clue}[redacted:{kind}]{after}"
    assert value in oracle.redact(f"x{value}")
