/** The cell models that agents announce, as this instance has read them. */
import { type ErrorCode, type KnownModels, modelsFor } from "@bioxen/contracts";
import type { Rejection } from "@bioxen/kernel";
import type { CommandPorts } from "./command-ports.ts";

/** Returns the models that can matter to a VM with this config. */
export function modelsHere(
  { chassis }: Pick<CommandPorts, "chassis">,
  config: Readonly<Record<string, unknown>>,
): KnownModels {
  return modelsFor(config, () =>
    [...chassis.entries()].flatMap(([, state]) => (state.registered ? [state] : [])),
  );
}

/**
 * Calls `create` and returns its outcome. An agent may just have announced the model, so a refusal for a model that is
 * not known here is returned only after everything that the log held has been read.
 */
export async function withAllModels<Outcome extends object>(
  { caughtUp }: Pick<CommandPorts, "caughtUp">,
  create: () => Outcome | { readonly ok: false; readonly rejection: Rejection<ErrorCode> },
): Promise<Outcome | { readonly ok: false; readonly rejection: Rejection<ErrorCode> }> {
  const outcome = create();
  if (!("rejection" in outcome) || outcome.rejection.code !== "MODEL_NOT_FOUND") return outcome;
  await caughtUp();
  return create();
}
