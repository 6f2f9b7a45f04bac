/** Resizes at a minute that are refused before the agent or the ledger is asked. */
import { type Vm, vmFold } from "@bioxen/contracts";
import { vmEvent } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { FENCE, LOGS, VM_ID } from "../domain/testing.ts";
import type { CommandPorts } from "./command-ports.ts";
import { ResizeCommand } from "./resize-command.ts";

const order = { by: "b", byPriority: 5, reason: "x", fence: FENCE };
const PREEMPTED = vmEvent("preempted", { mode: "starve", ...order, allocation: { ribosomes: 100 } });

async function refusalOf(events: readonly object[]) {
  const state = events.reduce<unknown>(
    (before, event, i) =>
      vmFold.evolve(before as Vm, event as never, { seq: i, atMs: i, version: i, subject: "vm/a" } as never),
    vmFold.initial,
  );
  const ports = { vms: { refresh: async () => ({ state, version: 1 }) } } as unknown as CommandPorts;
  const request = { vmId: VM_ID, resources: { ribosomes: 200 }, atMinute: 9 };
  const answer = await new ResizeCommand(ports).resize(request, {
    causeId: "c",
    correlationId: "c",
  } as never);
  return answer.ok ? undefined : answer.rejection;
}

it("a minute of a VM without a guest is a BAD_REQUEST", async () => {
  expect(await refusalOf(LOGS.created)).toMatchObject({ code: "BAD_REQUEST", retryable: false });
});

it("a minute of a preempted VM is a CONFLICT that no retry resolves, because the preemption may last", async () => {
  expect(await refusalOf([...LOGS.running, PREEMPTED])).toMatchObject({ code: "CONFLICT", retryable: false });
});
