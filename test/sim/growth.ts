/**
 * Checks throughout a run that no VM grows in two places.
 *
 * A guest grows when its simulated time advances. An agent that is cut off pauses its guests before its chassis can be
 * lost. An agent whose heartbeats are lost learns of the loss from the log, and until then two guests of a VM may grow.
 * A VM that lost its place for another reason (its start was not reported in time, or a VM of higher priority needed
 * the room) may run elsewhere at once. Two guests then grow until the old agent reads of it or, cut off, pauses its
 * guests.
 *
 * Two processes with one agent id are no such case: the fencing token cannot tell their guests apart, so two guests of
 * a VM under one token must never grow at the same time.
 */
import { heldAfterMs } from "../../services/chassis-agent/src/domain/self-fence.ts";
import { LOST_AFTER_MS, type SimProcess } from "./processes.ts";
import type { Universe } from "./universe.ts";

const LOOK_INTERVAL_MS = 200;
/** The longest time for which two guests may grow while their agents are in reach, ms: an event may be 2.5 s late. */
const MAX_IN_REACH_MS = 3_000;
/**
 * The longest time in all, ms: an agent that is cut off pauses its guests this long after the last answer of the log.
 */
const MAX_TOGETHER_MS = heldAfterMs(LOST_AFTER_MS) + MAX_IN_REACH_MS;

interface Together {
  /** Uninterrupted time, in all and while no agent was cut off. */
  readonly ms: number;
  readonly inReachMs: number;
}

/** A guest that grows. */
interface Place {
  readonly key: string;
  readonly fence: number;
  readonly isCut: boolean;
}

export class GrowthWatch {
  readonly #processes: readonly SimProcess[];
  readonly #problem: (text: string) => void;
  /** Simulated minutes of every guest at the last look, by process and VM. */
  #before = new Map<string, number>();
  readonly #together = new Map<string, Together>();

  constructor(processes: readonly SimProcess[], problem: (text: string) => void) {
    this.#processes = processes;
    this.#problem = problem;
  }

  begin(universe: Universe): void {
    const look = () => {
      this.#look();
      universe.after(LOOK_INTERVAL_MS, look);
    };
    universe.after(LOOK_INTERVAL_MS, look);
  }

  #look(): void {
    const now = new Map<string, number>();
    const growing = new Map<string, Place[]>();
    for (const { name, driver, isCut } of this.#processes) {
      for (const { vmId, fence } of driver?.list() ?? []) {
        const key = `${name} ${vmId} #${fence}`;
        const minutes = driver?.sample(vmId)?.simMinutes ?? 0;
        now.set(key, minutes);
        if (minutes > (this.#before.get(key) ?? minutes))
          growing.set(vmId, [...(growing.get(vmId) ?? []), { key, fence, isCut }]);
      }
    }
    for (const vmId of this.#together.keys()) {
      if ((growing.get(vmId)?.length ?? 0) < 2) this.#together.delete(vmId);
    }
    for (const [vmId, places] of growing) {
      if (places.length < 2) continue;
      if (new Set(places.map(({ fence }) => fence)).size < places.length)
        this.#problem(`two guests under one fence: ${places.map(({ key }) => key).join(" and ")}`);
      const before = this.#together.get(vmId) ?? { ms: 0, inReachMs: 0 };
      const ms = before.ms + LOOK_INTERVAL_MS;
      const inReachMs = places.some(({ isCut }) => isCut) ? 0 : before.inReachMs + LOOK_INTERVAL_MS;
      this.#together.set(vmId, { ms, inReachMs });
      if (ms <= MAX_TOGETHER_MS && inReachMs <= MAX_IN_REACH_MS) continue;
      this.#problem(`${vmId} grows in two places: ${places.map(({ key }) => key).join(" and ")}`);
    }
    this.#before = now;
  }
}
