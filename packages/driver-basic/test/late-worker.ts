/** The Lua worker of a busy machine: it starts only after a pause, ms. */
const PAUSE_MS = 1_500;
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
await import("../src/lua-worker.ts");
