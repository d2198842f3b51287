"""The four situations through the gate: allowed, denied, challenged, and why.

What a test supplies is what the situation's own parties send: credentials, requests, questions of enforcement points with the name of
the agent that acts (`context.agent`), and files that operators apply. No fact of a decision.
"""

import json
from collections.abc import Iterator

import pytest
from authzen import Point, make_key, question
from gate import Gate
from issuer import Issuer
from situations import apply, situation, why
from test_access_requests import again, as_operator, look, submit
from test_access_requests import task as handle
from test_mcp import call as call_tool
from test_mcp import kb
from test_mcp import reason as refused_as
from test_operations import call
from tokens import ACCESS_TOKEN, EXCHANGE, post_form, until
from upstream import Peer, Request, Upstream, answer, chat_events, stream
from upstream import chat as completion

BANK = "https://gate.bank.example"


@pytest.fixture(scope="module")
def models() -> Iterator[Upstream]:
    """Where all models are."""
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(autouse=True)
def _forget(models: Upstream) -> None:
    models.script = says("Done.")
    models.requests.clear()


@pytest.fixture(scope="module")
def copilot(models: Upstream) -> Iterator[Gate]:
    """The gate of the copilot."""
    with situation("copilot", models.url) as gate:
        yield gate


@pytest.fixture(scope="module")
def shop() -> Iterator[Upstream]:
    """The suppliers' shop: says what it was called with."""
    with Upstream(script=kb) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def procurement(models: Upstream, shop: Upstream) -> Iterator[Gate]:
    """The gate of IT and procurement."""
    with situation("procurement", models.url, servers={"shop": f"{shop.url}/mcp"}) as gate:
        yield gate


@pytest.fixture(scope="module")
def bank(models: Upstream) -> Iterator[tuple[Gate, Issuer]]:
    """The gate of the bank, and its identity provider."""
    with Issuer(BANK) as sso, situation("bank", models.url, url=sso.url) as gate:
        until(lambda: chat(gate, sso.token("anna", groups=["fraud-analysts"]), "review")[0] == 200)
        yield gate, sso


@pytest.fixture(scope="module")
def hospital(models: Upstream) -> Iterator[Gate]:
    """The gate of the hospital."""
    with situation("hospital", models.url) as gate:
        yield gate


def says(text: str):
    """A model that always answers this."""

    async def script(_: Request, __: Peer) -> list[bytes]:
        return answer(200, completion(text))

    return script


def streams(text: str):
    """A model that says this four characters at a time."""

    async def script(_: Request, __: Peer) -> list[bytes]:
        return stream(chat_events([{"content": text[at : at + 4]} for at in range(0, len(text), 4)]))

    return script


def streamed(gate: Gate, key: str, model: str, text: str) -> str:
    """What a stream says, joined."""
    _, _, body = chat(gate, key, model, text, stream=True)
    events = [json.loads(line[6:]) for line in body["text"].splitlines() if line.startswith("data: {")]
    return "".join(event["choices"][0]["delta"].get("content", "") for event in events)


def chat(gate: Gate, key: str, model: str, text: str = "Hello.", **more: object) -> tuple[int, dict, dict]:
    """One chat call."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return call(f"{gate.url}/v1/chat/completions", key, body)


def content(body: dict) -> str:
    """What the model said, as it reached the caller."""
    return body["choices"][0]["message"]["content"]


def ask(gate: Gate, point: Point, row: tuple, **action: object) -> tuple[bool, str, set[str]]:
    """Asks about a row of who, agent, verb, kind, id: the decision, and why, from the log."""
    who, agent, verb, kind, thing = row
    told = point.may(
        {"type": "user" if agent is not None or not who.startswith("agent:") else "agent", "id": who.removeprefix("agent:")},
        {"name": verb, "properties": action} if action else verb,
        {"type": kind, "id": thing},
        **({"context": {"agent": agent}} if agent else {}),
    )
    reason, policies = why(gate, told["context"]["request_id"])
    assert told["context"]["reason"] == reason, told
    return told["decision"], reason, policies


def challenged(point: Point, who: str, agent: str | None, action: object, resource: tuple[str, str]) -> list[str]:
    """What would lift a denial."""
    told = point.may(who, action, {"type": resource[0], "id": resource[1]}, **({"context": {"agent": agent}} if agent else {}))
    assert told["decision"] is False
    return told["context"]["challenges"]


def approved(gate: Gate, point: Point, asks: dict, operator: str, shown: list[str]) -> dict:
    """The approval of what was denied: asked for by the point, shown to operators, answered by one of them with a key of their own."""
    number = handle(submit(point, asks))["id"]
    assert number in gate.cli("approvals", "list").stdout
    told = gate.cli("approvals", "show", number).stdout
    assert [part for part in shown if part not in told] == [], told
    send = as_operator(gate, make_key(gate, f"operator:{operator}"))
    shown_to = send(f"/admin/v1/approvals/{number}")[1]["things"]
    status, reply = send("/admin/v1/approvals", {"id": number, "shown": [thing["commitment"] for thing in shown_to], "is_approved": True})
    assert (status, reply["status"], reply["recorded"]) == (200, "approved", True), reply
    assert operator in gate.cli("approvals", "show", number).stdout, "who said yes"
    return look(point, number).json()["result"]["approval"]


# HR, finance and engineering copilot


def test_the_copilot_reads_what_its_users_role_may_read(copilot: Gate) -> None:
    service = Point(copilot, "data-service")
    may = {"hanna": {"handbook", "staff-list", "salary-bands"}, "felix": {"handbook", "ledger"}, "eva": {"handbook", "source-code"}}
    own = {"hanna": "hr-data", "felix": "finance-data", "eva": "engineering-data"}
    for who, expected in may.items():
        for dataset in ["handbook", "staff-list", "salary-bands", "ledger", "source-code"]:
            decision, reason, policies = ask(copilot, service, (who, "copilot", "read", "dataset", dataset))
            if (who, dataset) == ("felix", "salary-bands"):
                assert (decision, reason) == (False, "step-up-required")
            elif dataset in expected:
                assert (decision, reason, policies) == (True, "permitted", {own[who], "copilot-data"}), (who, dataset)
            else:
                assert (decision, reason) == (False, "policy-denied"), (who, dataset)
    assert ask(copilot, service, ("hanna", "copilot", "read", "dataset", "unlisted"))[:2] == (False, "question-unknown")


def test_a_copilot_without_an_employee_does_nothing(copilot: Gate, models: Upstream) -> None:
    service = Point(copilot, "data-service")
    assert ask(copilot, service, ("agent:copilot", None, "read", "dataset", "handbook"))[:2] == (False, "agent-without-user")
    alone = make_key(copilot, "agent:copilot")
    status, headers, _ = chat(copilot, alone, "assistant")
    assert status == 403 and why(copilot, headers["x-request-id"])[0] == "agent-without-user"
    for_eva = make_key(copilot, "agent:copilot", "--on-behalf-of", "eva")
    assert not models.requests and chat(copilot, for_eva, "assistant")[0] == 200


def test_salaries_reach_the_copilot_only_as_bands(copilot: Gate) -> None:
    service = Point(copilot, "data-service")
    assert ask(copilot, service, ("hanna", "copilot", "read", "dataset", "salary-bands"))[0]
    decision, reason, policies = ask(copilot, service, ("hanna", "copilot", "read", "dataset", "payroll"))
    assert (decision, reason) == (False, "policy-forbidden") and "salaries-as-bands" in policies
    assert ask(copilot, service, ("hanna", None, "read", "dataset", "payroll")) == (True, "permitted", {"hr-data"})
    # Finance sees bands too, behind a fresh sign-in: nobody vouches for one yet.
    _, reason, policies = ask(copilot, service, ("felix", "copilot", "read", "dataset", "salary-bands"))
    assert reason == "step-up-required" and "salaries-fresh-sign-in" in policies
    assert challenged(service, "felix", "copilot", "read", ("dataset", "salary-bands")) == ["step-up"]


def test_an_exact_salary_passes_neither_way(copilot: Gate, models: Upstream) -> None:
    key = make_key(copilot, "agent:copilot", "--on-behalf-of", "hanna")
    models.script = says("Her gross pay is 74,250 EUR; the band is 70k-80k.")
    status, headers, body = chat(copilot, key, "assistant", "Salary: 71.900 EUR in band 70k-80k. Is that fair?")
    assert status == 200, body
    assert models.requests[-1].json()["messages"][0]["content"] == "Salary: [redacted:SALARY] EUR in band 70k-80k. Is that fair?"
    assert content(body) == "Her gross pay is [redacted:SALARY] EUR; the band is 70k-80k."
    assert why(copilot, headers["x-request-id"]) == ("permitted", {"staff-assistant", "copilot-assistant"})
    models.script = streams("Her gross pay is 74,250 EUR; the band is 70k-80k.")
    assert streamed(copilot, key, "assistant", "And hers?") == "Her gross pay is [redacted:SALARY] EUR; the band is 70k-80k."


# IT and procurement agent


def test_knowledge_base_and_tickets_yes_production_never(procurement: Gate) -> None:
    tools = Point(procurement, "tool-gateway")
    allowed = [
        ("ivan", "helper", "read", "system", "knowledge-base"),
        ("petra", "helper", "read", "system", "tickets"),
        ("petra", "helper", "write", "system", "tickets"),
        ("dora", "helper", "read", "system", "orders-db-staging"),
        ("dora", None, "read", "system", "orders-db"),
    ]
    for row in allowed:
        decision, reason, policies = ask(procurement, tools, row)
        assert (decision, reason, "helper-systems" in policies) == (True, "permitted", row[1] == "helper"), row
    for who in ["ivan", "petra", "dora"]:
        for verb in ["read", "write"]:
            decision, _, policies = ask(procurement, tools, (who, "helper", verb, "system", "orders-db"))
            assert not decision and "production-never" in policies, (who, verb)
    assert ask(procurement, tools, ("petra", "helper", "write", "system", "knowledge-base"))[:2] == (False, "policy-denied")
    assert ask(procurement, tools, ("petra", None, "read", "system", "orders-db"))[:2] == (False, "policy-denied")


def test_an_order_of_the_agent_is_challenged(procurement: Gate) -> None:
    tools = Point(procurement, "tool-gateway")
    assert ask(procurement, tools, ("ivan", "helper", "request", "purchase", "laptops"))[0]
    order = ("petra", "helper", "order", "purchase", "laptops")
    decision, reason, policies = ask(procurement, tools, order, amount=900)
    assert (decision, reason) == (False, "approval-required") and "agent-orders-approved" in policies
    action = {"name": "order", "properties": {"amount": 900}}
    assert challenged(tools, "petra", "helper", action, ("purchase", "laptops")) == ["approval"]
    herself = ("petra", None, "order", "purchase", "laptops")
    assert ask(procurement, tools, herself, amount=900) == (True, "permitted", {"purchasing-orders"})
    for amount in [10_001, -1]:
        assert ask(procurement, tools, herself, amount=amount) == (False, "policy-forbidden", {"orders-have-a-ceiling"})
    assert ask(procurement, tools, herself)[:2] == (False, "policy-forbidden")
    # No word of the question answers the challenge.
    told = tools.may("petra", action, {"type": "purchase", "id": "laptops"}, context={"agent": "helper", "answered": {"approval": True}})
    assert told["decision"] is False


def test_an_approval_lets_the_very_order_pass(procurement: Gate) -> None:
    tools = Point(procurement, "tool-gateway")
    order = order_of(900)
    approval = approved(procurement, tools, order, "frida", ["user:petra", "agent:helper", '"amount": 900', "laptops", "agent-orders-approved"])
    told = again(tools, order, approval)
    assert told["decision"] is True, told
    assert why(procurement, told["context"]["request_id"]) == ("permitted", {"purchasing-orders", "helper-purchases"})
    assert f"approval: {approval['id']}" in procurement.cli("explain", told["context"]["request_id"]).stdout
    # Another sum, another thing, another buyer, and what nobody may order at all.
    others = [order_of(901), order_of(900, "phones"), order_of(900) | {"subject": {"type": "user", "id": "ivan"}}, order_of(10_001)]
    assert [again(tools, other, approval)["decision"] for other in others] == [False] * len(others)
    assert "access_request" not in tools.ask("evaluation", order_of(10_001)).json()["context"], "no approval lifts the ceiling"


def test_an_order_at_the_shop_is_approved_and_placed_once(procurement: Gate, shop: Upstream) -> None:
    for who in ["petra", "ivan"]:
        procurement.environment[f"PORTCULLIS_KEY_{who.upper()}S"] = make_key(procurement, "agent:helper", "--on-behalf-of", who)

    def order(cents: int, who: str = "PETRAS") -> tuple[int, dict, dict]:
        return call_tool(procurement, who, "place_order", {"offer": "a", "quantity": 1, "total_cents": cents}, server="shop")

    def calls() -> list:
        # The gate itself looks at what the shop announces.
        return [request for request in shop.requests if b'"tools/call"' in request.body]

    asked = order(90_000)
    assert refused_as(asked) == (200, 1403, "approval-required") and not calls()
    number = asked[2]["error"]["data"]["approval"]
    told = procurement.cli("approvals", "show", number).stdout
    parts = ["user:petra → agent:helper", '"total_cents": 90000', '"offer": "a"', "order-tool-approved", "once within 600 s"]
    assert [part for part in parts if part not in told] == [], told
    send = as_operator(procurement, make_key(procurement, "operator:frida"))
    things = send(f"/admin/v1/approvals/{number}")[1]["things"]
    assert send("/admin/v1/approvals", {"id": number, "shown": [thing["commitment"] for thing in things], "is_approved": True})[0] == 200
    # Another sum, another buyer, and what nobody may order at all.
    assert [refused_as(order(90_001))[2], refused_as(order(90_000, "IVANS"))[2], refused_as(order(1_000_001))[2]] == ["approval-required", "policy-denied", "policy-forbidden"]
    assert not calls()
    placed = order(90_000)
    assert "result" in placed[2] and len(calls()) == 1, placed
    assert refused_as(order(90_000))[2] == "approval-required" and len(calls()) == 1
    assert "approved by: operator:frida" in procurement.cli("explain", placed[1]["x-request-id"]).stdout


def order_of(amount: int, thing: str = "laptops") -> dict:
    """The question of the tool gateway about an order of petra's helper."""
    action = {"name": "order", "properties": {"amount": amount}}
    return question("petra", action, {"type": "purchase", "id": thing}) | {"context": {"agent": "helper"}}


def test_a_ticket_with_a_secret_does_not_reach_the_model(procurement: Gate, models: Upstream) -> None:
    key = make_key(procurement, "agent:helper", "--on-behalf-of", "ivan")
    status, headers, _ = chat(procurement, key, "worker", "The printer in room 12 is out of paper.")
    assert status == 200 and why(procurement, headers["x-request-id"]) == ("permitted", {"staff-worker", "helper-worker"})
    models.requests.clear()
    token = "ghp_" + "Zk3vT9qLw2Rb7YxN4mHc8FdGpJ5sVu1eQ0aB"
    status, headers, body = chat(procurement, key, "worker", f"The build fails, the token is {token}.")
    assert status == 403 and not models.requests, body
    assert json.loads(procurement.cli("explain", "--json", headers["x-request-id"]).stdout)["findings"]


# Bank

TRANSACTION = (
    "Customer: Erika Mustermann, KD-12345678, IBAN DE89370400440532013000, erika@example.com, +49 151 23456789, "
    "card 4111 1111 1111 1111. "
    "2026-01-03 12:40 card payment 49.90 EUR at Corner Bakery. Is it unusual?"
)
IDENTITY = ["Erika", "Mustermann", "12345678", "DE89370400440532013000", "erika@example.com", "23456789", "4111"]
REMAINS = ["2026-01-03 12:40 card payment 49.90 EUR at Corner Bakery", "Is it unusual?"]


def test_models_see_transactions_without_customer_identity(bank: tuple[Gate, Issuer], models: Upstream) -> None:
    gate, sso = bank
    anna = sso.token("anna", groups=["fraud-analysts"])
    models.script = says("Unusual for KD-12345678 (erika@example.com), account holder: Erika Mustermann.")
    status, headers, body = chat(gate, anna, "review", TRANSACTION)
    assert status == 200, body
    sent = models.requests[-1].body.decode()
    assert [part for part in IDENTITY if part in sent] == []
    assert [part for part in REMAINS if part not in sent] == []
    assert [part for part in IDENTITY if part in content(body)] == [] and content(body).startswith("Unusual for [redacted:")
    assert why(gate, headers["x-request-id"]) == ("permitted", {"fraud-review"})
    # In a stream, in whatever pieces it comes.
    models.script = streams(TRANSACTION)
    said = streamed(gate, anna, "review", TRANSACTION)
    assert [part for part in IDENTITY if part in said] == [] and [part for part in REMAINS if part not in said] == []
    assert [part for part in IDENTITY if part in models.requests[-1].body.decode()] == []


def task(gate: Gate, key: str, subject: str, purpose: str) -> tuple[int, dict]:
    """The reviewing agent's exchange of an analyst's token."""
    details = json.dumps([{"type": "call_model", "models": ["review", "scorer"]}])
    form = {"grant_type": EXCHANGE, "subject_token": subject, "subject_token_type": ACCESS_TOKEN, "purpose": purpose}
    return post_form(f"{gate.url}/oauth/token", key, form | {"authorization_details": details})


def test_analysts_and_their_agent_review_and_others_do_not(bank: tuple[Gate, Issuer], models: Upstream) -> None:
    gate, sso = bank
    reviewer = make_key(gate, "agent:reviewer")
    anna, rita = sso.token("anna", groups=["fraud-analysts"]), sso.token("rita", groups=["risk-officers"])
    status, made = task(gate, reviewer, anna, "transaction-review")
    assert status == 200, made
    status, headers, _ = chat(gate, made["access_token"], "review", TRANSACTION)
    assert status == 200 and why(gate, headers["x-request-id"]) == ("permitted", {"fraud-review", "reviewer-review"})
    assert [part for part in IDENTITY if part in models.requests[-1].body.decode()] == []
    models.requests.clear()
    # Another purpose, nobody behind it, another model, another role.
    _, other = task(gate, reviewer, anna, "marketing")
    status, headers, _ = chat(gate, other["access_token"], "review")
    assert status == 403 and "reviewer-for-its-purpose" in why(gate, headers["x-request-id"])[1]
    assert chat(gate, reviewer, "review")[0] == 403
    assert chat(gate, made["access_token"], "scorer")[0] == 403
    status, headers, _ = chat(gate, rita, "review")
    assert status == 403 and why(gate, headers["x-request-id"])[0] == "policy-denied"
    assert task(gate, reviewer, rita, "transaction-review")[0] == 400
    assert not models.requests


def test_the_service_bot_scores_nobody(bank: tuple[Gate, Issuer], models: Upstream) -> None:
    gate, _ = bank
    key, core = make_key(gate, "agent:service-bot"), Point(gate, "core-banking")
    assert chat(gate, key, "chat", "When do you open?")[0] == 200
    models.requests.clear()
    status, headers, _ = chat(gate, key, "scorer", "Is customer KD-12345678 creditworthy?")
    assert status == 403 and why(gate, headers["x-request-id"]) == ("policy-forbidden", {"bot-no-scoring-model"})
    assert not models.requests
    assert ask(gate, core, ("agent:service-bot", None, "balance", "customer", "9f3c")) == (True, "permitted", {"bot-balance"})
    assert ask(gate, core, ("agent:service-bot", None, "score", "customer", "9f3c")) == (False, "policy-forbidden", {"bot-no-scoring"})
    assert ask(gate, core, ("agent:reviewer", None, "score", "customer", "9f3c"))[:2] == (False, "agent-without-user")


def test_scoring_is_challenged(bank: tuple[Gate, Issuer], models: Upstream) -> None:
    gate, sso = bank
    models.requests.clear()
    status, headers, body = chat(gate, sso.token("rita", groups=["risk-officers"]), "scorer")
    assert (status, body["error"]["code"]) == (403, "step-up-required")
    reason, policies = why(gate, headers["x-request-id"])
    assert reason == "step-up-required" and "scoring-fresh-sign-in" in policies and not models.requests
    status, headers, _ = chat(gate, sso.token("anna", groups=["fraud-analysts"]), "scorer")
    assert status == 403 and why(gate, headers["x-request-id"])[0] != "step-up-required", "nobody is challenged for what stays refused"


def test_the_service_bot_has_a_ceiling(bank: tuple[Gate, Issuer], models: Upstream) -> None:
    gate, sso = bank
    key = make_key(gate, "agent:service-bot")
    for n_answered in range(42):
        status, headers, _ = chat(gate, key, "chat", "When do you open?")
        if status != 200:
            break
    assert status == 429 and 30 <= n_answered <= 40
    assert json.loads(gate.cli("explain", "--json", headers["x-request-id"]).stdout)["reason"] == "budget-spent"
    n_sent = len(models.requests)
    assert chat(gate, make_key(gate, "agent:service-bot"), "chat")[0] == 429, "another key of it is no other bot"
    assert len(models.requests) == n_sent
    assert chat(gate, sso.token("anna", groups=["fraud-analysts"]), "review")[0] == 200


# Hospital


def test_a_use_case_calls_its_approved_models(hospital: Gate, models: Upstream) -> None:
    agents = {agent: make_key(hospital, f"agent:{agent}", "--on-behalf-of", "dr-okafor") for agent in ["letter-writer", "triage-assistant"]}
    approved = {"letter-writer": "clinical-writer", "triage-assistant": "triage-reader"}
    use_cases = {"letter-writer": "discharge-letters-models", "triage-assistant": "triage-models"}
    for agent, key in agents.items():
        for model in ["clinical-writer", "triage-reader", "general"]:
            status, headers, body = chat(hospital, key, model)
            reason, policies = why(hospital, headers["x-request-id"])
            if model == approved[agent]:
                assert (status, reason, policies) == (200, "permitted", {"clinicians-clinical", use_cases[agent]}), body
            else:
                assert (status, reason) == (403, "policy-denied"), (agent, model)
                assert ("clinical-agents-approved-only" in policies) == (model == "general")
    assert len(models.requests) == 2
    by_hand = make_key(hospital, "user:dr-okafor")
    status, headers, _ = chat(hospital, by_hand, "clinical-writer")
    assert status == 403 and why(hospital, headers["x-request-id"]) == ("policy-forbidden", {"clinical-models-by-use-case"})
    for_miller = make_key(hospital, "agent:letter-writer", "--on-behalf-of", "miller")
    assert chat(hospital, for_miller, "clinical-writer")[0] == 403
    assert chat(hospital, make_key(hospital, "user:miller"), "general")[0] == 200


def test_an_approval_that_is_taken_back_ends(hospital: Gate) -> None:
    key = make_key(hospital, "agent:letter-writer", "--on-behalf-of", "dr-lind")
    main = hospital.data / "portcullis.yaml"
    text = main.read_text()
    assert chat(hospital, key, "clinical-writer")[0] == 200
    try:
        main.write_text(text.replace("    groups: [approved-for-discharge-letters]\n", ""))
        apply(hospital)
        status, headers, _ = chat(hospital, key, "clinical-writer")
        assert status == 403 and why(hospital, headers["x-request-id"])[1] == {"clinical-agents-approved-only"}
    finally:
        main.write_text(text)
        apply(hospital)
    assert chat(hospital, key, "clinical-writer")[0] == 200


def test_only_patients_under_this_clinicians_care(hospital: Gate) -> None:
    records = Point(hospital, "record-system")
    teams = {"p-1001": {"dr-okafor"}, "p-1002": {"dr-lind"}, "p-1003": {"dr-okafor", "dr-lind"}, "p-0900": set()}
    for patient, team in teams.items():
        for who in ["dr-okafor", "dr-lind", "miller"]:
            for agent in [None, "letter-writer", "triage-assistant"]:
                decision, reason, policies = ask(hospital, records, (who, agent, "read", "patient", patient))
                assert decision is (who in team), (who, agent, patient)
                assert reason == ("permitted" if decision else "policy-denied") and ("care-team" in policies) is decision
    # The list that the record system shows holds them and no others.
    wanted = {"subject": {"type": "user", "id": "dr-lind"}, "action": {"name": "read"}, "resource": {"type": "patient"}}
    found = records.ask("search/resource", wanted)
    assert found.status == 200 and {row["id"] for row in found.json()["results"]} == {"p-1002", "p-1003"}
    # Discharged: what the hospital's operators write is what is decided on.
    main = hospital.data / "portcullis.yaml"
    text = main.read_text()
    try:
        main.write_text(text.replace("p-1001: {care_team: [dr-okafor]}", "p-1001: {care_team: []}"))
        apply(hospital)
        assert ask(hospital, records, ("dr-okafor", "letter-writer", "read", "patient", "p-1001"))[:2] == (False, "policy-denied")
    finally:
        main.write_text(text)
        apply(hospital)
    assert ask(hospital, records, ("dr-okafor", "letter-writer", "read", "patient", "p-1001"))[0]
    told = {"type": "patient", "id": "p-1002", "properties": {"care_team": ["dr-okafor"]}}
    assert records.may("dr-okafor", "read", told)["decision"] is False, "who treats a patient is not the record system's to say"


def test_what_an_agent_writes_is_challenged(hospital: Gate) -> None:
    records = Point(hospital, "record-system")
    assert ask(hospital, records, ("dr-okafor", None, "write", "patient", "p-1001")) == (True, "permitted", {"care-team"})
    row = ("dr-okafor", "letter-writer", "write", "patient", "p-1001")
    decision, reason, policies = ask(hospital, records, row, entry=ENTRY)
    assert (decision, reason) == (False, "approval-required") and "agents-write-approved" in policies
    action = {"name": "write", "properties": {"entry": ENTRY}}
    assert challenged(records, "dr-okafor", "letter-writer", action, ("patient", "p-1001")) == ["approval"]
    assert ask(hospital, records, (*row[:4], "p-1002"), entry=ENTRY)[1] == "policy-denied"
    for unsaid in [{}, {"entry": ""}]:
        _, reason, policies = ask(hospital, records, row, **unsaid)
        assert reason == "policy-forbidden" and "agents-say-what-they-write" in policies


def test_an_approval_lets_the_very_entry_be_written(hospital: Gate) -> None:
    records = Point(hospital, "record-system")
    approval = approved(hospital, records, entry_of(ENTRY), "ward-lead", ["user:dr-okafor", "agent:letter-writer", ENTRY, "p-1001"])
    told = again(records, entry_of(ENTRY), approval)
    assert told["decision"] is True, told
    assert why(hospital, told["context"]["request_id"]) == ("permitted", {"care-team", "clinical-agents-records"})
    for other in [entry_of(ENTRY + "0"), entry_of(ENTRY, "p-1003"), entry_of("")]:
        assert again(records, other, approval)["decision"] is False, other
    # Whoever is not under this clinician's care any more is not written about, approved or not.
    main = hospital.data / "portcullis.yaml"
    text = main.read_text()
    try:
        main.write_text(text.replace("p-1001: {care_team: [dr-okafor]}", "p-1001: {care_team: []}"))
        apply(hospital)
        assert again(records, entry_of(ENTRY), approval)["decision"] is False
    finally:
        main.write_text(text)
        apply(hospital)


ENTRY = "2026-01-03 10:45: BP 120/80, discharged tomorrow"


def entry_of(text: str, patient: str = "p-1001") -> dict:
    """The question of the record system about what dr-okafor's letter writer wants to write."""
    action = {"name": "write", "properties": {"entry": text}}
    return question("dr-okafor", action, {"type": "patient", "id": patient}) | {"context": {"agent": "letter-writer"}}


# What holds of all of them


@pytest.mark.parametrize("name", ["copilot", "procurement", "bank", "hospital"])
def test_everything_is_decided_again_from_the_log(name: str, request: pytest.FixtureRequest) -> None:
    fixture = request.getfixturevalue(name)
    gate = fixture if isinstance(fixture, Gate) else fixture[0]
    point = {"copilot": "data-service", "procurement": "tool-gateway", "bank": "core-banking", "hospital": "record-system"}[name]
    Point(gate, point).may("nobody", "read", {"type": "dataset", "id": "x"})

    def replayed() -> bool:
        answer = gate.cli("replay", "--json")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        result = json.loads(answer.stdout)
        return result["different"] == [] and len(result["decisions"]) >= 1

    until(replayed)
