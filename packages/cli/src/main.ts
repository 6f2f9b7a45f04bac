#!/usr/bin/env node
import { enableCompileCache } from "node:module";

// Half the time of a short command goes into stripping and compiling its modules; the cache saves that from the second
// run on.
enableCompileCache();
const { runProgram } = await import("./program.ts");
await runProgram(process.argv);
