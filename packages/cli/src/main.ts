#!/usr/bin/env node
import { enableCompileCache } from "node:module";

// Stripping and compiling some hundred files is half of what a short command costs; the second time it is read from a cache.
enableCompileCache();
const { runProgram } = await import("./program.ts");
await runProgram(process.argv);
