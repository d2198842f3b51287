"""The tools of the four situations through the gate: data are fetched, records written, fees paid back and tickets opened by the agents themselves,
as policies, approvals and limits allow. The servers are scripted; what they are asked is what the gate has let through."""

import json
from collections.abc import Callable, Iterator

import pytest

from authzen import make_key
from gate import Gate
from issuer import Issuer
from situations import SERVER_KEY, situation, why
from test_access_requests import as_operator
from test_mcp import ask, call, reason, result, text
from tokens import until
from upstream import Peer, Request, Upstream

BANK = "https://gate.bank.example"
SALARY = "61,250"
PEOPLE = {"sales": 100, "research": 40, "legal": 30}


def served(tools: dict[str, Callable[[dict], object]]):
    """A tool server that answers each call by its arguments."""

    async def script(request: Request, _: Peer) -> list[bytes]:
        asked = request.json()
        assert request.header("authorization") == f"Bearer {SERVER_KEY}", "the gate's own key and nobody's else"
        if asked["method"] != "tools/call":
            return result(asked, {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}})
        said = tools[asked["params"]["name"]](asked["params"]["arguments"])
        return result(asked, {"content": text(json.dumps(said))["content"], "structuredContent": said, "resultType": "complete"})

    return script


DATA = {
    "staff_list": lambda asked: {"people": [f"{asked['department']}-{n}" for n in range(PEOPLE[asked["department"]])], "note": f"base pay: {SALARY} EUR"},
    "payroll": lambda asked: {"employee": asked["employee"], "salary": SALARY},
    "salary_bands": lambda asked: {"grade": asked["grade"], "band": "60k-70k"},
    "ledger": lambda asked: {"quarter": asked["quarter"], "entries": 3},
    "source_file": lambda asked: {"path": asked["path"], "words": "fn main() {}"},
}
RECORDS = {
    "read_record": lambda asked: {"patient": asked["patient"], "record": "BP 120/80"},
    "write_entry": lambda asked: {"patient": asked["patient"], "written": asked["entry"]},
}
CORE = {
    "balance": lambda asked: {"account": asked["account"], "balance": "1.20", "text": "Account holder: Erika Mustermann, KD-12345678, erika@example.com"},
    "refund": lambda asked: {"account": asked["account"], "refunded": asked["cents"]},
    "score": lambda _: {"score": 1},
}
DESK = {"search_articles": lambda _: {"articles": ["vpn"]}, "create_ticket": lambda asked: {"ticket": asked["title"]}}
DATABASE = {"query": lambda asked: {"database": asked["database"], "n_rows": 1}}
SHOP = {"search_offers": lambda _: {"offers": ["a"]}, "place_order": lambda _: {"ordered": True}}


class Situation:
    """A gate with its servers, and keys for agents that act for people."""

    def __init__(self, gate: Gate, servers: dict[str, Upstream]) -> None:
        self.gate, self.servers = gate, servers

    def key(self, name: str, agent: str, user: str | None = None) -> str:
        """Makes a key under a name."""
        self.gate.environment[f"PORTCULLIS_KEY_{name}"] = make_key(self.gate, f"agent:{agent}", *(["--on-behalf-of", user] if user else []))
        return name

    def call(self, who: str, server: str, tool: str, **arguments: object) -> tuple[int, dict, dict]:
        return call(self.gate, who, tool, arguments, server=server)

    def reached(self, server: str) -> int:
        """How many calls have reached a server."""
        return sum(request.json()["method"] == "tools/call" for request in self.servers[server].requests)

    def said(self, who: str, server: str, tool: str, **arguments: object) -> dict:
        """The result of a call that has to succeed."""
        status, _, message = self.call(who, server, tool, **arguments)
        assert status == 200 and "result" in message, message
        return message["result"]["structuredContent"]

    def refused(self, who: str, server: str, tool: str, **arguments: object) -> tuple[str, set[str]]:
        """Why a call is refused, and the policies that took part; nothing reaches the server."""
        before = self.reached(server)
        answered = self.call(who, server, tool, **arguments)
        assert reason(answered)[:2] == (200, 1403), answered
        assert self.reached(server) == before
        told, policies = why(self.gate, answered[1]["x-request-id"])
        # Where a policy permits and something else has no room, the answer says more than the decision.
        return (told if told != "permitted" else reason(answered)[2]), policies

    def listed(self, who: str, server: str) -> list[str]:
        status, _, message = ask(self.gate, who, "tools/list", server=server)
        assert status == 200 and "result" in message, message
        return [tool["name"] for tool in message["result"]["tools"]]

    def approve(self, operator: str, asked: tuple[int, dict, dict], parts: list[str]) -> None:
        """Somebody is shown what waits and says yes."""
        assert reason(asked)[2] == "approval-required", asked
        number = asked[2]["error"]["data"]["approval"]
        told = self.gate.cli("approvals", "show", number).stdout
        assert [part for part in parts if part not in told] == [], told
        send = as_operator(self.gate, make_key(self.gate, f"operator:{operator}"))
        things = send(f"/admin/v1/approvals/{number}")[1]["things"]
        assert send("/admin/v1/approvals", {"id": number, "shown": [thing["commitment"] for thing in things], "is_approved": True})[0] == 200


def running(name: str, tools: dict[str, dict], **more: str) -> Iterator[Situation]:
    """The situation with its tool servers."""
    servers = {server: Upstream(script=served(answers)) for server, answers in tools.items()}
    with Upstream() as models:
        try:
            addresses = {server: f"{upstream.__enter__().url}/mcp" for server, upstream in servers.items()}
            with situation(name, models.url, addresses, **more) as gate:
                yield Situation(gate, servers)
        finally:
            for upstream in servers.values():
                upstream.__exit__()


@pytest.fixture(scope="module")
def copilot() -> Iterator[Situation]:
    yield from running("copilot", {"data": DATA})


@pytest.fixture(scope="module")
def hospital() -> Iterator[Situation]:
    yield from running("hospital", {"records": RECORDS})


@pytest.fixture(scope="module")
def bank() -> Iterator[Situation]:
    with Issuer(BANK) as sso:
        yield from running("bank", {"core": CORE}, url=sso.url)


@pytest.fixture(scope="module")
def procurement() -> Iterator[Situation]:
    yield from running("procurement", {"desk": DESK, "database": DATABASE, "shop": SHOP})


# The copilot


def test_data_is_fetched_through_the_gate(copilot: Situation) -> None:
    hanna, felix, eva = (copilot.key(user.upper(), "copilot", user) for user in ("hanna", "felix", "eva"))
    assert {who: copilot.listed(who, "data") for who in (hanna, felix, eva)} == {
        hanna: ["staff_list", "salary_bands"], felix: ["salary_bands", "ledger"], eva: ["source_file"],
    }  # fmt: skip
    assert copilot.said(eva, "data", "source_file", path="src/main.rs")["words"] == "fn main() {}"
    assert copilot.said(felix, "data", "ledger", quarter="2026-Q1")["entries"] == 3
    assert copilot.said(hanna, "data", "salary_bands", grade="E4")["band"] == "60k-70k"
    assert copilot.refused(eva, "data", "ledger", quarter="2026-Q1")[0] == "policy-denied"
    told, policies = copilot.refused(hanna, "data", "payroll", employee="eva")
    assert told == "policy-forbidden" and "payroll-not-by-agents" in policies
    told, policies = copilot.refused(felix, "data", "salary_bands", grade="E4")
    assert told == "step-up-required" and "bands-fresh-sign-in" in policies
    nobody = copilot.key("NOBODY", "copilot")
    assert copilot.refused(nobody, "data", "source_file", path="src/main.rs")[0] == "agent-without-user"


def test_what_is_fetched_holds_no_exact_salary_and_not_everybody(copilot: Situation) -> None:
    hanna = copilot.key("HANNA2", "copilot", "hanna")
    status, _, message = copilot.call(hanna, "data", "staff_list", department="sales")
    assert status == 200 and len(message["result"]["structuredContent"]["people"]) == PEOPLE["sales"], message
    assert SALARY not in json.dumps(message) and "[redacted:" in json.dumps(message)
    # A hundred are counted before it is known how many come; then there is room for fifty more, and not for another hundred.
    assert copilot.refused(hanna, "data", "staff_list", department="legal")[0] == "amount-limit"
    assert copilot.said(hanna, "data", "salary_bands", grade="E4")["band"] == "60k-70k"


# The hospital


def test_records_are_read_and_written_through_the_gate(hospital: Situation) -> None:
    letters, triage = hospital.key("LETTERS", "letter-writer", "dr-okafor"), hospital.key("TRIAGE", "triage-assistant", "dr-lind")
    assert hospital.listed(letters, "records") == ["read_record", "write_entry"]
    assert hospital.said(letters, "records", "read_record", patient="p-1001")["record"] == "BP 120/80"
    assert hospital.said(triage, "records", "read_record", patient="p-1002")["patient"] == "p-1002"
    for who, patient in [(letters, "p-1002"), (triage, "p-1001"), (letters, "p-0900"), (letters, "p-1001 "), (letters, "P-1001")]:
        assert hospital.refused(who, "records", "read_record", patient=patient)[0] == "policy-denied", (who, patient)
    miller = hospital.key("MILLER", "letter-writer", "miller")
    assert hospital.refused(miller, "records", "read_record", patient="p-1001")[0] == "policy-denied"
    # An entry is approved word for word, and written once.
    before = hospital.reached("records")
    entry = {"patient": "p-1001", "entry": "BP 120/80, discharged tomorrow"}
    asked = hospital.call(letters, "records", "write_entry", **entry)
    hospital.approve("ward-lead", asked, ["user:dr-okafor → agent:letter-writer", entry["entry"], "p-1001", "agents-entries-approved"])
    for other in [entry | {"entry": "BP 120/80, discharged today"}, entry | {"patient": "p-1003"}]:
        assert hospital.refused(letters, "records", "write_entry", **other)[0] == "approval-required", other
    assert hospital.said(letters, "records", "write_entry", **entry) == {"patient": "p-1001", "written": entry["entry"]}
    assert hospital.refused(letters, "records", "write_entry", **entry)[0] == "approval-required"
    assert hospital.reached("records") == before + 1


def test_an_agent_reads_no_records_without_end(hospital: Situation) -> None:
    triage = hospital.key("TRIAGE2", "triage-assistant", "dr-lind")
    answered = [hospital.call(triage, "records", "read_record", patient="p-1003") for _ in range(62)]
    reasons = [reason(one)[2] for one in answered]
    assert reasons[40] is None and reasons[-1] in ("request-limit", "budget-spent"), reasons[-3:]


# The bank


def test_the_bot_shows_balances_and_pays_small_fees_back(bank: Situation) -> None:
    bot = bank.key("BOT", "service-bot")
    assert bank.listed(bot, "core") == ["balance", "refund"]
    said = json.dumps(bank.said(bot, "core", "balance", account="9f3c"))
    assert "1.20" in said and [part for part in ["Erika", "Mustermann", "12345678", "erika@example.com"] if part in said] == [], said
    told, policies = bank.refused(bot, "core", "score", customer="9f3c")
    assert (told, "bot-no-scoring-tool" in policies) == ("policy-forbidden", True)
    assert bank.said(bot, "core", "refund", account="9f3c", cents=900)["refunded"] == 900
    for cents in (-900, 0, 5001):
        assert bank.refused(bot, "core", "refund", account="9f3c", cents=cents)[0] in ("policy-denied", "policy-forbidden"), cents
    # More than a small fee waits for a person; approved, it is paid once.
    asked = bank.call(bot, "core", "refund", account="9f3c", cents=3500)
    bank.approve("berta", asked, ["agent:service-bot", '"cents": 3500', "bot-refund-approved"])
    assert bank.said(bot, "core", "refund", account="9f3c", cents=3500)["refunded"] == 3500
    assert bank.refused(bot, "core", "refund", account="9f3c", cents=3500)[0] == "approval-required"
    # However small each is: they add up, and no other key of the bot has room of its own.
    assert bank.refused(bot, "core", "refund", account="9f3c", cents=601)[0] == "amount-limit"
    other = bank.key("BOT2", "service-bot")
    assert bank.refused(other, "core", "refund", account="9f3c", cents=601)[0] == "amount-limit"
    assert bank.said(other, "core", "refund", account="9f3c", cents=600)["refunded"] == 600


# IT and procurement


def test_the_tools_of_desk_and_database_are_called_through_the_gate(procurement: Situation) -> None:
    ivan, dora, petra = (procurement.key(user.upper(), "helper", user) for user in ("ivan", "dora", "petra"))
    assert {server: procurement.listed(petra, server) for server in ("desk", "database", "shop")} == {
        "desk": ["search_articles", "create_ticket"], "database": [], "shop": ["search_offers", "place_order"],
    }  # fmt: skip
    assert procurement.listed(ivan, "database") == ["query"] and procurement.listed(ivan, "shop") == ["search_offers"]
    assert procurement.said(ivan, "desk", "search_articles", query="vpn") == {"articles": ["vpn"]}
    assert procurement.said(ivan, "desk", "create_ticket", title="printer", queue="it") == {"ticket": "printer"}
    assert procurement.said(dora, "database", "query", database="orders-staging", statement="select 1")["n_rows"] == 1
    for database in ("orders", "ORDERS-STAGING", "orders-staging "):
        told, policies = procurement.refused(dora, "database", "query", database=database, statement="select 1")
        assert (told, "query-staging-only" in policies) == ("policy-forbidden", True), database
    assert procurement.refused(petra, "database", "query", database="orders-staging", statement="select 1")[0] == "policy-denied"
    # An argument that nobody has declared.
    told, policies = procurement.refused(ivan, "desk", "create_ticket", title="printer", queue="it", cc="x")
    assert told in ("policy-forbidden", "arguments-invalid"), told


@pytest.mark.parametrize("name", ["copilot", "hospital", "bank", "procurement"])
def test_everything_is_decided_again_from_the_log(name: str, request: pytest.FixtureRequest) -> None:
    gate = request.getfixturevalue(name).gate

    def replayed() -> bool:
        answer = gate.cli("replay", "--json")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        told = json.loads(answer.stdout)
        return told["different"] == [] and len(told["decisions"]) >= 1

    until(replayed)
