// Tools that answer by themselves. Names and answers are those that the suite's scenarios ask for.

import { fromJsonSchema } from "@modelcontextprotocol/server";

import { audio, image, resource, said, taking, text, wait } from "./parts.mjs";

const PAUSE = 20; // milliseconds between two notifications

// Every keyword that has to come through a list as it was declared.
const KEYWORDS = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: { $anchor: "addressDef", type: "object", properties: { street: { type: "string" }, city: { type: "string" } } },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
};

async function logged(_, context) {
  for (const words of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
    await context.mcpReq.log("info", words);
    await wait(PAUSE);
  }
  return said("Told what it did.");
}

async function progressed(_, context) {
  const progressToken = context.mcpReq._meta?.progressToken;
  for (const progress of [0, 50, 100]) {
    if (progressToken !== undefined) {
      await context.mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 100 } });
    }
    await wait(PAUSE);
  }
  return said("Told how far it was.");
}

// Ends its own stream before it answers: the client comes back for the rest.
async function cutOff(_, context) {
  context.http?.closeSSE?.();
  await wait(PAUSE);
  return said("Told after the client came back.");
}

export function registerTools(server, changed) {
  const tool = (name, description, act, inputSchema = taking()) => server.registerTool(name, { description, inputSchema }, act);

  // The first one takes no arguments: scenarios that need any tool take the first of the list.
  tool("test_simple_text", "Answers with a text.", () => said("This is a simple text response for testing."));
  tool("test_image_content", "Answers with a picture.", () => ({ content: [image] }));
  tool("test_audio_content", "Answers with a sound.", () => ({ content: [audio] }));
  tool("test_embedded_resource", "Answers with a resource.", () => ({
    content: [resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")],
  }));
  tool("test_multiple_content_types", "Answers with a text, a picture and a resource.", () => ({
    content: [
      text("Multiple content types test:"),
      image,
      resource("test://mixed-content-resource", "application/json", JSON.stringify({ test: "data", value: 123 })),
    ],
  }));
  tool("test_error_handling", "Fails.", () => {
    throw new Error("This tool intentionally returns an error for testing");
  });
  tool("test_tool_with_logging", "Tells what it does.", logged);
  tool("test_logging_tool", "Tells what it does, if it was asked to.", logged);
  tool("test_tool_with_progress", "Tells how far it is.", progressed);
  tool("test_reconnection", "Answers a client that comes back.", cutOff);
  tool("json_schema_2020_12_tool", "Declares keywords of JSON Schema 2020-12.", () => said("Declared."), fromJsonSchema(KEYWORDS));
  tool("test_header_parameter", "Wants an argument repeated in a header.", ({ region }) => said(`Region ${region}.`), taking({
    region: { type: "string", "x-mcp-header": "Region" },
  }));
  for (const list of ["tool", "prompt"]) {
    tool(`test_trigger_${list}_change`, `Tells that the list of ${list}s has changed.`, () => {
      changed(`${list}s`);
      return said("Told.");
    });
  }
}
