/**
 * The generated accounts as JWTs of an operator, for a server in operator mode: the same users, imports, exports and
 * limits. An account is named by a public key there, and an importer shows an activation that the exporter has signed. A
 * user's permissions are in its account: in the JWT of the user, they would exceed the longest line that a server reads.
 */
import { createHash, createPrivateKey, type KeyObject, sign } from "node:crypto";
import type { Account, accountsFor } from "@bioxen/auth";
import type { UserKey } from "@bioxen/nats";
import { nkeys } from "@nats-io/transport-node";
import { covers } from "../src/subject-patterns.ts";

/** An account or an operator. Node signs far faster than the library of the client, and there are hundreds of signatures. */
interface Issuer {
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

/** What stands before the 32 bytes of a private Ed25519 key in PKCS #8. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SEED_PREFIX_BYTES = 2;
const SEED_BYTES = 32;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

function issuerOf(pair: ReturnType<typeof nkeys.createUser>): Issuer {
  const text = new TextDecoder().decode(pair.getSeed());
  const bits = [...text].map((letter) => BASE32.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const bytes = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const seed = bytes.subarray(SEED_PREFIX_BYTES, SEED_PREFIX_BYTES + SEED_BYTES);
  const key = Buffer.concat([PKCS8_PREFIX, seed]);
  return {
    publicKey: pair.getPublicKey(),
    privateKey: createPrivateKey({ key, format: "der", type: "pkcs8" }),
  };
}

const base64Url = (data: string | Uint8Array) => Buffer.from(data).toString("base64url");

interface Claims {
  readonly name: string;
  readonly sub: string;
  readonly nats: object;
}

/** Signs claims as `nsc` does: version 2, algorithm ed25519-nkey. */
function signed(issuer: Issuer, { name, sub, nats }: Claims): string {
  const iat = Math.floor(Date.now() / 1_000) - 60;
  const claims = { iat, iss: issuer.publicKey, name, sub, nats: { ...nats, version: 2 } };
  const jti = createHash("sha512-256").update(JSON.stringify(claims)).digest("hex").toUpperCase();
  const head = base64Url(JSON.stringify({ typ: "JWT", alg: "ed25519-nkey" }));
  const body = base64Url(JSON.stringify({ ...claims, jti }));
  const signature = sign(null, Buffer.from(`${head}.${body}`), issuer.privateKey);
  return `${head}.${body}.${base64Url(signature)}`;
}

const NANOSECONDS_PER_MINUTE = 60_000_000_000;
const UNLIMITED = { subs: -1, data: -1, payload: -1 };

export interface OperatorMode {
  /** Configuration of a server that trusts the operator, with the accounts in memory. */
  readonly configuration: string;
  /** Returns the credentials of a user of the accounts. */
  credsOf(key: UserKey): string;
}

/** Returns the accounts as JWTs. Users with a password are left out: operator mode has none. */
export function operatorMode({ accounts, system }: ReturnType<typeof accountsFor>): OperatorMode {
  const operator = issuerOf(nkeys.createOperator());
  const pairs = new Map(accounts.map(({ name }) => [name, issuerOf(nkeys.createAccount())]));
  const signers = new Map(accounts.map(({ name }) => [name, issuerOf(nkeys.createAccount())]));
  const pairOf = (name: string) => memberOf(pairs, name);
  const signerOf = (name: string) => memberOf(signers, name);
  const users = new Map<string, string>();
  for (const account of accounts) {
    for (const { name, login } of account.users) {
      if (!("publicKey" in login)) continue;
      const nats = { type: "user", issuer_account: pairOf(account.name).publicKey };
      users.set(login.publicKey, signed(signerOf(account.name), { name, sub: login.publicKey, nats }));
    }
  }
  const preload = accounts.map((account) => {
    const sub = pairOf(account.name).publicKey;
    return `  ${sub}: ${signed(operator, { name: account.name, sub, nats: accountClaims(account, pairOf, signerOf) })}`;
  });
  const systemKey = pairOf(system.name).publicKey;
  const jwt = signed(operator, {
    name: "operator",
    sub: operator.publicKey,
    nats: { type: "operator", system_account: systemKey },
  });
  return {
    configuration: `operator: ${jwt}
system_account: ${systemKey}
resolver: MEMORY
resolver_preload: {
${preload.join("\n")}
}
`,
    credsOf({ publicKey, seed }) {
      const userJwt = users.get(publicKey);
      if (userJwt === undefined) throw new Error(`no user ${publicKey}`);
      return `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;
    },
  };
}

function memberOf(pairs: ReadonlyMap<string, Issuer>, name: string): Issuer {
  const pair = pairs.get(name);
  if (pair === undefined) throw new Error(`no account ${name}`);
  return pair;
}

function accountClaims(
  account: Account,
  pairOf: (name: string) => Issuer,
  signerOf: (name: string) => Issuer,
): object {
  const { limits, storage } = account.options;
  const own = pairOf(account.name).publicKey;
  return {
    type: "account",
    signing_keys: [
      {
        kind: "user_scope",
        key: signerOf(account.name).publicKey,
        role: "user",
        template: userTemplate(account),
      },
    ],
    imports: account.imports.map(({ kind, account: from, subject, local, share }) => ({
      name: subject,
      subject,
      account: pairOf(from).publicKey,
      ...(local === subject ? {} : { local_subject: local }),
      type: kind,
      ...(share ? { share } : {}),
      token: signed(pairOf(from), { name: subject, sub: own, nats: { type: "activation", subject, kind } }),
    })),
    exports: broadest(account.exports).map(({ kind, subject, manyAnswers }) => ({
      name: subject,
      subject,
      type: kind,
      token_req: true,
      ...(kind === "service" ? { response_type: manyAnswers ? "Stream" : "Singleton" } : {}),
    })),
    limits: {
      subs: limits?.maxSubscriptions ?? -1,
      data: -1,
      payload: limits?.maxPayloadBytes ?? -1,
      imports: -1,
      exports: -1,
      wildcards: true,
      conn: limits?.maxConnections ?? -1,
      leaf: -1,
      ...(storage === undefined
        ? {}
        : { mem_storage: -1, disk_storage: -1, streams: storage.maxStreams, consumer: storage.maxConsumers }),
    },
  };
}

/**
 * Returns the exports without those that another one of the same kind covers: a server refuses the JWT of an account with
 * both. The activations still give each importer its own subject only.
 */
function broadest(exports: Account["exports"]): Account["exports"][number][] {
  return exports.filter(
    (one) =>
      !exports.some(
        (other) =>
          other.kind === one.kind && other.subject !== one.subject && covers(other.subject, one.subject),
      ),
  );
}

/** What the users of an account may do: the account signs their JWTs with a key that has these permissions. */
function userTemplate(account: Account): object {
  const isServing = account.serves.length > 0;
  const publishes = isServing ? [...account.publishes, "_R_.>"] : account.publishes;
  if (account.isUnrestricted) return UNLIMITED;
  return {
    ...UNLIMITED,
    pub: { allow: publishes },
    sub: { allow: account.subscribes },
    ...(isServing ? { resp: { max: 1, ttl: 2 * NANOSECONDS_PER_MINUTE } } : {}),
  };
}
