"""The gate as OAuth client, under the suite's client scenarios: what passes, what is known not to, and a page that says so."""

import pytest

from conformance import PAGE, Scenario
from conformance_auth import HEADING, known, lost, required, run_all, table

MUST_PASS = ["auth/pre-registration", "auth/token-endpoint-auth-post", "auth/iss-wrong-issuer", "auth/metadata-issuer-mismatch", "auth/offline-access-not-supported"]


@pytest.fixture(scope="module")
def scenarios() -> list[Scenario]:
    return run_all()


def test_all_that_are_required_were_run(scenarios: list[Scenario]) -> None:
    assert [scenario.name for scenario in scenarios] == required() and len(scenarios) == 25
    assert all(scenario.n_checks for scenario in scenarios)


def test_what_does_not_pass_is_known_and_why(scenarios: list[Scenario]) -> None:
    found = lost(scenarios)
    assert {check: said for check, said in found.items() if check not in known()} == {}, "these do not pass"
    assert sorted(known().keys() - found.keys()) == [], "these pass: take them out of conformance_known.toml"
    assert all(scenario.passed == scenario.n_checks for scenario in scenarios if scenario.name in MUST_PASS)


def test_the_page_says_what_was_found(scenarios: list[Scenario]) -> None:
    written = PAGE.read_text()
    assert written[written.index(HEADING) :] == table(scenarios), "docs/CONFORMANCE.md: run `cargo xtask conformance` and commit the result"
