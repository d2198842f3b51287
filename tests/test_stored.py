"""Responses that a provider keeps: only the task that had them kept may show, list, stop, delete or continue them."""

import json
import pathlib
import subprocess

import openai
import pytest
from gate import Gate, binary
from issuer import Issuer
from samples import SAMPLES
from test_limits import budgets, used
from test_more_apis import let_keep, response, response_events, sent
from test_operations import call
from tokens import GATE, TokenGate, trust, until
from upstream import Peer, Request, Upstream, answer, stream

SECRET = SAMPLES["aws-access-token"]
HIDDEN = "[redacted:aws-access-token]"


class Keeper:
    """A provider that keeps responses, for whoever has its key."""

    def __init__(self, text: str = "kept") -> None:
        self.text = text
        self.kept: dict[str, dict] = {}
        self.asked: list[str] = []

    async def __call__(self, request: Request, _: Peer) -> list[bytes]:
        method, target, _ = request.line.split(" ")
        self.asked.append(f"{method} {target}")
        path, _, query = target.partition("?")
        parts = path.strip("/").split("/")
        if parts == ["v1", "responses"]:
            return self.make(request.json())
        found = self.kept.get(parts[2])
        if found is None:
            return answer(404, json.dumps({"error": {"message": "no such response", "type": "invalid_request_error", "param": None, "code": None}}).encode())
        match (method, parts[3:]):
            case ("GET", []) if "stream=true" in query:
                return stream(self.events(found))
            case ("GET", []):
                return answer(200, json.dumps(found).encode())
            case ("GET", ["input_items"]):
                said = {"type": "message", "id": "msg_in", "role": "user", "content": [{"type": "input_text", "text": f"mine: {self.text}"}]}
                return answer(200, json.dumps({"object": "list", "data": [said], "first_id": "msg_in", "last_id": "msg_in", "has_more": False}).encode())
            case ("POST", ["cancel"]):
                assert request.body == b""
                found["status"] = "cancelled"
                return answer(200, json.dumps(found).encode())
            case ("DELETE", []):
                del self.kept[parts[2]]
                return answer(200, json.dumps({"id": parts[2], "object": "response", "deleted": True}).encode())
        raise AssertionError(request.line)

    def make(self, asked: dict) -> list[bytes]:
        made = {**response(self.text, "{}"), "id": f"resp_{len(self.kept) + 1}", "previous_response_id": asked.get("previous_response_id")}
        made["usage"] = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
        if asked.get("background"):
            made |= {"status": "queued", "output": [], "usage": None}
        if asked.get("store", True):
            self.kept[made["id"]] = made
        return stream(self.events(made)) if asked.get("stream") else answer(200, json.dumps(made).encode())

    def events(self, made: dict) -> list[bytes]:
        half = len(self.text) // 2
        events = response_events([self.text[:half], self.text[half:]], ["{}"])
        for event in events:
            if "response" in event:
                event["response"] = {**event["response"], "id": made["id"]}
        return sent(events)


def client(gate: Gate, name: str = "ALICE") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gate.url}/v1", api_key=gate.key(name), max_retries=0)


def another(gate: Gate) -> str:
    """Somebody else who may use the same model."""
    return next(name for name in gate.keys() if name != "ALICE")


def told(error: openai.APIStatusError) -> tuple[int, dict]:
    """What a refusal says, without what is its own."""
    return error.status_code, json.loads(json.dumps(error.body))


def test_what_is_kept_is_shown_listed_stopped_and_deleted() -> None:
    keeper = Keeper(f"the key is {SECRET}.")
    with Upstream(keeper) as upstream, Gate(upstream.url) as gate:
        let_keep(gate)
        with client(gate) as api:
            made = api.responses.create(model="small", input="hi")
            shown = api.responses.retrieve(made.id, include=["message.output_text.logprobs", "reasoning.encrypted_content"])
            assert shown.id == made.id and shown.output_text == f"the key is {HIDDEN}."
            assert keeper.asked[-1] == "GET /v1/responses/resp_1?include[]=message.output_text.logprobs&include[]=reasoning.encrypted_content"
            assert upstream.requests[-1].body == b"" and upstream.requests[-1].header("content-type") is None
            items = api.responses.input_items.list(made.id, limit=5, order="asc", after="msg_0")
            assert items.data[0].content[0].text == f"mine: the key is {HIDDEN}."
            path, _, query = keeper.asked[-1].partition("?")
            assert path == "GET /v1/responses/resp_1/input_items" and sorted(query.split("&")) == ["after=msg_0", "limit=5", "order=asc"]
            stopped = api.responses.cancel(made.id)
            assert (stopped.id, stopped.status) == (made.id, "cancelled") and keeper.asked[-1] == "POST /v1/responses/resp_1/cancel"
            again = api.responses.create(model="small", input="more", previous_response_id=made.id)
            assert upstream.requests[-1].json()["previous_response_id"] == "resp_1" and again.previous_response_id == made.id
            assert api.responses.retrieve(again.id).previous_response_id == made.id
            deleted = api.delete(f"/responses/{made.id}", cast_to=object)
            assert deleted == {"id": made.id, "object": "response", "deleted": True}
            assert keeper.asked[-1] == "DELETE /v1/responses/resp_1"
            # What the provider forgot, it says itself.
            with pytest.raises(openai.NotFoundError) as gone:
                api.responses.retrieve(made.id)
            assert "no such response" in json.dumps(gone.value.body)


def test_nobody_else_can_tell_that_it_is_there() -> None:
    keeper = Keeper()
    with Upstream(keeper) as upstream, Gate(upstream.url) as gate:
        let_keep(gate)
        with client(gate) as api:
            made = api.responses.create(model="small", input="hi").id
        other = openai.OpenAI(base_url=f"{gate.url}/v1", api_key=gate.key(another(gate)), max_retries=0)
        before = len(keeper.asked)
        refusals = []
        with client(gate) as own, other:
            claims = [(other, made), (own, "resp_1"), (own, made[:-1] + ("0" if made[-1] != "0" else "1")), (own, made.replace("resp_1", "resp_2"))]
            claims += [(other, "resp_nothing"), (own, "..%2F..%2Fv1%2Fmodels"), (own, "x" * 600)]
            for api, claimed in claims:
                for act in (api.responses.retrieve, api.responses.delete, api.responses.cancel, api.responses.input_items.list):
                    with pytest.raises(openai.NotFoundError) as refusal:
                        act(claimed)
                    refusals.append(told(refusal.value))
        assert len(keeper.asked) == before, "the provider is not asked"
        assert all(refusal == refusals[0] for refusal in refusals)
        assert refusals[0][1]["code"] == "stored-not-found"
        assert list(keeper.kept) == ["resp_1"]


def test_it_is_decided_and_recorded_like_a_call() -> None:
    keeper = Keeper(f"the key is {SECRET}.")
    with Upstream(keeper) as upstream, Gate(upstream.url) as gate:
        let_keep(gate)
        with client(gate) as api:
            made = api.responses.create(model="small", input="hi").id
            shown = api.responses.with_raw_response.retrieve(made).headers["x-request-id"]
            gate.settled()
            explained = json.dumps(gate.admin("GET", f"/admin/v1/explain/{shown}"))
            for part in ("stored: show", "callModel", "aws-access-token", "outcome"):
                assert part in explained, part
            refused = api.responses.with_raw_response.retrieve
            (gate.data / "policies" / "none.cedar").write_text(
                '@id("none")\nforbid (principal, action == Portcullis::Action::"callModel", resource == Portcullis::Model::"small");\n'
            )
            assert gate.cli("apply").returncode == 0
            before = len(keeper.asked)
            for act in (refused, api.responses.delete, api.responses.cancel, api.responses.input_items.list):
                with pytest.raises(openai.APIStatusError) as refusal:
                    act(made)
                assert refusal.value.status_code in (403, 404)
            assert len(keeper.asked) == before and "resp_1" in keeper.kept
        gate._stop()
        replayed = subprocess.run([binary(), "replay", "--data", gate.data, "--json"], capture_output=True, text=True, timeout=60, check=False)
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        told = json.loads(replayed.stdout)
        assert told["different"] == [] and told["equal"] >= 6


def test_a_stream_is_resumed_where_it_broke_and_tells_nothing_more() -> None:
    """Every place to begin at: the secret is gone from each, although the provider's pieces cut it in two."""
    keeper = Keeper(f"{SECRET}, that is the key. " + "No other. " * 3)
    keeper_half = len(keeper.text) // 2
    assert SECRET not in keeper.text[keeper_half:]
    keeper.text = "x" * (keeper_half - 9) + " " + keeper.text
    with Upstream(keeper) as upstream, Gate(upstream.url) as gate:
        let_keep(gate)
        with client(gate) as api:
            first = list(api.responses.create(model="small", input="hi", stream=True))
            made = first[0].response.id
            assert "_pcl" in made and SECRET not in json.dumps([event.model_dump(mode="json") for event in first])
            whole = list(api.responses.retrieve(made, stream=True))
            assert [event.type for event in whole] == [event.type for event in first]
            for after in range(len(whole)):
                rest = list(api.responses.retrieve(made, stream=True, starting_after=after))
                assert [event.sequence_number for event in rest] == list(range(after + 1, len(whole))), after
                assert [event.model_dump() for event in rest] == [event.model_dump() for event in whole[after + 1 :]]
                assert "starting_after" not in keeper.asked[-1], "the provider is asked for the beginning too"
            with pytest.raises(openai.BadRequestError) as wrong:
                api.get(f"/responses/{made}?starting_after=3", cast_to=object)
            assert "stream=true" in json.dumps(wrong.value.body)


def test_an_answer_in_the_background_is_fetched_later() -> None:
    keeper = Keeper("done")
    with Upstream(keeper) as upstream, Gate(upstream.url) as gate:
        with client(gate) as api:
            with pytest.raises(openai.PermissionDeniedError):
                api.responses.create(model="small", input="hi", background=True, store=False)
            let_keep(gate)
            queued = api.responses.create(model="small", input="hi", background=True, max_output_tokens=77)
            assert queued.status == "queued"
            keeper.kept["resp_1"] |= {"status": "completed", "output": response("done", "{}")["output"]}
            assert api.responses.retrieve(queued.id).output_text == "done"


ROUTE = '      - {name: provider, model: "default"}\n'


def test_it_is_looked_for_where_it_is_and_nowhere_else() -> None:
    """The first upstream makes it; when that fails or is gone, nobody asks the second."""
    here, there = Keeper("here"), Keeper("there")
    with Upstream(here) as first, Upstream(there) as second:

        def configure(data: pathlib.Path) -> None:
            file = data / "portcullis.yaml"
            other = f'  other:\n    kind: "openai"\n    dialects: [openai]\n    base_url: "{second.url}"\n'
            file.write_text(file.read_text().replace("upstreams:\n  provider:\n", f"upstreams:\n{other}  provider:\n", 1))

        with Gate(first.url, configure) as gate, client(gate) as api:
            let_keep(gate)
            file = gate.data / "portcullis.yaml"
            original = file.read_text()
            assert original.count(ROUTE) == 2, "`small` and `large`"

            def serve(*upstreams: str) -> None:
                """`small` is served there, in this order."""
                routes = "".join(ROUTE.replace("provider", upstream) for upstream in upstreams)
                file.write_text(original.replace(ROUTE, routes, 1))
                done = gate.cli("apply")
                assert done.returncode == 0, done.stderr

            serve("provider", "other")
            made = api.responses.create(model="small", input="hi").id
            assert here.asked == ["POST /v1/responses"] and not there.asked
            there.kept["resp_1"] = {**response("not yours", "{}"), "id": "resp_1"}
            follow_ups = (
                lambda: api.responses.retrieve(made),
                lambda: api.responses.create(model="small", input="more", previous_response_id=made),
            )
            # The order of the routes says nothing of where it is.
            serve("other", "provider")
            for ask in follow_ups:
                assert ask().output_text == "here"
            assert not there.asked

            async def down(_: Request, __: Peer) -> list[bytes]:
                return answer(503, b"{}")

            first.script = down
            for ask in follow_ups:
                with pytest.raises(openai.InternalServerError):
                    ask()
            serve("other")
            for ask in follow_ups:
                with pytest.raises(openai.NotFoundError) as gone:
                    ask()
                assert gone.value.body["code"] == "stored-upstream-gone"
            assert not there.asked


def test_what_has_no_place_there() -> None:
    keeper = Keeper()
    with Upstream(keeper) as upstream, Gate(upstream.url) as gate:
        let_keep(gate)
        key = gate.key("ALICE")
        with client(gate) as api:
            made = api.responses.create(model="small", input="hi").id
        before = len(keeper.asked)
        with openai.AzureOpenAI(azure_endpoint=gate.url, api_key=key, api_version="2025-04-01-preview", max_retries=0) as azure:
            assert azure.responses.retrieve(made).id == made
        assert keeper.asked[before:] == ["GET /v1/responses/resp_1"]
        with client(gate) as api:
            for path, code in ((f"/responses/{made}?secret=1", "field-unknown"), (f"/responses/{made}?include=all", "field-type")):
                with pytest.raises(openai.BadRequestError) as wrong:
                    api.get(path, cast_to=object)
                assert wrong.value.body["code"] == code
            with pytest.raises(openai.BadRequestError):
                api.post(f"/responses/{made}/cancel", body={"a": 1}, cast_to=object)
            assert api.post(f"/responses/{made}/cancel", body={}, cast_to=object)
            with pytest.raises(openai.APIStatusError) as wrong:
                api.post(f"/responses/{made}", cast_to=object)
            assert wrong.value.status_code == 405 and wrong.value.response.headers["allow"] == "GET"
        assert keeper.asked[before + 1 :] == ["POST /v1/responses/resp_1/cancel"]
        assert call(f"{gate.url}/v1/responses/{made}", "", {})[0] in (401, 405)


def test_it_is_a_tasks_own_and_survives_the_rotation_of_keys() -> None:
    """Two tasks of the same agent for the same user share a ledger, and not what is stored. New ids are sealed with the new key."""
    details = [{"type": "call_model", "models": ["small"]}, {"type": "store_remotely", "models": ["small"]}]
    keeper = Keeper()
    with Upstream(keeper) as upstream, Issuer(GATE) as issuer, TokenGate(upstream.url, {"okta": trust(issuer)}) as gate:
        until(lambda: gate.chat(issuer.token())[0] != 401)
        keeper.kept.clear()
        first, second = gate.task("helper", issuer.token(), details), gate.task("helper", issuer.token(), details)

        def make(token: str) -> str:
            keeper.kept.clear()
            status, _, body = call(f"{gate.url}/v1/responses", token, {"model": "small", "input": "hi"})
            assert status == 200, body
            return body["id"]

        def show(token: str, name: str) -> int:
            return call(f"{gate.url}/v1/responses/{name}", token)[0]

        mine = make(first)
        assert [show(token, mine) for token in (first, second, issuer.token())] == [200, 404, 404]
        assert make(first) == mine, "the same name for the same thing"
        assert gate.cli("key", "rotate-tokens").returncode == 0
        assert show(first, mine) == 200
        anew = make(first)
        assert anew != mine and anew[:-32] == mine[:-32] and show(first, anew) == 200


def test_what_runs_on_is_charged_to_its_end() -> None:
    """Nobody hears what a background call used; so it is what was reserved, and looking at it costs nothing more."""
    keeper = Keeper()
    rules = "  words: {per: [user], every: day, output_tokens: 1000}\n"
    with Upstream(keeper) as upstream, Gate(upstream.url, budgets(rules)) as gate:
        let_keep(gate)
        with client(gate) as api:
            queued = api.responses.create(model="small", input="hi", background=True, max_output_tokens=77)
            assert used(gate, "words") == 77
            keeper.kept["resp_1"] |= {"status": "completed", "usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}}
            for _ in range(3):
                assert api.responses.retrieve(queued.id).usage.output_tokens == 7
            assert used(gate, "words") == 77
            api.responses.create(model="small", input="hi", max_output_tokens=50)
            assert used(gate, "words") == 77 + 7


def test_a_chat_completion_is_kept_only_if_it_says_so() -> None:
    """An upstream that keeps what is not declined is told so; whoever wants it kept asks for it, and policy decides."""

    def declining(data: pathlib.Path) -> None:
        file = data / "portcullis.yaml"
        file.write_text(file.read_text().replace('    base_url: "', '    decline_store: true\n    base_url: "', 1))

    with Upstream() as upstream, Gate(upstream.url, declining) as gate, client(gate) as api:
        create = api.chat.completions.create
        options = {"model": "small", "messages": [{"role": "user", "content": "hi"}]}
        create(**options)
        create(**options, store=None, stream=True).close()
        create(**options, store=False)
        assert [request.json()["store"] for request in upstream.requests] == [False, False, False]
        with pytest.raises(openai.PermissionDeniedError):
            create(**options, store=True)
        let_keep(gate)
        create(**options, store=True)
        assert upstream.requests[-1].json()["store"] is True
        # Nobody reads it back through the gate: there is no such path.
        with pytest.raises(openai.NotFoundError) as unknown:
            api.chat.completions.retrieve("chatcmpl-1")
        assert unknown.value.body["code"] == "route-unknown"
        assert len(upstream.requests) == 4
    with Upstream() as upstream, Gate(upstream.url) as gate, client(gate) as api:
        api.chat.completions.create(**options)
        assert "store" not in upstream.requests[-1].json(), "other servers may not know the field"
