"""Every string leaf of what providers answer with: generated from the classes of the installed `openai` and `anthropic`.

`fixtures(root)` gives one document per leaf, minimal but for the one leaf, which holds PLANT. A leaf is any place where a
string can stand: plain strings, literals (closed on paper, open on the wire), values of unknown type, keys of open objects.
"""

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import anthropic
import openai
import pydantic
from anthropic.types import Message, RawMessageStreamEvent
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent

PLANT = "\x00plant\x00"
"""Stands where the secret goes."""


@dataclass(frozen=True)
class Leaf:
    """One leaf: its way from the root (class names stand where a union was decided), and a document that holds PLANT there."""

    way: str
    document: object
    is_key: bool = False
    is_literal: bool = False
    owner: str = ""
    """`Class.field` that the leaf belongs to."""


def _arms(kind: object) -> list[object]:
    """The members of a union, without None; unwraps what carries no shape."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _arms(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        return [arm for member in typing.get_args(kind) for arm in _arms(member) if arm is not type(None)]
    if isinstance(kind, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
        return _arms(kind.__value__)
    return [kind]


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def _wire_name(name: str, field: pydantic.fields.FieldInfo) -> str:
    return field.alias or name


def minimal(kind: object, seen: tuple[type, ...] = ()) -> object:
    """A small value that the class accepts."""
    arm = _arms(kind)[0] if _arms(kind) else type(None)
    origin, arguments = typing.get_origin(arm), typing.get_args(arm)
    if origin is typing.Literal:
        return arguments[0]
    if origin in (list, typing.Sequence) or arm is list:
        return []
    if origin is dict or arm is dict:
        return {}
    if _is_model(arm):
        if arm in seen:
            raise RecursionError(arm.__name__)
        fields = {_wire_name(name, field): field for name, field in arm.model_fields.items() if field.is_required()}
        return {
            name: None if type(None) in typing.get_args(field.annotation) else minimal(field.annotation, (*seen, arm))
            for name, field in fields.items()
        }
    if isinstance(arm, type) and issubclass(arm, Enum):
        return next(iter(arm)).value
    plain = {str: "x", int: 1, float: 0.5, bool: True, type(None): None, object: None, typing.Any: None}
    return plain[arm] if arm in plain else "x"


def fixtures(kind: object, way: str = "", owner: str = "", seen: tuple[type, ...] = ()) -> Iterator[Leaf]:
    """One document per string leaf below a type."""
    arms = _arms(kind)
    for arm in arms:
        origin, arguments = typing.get_origin(arm), typing.get_args(arm)
        if arm is str or (isinstance(arm, type) and issubclass(arm, str)):
            yield Leaf(way, PLANT, owner=owner)
        elif origin is typing.Literal:
            if any(isinstance(value, str) for value in arguments):
                yield Leaf(f"{way}=", PLANT, is_literal=True, owner=owner)
        elif isinstance(arm, type) and issubclass(arm, Enum):
            yield Leaf(f"{way}=", PLANT, is_literal=True, owner=owner)
        elif origin in (list, typing.Sequence):
            for leaf in fixtures(arguments[0], f"{way}[]", owner, seen):
                yield _around(leaf, lambda inner: [inner])
        elif origin is dict:
            yield Leaf(f"{way}{{key}}", {PLANT: minimal(arguments[1], seen)}, is_key=True, owner=owner)
            for leaf in fixtures(arguments[1], f"{way}{{}}", owner, seen):
                yield _around(leaf, lambda inner: {"k": inner})
        elif arm in (object, typing.Any, dict):
            # Of unknown type: a string, and what a string can hide in.
            yield Leaf(f"{way}*", PLANT, owner=owner)
            yield Leaf(f"{way}*[]", [PLANT], owner=owner)
            yield Leaf(f"{way}*{{}}", {"k": {"l": [PLANT]}}, owner=owner)
            yield Leaf(f"{way}*{{key}}", {PLANT: 1}, is_key=True, owner=owner)
        elif _is_model(arm):
            if arm in seen:
                continue  # a class within itself has no new leaves
            here = f"{way}<{arm.__name__}>" if len(arms) > 1 or not way else way
            for name, field in arm.model_fields.items():
                wire = _wire_name(name, field)
                base = minimal(arm)
                for leaf in fixtures(field.annotation, f"{here}.{wire}", f"{arm.__name__}.{wire}", (*seen, arm)):
                    yield _around(leaf, lambda inner, base=base, wire=wire: {**base, wire: inner})
            yield Leaf(f"{here}.*", {**minimal(arm), "unknown_new_field": PLANT}, owner=f"{arm.__name__}.*")
            yield Leaf(f"{here}.*{{key}}", {**minimal(arm), PLANT: 1}, is_key=True, owner=f"{arm.__name__}.*")
        elif arm not in (int, float, bool, type(None)):
            yield Leaf(way, PLANT, owner=owner)  # dates and whatever else is written as a string


def _around(leaf: Leaf, build: typing.Callable[[object], object]) -> Leaf:
    return Leaf(leaf.way, build(leaf.document), leaf.is_key, leaf.is_literal, leaf.owner)


def plant(document: object, secret: str) -> object:
    """The document with the secret in the place of PLANT."""
    if document == PLANT:
        return secret
    if isinstance(document, list):
        return [plant(item, secret) for item in document]
    if isinstance(document, dict):
        return {plant(key, secret): plant(value, secret) for key, value in document.items()}
    return document


def recorded_leaves(document: object, way: str = "") -> Iterator[tuple[str, object]]:
    """Every string leaf of a recorded document: its way with `[]` for positions, and the document with PLANT there."""
    if isinstance(document, str):
        yield way, PLANT
    elif isinstance(document, list):
        for index, item in enumerate(document):
            for inner, planted in recorded_leaves(item, f"{way}[]"):
                yield inner, [*document[:index], planted, *document[index + 1 :]]
    elif isinstance(document, dict):
        for key, item in document.items():
            for inner, planted in recorded_leaves(item, f"{way}.{key}"):
                yield inner, {**document, key: planted}


class Root(typing.NamedTuple):
    """One kind of thing that a provider sends."""

    name: str
    kind: object
    path: str
    is_event: bool


ROOTS = (
    Root("openai document", ChatCompletion, "/v1/chat/completions", False),
    Root("openai event", ChatCompletionChunk, "/v1/chat/completions", True),
    Root("response document", Response, "/v1/responses", False),
    Root("response event", ResponseStreamEvent, "/v1/responses", True),
    Root("completion document", Completion, "/v1/completions", False),
    Root("completion event", Completion, "/v1/completions", True),
    Root("anthropic document", Message, "/v1/messages", False),
    Root("anthropic event", RawMessageStreamEvent, "/v1/messages", True),
)


def error_leaves(path: str) -> list[Leaf]:
    """Error bodies: every member that the SDKs' error classes read, and one that they do not know."""
    if path == "/v1/messages":
        shape = {"type": "error", "error": {"type": "api_error", "message": "m"}, "request_id": "r"}
    else:
        shape = {"error": {"message": "m", "type": "t", "param": "p", "code": "c"}}
    shape["unknown"] = {"details": ["d"]}
    return [Leaf(f"error{way}", document, owner="error") for way, document in recorded_leaves(shape)]


def declared_strings(kind: object) -> set[str]:
    """`Class.field` of every string in the JSON Schema that pydantic makes of a type: a second enumeration to check the first by."""
    schema = pydantic.TypeAdapter(kind).json_schema()
    definitions = dict(schema.get("$defs", {}))
    if "properties" in schema:
        definitions[schema["title"]] = schema
    # Two classes of one name get qualified names; the class's own name is the last part.
    return {
        f"{name.rsplit('__', 1)[-1]}.{field}"
        for name, definition in definitions.items()
        for field, value in definition.get("properties", {}).items()
        if _can_be_string(value)
    }


def _can_be_string(schema: object) -> bool:
    if schema is True or not isinstance(schema, dict):
        return schema is True
    if "$ref" in schema:
        return False  # belongs to that class
    if isinstance(schema.get("const", schema.get("enum")), str):
        return True
    if any(isinstance(value, str) for value in schema.get("enum", [])) or schema.get("type") == "string":
        return True
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), (dict, bool)):
        return True
    nested = [*schema.get("anyOf", []), *schema.get("oneOf", []), *schema.get("allOf", [])]
    if "items" in schema:
        nested.append(schema["items"])
    return any(map(_can_be_string, nested)) or not (schema.keys() - {"title", "description", "default"})


def versions() -> str:
    """What the lists were made from."""
    return f"openai {openai.__version__}, anthropic {anthropic.__version__}"
