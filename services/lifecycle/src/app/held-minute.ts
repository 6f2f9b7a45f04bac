/**
 * Asks the agent of a guest to name a minute of the guest's simulated time, and to keep the guest there until the change of
 * this minute is in the log. So the log has the minute of every change that acts.
 */
import {
  agentHold,
  callEndpoint,
  type Handled,
  type ResultOf,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import type { Causation, Executed } from "@bioxen/kernel";
import type { HeldGuest } from "../domain/held-minute.ts";
import type { VmRejection } from "../domain/vm-decision.ts";
import { agentOf } from "./agent-of-vm.ts";
import { type CommandPorts, changedVm } from "./command-ports.ts";
import { passedOn } from "./peer-refusal.ts";

/** Longest wait for the agent's answer, ms. The guest may first have to complete calls of its Lua. */
const HOLD_TIMEOUT_MS = 10_000;

/** Keeps the guest of the VM at `atMinute`, without it at its present minute. */
export async function heldGuest(
  { chassis, caller }: Pick<CommandPorts, "chassis" | "caller">,
  vmId: string,
  vm: Vm,
  atMinute: number | undefined,
  causation: Causation,
): Promise<HeldGuest | VmRejection> {
  const agent = agentOf(chassis, vmId, vm);
  if ("ok" in agent) return agent;
  const { agentId, fence } = agent;
  const reply = await callEndpoint(
    caller,
    agentHold(agentId),
    { vmId, fence, ...(atMinute === undefined ? {} : { atMinute }) },
    { timeoutMs: HOLD_TIMEOUT_MS, causation },
  );
  if (!reply.ok) return passedOn(reply.error);
  const { simMinute, restores } = reply;
  // An agent of an older release does not name the present minute.
  const reached = reply.presentMinute ?? vm.checkpoint?.simMinutes ?? 0;
  const presentMinute = atMinute === undefined ? simMinute : Math.min(reached, simMinute);
  return { fence, restores, simMinute, presentMinute };
}

/** Returns the answer to a command that changes a guest at a minute; the minute is null where nothing was recorded. */
export function changedAtMinute(
  vmId: string,
  executed: Executed<VmState>,
): Handled<ResultOf<"vmSetEnvironment">> {
  const changed = changedVm(vmId, executed);
  if (!changed.ok) return changed;
  const state = executed.ok && executed.changed ? executed.current.state : undefined;
  const newest = state?.exists === true ? state.changes?.at(-1) : undefined;
  const isRecorded = newest !== undefined && executed.ok && newest.seq === executed.current.lastSeq;
  return { ok: true, result: { ...changed.result, simMinute: isRecorded ? newest.simMinute : null } };
}
