/**
 * The Lua worker with special sources that block it beyond the reach of its own limits.
 *
 * `--stall` blocks the thread forever, like a single endless instruction; `--crash` ends it. Both first report the start, like the
 * real worker.
 */
import { parentPort, workerData } from "node:worker_threads";
import { SIGNAL, type ToWorker, type WorkerData } from "../src/lua-protocol.ts";

// The real worker must listen first, because it would lose earlier messages.
await import("../src/lua-worker.ts");

const signals = new Int32Array((workerData as WorkerData).signals);
parentPort?.on("message", (message: ToWorker) => {
  if (message.kind !== "call" || message.work.kind !== "chunk") return;
  const { source } = message.work;
  if (!source.includes("--stall") && !source.includes("--crash")) return;
  Atomics.store(signals, SIGNAL.guest, message.key);
  Atomics.store(signals, SIGNAL.call, message.call);
  parentPort?.postMessage({ kind: "started", call: message.call });
  if (source.includes("--crash")) throw new Error("crashed on demand");
  for (;;);
});
