/**
 * Logins at a real server: user and password, token, nkey, credentials file, TLS and mutual TLS. test/e2e/logins.test.ts
 * checks the same servers with processes.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { eventSubject } from "@bioxen/contracts";
import {
  type Bus,
  type BusOptions,
  ConnectionRefused,
  connectBus,
  openEventLog,
  SETTING_VARIABLES,
  settingsOfEnvironment,
} from "@bioxen/nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { certificateAuthority } from "../src/certificates.ts";
import { cordoned, eventually, TestServer } from "../src/index.ts";
import { type GuardedServer, guardedServers, type Values, withPort } from "./guarded-servers.ts";
import { newUser } from "./nats-identities.ts";

let dir: string;
let guarded: readonly GuardedServer[];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-logins-"));
  guarded = await guardedServers(dir);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Returns the options as a service has them from its environment. */
function options(values: Values, port: number): BusOptions {
  const named = Object.entries(withPort(values, port)).map(([setting, value]) => [
    SETTING_VARIABLES[setting as keyof Values],
    value,
  ]);
  const settings = settingsOfEnvironment(Object.fromEntries(named), "nats://127.0.0.1:1");
  return { ...settings, name: "logins" };
}

/** Appends two events, and reads them through the thread for long logs, which has a connection of its own. */
async function readByThread(bus: Bus) {
  const troubles: string[] = [];
  const onTrouble = (message: string) => void troubles.push(message);
  const log = await openEventLog(bus, {}, { threadFromEvents: 1, onTrouble });
  const subject = eventSubject("chassis", "ecoli-1");
  for (const version of [1, 2]) await log.append(subject, cordoned("ecoli-1", version), version - 1);
  const seqs: number[] = [];
  let caughtUp = false;
  const following = await log.follow({
    fromSeq: 1,
    onEvent: ({ seq }) => void seqs.push(seq),
    onCaughtUp: () => {
      caughtUp = true;
    },
    onStop: (cause) => void troubles.push(String(cause)),
  });
  await eventually("caught up", () => caughtUp || undefined);
  await following.stop();
  return { seqs, troubles };
}

const KINDS = ["user and password", "token", "nkey", "credentials file", "TLS", "mutual TLS"];

/** The kinds for which the thread is tried too: a login in a file, and one in certificates. */
const READ_BY_THREAD = ["credentials file", "mutual TLS"];

describe.each(KINDS)("a server with %s", (kind) => {
  let server: TestServer;
  let guard: GuardedServer;
  beforeAll(async () => {
    const found = guarded.find((one) => one.kind === kind);
    if (found === undefined) throw new Error(`no server with ${kind}`);
    guard = found;
    server = await TestServer.start(guard.configuration);
  });
  afterAll(() => server.stop());

  it("lets the right login in, also again after a restart of the server", async () => {
    const bus = await connectBus(options(guard.right, server.port));
    try {
      if (READ_BY_THREAD.includes(kind))
        expect(await readByThread(bus)).toEqual({ seqs: [1, 2], troubles: [] });
      else expect(await (await openEventLog(bus)).lastSeq()).toBe(0);
      expect(bus.servers).toMatch(/^(?:nats|tls):\/\/127\.0\.0\.1:\d+$/);
      await server.kill();
      await eventually("the bus notices the loss", () => (bus.connected ? undefined : true));
      await server.startAgain();
      await eventually("the bus is connected again", () => bus.connected || undefined);
    } finally {
      await bus.close();
    }
  });

  it("refuses every other login at once, with the setting in the text and no secret", async () => {
    for (const { what, values, says } of guard.wrong) {
      const startedAtMs = performance.now();
      const thrown = await connectBus(options(values, server.port)).catch((cause: unknown) => cause);
      expect(thrown, what).toBeInstanceOf(ConnectionRefused);
      const { message, retryable, code } = thrown as ConnectionRefused;
      for (const text of says) expect(message, what).toMatch(text);
      expect({ retryable, code }).toEqual({ retryable: false, code: "UNAVAILABLE" });
      // The deadline of the first connection is 10 s: the refusal did not wait for it.
      expect(performance.now() - startedAtMs).toBeLessThan(8_000);
      const everything = inspect(thrown, { depth: 9, showHidden: true });
      for (const secret of guard.secrets) expect(everything, what).not.toContain(secret);
    }
  });
});

describe("a list of servers", () => {
  it("takes the login of each URL, and goes on with the next server when one refuses", async () => {
    const password = (user: string) => `${user}-secret`;
    const servers = await Promise.all(
      ["alice", "bob"].map((user) =>
        TestServer.start(`authorization { users: [ { user: ${user}, password: "${password(user)}" } ] }`),
      ),
    );
    const [alices, bobs] = servers as [TestServer, TestServer];
    try {
      const both = `nats://alice:${password("alice")}@127.0.0.1:${alices.port},nats://bob:${password("bob")}@127.0.0.1:${bobs.port}`;
      const bus = await connectBus({ servers: both, name: "list" });
      const first = bus.connection.getServer();
      const own = first.endsWith(String(alices.port)) ? alices : bobs;
      await own.kill();
      await eventually("the bus is connected to the other server", () =>
        bus.connected && bus.connection.getServer() !== first ? true : undefined,
      );
      await bus.close();
      await own.startAgain();
      for (let round = 0; round < 4; round += 1) {
        const mixed = `nats://alice:wrong@127.0.0.1:${alices.port},nats://bob:${password("bob")}@127.0.0.1:${bobs.port}`;
        const one = await connectBus({ servers: mixed, name: "list" });
        expect(one.connection.getServer()).toContain(String(bobs.port));
        await one.close();
      }
      // A refusal is final, also beside a server that is down.
      const refused = connectBus({
        servers: `nats://alice:wrong@127.0.0.1:${alices.port},nats://127.0.0.1:1`,
        name: "list",
      });
      await expect(refused).rejects.toBeInstanceOf(ConnectionRefused);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  });
});

describe("a server whose logins change while a process runs", () => {
  it("is joined with the new credentials of the file on demand, while it accepts both", async () => {
    const [before, after] = [newUser(), newUser()];
    const creds = join(dir, "renewed.nk");
    await writeFile(creds, before.seed);
    const users = [before, after].map(({ publicKey }) => `{ nkey: ${publicKey} }`);
    const server = await TestServer.start(`authorization { users: [ ${users.join(", ")} ] }`);
    const bus = await connectBus({ servers: server.url, creds, name: "renewed" });
    const whoAmI = async () => {
      const answer = await bus.connection.request("$SYS.REQ.USER.INFO", "", { timeout: 5_000 });
      return answer.json<{ readonly data: { readonly user: string } }>().data.user;
    };
    try {
      expect([bus.hasNewCredentials, await whoAmI()]).toEqual([false, before.publicKey]);
      await writeFile(creds, "SU");
      expect(bus.hasNewCredentials).toBe(false);
      await writeFile(creds, after.seed);
      expect([bus.hasNewCredentials, await whoAmI()]).toEqual([true, before.publicKey]);
      await bus.reconnect(10_000);
      expect([bus.hasNewCredentials, await whoAmI()]).toEqual([false, after.publicKey]);
    } finally {
      await bus.close();
      await server.stop();
    }
  });

  it("is joined again with the credentials that the file then has", async () => {
    const [before, after] = [newUser(), newUser()];
    const creds = join(dir, "changing.nk");
    await writeFile(creds, before.seed);
    const configured = (publicKey: string) => `authorization { users: [ { nkey: ${publicKey} } ] }`;
    const server = await TestServer.start(configured(before.publicKey));
    const bus = await connectBus({ servers: server.url, creds, name: "changing" });
    const refusals: string[] = [];
    const statuses: string[] = [];
    bus.onStatus((status) => void statuses.push(status));
    bus.onRefusedLogin((why) => void refusals.push(why));
    try {
      await server.kill();
      await server.configure(configured(after.publicKey));
      await server.startAgain();
      await eventually("the login is refused", () => refusals[0]);
      await expect(bus.call("none", {}, { timeoutMs: 100 })).rejects.toMatchObject({
        code: "UNAVAILABLE",
        message: expect.stringContaining(`refused the login of user ${before.publicKey}`),
      });
      // A second refusal would end the client of NATS for good; a half-written file would end it at once.
      await writeFile(creds, "SU");
      await eventually("it was refused twice", () => (bus.refusedLogins >= 2 ? true : undefined));
      expect(bus.connection.isClosed()).toBe(false);
      await writeFile(creds, after.seed);
      await eventually("the bus is connected again", () => bus.connected || undefined);
      expect(refusals).toHaveLength(1);
      expect(statuses).toEqual(["disconnected", "connected"]);
      await bus.connection.flush();
    } finally {
      await bus.close();
      await server.stop();
    }
  });
});

describe("tls://", () => {
  it.each([
    ["127.0.0.1", ["127.0.0.1"], true],
    ["127.0.0.1", ["localhost"], true],
    ["localhost", ["localhost"], true],
    ["127.0.0.1", ["10.1.2.3", "nats.example"], false],
    ["localhost", ["127.0.0.1"], false],
  ])("to %s accepts a certificate for %j: %s", async (host, names, isAccepted) => {
    const authority = certificateAuthority("test authority");
    const { cert, key } = authority.issue({ commonName: "nats", names });
    const [certFile, keyFile] = [join(dir, "identity.pem"), join(dir, "identity.key")];
    await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
    const server = await TestServer.start(`tls { cert_file: "${certFile}", key_file: "${keyFile}" }`);
    try {
      const servers = `tls://${host}:${server.port}`;
      const connecting = connectBus({ servers, tls: { ca: authority.ca }, name: "identity" });
      if (isAccepted) await (await connecting).close();
      else await expect(connecting).rejects.toThrow(`its certificate is not accepted`);
    } finally {
      await server.stop();
    }
  });

  it("refuses a server without TLS, instead of going on in plain text", async () => {
    const server = await TestServer.start();
    try {
      const connecting = connectBus({ servers: server.url.replace("nats:", "tls:"), name: "tls" });
      await expect(connecting).rejects.toBeInstanceOf(ConnectionRefused);
      await expect(connecting).rejects.toThrow(/offers no TLS, and tls:\/\/ in servers asks for it/);
      const ca = guarded.find(({ kind }) => kind === "TLS")?.right.ca ?? "";
      const withAuthority = connectBus({ servers: server.url, tls: { ca }, name: "tls" });
      await expect(withAuthority).rejects.toThrow(/offers no TLS, and tls\.ca asks for it/);
    } finally {
      await server.stop();
    }
  });
});
