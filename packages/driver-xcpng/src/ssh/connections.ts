/**
 * The pool of one agent's SSH connections, at most one per machine. The first program in a machine opens a connection,
 * and concurrent programs share it. A connection without programs stays open for a limited time. Every connection
 * closes when its machine halts, is suspended, restarts or is restored. The number of connections is limited, so that
 * many machines do not exhaust the agent's file descriptors.
 */
import { DriverError } from "@bioxen/vm-driver";
import type { Connection } from "./connection.ts";
import { tooBusy } from "./failures.ts";
import { IDLE_MS, MAX_CONNECTIONS, MAX_PROGRAMS_PER_MACHINE } from "./limits.ts";

interface PooledConnection {
  /** Fence under which the machine ran when the connection was opened. */
  readonly fence: number;
  readonly opening: Promise<Connection>;
  users: number;
  idle: NodeJS.Timeout | undefined;
  /** Reason for which the agent closed the connection, possibly before it was open; undefined until then. */
  ended: string | undefined;
}

export interface ConnectionLimits {
  /** Maximum number of connections that are open at once. */
  readonly connections: number;
  /** Maximum number of programs that run at once in one machine. */
  readonly programsPerMachine: number;
  /** How long an unused connection stays open, ms. */
  readonly idleMs: number;
}

const DEFAULTS: ConnectionLimits = {
  connections: MAX_CONNECTIONS,
  programsPerMachine: MAX_PROGRAMS_PER_MACHINE,
  idleMs: IDLE_MS,
};

export class Connections {
  readonly #limits: ConnectionLimits;
  /** The connections by VM id, in order of last use, the oldest first. */
  readonly #connections = new Map<string, PooledConnection>();

  constructor(limits: Partial<ConnectionLimits> = {}) {
    this.#limits = { ...DEFAULTS, ...limits };
  }

  /** Number of connections that are open or being opened. */
  get size(): number {
    return this.#connections.size;
  }

  /**
   * Calls `work` with a connection to the machine and resolves with the result of `work`. The machine runs under
   * `fence`. `open` is called if no connection exists for that fence. Rejects with `UNAVAILABLE` when a limit is
   * reached.
   */
  async with<T>(
    vmId: string,
    fence: number,
    open: () => Promise<Connection>,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const pooled = this.#take(vmId, fence, open);
    try {
      const connection = await pooled.opening;
      if (pooled.ended !== undefined) throw tooBusy(vmId, pooled.ended);
      return await work(connection);
    } catch (thrown) {
      // When a machine has moved or is lost, its connection can be dead without an error. A connection over which no
      // program could start is therefore closed, and the next program opens another.
      if (pooled.users === 1 && ranNothing(thrown) && this.#connections.get(vmId) === pooled)
        this.end(vmId, "it accepted no program");
      throw thrown;
    } finally {
      pooled.users -= 1;
      if (pooled.users === 0 && this.#connections.get(vmId) === pooled) {
        pooled.idle = setTimeout(() => this.end(vmId, "it was idle"), this.#limits.idleMs);
        pooled.idle.unref();
      }
    }
  }

  #take(vmId: string, fence: number, open: () => Promise<Connection>): PooledConnection {
    const known = this.#connections.get(vmId);
    if (known !== undefined && known.fence !== fence) this.end(vmId, "its machine was restarted");
    const usable = this.#connections.get(vmId);
    if (usable !== undefined) {
      const { programsPerMachine } = this.#limits;
      if (usable.users >= programsPerMachine)
        throw tooBusy(vmId, `${programsPerMachine} programs, the limit, are running in it`);
      clearTimeout(usable.idle);
      usable.users += 1;
      this.#connections.delete(vmId);
      this.#connections.set(vmId, usable);
      return usable;
    }
    this.#makeRoom(vmId);
    const pooled: PooledConnection = { fence, opening: open(), users: 1, idle: undefined, ended: undefined };
    this.#connections.set(vmId, pooled);
    const forget = (): void => {
      clearTimeout(pooled.idle);
      if (this.#connections.get(vmId) === pooled) this.#connections.delete(vmId);
    };
    pooled.opening.then((connection) => connection.onEnd(forget), forget);
    return pooled;
  }

  #makeRoom(vmId: string): void {
    if (this.#connections.size < this.#limits.connections) return;
    const [idle] = [...this.#connections].find(([, { users }]) => users === 0) ?? [];
    if (idle !== undefined) this.end(idle, "another machine needed a connection");
    else
      throw tooBusy(
        vmId,
        `programs are running in ${this.#limits.connections} other machines, the limit of this agent`,
      );
  }

  /** Closes the connection to a machine; its running programs reject with the reason `why`. */
  end(vmId: string, why: string): void {
    const pooled = this.#connections.get(vmId);
    if (pooled === undefined) return;
    this.#connections.delete(vmId);
    clearTimeout(pooled.idle);
    pooled.ended = why;
    void pooled.opening.then(
      (connection) => connection.close(why),
      () => undefined,
    );
  }

  /** Closes every connection, including those that are still being opened. */
  async close(): Promise<void> {
    const opening = [...this.#connections.values()].map((pooled) => pooled.opening);
    for (const vmId of [...this.#connections.keys()]) this.end(vmId, "the agent shut down");
    await Promise.allSettled(opening);
  }
}

/** Returns whether the error says that the program was certainly not run. */
function ranNothing(thrown: unknown): boolean {
  return thrown instanceof DriverError && thrown.details["ran"] === "no";
}
