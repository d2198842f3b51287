"""A conversation in which even a very small model calls the tool: it has seen two calls before."""

import json

CITY = "Rome"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
DESCRIPTION = "Tells the weather in a city."
_PAST = [("call_1", "Paris", "sunny", "It is sunny in Paris."), ("call_2", "Oslo", "rain", "It rains in Oslo.")]

OPENAI_TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": DESCRIPTION, "parameters": PARAMETERS}}
]
ANTHROPIC_TOOLS = [{"name": "get_weather", "description": DESCRIPTION, "input_schema": PARAMETERS}]


def openai_messages() -> list[dict]:
    """The conversation for chat completions."""
    messages: list[dict] = []
    for call, city, weather, text in _PAST:
        function = {"name": "get_weather", "arguments": json.dumps({"city": city})}
        messages += [
            {"role": "user", "content": f"Weather in {city}?"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": call, "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": call, "content": weather},
            {"role": "assistant", "content": text},
        ]
    return [*messages, {"role": "user", "content": f"Weather in {CITY}?"}]


def anthropic_messages() -> list[dict]:
    """The same conversation for messages."""
    messages: list[dict] = []
    for call, city, weather, text in _PAST:
        use = {"type": "tool_use", "id": call, "name": "get_weather", "input": {"city": city}}
        messages += [
            {"role": "user", "content": f"Weather in {city}?"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call, "content": weather}]},
            {"role": "assistant", "content": text},
        ]
    return [*messages, {"role": "user", "content": f"Weather in {CITY}?"}]
