// A real OpenID provider on a free port of this machine: `oidc-provider`, with JWT access tokens for one audience.
//
// The audience comes as the first line of standard input, the address goes out as one JSON line. It ends with its input.
// Users have no pages to log in at here, so a grant type of our own takes a name at its word.

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

import Provider from "oidc-provider";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const audience = (await lines.next()).value;

const server = createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const url = `http://127.0.0.1:${server.address().port}`;

const key = (kid, type, options, more) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }), kid, use: "sig", ...more,
});
const keys = [
  key("rsa", "rsa", { modulusLength: 2048 }, { alg: "RS256" }),
  key("ec", "ec", { namedCurve: "P-256" }, { alg: "ES256" }),
  key("okp", "ed25519", {}, {}),
];
const client = (id, grants, alg) => ({
  client_id: id, client_secret: "a secret of the test", grant_types: grants, redirect_uris: [], response_types: [],
  token_endpoint_auth_method: "client_secret_post", id_token_signed_response_alg: alg,
});
const server_info = (alg) => ({
  scope: "call", audience, accessTokenFormat: "jwt", accessTokenTTL: 600, jwt: { sign: { alg } },
});
const algorithm = (ctx, id) => (id ?? ctx?.oidc?.client?.clientId ?? "").split("-").pop();

const provider = new Provider(url, {
  clients: ["RS256", "ES256"].flatMap((alg) => [
    client(`machine-${alg}`, ["client_credentials"], alg), client(`app-${alg}`, ["by-name"], alg),
  ]),
  jwks: { keys },
  scopes: ["openid", "call"],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, _, asking) => server_info(algorithm(ctx, asking.clientId)),
    },
  },
  extraTokenClaims: (_, token) => ({ groups: token.accountId ? [`of-${token.accountId}`] : ["machines"] }),
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});

provider.registerGrantType(
  "by-name",
  async (ctx) => {
    const { client, params } = ctx.oidc;
    const grant = new provider.Grant({ accountId: params.username, clientId: client.clientId });
    grant.addOIDCScope("openid");
    grant.addResourceScope(audience, "call");
    const grantId = await grant.save();
    const token = new provider.AccessToken({ accountId: params.username, client, grantId, gty: "by-name", scope: "call" });
    token.resourceServer = new provider.ResourceServer(audience, server_info(algorithm(ctx)));
    const id_token = new provider.IdToken({ sub: params.username }, { ctx });
    id_token.scope = "openid";
    ctx.body = { access_token: await token.save(), id_token: await id_token.issue({ use: "idtoken" }), token_type: "Bearer" };
  },
  ["username"],
);
provider.on("server_error", (_, error) => console.error(error));

server.on("request", provider.callback());
console.log(JSON.stringify({ url }));
await lines.next();
server.close();
process.exit(0);
