/**
 * A fake pool: XAPI's protocol over HTTPS on this machine, for tests and for trying BioXen without hardware.
 *
 * The fake follows XAPI's documentation. A test against the fake shows that a client speaks the protocol correctly, but
 * not that a real pool behaves in the same way: timing, storage, guest tools and licences are not
 * modelled.
 */
import { randomBytes } from "node:crypto";
import type { Server } from "node:https";
import { type SelfSigned, selfSigned } from "./certificate.ts";
import { type CallStatistics, Dispatch, type ObservedCall } from "./dispatch.ts";
import type { Faults } from "./faults.ts";
import { type GuestAgentOptions, GuestAgents } from "./guest-agents.ts";
import { GuestSsh, type GuestSshOptions } from "./guest-ssh.ts";
import { failHost } from "./high-availability.ts";
import { type FakeCredentials, LOCAL_SUPERUSER } from "./methods.ts";
import { type Counts, Pool, type PoolOptions } from "./pool.ts";
import { Refusal } from "./refusal.ts";
import { type Answers, listen } from "./server.ts";
import { rrdUpdates } from "./statistics.ts";

export { type SelfSigned, selfSigned } from "./certificate.ts";
export type { ObservedCall } from "./dispatch.ts";
export type { Fault, FaultKind } from "./faults.ts";
export type { GuestAgentOptions } from "./guest-agents.ts";
export { LIFECYCLE } from "./lifecycle.ts";
export { type Counts, INSTALLER_NAMES, MIB, TEMPLATE_NAME } from "./pool.ts";
export { FAKE_CODES } from "./refusal.ts";
export { ROLES, type Role, weakestRole } from "./roles.ts";
export { SCHEMA } from "./schema.ts";
export { SIGNATURES } from "./signatures.ts";
export { parseSupervised } from "./supervised-program.ts";

export interface FakeOptions {
  /** Port of the HTTPS server. Default: a free one. */
  readonly port?: number | undefined;
  /** Number of hosts; default 2. */
  readonly hosts?: number;
  /** Physical CPUs of each host; default 16. */
  readonly cpusPerHost?: number;
  /** Memory of each host, MiB; default 65 536. */
  readonly memoryMiBPerHost?: number;
  /** Size of the storage, GiB; default 1 000. */
  readonly storageGiB?: number;
  /** Delay of each call, ms. Default 0. */
  readonly callMs?: number;
  /** Duration of each change of a VM's power state or disks, ms. Default: 2. */
  readonly operationMs?: number;
  /** Duration of a full copy of a VM's disks (`VM.copy`), ms. Default: `operationMs`. */
  readonly copyMs?: number;
  /** Users in addition to `root`, each with a role of XAPI. */
  readonly users?: readonly FakeCredentials[];
  /** Certificate and key. Default: new ones. */
  readonly identity?: SelfSigned;
  /** Password of `root`. Default: a random one. */
  readonly password?: string;
  /** Options of the SSH servers of running guests. Default: guests have no SSH server. */
  readonly guestSsh?: GuestSshOptions | undefined;
  /** The guest agent that runs in each guest, as a process of this machine. Default: none. */
  readonly guestAgent?: GuestAgentOptions | undefined;
}

export interface FakeXapi {
  readonly url: string;
  readonly port: number;
  readonly fingerprint: string;
  readonly username: string;
  readonly password: string;
  /** SSH access to the guests; undefined without the option `guestSsh`. */
  readonly ssh: GuestSsh | undefined;
  /** The guest agents; undefined without the option `guestAgent`. */
  readonly agents: GuestAgents | undefined;
  readonly faults: Faults;
  readonly statistics: CallStatistics;
  /** The state of the pool, for tests that change it directly. */
  readonly pool: Pool;
  /** Returns the numbers of objects by kind, without the session that `outside` uses. */
  counts(): Counts;
  /** Calls a method as another client of the pool, with its own session. `args` do not include the session. */
  outside(method: string, ...args: readonly unknown[]): Promise<unknown>;
  /** Calls `listener` with each call before it runs, also with those of `outside`. */
  onCall(listener: (call: ObservedCall) => void): void;
  /** Fails a host, by name; with high availability, resolves once the pool has restarted its VMs. */
  failHost(name: string): Promise<void>;
  /** Invalidates every session. */
  loseSessions(): void;
  /** Restarts the toolstack: sessions, tasks and past events are lost, and the machines run on. */
  restartToolstack(): void;
  /**
   * Adds a member on another address and the same port. It answers every call with the address of `master`, and serves
   * the statistics of VMs on hosts with its address.
   */
  addMember(host: string, master: string): Promise<FakeMember>;
  /**
   * Gives the master a new certificate, as `host.refresh_server_certificate` does: open connections end, and the machines
   * run on.
   */
  renewCertificate(): SelfSigned;
  close(): Promise<void>;
}

export interface FakeMember {
  readonly fingerprint: string;
  readonly certificate: string;
  /** Gives the member a new certificate, as `host.refresh_server_certificate` does. Returns it. */
  renew(): SelfSigned;
}

const HOST = "127.0.0.1";

/** Starts a fake pool on 127.0.0.1. Rejects with `EADDRINUSE` when the port is taken. */
export async function createFakeXapi(options: FakeOptions = {}): Promise<FakeXapi> {
  const ssh = options.guestSsh && (await GuestSsh.open(options.guestSsh));
  const agents = options.guestAgent && new GuestAgents(options.guestAgent);
  if (ssh !== undefined) ssh.agents = agents;
  const pool = new Pool({ ...sizesOf(options), ssh, agents }, HOST);
  const password = options.password ?? randomBytes(12).toString("base64url");
  const dispatch = new Dispatch(pool, [
    { username: LOCAL_SUPERUSER, password, role: "pool-admin" },
    ...(options.users ?? []),
  ]);
  dispatch.callMs = options.callMs ?? 0;
  const identity = options.identity ?? selfSigned();
  const statisticsOf =
    (address: string) =>
    (query: URLSearchParams): string | undefined => {
      const session = query.get("session_id") ?? "";
      return pool.db.find("session", session) === undefined ? undefined : rrdUpdates(pool, query, address);
    };
  for (const [host] of pool.db.all("host")) pool.certificates.set(host, identity.certificate);
  const answers = { call: dispatch.call.bind(dispatch), statistics: statisticsOf(HOST) };
  const server = await listen(answers, identity, HOST, options.port ?? 0);
  const { port } = server.address() as { port: number };
  const servers: Server[] = [server];
  let outsider: Promise<string> | undefined;
  return {
    url: `https://${HOST}:${port}`,
    port,
    fingerprint: identity.fingerprint,
    username: LOCAL_SUPERUSER,
    password,
    ssh,
    agents,
    faults: pool.faults,
    statistics: dispatch.statistics,
    pool,
    counts: () => lessSessions(pool.counts(), outsider === undefined ? 0 : 1),
    async outside(method, ...args) {
      outsider ??= Promise.resolve(pool.db.add("session", { originator: "another client" }));
      const session = await outsider;
      if (pool.db.find("session", session) === undefined) outsider = undefined;
      return (await dispatch.call(method, [session, ...args])).result;
    },
    onCall: (listener) => void dispatch.observers.push(listener),
    async failHost(name) {
      const found = pool.db.all("host").find(([, host]) => host["name_label"] === name);
      if (found === undefined) throw new Error(`the pool has no host ${name}`);
      await failHost(pool, dispatch.operations, found[0]);
    },
    loseSessions() {
      outsider = undefined;
      dispatch.forgetSessions();
    },
    restartToolstack() {
      outsider = undefined;
      dispatch.restart();
    },
    async addMember(host, master) {
      const refuse = () => Promise.reject(new Refusal("HOST_IS_SLAVE", master));
      const [server, member] = await memberAt(host, port, { call: refuse, statistics: statisticsOf(host) });
      servers.push(server);
      return member;
    },
    renewCertificate() {
      const renewed = renew(server, selfSigned());
      for (const [host] of pool.db.all("host")) pool.certificates.set(host, renewed.certificate);
      return renewed;
    },
    async close() {
      dispatch.close();
      ssh?.close();
      await agents?.close();
      await Promise.all(servers.map(closed));
    },
  };
}

/** Sizes and durations of the pool, with their defaults. */
function sizesOf(options: FakeOptions): Omit<PoolOptions, "ssh" | "agents"> {
  return {
    hosts: options.hosts ?? 2,
    cpusPerHost: options.cpusPerHost ?? 16,
    memoryMiBPerHost: options.memoryMiBPerHost ?? 65_536,
    storageGiB: options.storageGiB ?? 1_000,
    operationMs: options.operationMs ?? 2,
    copyMs: options.copyMs ?? options.operationMs ?? 2,
  };
}

/** Starts the server of a member, with a certificate of its own. */
async function memberAt(host: string, port: number, answers: Answers): Promise<[Server, FakeMember]> {
  const made = () => selfSigned({ commonName: "member", addresses: [host] });
  const { certificate, key, fingerprint } = made();
  const server = await listen(answers, { certificate, key, fingerprint }, host, port);
  return [server, { fingerprint, certificate, renew: () => renew(server, made()) }];
}

/** Gives a server another certificate, and ends its open connections. */
function renew(server: Server, renewed: SelfSigned): SelfSigned {
  server.setSecureContext({ cert: renewed.certificate, key: renewed.key });
  server.closeAllConnections();
  return renewed;
}

function lessSessions(counts: Counts, sessions: number): Counts {
  return { ...counts, sessions: counts.sessions - sessions };
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
