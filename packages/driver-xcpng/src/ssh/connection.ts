/**
 * One SSH connection to one machine: opened to whoever shows an expected host key and to nobody else, then several programs at
 * once. What it is told of the way is told on as `DriverError`; it tries nothing again.
 */
import type { Client, ConnectConfig, ServerHostKeyAlgorithm } from "ssh2";
import { type Machine, refusedUser, unreachable, unusableKey, wrongHostKey } from "./failures.ts";
import { type ExpectedKeys, fingerprintOf } from "./host-keys.ts";
import { KEEPALIVE_INTERVAL_MS, KEEPALIVE_MISSES } from "./limits.ts";
import { type Ran, type RunLimits, runOn } from "./run.ts";

export interface Login {
  readonly user: string;
  readonly privateKey?: Buffer | undefined;
  readonly password?: string | undefined;
}

/** At the first program: an agent that runs none need not know the protocol. */
async function loaded(): Promise<typeof import("ssh2")> {
  const ssh2 = await import("ssh2");
  return ssh2.default ?? ssh2;
}

/** Type of a key in its wire form: a length of four bytes, and so many letters. */
function typeOf(key: Buffer): string {
  return key.toString("latin1", 4, 4 + key.readUInt32BE(0));
}

/** Types of host key, the best first. `ssh-rsa` is not: its signatures are SHA-1's, and servers that have such a key do better. */
const HOST_KEY_TYPES: readonly ServerHostKeyAlgorithm[] = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
];

/**
 * Those that are known before others: a server shows the first of these that it has. The others are left in, so that a machine
 * whose key is of another type now is told as one with another key.
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

  /** Rejects with a `DriverError`, by `timeoutMs` at the latest. */
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
        client.once("close", () => reject(new Error("it closed the connection")));
        client.connect(config);
      });
    } catch (thrown) {
      // Whatever is still to come of it is of no interest.
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

  /** Why it is no more; undefined while it is. */
  get ended(): string | undefined {
    return this.#ended;
  }

  /** Once, when it has ended, whoever ended it. Returns how not to be told. */
  onEnd(listener: () => void): () => void {
    this.#onEnd.add(listener);
    return () => this.#onEnd.delete(listener);
  }

  /** Rejects with a `DriverError` that says whether anything was run. */
  run(source: string, limits: RunLimits): Promise<Ran> {
    return runOn(this.#client, this, source, limits);
  }

  /** What runs on it is not known of any more. */
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
