/**
 * Reads the declaration of a cell model without importing its module here: a thread imports it, so that a module whose
 * top level never ends, throws, ends its process or changes globals harms only that thread.
 */
import { Worker } from "node:worker_threads";
import { declarationProblems, type ModelDeclaration } from "@bioxen/cell-models/declarations";
import { messageOf } from "@bioxen/kernel";
import { CELL_MODEL_IMPORT_MS, CELL_MODEL_MEMORY_MB } from "./limits.ts";

/** What the thread sends: the declaration as JSON, or why there is none. */
export type ReadDeclaration = { readonly declaration: string } | { readonly problem: string };

/**
 * Returns what the module at `url` declares of its `cellModel`. Rejects with an error that names the problem.
 * `withinMs`: time for the import; default: `CELL_MODEL_IMPORT_MS`.
 */
export async function cellModelDeclaration(
  url: string,
  { withinMs = CELL_MODEL_IMPORT_MS }: { readonly withinMs?: number } = {},
): Promise<ModelDeclaration> {
  const read = await readInThread(url, withinMs);
  if ("problem" in read) throw new Error(read.problem);
  let declaration: unknown;
  try {
    declaration = JSON.parse(read.declaration);
  } catch {
    throw new Error("its export cellModel: the declaration is not JSON");
  }
  const problems = declarationProblems(declaration);
  if (problems.length > 0) throw new Error(`its export cellModel: ${problems.join("; ")}`);
  return declaration as ModelDeclaration;
}

async function readInThread(url: string, withinMs: number): Promise<ReadDeclaration> {
  const { promise, resolve } = Promise.withResolvers<ReadDeclaration>();
  const fail = (problem: string): void => resolve({ problem });
  const worker = new Worker(new URL("./cell-declaration-worker.ts", import.meta.url), {
    workerData: url,
    name: "bioxen-cell-model",
    resourceLimits: { maxOldGenerationSizeMb: CELL_MODEL_MEMORY_MB },
  });
  worker.on("message", (message: unknown) => {
    if (isRead(message)) resolve(message);
    else fail("the import sent a message of its own");
  });
  worker.on("error", (error) => fail(`the import failed: ${messageOf(error)}`));
  worker.on("exit", () => fail("the import ended its thread"));
  const timer = setTimeout(() => fail(`the import did not end within ${withinMs / 1_000} s`), withinMs);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

function isRead(message: unknown): message is ReadDeclaration {
  if (typeof message !== "object" || message === null) return false;
  const { declaration, problem } = message as { declaration?: unknown; problem?: unknown };
  return typeof declaration === "string" || typeof problem === "string";
}
