/**
 * Starts the thread of the Lua worker. The build of a single file replaces this module by one that contains the worker's
 * source.
 */
import { Worker, type WorkerOptions } from "node:worker_threads";

/** Starts the worker, or the script at `url` in its place. */
export function startLuaThread(url: URL | undefined, options: WorkerOptions): Worker {
  return new Worker(url ?? new URL("./lua-worker.ts", import.meta.url), options);
}
