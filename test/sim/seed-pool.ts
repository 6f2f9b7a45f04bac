/**
 * Many simulated runs on a pool of worker threads. Runs share nothing, so the number of threads changes only the time.
 */
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { PlannedFault } from "./plan.ts";
import type { Share } from "./seed-worker.ts";
import { judged, type Runs, type Simulated } from "./simulate.ts";

/** Runs that a thread takes at once: a few seconds of work, so that all threads end at about the same time. */
const SEEDS_PER_SHARE = 10;

/**
 * Young generation of a thread, MiB. A run allocates much and keeps little: with V8's default of 16 MiB a fifth of the
 * time goes into garbage collection.
 */
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 128 };

export interface PooledRuns extends Simulated {
  /** Threads that took at least one share. */
  readonly workers: number;
}

/**
 * Runs `seeds` seeds from `first` on, on all processors, without the large faults in `without`. Calls `onProgress` with
 * the number of finished runs after each share.
 */
export function simulateOnAllCores(
  first: number,
  seeds: number,
  {
    onProgress,
    without = [],
  }: {
    readonly onProgress?: (finished: number) => void;
    readonly without?: readonly PlannedFault[];
  } = {},
): Promise<PooledRuns> {
  const shares = sharesOf(first, seeds).map((share) => ({ ...share, without }));
  return runShares(shares, onProgress);
}

/** Runs every share on a pool with one thread per processor. Rejects when a thread fails. */
export async function runShares(
  shares: readonly Share[],
  onProgress?: (finished: number) => void,
): Promise<PooledRuns> {
  const parts: Runs[] = [];
  const left = shares.values();
  let finished = 0;
  const workers = Math.min(availableParallelism(), shares.length);
  const work = () =>
    runWorker(left, (runs, share) => {
      parts.push(runs);
      finished += share.seeds;
      onProgress?.(finished);
    });
  await Promise.all(Array.from({ length: workers }, work));
  return { ...judged(parts), workers };
}

function sharesOf(first: number, seeds: number): Share[] {
  const shares: Share[] = [];
  for (let done = 0; done < seeds; done += SEEDS_PER_SHARE) {
    shares.push({ first: first + done, seeds: Math.min(SEEDS_PER_SHARE, seeds - done) });
  }
  return shares;
}

/** One thread that takes shares until none is left. */
async function runWorker(left: Iterator<Share>, onDone: (runs: Runs, share: Share) => void): Promise<void> {
  const worker = new Worker(new URL("seed-worker.ts", import.meta.url), { resourceLimits: HEAP_LIMITS });
  try {
    for (let next = left.next(); next.done !== true; next = left.next()) {
      worker.postMessage(next.value);
      // Rejects when the thread emits "error".
      const [runs] = (await once(worker, "message")) as [Runs];
      onDone(runs, next.value);
    }
  } finally {
    await worker.terminate();
  }
}
