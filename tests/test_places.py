"""Places outside have one form: what policies say of a declared place cannot be walked around by another way to write it."""

import pytest
from authzen import Point, asked

CONFIG = """
listen: {data: 127.0.0.1:7700, admin: 127.0.0.1:7701}
operators: {olivia: admin}
users: {alice: {}, bob: {}}
agents: {assistant: {}, nightly: {}}
segments: {eu: {}}
destinations: {files.bank.example: [eu], "files.bank.example:8444": []}
enforcement_points: {desk: {subjects: ["*"], actions: ["*"], resources: ["*"]}}
"""
POLICIES = """
permit (principal, action == Portcullis::Action::"connect", resource);
@id("not-there") forbid (principal, action, resource is Portcullis::Destination in Portcullis::Segment::"eu");
"""
FACTS = [
    ("files.bank.example", "policy-forbidden"),
    ("files.bank.example:8443", "place-undeclared"),
    ("files.bank.example:8444", "permitted"),
    ("Files.bank.example", "place-undeclared"),
    ("files.bank.example.", "place-undeclared"),
    ("files.bank.example:0443", "place-undeclared"),
    ("user@other.example", "place-undeclared"),
    ("other.example", "permitted"),
    ("other.example:8443", "permitted"),
]


@pytest.mark.parametrize("wrong", ["Files.bank.example", "files.bank.example.", "a b", "files.bank.example:99999", ""])
def test_a_place_is_declared_in_its_one_form(wrong: str) -> None:
    with asked(CONFIG, POLICIES) as gate:
        (gate.data / "portcullis.yaml").write_text(CONFIG.replace("destinations: {", f'destinations: {{"{wrong}": [], '))
        applied = gate.cli("apply")
        assert applied.returncode == 3 and "destinations" in applied.stderr, applied.stderr


def test_another_way_to_write_a_place_is_no_way_around() -> None:
    with asked(CONFIG, POLICIES) as gate:
        desk = Point(gate, "desk")
        told = [(place, desk.may("alice", "connect", {"type": "Destination", "id": place})) for place, _ in FACTS]
        assert [(place, answer["context"]["reason"]) for place, answer in told] == FACTS
        assert [place for place, answer in told if answer["decision"]] == [place for place, reason in FACTS if reason == "permitted"]
