// The official `@anthropic-ai/sdk` client for Node; driven by tests/test_node_sdks.py.

import Anthropic from "@anthropic-ai/sdk";
import { run } from "./run.mjs";

const HELLO = [{ role: "user", content: "Say hello." }];

// Without retries, so that the first answer is the one that is tested.
const client = ({ url, key }) => new Anthropic({ baseURL: url, apiKey: key, authToken: null, maxRetries: 0, timeout: 60_000 });

// At temperature 0: when a sampled answer begins with a part of an emoji, this llama.cpp leaves out `message_start`.
const plain = (settings, more) => ({ model: settings.model, messages: HELLO, max_tokens: 8, temperature: 0, ...more });
const create = (settings, more) => client(settings).messages.create(plain(settings, more));

await run(Anthropic, {
  async chat(settings) {
    const { type, role, content, usage } = await create(settings);
    return { object: type, role, text: content[0].text, tokens: usage.output_tokens };
  },

  async stream(settings) {
    const pieces = [];
    const stream = client(settings).messages.stream(plain(settings)).on("text", (piece) => pieces.push(piece));
    const { content, stop_reason } = await stream.finalMessage();
    return { text: pieces.join(""), n_pieces: pieces.length, reason: stop_reason, final: content[0].text };
  },

  async tool(settings) {
    const { messages, tools } = settings;
    const { content, stop_reason } = await create(settings, { messages, tools, tool_choice: { type: "any" }, max_tokens: 60 });
    const use = content.find((block) => block.type === "tool_use");
    return { reason: stop_reason, name: use.name, input: use.input };
  },

  async vision(settings) {
    const source = { type: "base64", media_type: "image/png", data: settings.image };
    const content = [{ type: "image", source }, { type: "text", text: "What is it?" }];
    const asked = client(settings).messages.create(plain(settings, { messages: [{ role: "user", content }] }));
    const { data, response } = await asked.withResponse();
    return { text: data.content[0].text, request: response.headers.get("x-request-id") };
  },

  forbidden: (settings) => create({ ...settings, model: settings.forbidden }),
  absent: (settings) => create({ ...settings, model: "no-such-model" }),
  bad_key: (settings) => create({ ...settings, key: "sk-ant-nothing" }),

  // The other way to end a stream: the helper's own `abort`, which tells whoever waits with an error.
  async abort(settings) {
    const stream = client(settings).messages.stream(plain(settings)).on("text", () => stream.abort());
    return { text: await stream.finalText() };
  },
});
