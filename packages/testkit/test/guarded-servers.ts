/**
 * One nats-server per kind of login, with settings that it accepts and settings that it refuses.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SettingName } from "@bioxen/nats";
import { certificateAuthority } from "../src/certificates.ts";
import { newOperator, newUser } from "./nats-identities.ts";

/** Values of the settings `BIOXEN_NATS_…`, by their names in the code. */
export type Values = Partial<Record<SettingName, string>>;

export interface WrongLogin {
  readonly what: string;
  readonly values: Values;
  /** What the error text says. */
  readonly says: readonly (string | RegExp)[];
}

/** A kind of login. `HOST` in a URL stands for host and port of the server. */
export interface GuardedServer {
  readonly kind: string;
  /** Configuration of the server. */
  readonly configuration: string;
  readonly right: Values;
  readonly wrong: readonly WrongLogin[];
  /** Texts that no output may contain. */
  readonly secrets: readonly string[];
}

/** A password with every character that a URL, a list of URLs or a port could be mistaken for. */
const PASSWORD = "p:4223/a@b,c%25 d?e#f";
const WRONG_PASSWORD = "wr0ng-p4ssword";
const TOKEN = "t0ken-4224-that-is-secret";
const WRONG_TOKEN = "wr0ng-t0ken";

const urlOf = (login: string, scheme = "nats") => `${scheme}://${login}@HOST`;
const passwordUrl = (user: string, password: string) => urlOf(`${user}:${encodeURIComponent(password)}`);

/** Returns every kind of login; their files are in `dir`. */
export async function guardedServers(dir: string): Promise<readonly GuardedServer[]> {
  const put = async (name: string, text: string) => {
    const path = join(dir, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  return [
    userAndPassword(),
    token(),
    await nkey(put),
    await jwt(put),
    await serverTls(put),
    await mutualTls(put),
  ];
}

type Put = (name: string, text: string) => Promise<string>;

function userAndPassword(): GuardedServer {
  return {
    kind: "user and password",
    configuration: `authorization { users: [ { user: "alice", password: ${JSON.stringify(PASSWORD)} } ] }`,
    right: { servers: passwordUrl("alice", PASSWORD) },
    wrong: [
      {
        what: "another password",
        values: { servers: passwordUrl("alice", WRONG_PASSWORD) },
        says: ["was reached, but refused the login of user alice", "BIOXEN_NATS_URL"],
      },
      {
        what: "no login",
        values: { servers: "nats://HOST" },
        says: ["was reached, but refused the login without credentials", "BIOXEN_NATS_CREDS"],
      },
    ],
    secrets: [PASSWORD, encodeURIComponent(PASSWORD), WRONG_PASSWORD],
  };
}

function token(): GuardedServer {
  return {
    kind: "token",
    configuration: `authorization { token: ${JSON.stringify(TOKEN)} }`,
    right: { servers: urlOf(TOKEN) },
    wrong: [
      {
        what: "another token",
        values: { servers: urlOf(WRONG_TOKEN) },
        says: ["was reached, but refused the login by token", "BIOXEN_NATS_URL"],
      },
    ],
    secrets: [TOKEN, WRONG_TOKEN],
  };
}

async function nkey(put: Put): Promise<GuardedServer> {
  const [own, other] = [newUser(), newUser()];
  const wrongFile = await put("other.nk", other.seed);
  return {
    kind: "nkey",
    configuration: `authorization { users: [ { nkey: ${own.publicKey} } ] }`,
    right: { servers: "nats://HOST", creds: await put("own.nk", `${own.seed}\n`) },
    wrong: [
      {
        what: "another nkey",
        values: { servers: "nats://HOST", creds: wrongFile },
        says: [`refused the login of user ${other.publicKey}`, `BIOXEN_NATS_CREDS (${wrongFile})`],
      },
    ],
    secrets: [own.seed, other.seed],
  };
}

async function jwt(put: Put): Promise<GuardedServer> {
  const operator = newOperator();
  const own = operator.creds("alice");
  const stranger = newOperator().creds("mallory");
  const expired = operator.creds("bob", Date.now() - 3_600_000);
  const strangerFile = await put("mallory.creds", stranger.text);
  const expiredFile = await put("bob.creds", expired.text);
  return {
    kind: "credentials file",
    configuration: operator.configuration,
    right: { servers: "nats://HOST", creds: await put("alice.creds", own.text) },
    wrong: [
      {
        what: "credentials of another operator",
        values: { servers: "nats://HOST", creds: strangerFile },
        says: ["refused the login of user mallory (U", `BIOXEN_NATS_CREDS (${strangerFile})`],
      },
      {
        what: "expired credentials",
        values: { servers: "nats://HOST", creds: expiredFile },
        says: ["refused the login of user bob (U", `${expiredFile}) expired at 20`],
      },
    ],
    secrets: [own.seed, stranger.seed, expired.seed],
  };
}

async function serverTls(put: Put): Promise<GuardedServer> {
  const authority = certificateAuthority("test authority");
  const { cert, key } = authority.issue({ commonName: "nats", names: ["localhost", "127.0.0.1"] });
  const [certFile, keyFile] = [await put("server.pem", cert), await put("server.key", key)];
  const ca = await put("ca.pem", authority.ca);
  const other = await put("other-ca.pem", certificateAuthority("another authority").ca);
  return {
    kind: "TLS",
    configuration: `tls { cert_file: "${certFile}", key_file: "${keyFile}" }
authorization { users: [ { user: "alice", password: "${WRONG_PASSWORD}" } ] }`,
    right: { servers: urlOf(`alice:${WRONG_PASSWORD}`, "tls"), ca },
    wrong: [
      {
        what: "another authority",
        values: { servers: urlOf(`alice:${WRONG_PASSWORD}`, "tls"), ca: other },
        says: ["was reached, but its certificate is not accepted", "BIOXEN_NATS_CA"],
      },
      {
        what: "no authority",
        values: { servers: urlOf(`alice:${WRONG_PASSWORD}`) },
        says: ["was reached, but its certificate is not accepted", "BIOXEN_NATS_CA"],
      },
    ],
    secrets: [WRONG_PASSWORD, bodyOf(key)],
  };
}

async function mutualTls(put: Put): Promise<GuardedServer> {
  const authority = certificateAuthority("test authority");
  const server = authority.issue({ commonName: "nats", names: ["localhost", "127.0.0.1"] });
  const client = authority.issue({ commonName: "alice" });
  const stranger = certificateAuthority("another authority").issue({ commonName: "alice" });
  const unknown = authority.issue({ commonName: "mallory" });
  const ca = await put("mutual-ca.pem", authority.ca);
  const [certFile, keyFile] = [
    await put("mutual-server.pem", server.cert),
    await put("mutual-server.key", server.key),
  ];
  const pair = async (name: string, { cert, key }: { cert: string; key: string }) => ({
    servers: "tls://HOST",
    ca,
    cert: await put(`${name}.pem`, cert),
    key: await put(`${name}.key`, key),
  });
  return {
    kind: "mutual TLS",
    configuration: `tls { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${ca}", verify_and_map: true }
authorization { users: [ { user: "CN=alice" } ] }`,
    right: await pair("client", client),
    wrong: [
      {
        what: "no certificate",
        values: { servers: "tls://HOST", ca },
        says: ["asks for a client certificate", "BIOXEN_NATS_CERT", "BIOXEN_NATS_KEY"],
      },
      {
        what: "a certificate of another authority",
        values: await pair("stranger", stranger),
        says: ["ended the TLS handshake", "BIOXEN_NATS_CERT"],
      },
      {
        what: "a certificate of an unknown user",
        values: await pair("unknown", unknown),
        says: ["refused the login by certificate", "BIOXEN_NATS_CERT"],
      },
    ],
    secrets: [client.key, stranger.key, unknown.key].map(bodyOf),
  };
}

/** Returns the second line of a PEM text: a part of the secret without line breaks. */
function bodyOf(pem: string): string {
  return pem.split("\n")[1] ?? pem;
}

/** Puts the server's port into the URL. */
export function withPort(values: Values, port: number): Values {
  const { servers } = values;
  return servers === undefined
    ? values
    : { ...values, servers: servers.replace("HOST", `127.0.0.1:${port}`) };
}
