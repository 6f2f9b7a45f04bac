/**
 * A thread that runs the seeds it receives and answers with what came of them.
 */
import { parentPort } from "node:worker_threads";
import type { PlannedFault } from "./plan.ts";
import { runs } from "./simulate.ts";

/** Consecutive seeds. */
export interface Share {
  readonly first: number;
  readonly seeds: number;
  /** The large faults that these runs leave out; default: none. */
  readonly without?: readonly PlannedFault[];
}

// A run that throws is an unhandled rejection, which ends the thread with an "error" event.
parentPort?.on("message", ({ first, seeds, without }: Share) => {
  void runs(first, seeds, without).then((done) => parentPort?.postMessage(done));
});
