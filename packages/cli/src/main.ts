#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { BIOXEN_VERSION } from "@bioxen/contracts/version";

/** Time for which an ended command may wait for its connections to close, ms. */
const EXIT_GRACE_MS = 500;

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) console.log(BIOXEN_VERSION);
else {
  // Without a cache, a short command spends half of its time on stripping types from its modules and compiling them.
  // The cache saves that time from the second run on.
  enableCompileCache();
  const { runProgram } = await import("./run-program.ts");
  await runProgram(process.argv);
  // A server that has stopped can keep a connection open after the command has ended; this timer then ends the process.
  // Without an open connection the process ends at once, because the timer does not keep it alive.
  setTimeout(() => process.exit(), EXIT_GRACE_MS).unref();
}
