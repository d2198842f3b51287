// What both scripts share: settings come as the first line of standard input, each check prints one JSON line.
//
// The process stays until its standard input ends, so that a connection that closes was closed by the client, not by the
// end of the process.

import { createInterface } from "node:readline";

const TYPED = [
  "APIError",
  "APIConnectionError",
  "APIUserAbortError",
  "AuthenticationError",
  "BadRequestError",
  "InternalServerError",
  "NotFoundError",
  "PermissionDeniedError",
  "RateLimitError",
];

// What a program that catches `error` can tell: the classes it is an instance of, and what it carries.
function told(sdk, error) {
  const is = TYPED.filter((name) => sdk[name] !== undefined && error instanceof sdk[name]);
  if (is.length === 0) throw error;
  const { status, code, type, error: body } = error;
  return { is, status, code, type, body, request: error.headers?.get("x-request-id") };
}

// Runs `settings.checks`, in that order. A check is a function from the settings to what it saw; a typed error of the SDK
// counts as something seen, any other error ends the process.
export async function run(sdk, checks) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const settings = JSON.parse((await lines.next()).value);
  for (const check of settings.checks) {
    let saw;
    try {
      saw = { saw: await checks[check](settings) };
    } catch (error) {
      saw = { error: told(sdk, error) };
    }
    console.log(JSON.stringify({ check, ...saw }));
  }
  await lines.next();
}
