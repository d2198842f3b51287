"""A real nginx and a real Envoy, by HTTP and by gRPC, in front of an application: what they forward is what the gate permits."""

import json
from collections.abc import Iterator

import pytest
from authzen import MAIN, Point, asked, make_key
from gate import Gate
from proxies import Application, Proxy, envoy, nginx

FRONT = (
    MAIN.replace("admin: 127.0.0.1:7701", "admin: 127.0.0.1:7701, ext_authz: 127.0.0.1:0")
    + """
users: {alice: {}, bob: {}}
agents: {assistant: {}, nightly: {}}
enforcement_points:
  front: {subjects: ["*"], actions: ["*"], resources: [route], routes: [/, /todos, "/todos/{id}", /admin]}
access:
  resources: {route: {open: true, properties: {path: string}}}
  actions: {GET: {resources: [route]}, POST: {resources: [route]}}
"""
)
POLICIES = """
permit (principal == Portcullis::User::"alice", action == Access::Action::"GET", resource);
permit (principal is Portcullis::Agent, action == Access::Action::"GET", resource == Access::route::"/todos/{id}");
permit (principal == Portcullis::User::"bob", action == Access::Action::"POST", resource == Access::route::"/todos");
forbid (principal, action, resource == Access::route::"/admin");
forbid (principal, action, resource is Access::route) when { context.pep.resource has path && context.pep.resource.path == "/todos/secret" };
"""


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """The gate that decides."""
    with asked(FRONT, POLICIES, restarts=True) as gate:
        yield gate


def grpc_port(gate: Gate) -> int:
    """Where it listens for checks."""
    line = next(line for line in gate.lines if "ext_authz (gRPC) listens on" in line)
    return int(line.rsplit(":", 1)[1])


def start(kind: str, gate: Gate, application: Application) -> Proxy:
    """One of the three."""
    key = make_key(gate, "pep:front")
    if kind == "nginx":
        return nginx(application, gate.port, key)
    return envoy(application, grpc_port(gate) if kind == "envoy-grpc" else gate.port, key, grpc=kind == "envoy-grpc")


KINDS = ["nginx", "envoy-http", "envoy-grpc"]


@pytest.fixture(scope="module", params=KINDS)
def proxy(request: pytest.FixtureRequest, gate: Gate) -> Iterator[Proxy]:
    """Each in turn."""
    with Application() as application, start(request.param, gate, application) as proxy:
        yield proxy


def ask(proxy: Proxy, method: str, target: str, key: str | None = None, **more: str) -> tuple[int, list[tuple], dict[str, str]]:
    """The status, and what reached the application."""
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    proxy.application.seen.clear()
    status, told = proxy.ask(method, target, headers | {name.replace("_", "-"): value for name, value in more.items()})
    return status, list(proxy.application.seen), told


def test_what_the_gate_permits_passes(gate: Gate, proxy: Proxy) -> None:
    alice, bob, assistant, nightly = (gate.key(name) for name in ("ALICE", "BOB", "ASSISTANT", "NIGHTLY"))
    facts = [
        ("GET", "/todos", alice, 200, "user:alice"),
        ("GET", "/todos/7?x=1", alice, 200, "user:alice"),
        ("GET", "/", alice, 200, "user:alice"),
        # Both links have to be permitted, and the agent is for one template only.
        ("GET", "/todos/7", assistant, 200, "user:alice agent:assistant"),
        ("GET", "/todos", assistant, 403, None),
        ("GET", "/todos/7", nightly, 403, None),
        ("POST", "/todos", bob, 200, "user:bob"),
        ("POST", "/todos", alice, 403, None),
        ("GET", "/todos", bob, 403, None),
        ("GET", "/admin", alice, 403, None),
        ("GET", "/todos/secret", alice, 403, None),
        ("GET", "/elsewhere", alice, 403, None),
        ("DELETE", "/todos", alice, 403, None),
        ("GET", "/todos", None, 401, None),
        ("GET", "/todos", "pcl_none", 401, None),
    ]
    for method, target, key, status, subject in facts:
        got, seen, _ = ask(proxy, method, target, key)
        assert (got, seen) == (status, [(method, target, subject)] if subject else []), (proxy.name, method, target, subject)


def test_paths_that_read_in_two_ways_are_denied(gate: Gate, proxy: Proxy) -> None:
    for target in ["/todos/../admin", "/todos/%2e%2e/admin", "//admin", "/todos//admin", "/./admin", "/todos/%61", "/todos;x/7", "/todos/a%2fb"]:
        status, seen, _ = ask(proxy, "GET", target, gate.key("ALICE"))
        assert status in (400, 403) and seen == [], (proxy.name, target, status)


def test_a_client_is_not_believed(gate: Gate, proxy: Proxy) -> None:
    """What a client says of the request line, of the enforcement point or of itself changes nothing for the better."""
    alice, bob = gate.key("ALICE"), gate.key("BOB")
    said = [
        {"x_original_uri": "/todos", "x_original_method": "GET"},
        {"x_forwarded_uri": "/todos", "x_forwarded_method": "GET"},
        {"x_portcullis_pep": alice},
        {"x_portcullis_subject": "user:alice", "x_subject": "user:alice"},
    ]
    for more in said:
        status, seen, _ = ask(proxy, "GET", "/admin", alice, **more)
        assert status in (401, 403) and seen == [], (proxy.name, more, status)
        status, seen, _ = ask(proxy, "GET", "/todos", bob, **more)
        assert status in (401, 403) and seen == [], (proxy.name, more, status)
    status, seen, _ = ask(proxy, "GET", "/todos", alice, x_portcullis_subject="user:bob", x_subject="user:bob")
    assert (status, seen) == (200, [("GET", "/todos", "user:alice")]), proxy.name
    # Two credentials are none, and a point's key is nobody's.
    assert ask(proxy, "GET", "/todos", alice, x_api_key=alice)[:2] == (401, []), proxy.name
    assert ask(proxy, "GET", "/todos", make_key(gate, "pep:front"))[:2] in [(401, []), (403, [])], proxy.name


def test_a_lock_takes_effect_at_once(gate: Gate, proxy: Proxy) -> None:
    assert gate.cli("kill", "user:alice").returncode == 0
    try:
        assert ask(proxy, "GET", "/todos", gate.key("ALICE"))[:2] == (403, [])
    finally:
        assert gate.cli("unlock", "user:alice").returncode == 0
    assert ask(proxy, "GET", "/todos", gate.key("ALICE"))[0] == 200


def test_each_is_recorded_and_can_be_decided_again(gate: Gate) -> None:
    with Application() as application, start("envoy-http", gate, application) as proxy:
        told = ask(proxy, "GET", "/admin", gate.key("ALICE"))[2]
        entry = gate.cli("explain", "--json", told["x-portcullis-request-id"])
        assert entry.returncode == 2, entry.stdout + entry.stderr
        entry = json.loads(entry.stdout)
        assert (entry["verdict"], entry["reason"], entry["chain"]) == ("deny", "policy-forbidden", ["user:alice"])
    replayed = gate.cli("replay", "--json")
    assert replayed.returncode == 0 and json.loads(replayed.stdout)["different"] == []


def test_only_its_own_key_lets_a_proxy_ask(gate: Gate) -> None:
    point = Point(gate, "front", key="")
    line = {"x-original-method": "GET", "x-original-uri": "/todos", "authorization": f"Bearer {gate.key('ALICE')}"}
    pep = make_key(gate, "pep:front")
    assert point.send("/access/v1/forward", None, line | {"x-portcullis-pep": pep}, "GET").status == 200
    for wrong in [{}, {"x-portcullis-pep": gate.key("ALICE")}, {"x-portcullis-pep": "pcl_x"}]:
        assert point.send("/access/v1/forward", None, line | wrong, "GET").status == 403, wrong
    # As Traefik writes it.
    traefik = {"x-forwarded-method": "GET", "x-forwarded-uri": "/todos", "authorization": line["authorization"], "x-portcullis-pep": pep}
    assert point.send("/access/v1/forward", None, traefik, "GET").status == 200
    assert point.send("/access/v1/forward", None, traefik | {"x-forwarded-uri": "/admin"}, "GET").status == 403
    forged = line | {"x-portcullis-pep": pep, "x-forwarded-method": "GET", "x-forwarded-uri": "/admin"}
    assert point.send("/access/v1/forward", None, forged, "GET").status == 403


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_gate_nothing_passes(kind: str) -> None:
    with Application() as application, asked(FRONT, POLICIES, restarts=True) as gate, start(kind, gate, application) as proxy:
        alice = gate.key("ALICE")
        assert ask(proxy, "GET", "/todos", alice)[0] == 200
        gate.stop()
        status, seen, _ = ask(proxy, "GET", "/todos", alice)
        assert status in (403, 500, 502, 503) and seen == []
