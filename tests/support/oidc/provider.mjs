// A certified OpenID provider with forms for signing in, for tests: `node provider.mjs PORT CLIENT_REDIRECT_URI`.
//
// Whoever signs in is whom they say they are. Their groups are what stands behind the name: `ada+platform+ops` is ada, in the
// groups platform and ops. The client `robot` gets JWTs for the resource of the request, by its own secret. `GET /rotate` gives the
// provider other keys; `kid` of the new one is the answer.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

const [port, redirect] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const secret = 'a-secret-of-the-test';
let generation = 0;

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  generation += 1;
  return { ...privateKey.export({ format: 'jwk' }), kid: `key-${generation}`, use: 'sig', alg: 'RS256' };
}

function account(_, id) {
  const [name, ...groups] = id.split('+');
  return {
    accountId: id,
    claims: () => ({ sub: id, preferred_username: name, email: `${name}@example.org`, email_verified: true, groups }),
  };
}

function provider() {
  const made = new Provider(issuer, {
    clients: [
      {
        client_id: 'taskscope',
        client_secret: secret,
        redirect_uris: [redirect],
        post_logout_redirect_uris: [new URL('/', redirect).href],
      },
      {
        client_id: 'robot',
        client_secret: secret,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    jwks: { keys: [signingKey()] },
    cookies: { keys: ['a-key-of-the-test'] },
    claims: { openid: ['sub'], profile: ['preferred_username'], email: ['email', 'email_verified'], groups: ['groups'] },
    scopes: ['openid', 'profile', 'email', 'groups'],
    findAccount: account,
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: (_, audience) => ({ scope: '', audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
      },
    },
    ttl: { AccessToken: 3600, ClientCredentials: 600, IdToken: 600, Session: 3600, Interaction: 600, Grant: 3600 },
  });
  return { handle: made.callback(), kid: `key-${generation}` };
}

let current = provider();
createServer((request, response) => {
  if (request.url === '/rotate') {
    current = provider();
    response.end(current.kid);
  } else {
    current.handle(request, response);
  }
}).listen(Number(port), '127.0.0.1', () => console.log('ready'));
