#!/usr/bin/env node
/**
 * The installed `bioxen`. It imports nothing that an older Node.js lacks, so that it can say what is missing. On an
 * older Node.js it runs the command with the Node.js that the package brings.
 */
import { nodeProblem } from "@bioxen/kernel/node-version";

const problem = nodeProblem(process.versions.node);
if (problem === undefined) await import("./main.ts");
else (await import("./pinned-node.ts")).runWithPinnedNode(problem);
