// The official TypeScript clients of tool servers. `checks`: names of the functions below; each is told as a line of JSON.
import { Client as Modern, StreamableHTTPClientTransport as ModernTransport } from "@modelcontextprotocol/client";
import { Client as Legacy } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as LegacyTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { run } from "./run.mjs";

const REFUSALS = 20;

async function session(settings, is_modern, act) {
  const [Client, Transport] = is_modern ? [Modern, ModernTransport] : [Legacy, LegacyTransport];
  const client = new Client({ name: "t", version: "1" }, is_modern ? { versionNegotiation: { mode: "auto" } } : {});
  const headers = { authorization: `Bearer ${settings.key}` };
  await client.connect(new Transport(new URL(`${settings.url}/mcp/shop`), { requestInit: { headers } }));
  try {
    return await act(client);
  } finally {
    await client.close();
  }
}

async function used(client) {
  const { tools } = await client.listTools();
  const refused = [];
  for (let round = 0; round < REFUSALS; round += 1) {
    try {
      await client.callTool({ name: "order", arguments: { offer: "paper", cents: 1001 + round } });
      refused.push(null);
    } catch (error) {
      refused.push([error.code, error.data?.reason]);
    }
  }
  const found = await client.callTool({ name: "find", arguments: { words: "paper", limit: 2 } });
  return { tools: tools.map((tool) => tool.name).sort(), refused, found: found.structuredContent };
}

await run({}, {
  modern: (settings) => session(settings, true, used),
  legacy: (settings) => session(settings, false, used),
});
