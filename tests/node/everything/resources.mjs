// Resources. Subscriptions are methods of revision 2025-11-25 alone; 2026-07-28 has a stream for them, which the SDK serves.

import { ResourceTemplate } from "@modelcontextprotocol/server";

import { PNG } from "./parts.mjs";

const TEMPLATE = "test://template/{id}/data";

export function registerResources(server, era) {
  const fixed = (name, uri, description, mimeType, content) =>
    server.registerResource(name, uri, { description, mimeType }, () => ({ contents: [{ uri, mimeType, ...content }] }));
  fixed("static-text", "test://static-text", "A text.", "text/plain", { text: "This is the content of the static text resource." });
  fixed("static-binary", "test://static-binary", "A picture.", "image/png", { blob: PNG });
  fixed("watched-resource", "test://watched-resource", "A text to subscribe to.", "text/plain", { text: "Watched." });
  const template = new ResourceTemplate(TEMPLATE, { list: undefined, complete: { id: (begun) => ["1", "12", "123"].filter((id) => id.startsWith(begun)) } });
  const told = { description: "Data by number.", mimeType: "application/json" };
  server.registerResource("template", template, told, (uri, { id }) => ({
    contents: [{ uri: uri.href, mimeType: told.mimeType, text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }],
  }));
  if (era !== "legacy") return;
  // Nothing here ever changes, so nobody is told of it.
  for (const method of ["resources/subscribe", "resources/unsubscribe"]) server.server.setRequestHandler(method, () => ({}));
}
