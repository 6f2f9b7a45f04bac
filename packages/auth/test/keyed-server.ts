/**
 * A nats-server with the generated accounts and streams, and a connection for each user.
 */
import {
  accountsFor,
  FEED_DELIVERY,
  type KeyRing,
  LOG_API,
  renderAccounts,
  STORED_EVENTS,
} from "@bioxen/auth";
import { CORE_SERVICES, GATEWAY, JOB_STREAM_CONFIG, JOB_SUBJECTS, mappedSubject } from "@bioxen/contracts";
import {
  type Bus,
  connectBus,
  newUserKey,
  provisionMirror,
  provisionStreams,
  type UserKey,
} from "@bioxen/nats";
import { TestServer } from "@bioxen/testkit";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection, nkeyAuthenticator } from "@nats-io/transport-node";
import { covers } from "../src/subject-patterns.ts";

export const AGENTS = ["local", "far"] as const;
export const PRINCIPALS = [
  { name: "admin", role: "admin" },
  { name: "olga", role: "operator" },
  { name: "otto", role: "observer" },
  { name: "alice", role: "tenant" },
  { name: "bob", role: "tenant" },
] as const;

/** The users under test: services, the gateway, agents (`agent-<id>`) and principals by name. */
export const USERS: readonly string[] = [
  ...CORE_SERVICES,
  GATEWAY,
  ...AGENTS.map((id) => `agent-${id}`),
  ...PRINCIPALS.map(({ name }) => name),
];
const PASSWORD = 'a "password" of $admin';

export class KeyedServer {
  readonly server: TestServer;
  readonly #keys: ReadonlyMap<string, UserKey>;
  readonly #open: NatsConnection[] = [];
  readonly #buses: Bus[] = [];

  private constructor(server: TestServer, keys: ReadonlyMap<string, UserKey>) {
    this.server = server;
    this.#keys = keys;
  }

  /**
   * Starts a server and creates the streams as the provisioners do. `inspector` is a user of the account with the
   * streams that may do everything, and `feed-inspector` one of the account of the mirror.
   */
  static async start(edit: (configuration: string) => string = (text) => text): Promise<KeyedServer> {
    const names = ["system", "provisioner", "feed", "inspector", "feed-inspector", ...USERS];
    const keys = new Map(names.map((name) => [name, newUserKey()]));
    const { accounts, system } = accountsFor(ringOf(keys));
    const text = renderAccounts(accounts, system);
    const inspected = withUser(
      withUser(text, "LOG", keyOf(keys, "inspector")),
      "FEED",
      keyOf(keys, "feed-inspector"),
    );
    const server = await TestServer.start(edit(inspected));
    const keyed = new KeyedServer(server, keys);
    await keyed.provision();
    await keyed.#storeJobsOfPrincipals();
    return keyed;
  }

  async provision(): Promise<void> {
    await provisionStreams({ bus: await this.bus("provisioner"), republishTo: STORED_EVENTS });
    await provisionMirror(await this.bus("feed"), { api: LOG_API, deliver: FEED_DELIVERY });
  }

  /** Lets the stream of jobs store what admins and operators publish, if its declaration does not do so yet. */
  async #storeJobsOfPrincipals(): Promise<void> {
    const own: readonly string[] = JOB_STREAM_CONFIG.subjects;
    const wanted = (["admin", "operator"] as const).map((role) =>
      mappedSubject({ role, name: "*" }, JOB_SUBJECTS),
    );
    const missing = wanted.filter((subject) => !own.some((pattern) => covers(pattern, subject)));
    if (missing.length === 0) return;
    const jsm = await jetstreamManager(await this.as("inspector"));
    await jsm.streams.update(JOB_STREAM_CONFIG.name, { subjects: [...own, ...missing] });
  }

  async bus(name: string): Promise<Bus> {
    const bus = await connectBus({ servers: this.server.url, creds: keyOf(this.#keys, name).seed, name });
    this.#buses.push(bus);
    return bus;
  }

  async as(name: string): Promise<NatsConnection> {
    const seed = new TextEncoder().encode(keyOf(this.#keys, name).seed);
    const options = { servers: this.server.url, name, authenticator: nkeyAuthenticator(seed) };
    const connection = await connect(options);
    this.#open.push(connection);
    return connection;
  }

  async withPassword(): Promise<NatsConnection> {
    const connection = await connect({ servers: this.server.url, user: "admin", pass: PASSWORD });
    this.#open.push(connection);
    return connection;
  }

  /** Connects without credentials, with a key that the server does not know, or with these settings. */
  async stranger(options: { user: string; pass: string } | undefined = undefined): Promise<void> {
    const seed = new TextEncoder().encode(newUserKey().seed);
    const settings = options ?? { authenticator: nkeyAuthenticator(seed) };
    const connection = await connect({ servers: this.server.url, reconnect: false, ...settings });
    await connection.close();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#open, ...this.#buses].map((one) => one.close()));
    await this.server.stop();
  }
}

function keyOf(keys: ReadonlyMap<string, UserKey>, name: string): UserKey {
  const key = keys.get(name);
  if (key === undefined) throw new Error(`no key of ${name}`);
  return key;
}

export function ringOf(keys: ReadonlyMap<string, UserKey>): KeyRing {
  const publicKey = (name: string) => keyOf(keys, name).publicKey;
  return {
    system: publicKey("system"),
    provisioner: publicKey("provisioner"),
    feed: publicKey("feed"),
    services: Object.fromEntries(CORE_SERVICES.map((name) => [name, publicKey(name)])),
    gateway: publicKey(GATEWAY),
    agents: Object.fromEntries(AGENTS.map((id) => [id, publicKey(`agent-${id}`)])),
    principals: PRINCIPALS.map(({ name, role }) => ({
      name,
      role,
      publicKey: publicKey(name),
      password: name === "admin" ? PASSWORD : undefined,
    })),
  };
}

/** Adds a user without restrictions to an account. */
function withUser(configuration: string, account: string, { publicKey }: UserKey): string {
  const [before, after] = configuration.split(`  "${account}": {`);
  if (before === undefined || after === undefined) throw new Error(`no account ${account}`);
  return `${before}  "${account}": {${after.replace("users: [", `users: [\n      { nkey: ${publicKey} }`)}`;
}
