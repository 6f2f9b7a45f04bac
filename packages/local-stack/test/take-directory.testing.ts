/**
 * A process that takes a data directory, prints whether it has it, and then keeps it until it is killed. It prints `ready`
 * and begins at the first line of its input, so that several of these processes begin together.
 */
import { once } from "node:events";
import { DataDirectory } from "../src/data-directory.ts";

const [dir = ""] = process.argv.slice(2);
console.log("ready");
await once(process.stdin, "data");
process.stdin.destroy();
const taken = await DataDirectory.take(dir);
console.log(taken instanceof DataDirectory ? "taken" : `held by ${taken.heldBy?.pid}`);
if (taken instanceof DataDirectory) setInterval(() => taken.path, 1_000);
