"""A short soak: every plan at least once, a few thousand requests. `cargo xtask soak` runs the long one."""

import re

import soak


def test_every_request_ends_and_nothing_leaks() -> None:
    result = soak.Soak(3000, seed=3).run()
    assert not result.wrong, "\n".join(result.wrong[:20])
    assert sum(result.outcomes.values()) == 3000
    assert set(result.outcomes) == set(soak.PLANS), "a plan was never tried"
    assert result.figures["log_entries"] > 2 * 3000 * 0.8
    assert result.figures["files_searched"] > 10
    page = soak.report(result, 3)
    assert set(soak.WHAT) == set(soak.PLANS) and all(f"| {name} | {what} |" in page for name, what in soak.WHAT.items())
    rows = re.findall(r"^\| [a-z0-9-]+ \| .* \| ([\d,]+) \| (\d+) \|$", page, re.M)
    assert sum(int(good.replace(",", "")) + int(bad) for good, bad in rows) == 3000, "every request stands on the page"
    memory = re.search(r"half way, end \| (.*) \|", page)[1].split(", ")
    assert len(memory) == 4 and all(float(megabytes) > 1 for megabytes in memory)


def test_a_planted_value_in_a_file_is_noticed() -> None:
    """The search itself: one value, put where it must not stand."""
    short = soak.Soak(len(soak.PLANS), seed=4)
    search = short._canaries  # noqa: SLF001

    def planted(gate: soak.Gate, metrics: str) -> None:
        (gate.data / "log" / "planted").write_text(f"x{soak.CANARIES['request']}x")
        search(gate, metrics)

    short._canaries = planted  # noqa: SLF001
    assert short.run().wrong == ["the value planted as request stands in log/planted"]


def test_an_outcome_that_no_plan_allows_is_noticed() -> None:
    """The judges themselves: a stream that ends as if it were whole, a secret, a cut."""
    reply = soak.wire.Reply
    whole = f"data: {soak.CANARIES['answer']}\n\ndata: [DONE]\n\n".encode()
    facts = [
        ("cut-stream", reply(200, "", whole), False),
        ("cut-stream", reply(200, "", whole[:20], cut=True), True),
        ("stream", reply(200, "", whole), True),
        ("stream", reply(200, "", whole, cut=True), False),
        ("findings", reply(200, "", f"[redacted:x] {soak.SECRET}".encode()), False),
        ("hang", reply(200, "", b"{}"), False),
        ("giant", reply(200, "", b" "), False),
        ("no-such-key", reply(200, "", b"{}"), False),
    ]
    for name, answer, expected in facts:
        assert soak.PLANS[name].is_good(answer) == expected, (name, answer)
