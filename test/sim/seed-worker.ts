/**
 * A thread that runs the seeds it is given. Runs share nothing, so that threads change only the time.
 */
import { parentPort } from "node:worker_threads";
import { runs } from "./simulate.ts";

export interface Share {
  readonly first: number;
  readonly seeds: number;
}

parentPort?.on("message", ({ first, seeds }: Share) => {
  void runs(first, seeds).then((done) => parentPort?.postMessage(done));
});
