/**
 * The faults of a run. The seed decides kind, time, victim and duration. One fault starts at a time; some still last
 * when the next starts.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceName } from "@bioxen/contracts";
import type { Universe } from "../sim/universe.ts";
import type { Fleet, Instance } from "./fleet.ts";
import { SmallDisk } from "./small-disk.ts";

export const FAULTS = [
  "kill service",
  "kill agent",
  "kill server",
  "restart service",
  "cut connections",
  "stall connections",
  "refuse connections",
  "fill disk",
  "move clock",
] as const;
export type FaultKind = (typeof FAULTS)[number];

/** The share of each kind in a hundred faults; more than half are kills. */
const SHARES: Readonly<Record<FaultKind, number>> = {
  "kill service": 44,
  "kill agent": 8,
  "kill server": 10,
  "restart service": 10,
  "cut connections": 10,
  "stall connections": 6,
  "refuse connections": 5,
  "fill disk": 3,
  "move clock": 4,
};
/** Time between two faults, ms: about 150 faults in 10 minutes, and most recoveries end before the next fault. */
const PAUSE_MS = { least: 1_500, most: 6_000 };
/** How long a connection is stalled or refused, ms: from shorter to longer than the timeout of one request. */
const LINE_MS = { least: 500, most: 4_000 };
const FULL_DISK_MS = { least: 1_000, most: 4_000 };
/** How far a clock is moved in either direction, ms: far beyond every deadline. */
const CLOCK_MS = { least: 60_000, most: 600_000 };
const MOVED_CLOCK_MS = { least: 2_000, most: 8_000 };
/** Messages of nats-server's log that show a full disk. */
const OUT_OF_SPACE = /no space left|out of .*resources|JetStream.*disabled/i;

export interface FaultRecord {
  readonly kind: FaultKind;
  readonly victim: string;
  /** The end of the fault, on the clock of the load. */
  readonly overAtMs: number;
}

/**
 * Returns the next kind. The first faults are one of each kind in order, so that a run of a few minutes has them all.
 */
export function nextFault(choose: Universe, before: number): FaultKind {
  // A number is drawn for the first faults too, so that the later ones do not depend on how many kinds exist.
  let left = choose.between(1, 100);
  const fixed = FAULTS[before];
  if (fixed !== undefined) return fixed;
  for (const kind of FAULTS) {
    left -= SHARES[kind];
    if (left <= 0) return kind;
  }
  return "kill service";
}

export class Faults {
  readonly records: FaultRecord[] = [];
  /** Server restarts that a full disk made necessary. */
  restartsAfterFullDisk = 0;
  readonly #fleet: Fleet;
  readonly #choose: Universe;

  constructor(fleet: Fleet, choose: Universe) {
    this.#fleet = fleet;
    this.#choose = choose;
  }

  get kills(): number {
    return this.records.filter(({ kind }) => kind.startsWith("kill")).length;
  }

  /** Inflicts faults until `isOver`. Resolves when the last fault has ended. */
  async run(isOver: () => boolean): Promise<void> {
    const under: Promise<void>[] = [];
    for (let n = 0; ; n += 1) {
      await sleep(this.#choose.between(PAUSE_MS.least, PAUSE_MS.most));
      if (isOver()) break;
      const kind = nextFault(this.#choose, n);
      const fault = this.#happen(kind);
      if (kind === "fill disk") await fault;
      else under.push(fault);
    }
    await Promise.all(under);
  }

  /** Kills one instance of a service, but never an agent, every `everyMs`, without any other fault. */
  async killEvery(everyMs: number, isOver: () => boolean): Promise<void> {
    for (;;) {
      await sleep(everyMs);
      if (isOver()) return;
      await this.#happen("kill service");
    }
  }

  async #happen(kind: FaultKind): Promise<void> {
    const victim = await this.#inflict(kind);
    if (victim !== undefined) this.records.push({ kind, victim, overAtMs: performance.now() });
  }

  /**
   * Inflicts a fault and returns its victim when it is over; undefined without a victim, or where the machine cannot do
   * it.
   */
  async #inflict(kind: FaultKind): Promise<string | undefined> {
    switch (kind) {
      case "kill service":
        return this.#signal(
          this.#pick((name) => name !== "chassis-agent"),
          "SIGKILL",
        );
      case "kill agent":
        return this.#signal(
          this.#pick((name) => name === "chassis-agent"),
          "SIGKILL",
        );
      case "restart service":
        return this.#signal(this.#pick(), "SIGTERM");
      case "kill server":
        return this.#signalServer("SIGKILL");
      case "cut connections":
        for (const { relay } of this.#fleet.services) relay.cut();
        return "every service";
      case "stall connections":
        return this.#disturbLine(this.#pick(), "stall");
      case "refuse connections":
        return this.#disturbLine(this.#pick(), "refuse");
      case "fill disk":
        return this.#fillDisk();
      case "move clock":
        return this.#moveClock();
    }
  }

  #pick(isOne: (name: ServiceName) => boolean = () => true): Instance {
    return this.#choose.pick(this.#fleet.services.filter(({ name }) => isOne(name)));
  }

  #signal({ name, index, child }: Instance, signal: NodeJS.Signals): string | undefined {
    if (child.pid === null) return undefined;
    process.kill(child.pid, signal);
    return `${name} ${index}`;
  }

  #signalServer(signal: NodeJS.Signals): string | undefined {
    const pid = this.#fleet.server?.pid ?? null;
    if (pid === null) return undefined;
    process.kill(pid, signal);
    return "nats-server";
  }

  async #disturbLine({ name, index, relay }: Instance, how: "stall" | "refuse"): Promise<string> {
    const forMs = this.#choose.between(LINE_MS.least, LINE_MS.most);
    relay[how]();
    await sleep(forMs);
    relay.heal();
    return `${name} ${index} for ${forMs} ms`;
  }

  async #fillDisk(): Promise<string | undefined> {
    const forMs = this.#choose.between(FULL_DISK_MS.least, FULL_DISK_MS.most);
    const { disk } = this.#fleet;
    if (!(disk instanceof SmallDisk)) return undefined;
    const before = (await this.#fleet.serverLog()).length;
    const until = performance.now() + forMs;
    while (performance.now() < until) {
      await disk.fill();
      await sleep(100);
    }
    await disk.free();
    // On a full disk the server switches JetStream off until its next start, which is left to its supervisor.
    if (OUT_OF_SPACE.test((await this.#fleet.serverLog()).slice(before))) {
      if (this.#signalServer("SIGTERM") !== undefined) this.restartsAfterFullDisk += 1;
    }
    return `the store for ${forMs} ms`;
  }

  async #moveClock(): Promise<string> {
    const byMs = this.#choose.between(CLOCK_MS.least, CLOCK_MS.most) * (this.#choose.chance(0.5) ? 1 : -1);
    const forMs = this.#choose.between(MOVED_CLOCK_MS.least, MOVED_CLOCK_MS.most);
    await this.#fleet.moveClock(byMs);
    await sleep(forMs);
    await this.#fleet.moveClock(0);
    return `every service, by ${byMs} ms for ${forMs} ms`;
  }
}
