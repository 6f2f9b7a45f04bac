/** Ends the import of BioXen on a Node.js that is too old, with one sentence. */
import { nodeProblem, runningNode } from "./node-version.ts";

const problem = nodeProblem(runningNode());
if (problem !== undefined) throw new Error(problem);
