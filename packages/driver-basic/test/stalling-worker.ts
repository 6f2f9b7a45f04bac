/**
 * The Lua worker, with a way to get stuck where no limit of its own can reach: a call whose source says so.
 *
 * `--stall` keeps the thread busy for ever as if inside one instruction; `--crash` ends it. Both report the start first,
 * like the real one.
 */
import { parentPort, workerData } from "node:worker_threads";
import { SIGNAL, type ToWorker, type WorkerData } from "../src/lua-protocol.ts";

// The real worker listens first: a message that came before it listens would be lost to it.
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
