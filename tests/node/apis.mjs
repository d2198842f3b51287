// The APIs beside chat with the official `openai` client for Node, and its client for Azure; driven by tests/test_node_apis.py.

import OpenAI, { AzureOpenAI } from "openai";
import { run } from "./run.mjs";

// Without retries, so that the first answer is the one that is tested.
const options = { maxRetries: 0, timeout: 60_000 };
const client = ({ url, key }) => new OpenAI({ baseURL: `${url}/v1`, apiKey: key, ...options });
const azure = ({ url, key }) => new AzureOpenAI({ endpoint: url, apiKey: key, apiVersion: "2025-04-01-preview", ...options });

const HELLO = "Say hello.";
const short = ({ model }, more) => ({ model, input: HELLO, max_output_tokens: 8, temperature: 0, store: false, ...more });
const said = ({ model, text }) => ({ model, messages: [{ role: "user", content: text ?? HELLO }] });

const SCHEMA = {
  type: "object",
  properties: { city: { type: "string", enum: ["Paris", "Rome"] }, is_capital: { type: "boolean" } },
  required: ["city", "is_capital"],
  additionalProperties: false,
};
const ROOM = { max_completion_tokens: 60, temperature: 0 };
const format = { response_format: { type: "json_schema", json_schema: { name: "place", strict: true, schema: SCHEMA } } };
const TOOL = (name) => ({ type: "function", function: { name, parameters: { type: "object", properties: { city: { type: "string" } } } } });

async function all(pages) {
  const found = [];
  for await (const item of pages) found.push(item);
  return found;
}

await run(OpenAI, {
  async response(settings) {
    const { object, status, output_text, usage } = await client(settings).responses.create(short(settings));
    return { object, status, text: output_text, tokens: usage.output_tokens };
  },

  async response_stream(settings) {
    const events = await all(await client(settings).responses.create(short(settings, { stream: true })));
    const pieces = events.filter(({ type }) => type === "response.output_text.delta").map(({ delta }) => delta);
    const { output } = events.at(-1).response;
    const final = output.flatMap(({ content }) => content ?? []).map(({ text }) => text ?? "").join("");
    return { text: pieces.join(""), n_pieces: pieces.length, final };
  },

  // The client's own way of putting a stream together; this llama.cpp leaves out `output_index`, which it needs.
  async response_helper(settings) {
    const pieces = [];
    const stream = client(settings).responses.stream(short(settings)).on("response.output_text.delta", ({ delta }) => pieces.push(delta));
    const { output_text, output } = await stream.finalResponse();
    return { text: pieces.join(""), final: output_text, arguments: output[1].arguments };
  },

  async completion(settings) {
    const { model } = settings;
    const asked = { model, prompt: "Once upon a time", max_tokens: 6, temperature: 0, seed: 1 };
    const whole = await client(settings).completions.create(asked);
    let text = "";
    for await (const chunk of await client(settings).completions.create({ ...asked, stream: true })) text += chunk.choices[0]?.text ?? "";
    return { text, final: whole.choices[0].text };
  },

  async structured(settings) {
    const asked = { ...said({ ...settings, text: "Where is the Colosseum? Answer in JSON." }), ...ROOM, ...format };
    const whole = await client(settings).chat.completions.parse(asked);
    const stream = client(settings).chat.completions.stream(asked);
    return { whole: JSON.parse(whole.choices[0].message.content), streamed: JSON.parse(await stream.finalContent()) };
  },

  // A response from its beginning to its end, by all that the client has for it.
  async kept(settings) {
    const { responses } = client(settings);
    const made = await responses.create(short(settings, { store: true }));
    const shown = await responses.retrieve(made.id, { include: ["reasoning.encrypted_content"] });
    const items = await all(responses.inputItems.list(made.id, { limit: 1, order: "asc" }));
    const next = await responses.create(short(settings, { store: true, previous_response_id: made.id }));
    const cancelled = await responses.cancel(next.id);
    await responses.delete(made.id);
    const gone = await responses.retrieve(made.id).catch((error) => error.status);
    return {
      ids: [made.id, shown.id, next.previous_response_id, cancelled.id], next: next.id,
      text: shown.output_text, items: items.map(({ id }) => id), status: cancelled.status, gone,
    };
  },

  // Somebody else with the right id, and the same with one that never was.
  async not_mine(settings) {
    const made = await client(settings).responses.create(short(settings, { store: true }));
    const other = client({ ...settings, key: settings.other }).responses;
    const told = async (asked) => asked.then(() => "answered", ({ status, code, error }) => ({ status, code, type: error.type }));
    const of = async (id) => [await told(other.retrieve(id)), await told(other.delete(id)), await told(other.cancel(id))];
    const mine = await client(settings).responses.retrieve(made.id);
    return { mine: await of(made.id), none: await of("resp_none"), still: mine.id === made.id };
  },

  async resumed(settings) {
    const { responses } = client(settings);
    const first = await all(await responses.create(short(settings, { store: true, stream: true })));
    const { id } = first[0].response;
    const rest = await all(await responses.retrieve(id, { stream: true, starting_after: 3 }));
    return { first: first.map((event) => event.sequence_number), rest: rest.map((event) => event.sequence_number) };
  },

  async embedding(settings) {
    const { model } = settings;
    // The client asks for base64 unless it is told otherwise, and unpacks it.
    const packed = await client(settings).embeddings.create({ model, input: ["hello", settings.text] });
    const plain = await client(settings).embeddings.create({ model, input: "hello", encoding_format: "float" });
    return { packed: packed.data[0].embedding, plain: plain.data[0].embedding };
  },

  async parallel(settings) {
    const asked = { ...said(settings), tools: [TOOL("weather"), TOOL("time")], parallel_tool_calls: true };
    const calls = ({ tool_calls }) => tool_calls.map((call) => [call.id, call.function.name, JSON.parse(call.function.arguments)]);
    const whole = await client(settings).chat.completions.create(asked);
    const streamed = await client(settings).chat.completions.stream(asked).finalMessage();
    return { whole: calls(whole.choices[0].message), streamed: calls(streamed) };
  },

  async vision(settings) {
    const { model } = settings;
    const url = `data:image/png;base64,${settings.image}`;
    const content = [{ type: "text", text: "What is it?" }, { type: "image_url", image_url: { url, detail: "low" } }];
    const chat = client(settings).chat.completions.create({ model, messages: [{ role: "user", content }] });
    const { data, response } = await chat.withResponse();
    return { text: data.choices[0].message.content, request: response.headers.get("x-request-id") };
  },

  async response_vision(settings) {
    const { model, image } = settings;
    const content = [{ type: "input_text", text: "What is it?" }, { type: "input_image", image_url: `data:image/png;base64,${image}`, detail: "low" }];
    const asked = client(settings).responses.create({ model, input: [{ role: "user", content }], store: false });
    const { data, response } = await asked.withResponse();
    return { text: data.output_text, request: response.headers.get("x-request-id") };
  },

  async response_structured(settings) {
    const text = { format: { type: "json_schema", name: "place", strict: true, schema: SCHEMA } };
    const asked = { model: settings.model, input: "Where is the Colosseum?", store: false, text };
    const whole = await client(settings).responses.parse(asked);
    const streamed = await client(settings).responses.stream(asked).finalResponse();
    return { whole: whole.output_parsed, streamed: streamed.output_parsed };
  },

  remote_image: ({ model, ...settings }) => client(settings).chat.completions.create({
    model, messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "https://pictures.example/a.png" } }] }],
  }),

  async azure(settings) {
    const api = azure(settings);
    const { choices } = await api.chat.completions.create(said(settings));
    const streamed = await api.chat.completions.stream(said(settings)).finalContent();
    const made = await api.responses.create(short(settings, { store: true }));
    const shown = await api.responses.retrieve(made.id);
    return { chat: choices[0].message.content, streamed, made: made.id, shown: shown.id };
  },
  azure_absent: (settings) => azure(settings).chat.completions.create(said({ ...settings, model: "no-such-model" })),
});
