"""The scoring of `cargo xtask bench inspect`: what counts as found, missed and false."""

import bench_inspect as bench

ROW = {"text": "a@b.example 4111 x", "spans": [{"type": "EMAIL_ADDRESS", "start": 0, "end": 11}, {"type": "CREDIT_CARD", "start": 12, "end": 16}]}
CLEAN = {"text": "nothing", "spans": [], "also_matches": []}
OTHER = {"text": "another rule's", "spans": [], "also_matches": ["generic"]}


def test_personal_data_is_scored_by_type() -> None:
    facts = [
        ([("EMAIL_ADDRESS", 0, 11), ("CREDIT_CARD", 14, 18)], {"EMAIL_ADDRESS": (1, 0, 0), "CREDIT_CARD": (1, 0, 0)}),
        ([("EMAIL_ADDRESS", 12, 16)], {"EMAIL_ADDRESS": (0, 1, 1), "CREDIT_CARD": (0, 1, 0)}),
        ([("CREDIT_CARD", 11, 12)], {"EMAIL_ADDRESS": (0, 1, 0), "CREDIT_CARD": (0, 1, 1)}),
        ([], {"EMAIL_ADDRESS": (0, 1, 0), "CREDIT_CARD": (0, 1, 0)}),
    ]
    for found, expected in facts:
        assert {kind: tuple(score) for kind, score in bench.score_pii([ROW], [found]).items()} == expected, found


def test_secrets_are_scored_whatever_their_type() -> None:
    rows = [ROW, CLEAN, OTHER]
    found = [[("any", 1, 2)], [("any", 0, 3)], [("any", 0, 3)]]
    assert bench.score_secrets(rows, found) == {"any secret": (1, 1, 1)}
    values = {row["metric"]: row["value"] for row in bench.quality("x", "secrets", rows, found)}
    assert values == {"precision": 0.5, "recall": 0.5, "f1": 0.5}


def test_what_did_not_end_in_time_says_so() -> None:
    rows = bench.speed("x", "c", 1000, [])
    assert len(rows) == 3 and all(row["value"] is None and "not once" in row["why"] for row in rows)
    assert [row["value"] for row in bench.speed("x", "c", 1000, [10.0, 20.0, 30.0])] == [20.0, 30.0, 50.0]


def test_offsets_count_characters() -> None:
    assert bench.to_characters("é€x", 2, 5) == (1, 2)
    assert all(len(text.encode()) == len(text) for text in bench.cases().values()), "MB/s counts bytes"
