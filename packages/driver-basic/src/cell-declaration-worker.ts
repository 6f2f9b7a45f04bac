/**
 * The entry of a thread that imports the module of a cell model, checks its export and sends its declaration as text.
 *
 * The module can change the globals of this thread, so the reader checks the declaration again.
 */
import { parentPort, workerData } from "node:worker_threads";
import { type CellModel, cellModelProblems, declarationOf } from "@bioxen/cell-models/declarations";
import type { ReadDeclaration } from "./cell-declaration.ts";

/** The name under which a module exports its model. */
const EXPORTED = "cellModel";

async function read(url: string): Promise<ReadDeclaration> {
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await import(url);
  } catch (thrown) {
    return { problem: `the import failed: ${thrown instanceof Error ? thrown.message : String(thrown)}` };
  }
  const { [EXPORTED]: value } = module;
  if (value === undefined) return { problem: `it exports no ${EXPORTED}` };
  const problems = cellModelProblems(value);
  if (problems.length > 0) return { problem: `its export ${EXPORTED}: ${problems.join("; ")}` };
  return { declaration: JSON.stringify(declarationOf(value as CellModel)) };
}

// The thread stays until the reader ends it: a module may keep its event loop alive.
parentPort?.postMessage(await read(workerData as string));
