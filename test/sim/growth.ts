/**
 * No VM grows in two places: looked at all the time, not only at rest.
 *
 * A guest grows when its simulated time goes on. An agent that is cut off holds its guests before anybody may place their VMs
 * elsewhere; one that is only not heard learns of its loss from the log it still reads, and for so long two may grow.
 */
import type { SimProcess } from "./processes.ts";
import type { Universe } from "./universe.ts";

const LOOK_INTERVAL_MS = 200;
/** News of a loss may be late by two and a half seconds, and a process may just be writing something else, ms. */
const MAX_TOGETHER_MS = 3_000;

export class GrowthWatch {
  readonly #processes: readonly SimProcess[];
  readonly #problem: (text: string) => void;
  /** Simulated minutes of every guest at the last look, by process and VM. */
  #before = new Map<string, number>();
  readonly #togetherMs = new Map<string, number>();
  /** Longest any VM grew in two places in a row, ms. */
  longestMs = 0;

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
    const growing = new Map<string, string[]>();
    for (const { kind, driver } of this.#processes) {
      for (const { vmId, fence } of driver?.list() ?? []) {
        const key = `${kind} ${vmId} #${fence}`;
        const minutes = driver?.sample(vmId)?.simMinutes ?? 0;
        now.set(key, minutes);
        if (minutes > (this.#before.get(key) ?? minutes))
          growing.set(vmId, [...(growing.get(vmId) ?? []), key]);
      }
    }
    for (const vmId of this.#togetherMs.keys()) {
      if ((growing.get(vmId)?.length ?? 0) < 2) this.#togetherMs.delete(vmId);
    }
    for (const [vmId, places] of growing) {
      if (places.length < 2) continue;
      const togetherMs = (this.#togetherMs.get(vmId) ?? 0) + LOOK_INTERVAL_MS;
      this.#togetherMs.set(vmId, togetherMs);
      this.longestMs = Math.max(this.longestMs, togetherMs);
      if (togetherMs > MAX_TOGETHER_MS) this.#problem(`${vmId} grows in two places: ${places.join(" and ")}`);
    }
    this.#before = now;
  }
}
