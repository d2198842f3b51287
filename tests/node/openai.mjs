// The official `openai` client for Node; driven by tests/test_node_sdks.py.

import OpenAI from "openai";
import { run } from "./run.mjs";

const HELLO = [{ role: "user", content: "Say hello." }];

// Without retries, so that the first answer is the one that is tested.
const client = ({ url, key }) => new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 60_000 });

const create = (settings, more) =>
  client(settings).chat.completions.create({ model: settings.model, messages: HELLO, max_tokens: 8, temperature: 0, ...more });

const isText = (chunk) => Boolean(chunk.choices[0]?.delta?.content);

await run(OpenAI, {
  async chat(settings) {
    const { object, choices, usage } = await create(settings);
    return { object, role: choices[0].message.role, text: choices[0].message.content, tokens: usage.completion_tokens };
  },

  async stream(settings) {
    const chunks = [];
    for await (const chunk of await create(settings, { stream: true })) chunks.push(chunk);
    const text = chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");
    const reason = chunks.map((chunk) => chunk.choices[0]?.finish_reason).findLast(Boolean);
    return { text, n_pieces: chunks.filter(isText).length, reason };
  },

  async tool(settings) {
    const { messages, tools } = settings;
    const { choices } = await create(settings, { messages, tools, tool_choice: "required", max_tokens: 60 });
    const call = choices[0].message.tool_calls[0].function;
    return { reason: choices[0].finish_reason, name: call.name, input: JSON.parse(call.arguments) };
  },

  forbidden: (settings) => create({ ...settings, model: settings.forbidden }),
  absent: (settings) => create({ ...settings, model: "no-such-model" }),
  bad_key: (settings) => create({ ...settings, key: "sk-nothing" }),

  async abort(settings) {
    const stream = await create(settings, { stream: true });
    let nPieces = 0;
    for await (const chunk of stream) {
      if (!isText(chunk)) continue;
      nPieces += 1;
      stream.controller.abort();
    }
    return { n_pieces: nPieces };
  },
});
