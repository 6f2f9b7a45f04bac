/**
 * The thread that runs every guest's Lua: it receives calls from the agent's thread, runs them in slices, and reports
 * their results.
 *
 * The agent may end this thread at any moment, and does so when the thread's heartbeat stops. All state of the thread
 * can be recreated. An unexpected exception is not caught: the thread dies, and the agent reacts as it does to a
 * stopped heartbeat.
 */
import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "@bioxen/kernel";
import { WORKER_TURN_MS } from "./limits.ts";
import { type FromWorker, SIGNAL, type ToWorker, type WorkerData } from "./lua-protocol.ts";
import { LuaRuntime } from "./lua-runtime.ts";
import { LuaScheduler } from "./lua-scheduler.ts";

const port = parentPort;
invariant(port !== null, "lua-worker.ts must run as a worker thread");
const signals = new Int32Array((workerData as WorkerData).signals);
const post = (message: FromWorker): void => port.postMessage(message);
const heartbeat = (): void => {
  Atomics.add(signals, SIGNAL.heartbeat, 1);
};

/** Receives messages for `scheduler` and gives it turns. */
function work(scheduler: LuaScheduler): void {
  let turning = false;
  function turn(): void {
    heartbeat();
    // Between two turns the event loop receives pending messages.
    if (scheduler.turn(WORKER_TURN_MS)) setImmediate(turn);
    else turning = false;
  }
  port?.on("message", (message: ToWorker) => {
    heartbeat();
    if (message.kind === "end") {
      // The thread ends after its last turn, because nothing keeps its event loop alive.
      port?.close();
      return;
    }
    scheduler.receive(message);
    if (turning) return;
    turning = true;
    setImmediate(turn);
  });
  post({ kind: "ready" });
}

const workingFor = (key: number | undefined, call: number | undefined): void => {
  Atomics.store(signals, SIGNAL.guest, key ?? 0);
  Atomics.store(signals, SIGNAL.call, call ?? 0);
};
/** Runs the worker in this thread. Resolves when the worker receives messages. */
export async function runLuaWorker(): Promise<void> {
  work(new LuaScheduler(await LuaRuntime.load({ heartbeat }), { post, workingFor }));
}
