// A real authorization server in front of a tool server: `oidc-provider` with codes, PKCE, refresh tokens that turn, exchange and introspection.
//
// Settings come as one JSON line on standard input: {redirect, resource}; the address goes out as one JSON line. It ends with its input.
// People have no pages to sign in at: they are whom the query `as` of the page names, and allow everything.

import { createServer } from "node:http";
import { createInterface } from "node:readline";

import Provider, { errors } from "oidc-provider";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const settings = JSON.parse((await lines.next()).value);
const server = createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const url = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(url, {
  clients: [
    {
      client_id: "gate", client_secret: "of-the-gate", redirect_uris: [settings.redirect], response_types: ["code"],
      grant_types: ["authorization_code", "refresh_token"], token_endpoint_auth_method: "client_secret_basic",
    },
    {
      client_id: "tools", client_secret: "of-the-tools", redirect_uris: [], response_types: [], grant_types: [],
      token_endpoint_auth_method: "client_secret_post",
    },
  ],
  scopes: ["openid", "offline_access", "read"],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: () => true,
  // Shorter than what the gate renews before the end: each call renews.
  ttl: { AccessToken: 20, AuthorizationCode: 60, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600 },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => {
        if (resource !== settings.resource) throw new errors.InvalidTarget();
        return { scope: "read", audience: resource, accessTokenFormat: "opaque", accessTokenTTL: 20 };
      },
    },
  },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
provider.on("server_error", (_, error) => console.error(error));
provider.on("grant.error", (_, error) => console.error(error));

const serve = provider.callback();
server.on("request", async (request, response) => {
  const at = new URL(request.url, url);
  if (!at.pathname.startsWith("/interaction/")) return serve(request, response);
  try {
    const { params, session } = await provider.interactionDetails(request, response);
    const accountId = session?.accountId ?? at.searchParams.get("as") ?? "nobody";
    const grant = new provider.Grant({ accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    grant.addResourceScope(settings.resource, "read");
    const consent = { grantId: await grant.save() };
    await provider.interactionFinished(request, response, { login: { accountId }, consent }, { mergeWithLastSubmission: false });
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
});
console.log(JSON.stringify({ url }));
await lines.next();
server.close();
process.exit(0);
