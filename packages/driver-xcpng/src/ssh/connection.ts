/**
 * One SSH connection to one machine. The connection is opened only if the machine presents an expected host key; then
 * several programs can run over it at once. Transport errors are rethrown as `DriverError`; there are no retries.
 */
import type { Client, ConnectConfig, ServerHostKeyAlgorithm } from "ssh2";
import { type Machine, refusedUser, unreachable, unusableKey, wrongHostKey } from "./failures.ts";
import { type ExpectedKeys, fingerprintOf } from "./host-keys.ts";
import { KEEPALIVE_INTERVAL_MS, KEEPALIVE_MISSES } from "./limits.ts";
import { callOn, type ProgramExit, type RemoteCall, type RunLimits, runOn } from "./run.ts";

export interface Login {
  readonly user: string;
  readonly privateKey?: Buffer | undefined;
  readonly password?: string | undefined;
}

/** Loads ssh2 at the first program, so that an agent without programs does not load it. */
async function loaded(): Promise<typeof import("ssh2")> {
  const ssh2 = await import("ssh2");
  return ssh2.default ?? ssh2;
}

/**
 * Returns the type of a public key in wire form, such as `ssh-ed25519`. The first four bytes of the key hold the length
 * of this type name; the name follows.
 */
function typeOf(key: Buffer): string {
  return key.toString("latin1", 4, 4 + key.readUInt32BE(0));
}

/**
 * Accepted signature algorithms of host keys, in order of preference. `ssh-rsa` is missing because it signs with SHA-1;
 * a server with an RSA key also offers `rsa-sha2-256` or `rsa-sha2-512`.
 */
const HOST_KEY_TYPES: readonly ServerHostKeyAlgorithm[] = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
];

/**
 * Returns all accepted algorithms, with those of the known keys first: a server presents its key for the first
 * algorithm in the list that it supports. The others stay in the list, so that a machine with a new type of key is
 * reported as a changed key.
 */
function typesInOrder(known: readonly string[]): ServerHostKeyAlgorithm[] {
  const isKnown = (type: string): boolean => known.includes(type);
  return [...HOST_KEY_TYPES.filter(isKnown), ...HOST_KEY_TYPES.filter((type) => !isKnown(type))];
}

function configOf({ address, port }: Machine, { user, privateKey, password }: Login): ConnectConfig {
  const methods = [
    ...(privateKey === undefined ? [] : (["publickey"] as const)),
    ...(password === undefined ? [] : (["password"] as const)),
  ];
  return {
    host: address,
    port,
    username: user,
    keepaliveInterval: KEEPALIVE_INTERVAL_MS,
    keepaliveCountMax: KEEPALIVE_MISSES,
    authHandler: methods,
    ...(privateKey === undefined ? {} : { privateKey }),
    ...(password === undefined ? {} : { password }),
  };
}

export class Connection {
  readonly machine: Machine;
  readonly #client: Client;
  #ended: string | undefined;
  readonly #onEnd = new Set<() => void>();

  private constructor(machine: Machine, client: Client) {
    this.machine = machine;
    this.#client = client;
    client.on("error", (error) => this.#end(error.message));
    client.on("close", () => this.#end("the connection was lost"));
    client.setNoDelay(true);
  }

  /** Opens a connection within `timeoutMs` milliseconds. Rejects with `DriverError`. */
  static async open(
    machine: Machine,
    login: Login,
    expected: ExpectedKeys,
    timeoutMs: number,
  ): Promise<Connection> {
    const ssh2 = await loaded();
    if (login.privateKey !== undefined) {
      const key = ssh2.utils.parseKey(login.privateKey);
      if (key instanceof Error) throw unusableKey(key.message);
    }
    const client = new ssh2.Client();
    let refused: Error | undefined;
    const hostVerifier = (key: Buffer): boolean => {
      const offered = fingerprintOf(key);
      if (expected.fingerprints.has(offered) && !expected.revoked.has(offered)) return true;
      refused = wrongHostKey(machine, typeOf(key), offered, expected);
      return false;
    };
    const config = {
      ...configOf(machine, login),
      readyTimeout: timeoutMs,
      hostVerifier,
      algorithms: { serverHostKey: typesInOrder(expected.types) },
    };
    try {
      await new Promise<void>((resolve, reject) => {
        client.once("ready", () => resolve());
        client.on("error", reject);
        client.once("close", () => reject(new Error("the machine closed the connection")));
        client.connect(config);
      });
    } catch (thrown) {
      // A later error event without a listener would end the process.
      client.removeAllListeners().on("error", () => undefined);
      client.destroy();
      if (refused !== undefined) throw refused;
      const { level, message } = thrown as Error & { level?: string };
      if (level === "client-authentication") throw refusedUser(machine, login.user, thrown);
      throw unreachable(machine, message, thrown);
    }
    client.removeAllListeners("error");
    return new Connection(machine, client);
  }

  /** Reason why the connection ended; undefined while the connection is open. */
  get ended(): string | undefined {
    return this.#ended;
  }

  /** Calls `listener` once, when the connection ends. Returns a function that removes the listener. */
  onEnd(listener: () => void): () => void {
    this.#onEnd.add(listener);
    return () => this.#onEnd.delete(listener);
  }

  /**
   * Runs a program and resolves with its exit. Rejects with a `DriverError`, whose `details.ran` says whether the
   * program was run.
   */
  run(source: string, limits: RunLimits): Promise<ProgramExit> {
    return runOn(this.#client, this, source, limits);
  }

  /** Runs a command that ends by itself. Resolves and rejects as {@link run}. */
  call(call: RemoteCall, limits: Omit<RunLimits, "timeoutMs">): Promise<ProgramExit> {
    return callOn(this.#client, this, call, limits);
  }

  /** Closes the connection. The outcome of a program that is still running becomes unknown. */
  close(why = "the connection was closed"): void {
    this.#end(why);
  }

  #end(why: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    this.#client.destroy();
    for (const listener of [...this.#onEnd]) listener();
    this.#onEnd.clear();
  }
}
