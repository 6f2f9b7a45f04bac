#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { BIOXEN_VERSION } from "@bioxen/contracts/version";

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) console.log(BIOXEN_VERSION);
else {
  // Without a cache, a short command spends half of its time on stripping types from its modules and compiling them.
  // The cache saves that time from the second run on.
  enableCompileCache();
  const { runProgram } = await import("./run-program.ts");
  await runProgram(process.argv);
  const { endProcess } = await import("./end-process.ts");
  await endProcess();
}
