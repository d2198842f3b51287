// Tools that need an answer of the client first. In revision 2026-07-28 they return what they ask for and are called again; in
// revision 2025-11-25 the SDK sends the same as requests of the server.

import { CLIENT_CAPABILITIES_META_KEY, acceptedContent, inputRequired, inputResponse } from "@modelcontextprotocol/server";

import { object, said, taking } from "./parts.mjs";

const asked = (message, properties) => inputRequired.elicit({ message, requestedSchema: object(properties) });
const NAME = asked("What is your name?", { name: { type: "string" } });
const sample = (words, maxTokens) => inputRequired.createMessage({ messages: [{ role: "user", content: { type: "text", text: words } }], maxTokens });
const titled = (...titles) => titles.map((title, index) => ({ const: `value${index + 1}`, title }));

const DEFAULTS = asked("Correct what is wrong.", {
  name: { type: "string", default: "John Doe" },
  age: { type: "integer", default: 30 },
  score: { type: "number", default: 95.5 },
  status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
  verified: { type: "boolean", default: true },
});
const ENUMS = asked("Choose.", {
  untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
  titledSingle: { type: "string", oneOf: titled("First Option", "Second Option", "Third Option") },
  legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["Option One", "Option Two", "Option Three"] },
  untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2", "option3"] } },
  titledMulti: { type: "array", items: { anyOf: titled("First Choice", "Second Choice", "Third Choice") } },
});

// What the client answered to the question `key`: `undefined` until it has answered.
function answered(context, key) {
  const view = inputResponse(context.mcpReq.inputResponses, key);
  switch (view.kind) {
    case "elicit":
      return `action=${view.action}, content=${JSON.stringify(view.content ?? {})}`;
    case "sampling":
      return view.result.content.text;
    case "roots":
      return view.roots.map((root) => root.uri).join(", ");
    default:
      return undefined;
  }
}

// A tool that asks one question of any kind, then says what `told` makes of the answer.
function once(key, question, told) {
  return (input, context) => {
    const answer = answered(context, key);
    return answer === undefined ? inputRequired({ inputRequests: { [key]: question(input) } }) : said(told(answer));
  };
}

function greeted(_, context) {
  const content = acceptedContent(context.mcpReq.inputResponses, "user_name");
  if (typeof content?.name !== "string") return inputRequired({ inputRequests: { user_name: NAME } });
  return said(`Hello, ${content.name}!`);
}

// Asks with a state of its own that only this server can have made; `verify` has refused every other one before.
const confirmed = (states) => async (_, context) => {
  const state = context.mcpReq.requestState();
  if (state?.step === "confirm" && answered(context, "confirm") !== undefined) return said("state-ok");
  const requestState = await states.mint({ step: "confirm" }, context);
  return inputRequired({ inputRequests: { confirm: asked("Please confirm", { ok: { type: "boolean" } }) }, requestState });
};

const all = (states) => async (_, context) => {
  const answers = ["user_name", "greeting", "client_roots"].map((key) => answered(context, key));
  if (answers.every((answer) => answer !== undefined)) return said(answers.join("; "));
  const inputRequests = { user_name: NAME, greeting: sample("Generate a greeting", 50), client_roots: inputRequired.listRoots() };
  return inputRequired({ inputRequests, requestState: await states.mint({ step: "all" }, context) });
};

const rounds = (states) => async (_, context) => {
  const state = context.mcpReq.requestState();
  const name = acceptedContent(context.mcpReq.inputResponses, "step1")?.name ?? state?.name;
  const color = acceptedContent(context.mcpReq.inputResponses, "step2")?.color;
  if (state === undefined || name === undefined) {
    const step1 = asked("Step 1: What is your name?", { name: { type: "string" } });
    return inputRequired({ inputRequests: { step1 }, requestState: await states.mint({ round: 1 }, context) });
  }
  if (color === undefined) {
    const step2 = asked("Step 2: What is your favorite color?", { color: { type: "string" } });
    return inputRequired({ inputRequests: { step2 }, requestState: await states.mint({ round: 2, name }, context) });
  }
  return said(`${name} likes ${color}.`);
};

// Asks only what the client has said that it can answer.
function capable(_, context) {
  const can = context.mcpReq.envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
  const inputRequests = {
    ...(can.elicitation && { user_name: NAME }),
    ...(can.sampling && { greeting: sample("Generate a greeting", 50) }),
    ...(can.roots && { client_roots: inputRequired.listRoots() }),
  };
  const open = Object.keys(inputRequests).filter((key) => answered(context, key) === undefined);
  return open.length === 0 ? said("Nothing is left to ask.") : inputRequired({ inputRequests });
}

export function registerAsking(server, states) {
  const tool = (name, description, act, inputSchema = taking()) => server.registerTool(name, { description, inputSchema }, act);
  const round = (name, ...rest) => tool(`test_input_required_result_${name}`, ...rest);

  const prompted = ({ prompt }) => sample(prompt, 100);
  tool("test_sampling", "Asks the client's model.", once("sampled", prompted, (answer) => `LLM response: ${answer}`), taking({ prompt: { type: "string" } }));
  const who = { username: { type: "string", description: "Name of the user" }, email: { type: "string", description: "Address of the user" } };
  const messaged = ({ message }) => asked(message, who);
  tool("test_elicitation", "Asks the user.", once("user", messaged, (answer) => `User response: ${answer}`), taking({ message: { type: "string" } }));
  const completed = (answer) => `Elicitation completed: ${answer}`;
  tool("test_elicitation_sep1034_defaults", "Asks the user, with defaults.", once("defaults", () => DEFAULTS, completed));
  tool("test_elicitation_sep1330_enums", "Asks the user to choose.", once("choices", () => ENUMS, completed));
  // A client that has not said that it can be asked is refused by the SDK.
  tool("test_missing_capability", "Asks the client's model, whether or not it has one.", once("sampled", () => sample("Are you there?", 10), completed));
  tool("test_streaming_elicitation", "Asks the user in the midst of a stream.", once("user_name", () => NAME, completed));
  round("elicitation", "Asks for a name.", greeted);
  round("sampling", "Asks a model.", once("capital_question", () => sample("What is the capital of France?", 100), (answer) => answer));
  round("list_roots", "Asks for roots.", once("client_roots", () => inputRequired.listRoots(), (answer) => `Roots: ${answer}`));
  round("request_state", "Asks, and wants its state back.", confirmed(states));
  round("tampered_state", "Asks, and wants exactly its state back.", confirmed(states));
  round("multiple_inputs", "Asks for three things at once.", all(states));
  round("multi_round", "Asks twice.", rounds(states));
  round("capabilities", "Asks what the client can answer.", capable);
}
