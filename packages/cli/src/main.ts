#!/usr/bin/env node
import { enableCompileCache } from "node:module";

// Without a cache, a short command spends half of its time on stripping types from its modules and compiling them. The
// cache saves that time from the second run on.
enableCompileCache();
const { runProgram } = await import("./program.ts");
await runProgram(process.argv);
