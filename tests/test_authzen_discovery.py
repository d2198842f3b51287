"""AuthZEN over TLS: transport and discovery of the certification scenario, one test per id, and that no id has been left out."""

import base64
import inspect
import json
import pathlib
import re
from collections.abc import Iterator

import pytest
import test_authzen
import test_authzen_search
from authority import Authority
from authzen import CERTIFICATION, CERTIFICATION_POLICIES, Point, Reply, asked, configure, question, shared
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from gate import Gate

WELL_KNOWN = "/.well-known/authzen-configuration"
ENDPOINTS = {
    "access_evaluation_endpoint": "evaluation",
    "access_evaluations_endpoint": "evaluations",
    "search_subject_endpoint": "search/subject",
    "search_resource_endpoint": "search/resource",
    "search_action_endpoint": "search/action",
}
ISSUER = "https://issuer.example"
URL = "  url: https://pdp.example.com\n"
IDS = """
2-1 2-2-1 2-2-2 2-2-3 2-2-4 2-2-5 2-2-6 2-2-7 2-2-8 2-2-9 2-3-1 2-3-2 2-4-1 2-4-2 2-4-3 2-4-4 2-4-5 2-4-6 2-5-1 2-5-2 2-6
3-1 3-2-1 3-2-2 3-2-3 3-2-4 3-2-5 3-2-6 3-2-7 3-3-1 3-3-2 3-3-3 3-3-4 3-4-1 3-4-2 3-4-3
4-1 4-2-1 4-2-2 4-2-3 4-2-4 4-3-1 4-3-2 4-3-3 4-3-4 4-4-1 4-4-2 4-4-3 4-5-1 4-5-2 4-5-3 4-5-4 4-6-1 4-6-2 4-7-1 4-7-2
5-1 5-2 5-3 5-4 5-5
6-1 6-2 6-3 6-4 6-5 6-6
""".split()
"""Every id of the scenario that says what is tested. `c-5` is one section with five numbered requirements."""


@pytest.fixture(scope="module")
def pdp() -> Iterator[Point]:
    """The gate with a certificate, under the address at which it is reached, asked by the point that certifies."""
    root = Authority()

    def with_tls(data: pathlib.Path) -> None:
        root.write(data / "tls", "gate", "127.0.0.1", "localhost")
        listening = CERTIFICATION.replace("admin: 127.0.0.1:7701}", "admin: 127.0.0.1:7701, tls: {certificate: tls/gate.crt, key: tls/gate.key}}")
        assert listening != CERTIFICATION
        configure(data, f"{listening}\ntokens: {{url: '{ISSUER}'}}\n", CERTIFICATION_POLICIES)

    with Gate("http://127.0.0.1:9", with_tls) as gate:
        main = gate.data / "portcullis.yaml"
        main.write_text(main.read_text().replace(URL, f"  url: {gate.url}\n"))
        applied = gate.cli("apply")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        yield Point(gate, "harness", trust=root.client())


def discovered(pdp: Point) -> Reply:
    """What everybody may read, asked for without a key."""
    return pdp.send(WELL_KNOWN, None, {"authorization": "", "content-type": ""}, "GET")


def attested(pdp: Point, token: str) -> dict:
    """The claims of signed metadata, its signature held against the keys that the gate publishes."""
    decode = lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    head, claims, signature = token.split(".")
    header = json.loads(decode(head))
    keys = {key["kid"]: key for key in pdp.send("/oauth/jwks", None, {"authorization": ""}, "GET").json()["keys"]}
    assert header["alg"] == "EdDSA"
    Ed25519PublicKey.from_public_bytes(decode(keys[header["kid"]]["x"])).verify(decode(signature), f"{head}.{claims}".encode())
    return json.loads(decode(claims))


# Transport


def test_c_5_1(pdp: Point) -> None:
    assert pdp.gate.url.startswith("https://")
    assert pdp.ask("evaluation", question("alice", "read", "record-1"), content_type="application/json").json()["decision"] is True
    plain = Point(pdp.gate, "harness", pdp.key)
    with pytest.raises(OSError, match="certificate"):
        plain.ask("evaluation", question("alice", "read", "record-1"))


def test_c_5_2(pdp: Point) -> None:
    one = question("alice", "read", "record-1")
    for path in ENDPOINTS.values():
        reply = pdp.ask(path, one)
        assert (reply.status, reply.headers["content-type"]) == (200, "application/json"), path


def test_c_5_3(pdp: Point) -> None:
    for path in ENDPOINTS.values():
        assert pdp.ask(path, {}).status == 400, path


def test_c_5_4(pdp: Point) -> None:
    for path in ENDPOINTS.values():
        for body in [question("alice", "read", "record-1"), {}]:
            assert pdp.ask(path, body, x_request_id="an id of the caller").headers["x-request-id"] == "an id of the caller", path


def test_c_5_5(pdp: Point) -> None:
    one = question("alice", "read", "record-1")
    more = one | {"futureField": {"nested": [True]}, "subject": one["subject"] | {"foo": 1}}
    for path in ENDPOINTS.values():
        plain, odd = pdp.ask(path, one).json(), pdp.ask(path, more).json()
        keys = [key for key in ("decision", "results") if key in plain]
        assert keys and [plain[key] for key in keys] == [odd[key] for key in keys], path


# Discovery


def test_c_6_1(pdp: Point) -> None:
    assert discovered(pdp).status == 200, "for everybody"
    assert pdp.send(WELL_KNOWN, b"{}").status == 405


def test_c_6_2(pdp: Point) -> None:
    reply = discovered(pdp)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert isinstance(reply.json(), dict)


def test_c_6_3(pdp: Point) -> None:
    told = discovered(pdp).json()
    assert re.fullmatch(r"https://[^?#]+", told["policy_decision_point"])
    assert told["access_evaluation_endpoint"]


def test_c_6_4(pdp: Point) -> None:
    """What is named is served: each endpoint answers a question at the address that discovery tells."""
    told = discovered(pdp).json()
    for name, path in ENDPOINTS.items():
        assert told[name] == f"{pdp.gate.url}/access/v1/{path}"
        reply = pdp.send(told[name].removeprefix(pdp.gate.url), json.dumps(question("alice", "read", "record-1")).encode())
        assert reply.status == 200, name
    known = {*ENDPOINTS, "policy_decision_point", "signed_metadata", "supported_obligations", "capabilities"}
    named = set(told) - known
    assert all(name.endswith("_endpoint") or isinstance(told[name], list | str | bool) for name in named), named


def test_c_6_5(pdp: Point) -> None:
    told = discovered(pdp).json()
    assert told["policy_decision_point"] == pdp.gate.url, "the base URL that was used"
    assert all(value.startswith("https://") for name, value in told.items() if name.endswith("_endpoint"))
    assert all(isinstance(urn, str) for urn in told.get("capabilities", []))
    claims = attested(pdp, told.pop("signed_metadata"))
    assert claims.pop("iss") == ISSUER
    assert claims.pop("exp") - claims.pop("iat") == 86_400
    assert claims == told, "what is signed is what is said"


def test_c_6_6() -> None:
    """Without `access.url` there is no document, and a harness that falls back to the paths of the standard finds all of them."""
    without = CERTIFICATION.replace(URL, "")
    assert without != CERTIFICATION
    with asked(without, CERTIFICATION_POLICIES) as gate:
        point = Point(gate, "harness")
        assert discovered(point).status == 404
        for path in ENDPOINTS.values():
            assert point.ask(path, question("alice", "read", "record-1")).status == 200, path


def test_what_is_signed_is_no_credential(pdp: Point) -> None:
    """The key signs task tokens too: signed metadata must not pass for one."""
    signed = discovered(pdp).json()["signed_metadata"]
    for path in ["/v1/models", "/access/v1/evaluation"]:
        body = None if path == "/v1/models" else json.dumps(question("alice", "read", "record-1")).encode()
        reply = pdp.send(path, body, {"authorization": f"Bearer {signed}"}, "GET" if body is None else "POST")
        assert reply.status == 401, path


def test_without_keys_nothing_is_signed() -> None:
    with asked(CERTIFICATION, CERTIFICATION_POLICIES) as gate:
        told = discovered(Point(gate, "harness")).json()
        assert told["policy_decision_point"] == "https://pdp.example.com" and "signed_metadata" not in told


# The list


def _ids_with_a_test() -> list[str]:
    """The ids of all tests here and beside."""
    modules = [test_authzen, test_authzen_search, inspect.getmodule(_ids_with_a_test)]
    names = [name for module in modules for name, _ in inspect.getmembers(module, inspect.isfunction)]
    found = [re.fullmatch(r"test_c_(\d+(?:_\d+)*)", name) for name in names]
    return sorted(match[1].replace("_", "-") for match in found if match)


def test_every_id_has_a_test_of_its_own() -> None:
    assert _ids_with_a_test() == sorted(IDS)


def test_the_list_is_that_of_the_scenario() -> None:
    text = shared("certification/authorization-api-1_0-scenario.md").read_text()
    written = re.findall(r"^#+ .*\{#c-([0-9-]+)\}$", text, re.MULTILINE)
    # A section that has others in it says nothing by itself; the first describes what the gate is loaded with.
    leaves = [one for one in written if not one.startswith("1") and not any(other.startswith(f"{one}-") for other in written)]
    transport = text[text.index("{#c-5}") : text.index("{#c-6}")]
    numbered = re.findall(r"^(\d)\. ", transport, re.MULTILINE)
    leaves = [one for one in leaves if one != "5"] + [f"5-{number}" for number in numbered]
    assert sorted(leaves) == sorted(IDS)
