"""The MCP conformance suite through the gate: no check that passes directly is lost, but for those that are known."""

import pytest

from conformance import PAGE, REVISIONS, Everything, Key, Run, Scenario, configure, known, read, run, tables, unapprovable
from conformance_auth import HEADING
from gate import Gate
from situations import apply

PASSING = {"2025-11-25": 84, "2026-07-28": 164}
"""How many checks pass directly: fewer would mean that some were left out."""


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    return {revision: run(revision) for revision in REVISIONS}


@pytest.fixture(params=REVISIONS)
def both(request: pytest.FixtureRequest, runs: dict[str, Run]) -> Run:
    return runs[request.param]


def test_everything_passes_directly(both: Run) -> None:
    wanting = [scenario for scenario in both.direct.values() if scenario.passed < scenario.n_checks]
    # No published SDK has the extension for tasks, and the suite requires it of nobody.
    assert [scenario.name for scenario in wanting if not scenario.name.startswith("tasks-") or not scenario.not_scored] == []
    assert sum(scenario.passed for scenario in both.direct.values()) == PASSING[both.revision]


def test_no_check_is_lost_at_the_gate(both: Run) -> None:
    lost = {str(key): message for key, message in both.lost().items() if key not in known()}
    assert lost == {}, "these pass directly and not through the gate"


def test_what_is_known_to_be_lost_is_lost(both: Run) -> None:
    found_again = [str(key) for key in known() if key.revision == both.revision and key not in both.lost()]
    assert found_again == [], "these pass: take them out of conformance_known.toml"


def test_the_page_says_what_was_found(runs: dict[str, Run]) -> None:
    written = PAGE.read_text()
    assert written[written.index("\n## ") + 1 : written.index(f"\n{HEADING}\n")] == tables(list(runs.values())), "docs/CONFORMANCE.md: run `cargo xtask conformance` and commit the result"


def test_what_cannot_be_approved_is_refused() -> None:
    """Every tool that is listed as such, and no other."""
    with Everything() as server, Gate("http://127.0.0.1:9") as gate:
        configure(gate, server, unapprovable())
        apply(gate)
    for tool in unapprovable():
        with Everything() as server, Gate("http://127.0.0.1:9") as gate:
            configure(gate, server, [other for other in unapprovable() if other != tool])
            with pytest.raises(AssertionError, match=tool):
                apply(gate)


def test_a_check_is_lost_when_it_is_worse_in_any_way() -> None:
    def scenario(*checks: tuple[str, str]) -> dict[str, Scenario]:
        found = Scenario("s")
        read([{"id": name, "status": status} for name, status in checks], found)
        return {"s": found}

    direct = scenario(*((name, "SUCCESS") for name in "abcdef"), ("g", "WARNING"))
    gate = scenario(("a", "SUCCESS"), ("b", "FAILURE"), ("c", "WARNING"), ("d", "SKIPPED"), ("e", "FAILURE"), ("e", "SUCCESS"), ("g", "FAILURE"))
    lost = Run("2026-07-28", direct, gate).lost()
    assert sorted(lost) == [Key("2026-07-28", "s", name) for name in "bcdef"]
    assert lost[Key("2026-07-28", "s", "f")].startswith("left out")
    assert (direct["s"].passed, direct["s"].n_checks, gate["s"].passed, gate["s"].n_checks) == (6, 7, 2, 6)
