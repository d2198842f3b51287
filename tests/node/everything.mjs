// A tool server with everything in it that the MCP conformance suite asks for, in revisions 2026-07-28 and 2025-11-25 at one address.
//
// Listens on a free port of 127.0.0.1, prints the address as one line, and ends when its standard input does.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

import { NodeStreamableHTTPServerTransport, localhostHostValidation, localhostOriginValidation, toNodeHandler, toWebRequest } from "@modelcontextprotocol/node";
import { McpServer, createMcpHandler, createRequestStateCodec, isLegacyRequest } from "@modelcontextprotocol/server";

import { registerAsking } from "./everything/asking.mjs";
import { Events } from "./everything/events.mjs";
import { registerPrompts } from "./everything/prompts.mjs";
import { registerResources } from "./everything/resources.mjs";
import { registerTools } from "./everything/tools.mjs";

const states = createRequestStateCodec({ key: randomUUID() + randomUUID(), bind: (context) => context.mcpReq.method });
const mayBeHost = localhostHostValidation();
const mayBeOrigin = localhostOriginValidation();
const sessions = new Map();

// Both revisions show the same tools, resources and prompts. `changed` tells those who listen of a change to a list.
function everything(era, changed) {
  const capabilities = {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { listChanged: true, subscribe: true },
    logging: {},
    completions: {},
  };
  const server = new McpServer({ name: "everything", version: "1" }, { capabilities, requestState: { verify: states.verify } });
  registerTools(server, changed);
  registerAsking(server, states);
  registerResources(server, era);
  registerPrompts(server);
  return server;
}

const modern = createMcpHandler(() => everything("modern", (list) => modern.notify[`${list}Changed`]()), { legacy: "reject" });
const answerModern = toNodeHandler(modern);

// A session of revision 2025-11-25: begun by `initialize`, ended by DELETE.
async function begin() {
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: (id) => void sessions.delete(id),
    eventStore: new Events(),
    retryInterval: 50,
  });
  const server = everything("legacy", (list) => server[{ tools: "sendToolListChanged", prompts: "sendPromptListChanged" }[list]]());
  await server.connect(transport);
  return transport;
}

async function answer(request, response) {
  if (!mayBeHost(request, response) || !mayBeOrigin(request, response)) return;
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const text = Buffer.concat(pieces).toString();
  let body;
  try {
    body = text === "" ? undefined : JSON.parse(text);
  } catch {
    response.writeHead(400).end();
    return;
  }
  if (!(await isLegacyRequest(await toWebRequest(request, body), body))) {
    await answerModern(request, response, body);
    return;
  }
  const session = request.headers["mcp-session-id"];
  const transport = session === undefined ? await begin() : sessions.get(session);
  if (transport === undefined) {
    response.writeHead(404, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id: body?.id ?? null, error: { code: -32001, message: "Session not found" } }));
    return;
  }
  await transport.handleRequest(request, response, body);
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error);
    if (!response.headersSent) response.writeHead(500);
    response.end();
  });
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/mcp`));
process.stdin.on("end", () => process.exit(0)).resume();
