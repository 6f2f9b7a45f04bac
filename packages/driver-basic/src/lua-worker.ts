/**
 * The thread that runs every guest's Lua: takes calls from the agent's thread, gives each its slices, reports.
 *
 * It can be ended at any moment from outside, and is when it gives no sign of life; all it holds can be made again. What
 * it does not expect it does not catch: it dies, and the other side takes that like a thread that fell silent.
 */
import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "@bioxen/kernel";
import { WORKER_TURN_MS } from "./limits.ts";
import { type FromWorker, SIGNAL, type ToWorker, type WorkerData } from "./lua-protocol.ts";
import { LuaRuntime } from "./lua-runtime.ts";
import { LuaScheduler } from "./lua-scheduler.ts";

const port = parentPort;
invariant(port !== null, "lua-worker.ts runs as a worker thread only");
const signals = new Int32Array((workerData as WorkerData).signals);
const post = (message: FromWorker): void => port.postMessage(message);
const heartbeat = (): void => {
  Atomics.add(signals, SIGNAL.heartbeat, 1);
};

const scheduler = new LuaScheduler(await LuaRuntime.load({ heartbeat }), {
  post,
  workingFor: (key, call) => {
    Atomics.store(signals, SIGNAL.guest, key ?? 0);
    Atomics.store(signals, SIGNAL.call, call ?? 0);
  },
});

let turning = false;
function turn(): void {
  heartbeat();
  // Between two turns the event loop takes in what came meanwhile.
  if (scheduler.turn(WORKER_TURN_MS)) setImmediate(turn);
  else turning = false;
}

port.on("message", (message: ToWorker) => {
  heartbeat();
  scheduler.receive(message);
  if (turning) return;
  turning = true;
  setImmediate(turn);
});
post({ kind: "ready" });
