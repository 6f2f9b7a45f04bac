/**
 * The connections of one agent, at most one for each machine: made when a program needs one, shared by programs at once, kept for the
 * next a little while, ended with the machine's run. Bounded, so that many machines do not take the agent's descriptors.
 */
import { DriverError } from "@bioxen/vm-driver";
import type { Connection } from "./connection.ts";
import { tooBusy } from "./failures.ts";
import { IDLE_MS, MAX_CONNECTIONS, MAX_PROGRAMS_PER_MACHINE } from "./limits.ts";

interface Held {
  /** Which run of the machine it is to. */
  readonly fence: number;
  readonly opening: Promise<Connection>;
  users: number;
  idle: NodeJS.Timeout | undefined;
  /** It was ended before it was open. */
  ended: string | undefined;
}

export interface ConnectionLimits {
  readonly connections: number;
  readonly programsPerMachine: number;
  readonly idleMs: number;
}

const DEFAULTS: ConnectionLimits = {
  connections: MAX_CONNECTIONS,
  programsPerMachine: MAX_PROGRAMS_PER_MACHINE,
  idleMs: IDLE_MS,
};

export class Connections {
  readonly #limits: ConnectionLimits;
  /** In order of their latest use. */
  readonly #held = new Map<string, Held>();

  constructor(limits: Partial<ConnectionLimits> = {}) {
    this.#limits = { ...DEFAULTS, ...limits };
  }

  /** Open or being opened. */
  get size(): number {
    return this.#held.size;
  }

  /** `work` with a connection to this run of the machine, made by `open` where there is none. Rejects with `UNAVAILABLE` when there is no room. */
  async with<T>(
    vmId: string,
    fence: number,
    open: () => Promise<Connection>,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const held = this.#take(vmId, fence, open);
    try {
      const connection = await held.opening;
      if (held.ended !== undefined) throw tooBusy(vmId, held.ended);
      return await work(connection);
    } catch (thrown) {
      // It may be dead without a word, as one is whose machine was moved or lost: the next program gets a fresh one.
      if (held.users === 1 && ranNothing(thrown) && this.#held.get(vmId) === held)
        this.end(vmId, "it took no program");
      throw thrown;
    } finally {
      held.users -= 1;
      if (held.users === 0 && this.#held.get(vmId) === held) {
        held.idle = setTimeout(() => this.end(vmId, "nobody used it"), this.#limits.idleMs);
        held.idle.unref();
      }
    }
  }

  #take(vmId: string, fence: number, open: () => Promise<Connection>): Held {
    const known = this.#held.get(vmId);
    if (known !== undefined && known.fence !== fence) this.end(vmId, "its machine was started anew");
    const usable = this.#held.get(vmId);
    if (usable !== undefined) {
      const { programsPerMachine } = this.#limits;
      if (usable.users >= programsPerMachine) throw tooBusy(vmId, `${programsPerMachine} are running in it`);
      clearTimeout(usable.idle);
      usable.users += 1;
      this.#held.delete(vmId);
      this.#held.set(vmId, usable);
      return usable;
    }
    this.#makeRoom(vmId);
    const held: Held = { fence, opening: open(), users: 1, idle: undefined, ended: undefined };
    this.#held.set(vmId, held);
    const forget = (): void => {
      clearTimeout(held.idle);
      if (this.#held.get(vmId) === held) this.#held.delete(vmId);
    };
    held.opening.then((connection) => connection.onEnd(forget), forget);
    return held;
  }

  #makeRoom(vmId: string): void {
    if (this.#held.size < this.#limits.connections) return;
    const [idle] = [...this.#held].find(([, { users }]) => users === 0) ?? [];
    if (idle !== undefined) this.end(idle, "another machine needs it");
    else throw tooBusy(vmId, `programs are running in ${this.#limits.connections} other machines`);
  }

  /** Ends the connection to a machine, and what is known of the programs in it. */
  end(vmId: string, why: string): void {
    const held = this.#held.get(vmId);
    if (held === undefined) return;
    this.#held.delete(vmId);
    clearTimeout(held.idle);
    held.ended = why;
    void held.opening.then(
      (connection) => connection.close(why),
      () => undefined,
    );
  }

  /** Resolves when none is left, those included that were being opened. */
  async close(): Promise<void> {
    const opening = [...this.#held.values()].map((held) => held.opening);
    for (const vmId of [...this.#held.keys()]) this.end(vmId, "the agent ended");
    await Promise.allSettled(opening);
  }
}

function ranNothing(thrown: unknown): boolean {
  return thrown instanceof DriverError && thrown.details["ran"] === "no";
}
