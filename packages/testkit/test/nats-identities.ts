/**
 * Identities of NATS for tests: nkeys, and the JWTs of an operator, its accounts and their users.
 */
import { createHash } from "node:crypto";
import { nkeys } from "@nats-io/transport-node";

type KeyPair = ReturnType<typeof nkeys.createUser>;

export interface User {
  readonly publicKey: string;
  /** The secret: content of an nkey file. */
  readonly seed: string;
}

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const base64Url = (data: string | Uint8Array) => Buffer.from(data).toString("base64url");

function userOf(pair: KeyPair): User {
  return { publicKey: pair.getPublicKey(), seed: textOf(pair.getSeed()) };
}

export function newUser(): User {
  return userOf(nkeys.createUser());
}

interface Claims {
  readonly name: string;
  readonly sub: string;
  readonly nats: object;
  /** End of validity, epoch seconds. */
  readonly exp?: number | undefined;
}

/** Signs claims as `nsc` does: version 2, algorithm ed25519-nkey. */
function signed(issuer: KeyPair, { name, sub, nats, exp }: Claims): string {
  const claims = {
    iat: Math.floor(Date.now() / 1_000) - 60,
    iss: issuer.getPublicKey(),
    name,
    sub,
    nats: { ...nats, version: 2 },
    ...(exp === undefined ? {} : { exp }),
  };
  const jti = createHash("sha512-256").update(JSON.stringify(claims)).digest("hex").toUpperCase();
  const head = base64Url(JSON.stringify({ typ: "JWT", alg: "ed25519-nkey" }));
  const body = base64Url(JSON.stringify({ ...claims, jti }));
  const signature = issuer.sign(new TextEncoder().encode(`${head}.${body}`));
  return `${head}.${body}.${base64Url(signature)}`;
}

const UNLIMITED = { subs: -1, data: -1, payload: -1 };
const ACCOUNT_LIMITS = {
  ...UNLIMITED,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
  mem_storage: -1,
  disk_storage: -1,
  streams: -1,
  consumer: -1,
};

export interface Operator {
  /** Configuration of a server that trusts this operator, with its account in memory. */
  readonly configuration: string;
  /** Returns the content of a `.creds` file of a new user. `expiresAtMs` is an epoch in ms; default: never. */
  creds(name: string, expiresAtMs?: number): { readonly text: string; readonly seed: string };
}

/** Makes an operator with a system account and one account that may use JetStream. */
export function newOperator(): Operator {
  const operator = nkeys.createOperator();
  const system = nkeys.createAccount();
  const account = nkeys.createAccount();
  const accountJwt = (pair: KeyPair, name: string, limits: object) =>
    signed(operator, { name, sub: pair.getPublicKey(), nats: { type: "account", limits } });
  const { mem_storage, disk_storage, streams, consumer, ...plain } = ACCOUNT_LIMITS;
  const jwt = signed(operator, {
    name: "test",
    sub: operator.getPublicKey(),
    nats: { type: "operator", system_account: system.getPublicKey() },
  });
  return {
    configuration: `operator: ${jwt}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: {
  ${system.getPublicKey()}: ${accountJwt(system, "SYS", plain)}
  ${account.getPublicKey()}: ${accountJwt(account, "BIOXEN", ACCOUNT_LIMITS)}
}
`,
    creds(name, expiresAtMs) {
      const user = nkeys.createUser();
      const exp = expiresAtMs === undefined ? undefined : Math.floor(expiresAtMs / 1_000);
      const userJwt = signed(account, {
        name,
        sub: user.getPublicKey(),
        nats: { type: "user", ...UNLIMITED },
        exp,
      });
      const { seed } = userOf(user);
      const text = `-----BEGIN NATS USER JWT-----
${userJwt}
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------

*************************************************************
`;
      return { text, seed };
    },
  };
}
