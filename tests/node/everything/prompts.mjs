// Prompts, and what their arguments are completed to.

import { acceptedContent, completable, inputRequired } from "@modelcontextprotocol/server";
import { z } from "zod";

import { image, object, resource, text } from "./parts.mjs";

const WORDS = ["paris", "park", "party", "test", "testValue1"];

const messages = (...contents) => ({ messages: contents.map((content) => ({ role: "user", content })) });

// Asks for the context before there is a prompt.
function inContext(context) {
  const content = acceptedContent(context.mcpReq.inputResponses, "user_context");
  if (typeof content?.context === "string") return messages(text(`In this context: ${content.context}`));
  const question = { message: "What context should the prompt use?", requestedSchema: object({ context: { type: "string" } }) };
  return inputRequired({ inputRequests: { user_context: inputRequired.elicit(question) } });
}

export function registerPrompts(server) {
  server.registerPrompt("test_simple_prompt", { description: "A prompt." }, () => messages(text("This is a simple prompt for testing.")));
  const completed = completable(z.string().describe("First test argument"), (begun) => WORDS.filter((word) => word.startsWith(begun)));
  server.registerPrompt(
    "test_prompt_with_arguments",
    { description: "A prompt of two arguments.", argsSchema: z.object({ arg1: completed, arg2: z.string().describe("Second test argument") }) },
    ({ arg1, arg2 }) => messages(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  );
  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    { description: "A prompt about a resource.", argsSchema: z.object({ resourceUri: z.string().describe("Address of the resource") }) },
    ({ resourceUri }) =>
      messages(resource(resourceUri, "text/plain", "Embedded resource content for testing."), text("Please process the embedded resource above.")),
  );
  server.registerPrompt("test_prompt_with_image", { description: "A prompt about a picture." }, () => messages(image, text("Please analyze the image above.")));
  server.registerPrompt("test_input_required_result_prompt", { description: "A prompt that asks first." }, inContext);
}
