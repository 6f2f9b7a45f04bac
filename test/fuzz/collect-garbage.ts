/**
 * Preloaded into the services of a run: SIGUSR2 makes the process collect its garbage. Otherwise the memory that is read
 * after a round is what the collector has not yet looked at.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
process.on("SIGUSR2", () => collect());
