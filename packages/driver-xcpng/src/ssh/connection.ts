/**
 * One SSH connection to one machine: opened to whoever shows an expected host key and to nobody else, then several programs at
 * once. What it is told of the way is told on as `DriverError`; it tries nothing again.
 */
import type { Client, ConnectConfig } from "ssh2";
import { type Machine, refusedUser, unreachable, wrongHostKey } from "./failures.ts";
import { type ExpectedKeys, fingerprintOf } from "./host-keys.ts";
import { KEEPALIVE_INTERVAL_MS, KEEPALIVE_MISSES } from "./limits.ts";
import { type Ran, type RunLimits, runOn } from "./run.ts";

export interface Login {
  readonly user: string;
  readonly privateKey?: Buffer | undefined;
  readonly password?: string | undefined;
}

/** Loaded at the first program: an agent that runs none need not know the protocol. */
async function newClient(): Promise<Client> {
  const ssh2 = await import("ssh2");
  return new (ssh2.default ?? ssh2).Client();
}

/** Type of a key in its wire form: a length of four bytes, and so many letters. */
function typeOf(key: Buffer): string {
  return key.toString("latin1", 4, 4 + key.readUInt32BE(0));
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
    const client = await newClient();
    let refused: Error | undefined;
    const hostVerifier = (key: Buffer): boolean => {
      const offered = fingerprintOf(key);
      if (expected.fingerprints.has(offered) && !expected.revoked.has(offered)) return true;
      refused = wrongHostKey(machine, typeOf(key), offered, expected);
      return false;
    };
    const methods = [
      ...(login.privateKey === undefined ? [] : (["publickey"] as const)),
      ...(login.password === undefined ? [] : (["password"] as const)),
    ];
    const config: ConnectConfig = {
      host: machine.address,
      port: machine.port,
      username: login.user,
      readyTimeout: timeoutMs,
      keepaliveInterval: KEEPALIVE_INTERVAL_MS,
      keepaliveCountMax: KEEPALIVE_MISSES,
      hostVerifier,
      authHandler: methods,
      ...(login.privateKey === undefined ? {} : { privateKey: login.privateKey }),
      ...(login.password === undefined ? {} : { password: login.password }),
      ...(expected.types.length === 0 ? {} : { algorithms: { serverHostKey: [...expected.types] as never } }),
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
