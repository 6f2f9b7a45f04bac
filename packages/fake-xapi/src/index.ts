/**
 * A pool that is not there: XAPI's protocol over HTTPS on this machine, for tests, and for trying BioXen without hardware.
 *
 * It is written here, from XAPI's documentation, so agreement with it shows that the protocol is spoken, not how a real
 * pool behaves: timings, storage, guest tools, licences and high availability are not in it.
 */
import { randomBytes } from "node:crypto";
import type { Server } from "node:https";
import { type SelfSigned, selfSigned } from "./certificate.ts";
import { type CallStatistics, Dispatch } from "./dispatch.ts";
import type { Faults } from "./faults.ts";
import { GuestSsh, type GuestSshOptions } from "./guest-ssh.ts";
import { type Counts, Pool } from "./pool.ts";
import { Refusal } from "./refusal.ts";
import { listen } from "./server.ts";
import { rrdUpdates } from "./statistics.ts";

export { type SelfSigned, selfSigned } from "./certificate.ts";
export type { Fault, FaultKind } from "./faults.ts";
export { LIFECYCLE } from "./lifecycle.ts";
export { type Counts, MIB, TEMPLATE_NAME } from "./pool.ts";
export { FAKE_CODES } from "./refusal.ts";
export { SCHEMA } from "./schema.ts";
export { SIGNATURES } from "./signatures.ts";
export { parseSupervised } from "./supervised-program.ts";

export interface FakeOptions {
  /** Default: a free one. */
  readonly port?: number | undefined;
  readonly hosts?: number;
  readonly cpusPerHost?: number;
  readonly memoryMiBPerHost?: number;
  readonly storageGiB?: number;
  /** What each call takes, ms. */
  readonly callMs?: number;
  /** What each change of a VM's power state or disks takes, ms. */
  readonly operationMs?: number;
  readonly identity?: SelfSigned;
  readonly password?: string;
  /** Guests that run answer SSH. */
  readonly guestSsh?: GuestSshOptions | undefined;
}

export interface FakeXapi {
  readonly url: string;
  readonly port: number;
  readonly fingerprint: string;
  readonly username: string;
  readonly password: string;
  /** The way into guests, where they answer. */
  readonly ssh: GuestSsh | undefined;
  readonly faults: Faults;
  readonly statistics: CallStatistics;
  /** The pool itself, for tests that change it from outside. */
  readonly pool: Pool;
  counts(): Counts;
  /** What somebody else does to the pool, with no session of ours: any method, arguments without a session. */
  outside(method: string, ...args: readonly unknown[]): Promise<unknown>;
  /** Every session is unknown from now on. */
  loseSessions(): void;
  /** A member that is not the master, on this address and the same port: it names `master` and does nothing else. */
  addMember(host: string, master: string): Promise<{ readonly fingerprint: string }>;
  close(): Promise<void>;
}

const HOST = "127.0.0.1";
const USERNAME = "root";

export async function createFakeXapi(options: FakeOptions = {}): Promise<FakeXapi> {
  const ssh = options.guestSsh && (await GuestSsh.open(options.guestSsh));
  const pool = new Pool(
    {
      hosts: options.hosts ?? 2,
      cpusPerHost: options.cpusPerHost ?? 16,
      memoryMiBPerHost: options.memoryMiBPerHost ?? 65_536,
      storageGiB: options.storageGiB ?? 1_000,
      operationMs: options.operationMs ?? 2,
      ssh,
    },
    HOST,
  );
  const password = options.password ?? randomBytes(12).toString("base64url");
  const dispatch = new Dispatch(pool, { username: USERNAME, password });
  dispatch.callMs = options.callMs ?? 0;
  const identity = options.identity ?? selfSigned();
  const statistics = (query: URLSearchParams): string | undefined => {
    const session = query.get("session_id") ?? "";
    return pool.db.find("session", session) === undefined ? undefined : rrdUpdates(pool, query);
  };
  const answers = { call: dispatch.call.bind(dispatch), statistics };
  const server = await listen(answers, identity, HOST, options.port ?? 0);
  const { port } = server.address() as { port: number };
  const servers: Server[] = [server];
  let outsider: Promise<string> | undefined;
  return {
    url: `https://${HOST}:${port}`,
    port,
    fingerprint: identity.fingerprint,
    username: USERNAME,
    password,
    ssh,
    faults: pool.faults,
    statistics: dispatch.statistics,
    pool,
    counts: () => {
      const counts = pool.counts();
      return { ...counts, sessions: counts.sessions - (outsider === undefined ? 0 : 1) };
    },
    async outside(method, ...args) {
      outsider ??= Promise.resolve(pool.db.add("session", { originator: "somebody else" }));
      const session = await outsider;
      if (pool.db.find("session", session) === undefined) outsider = undefined;
      return (await dispatch.call(method, [session, ...args])).result;
    },
    loseSessions() {
      outsider = undefined;
      for (const [session] of pool.db.all("session")) pool.db.remove("session", session);
    },
    async addMember(host, master) {
      const own = selfSigned({ commonName: "member", addresses: [host] });
      const refuse = () => Promise.reject(new Refusal("HOST_IS_SLAVE", master));
      servers.push(await listen({ call: refuse, statistics: () => undefined }, own, host, port));
      return { fingerprint: own.fingerprint };
    },
    async close() {
      dispatch.close();
      ssh?.close();
      await Promise.all(servers.map(closed));
    },
  };
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
