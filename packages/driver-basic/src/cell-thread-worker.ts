/** The entry of a thread that computes cells. A module that imports it finds the thread listening. */
import { runCellThread } from "./cell-thread.ts";

await runCellThread();
