/**
 * A thread that runs the seeds it receives and answers with what came of them.
 */
import { parentPort } from "node:worker_threads";
import { runs } from "./simulate.ts";

/** Consecutive seeds. */
export interface Share {
  readonly first: number;
  readonly seeds: number;
}

// A run that throws is an unhandled rejection, which ends the thread with an "error" event.
parentPort?.on("message", ({ first, seeds }: Share) => {
  void runs(first, seeds).then((done) => parentPort?.postMessage(done));
});
