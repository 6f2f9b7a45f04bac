/**
 * Starts a VM and waits until the start is decided: the VM runs, has failed, or reports why it waits.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ReplyOf } from "@bioxen/client";
import type { VmView } from "@bioxen/contracts";
import { CommandEnd, EXIT_REFUSED, EXIT_UNREACHABLE, refused } from "../outcome.ts";
import { say, sayJson } from "../run.ts";
import type { Session } from "../session.ts";
import { vmWords } from "./vm-words.ts";

/** Interval at which a VM in transition is polled, ms. */
const POLL_INTERVAL_MS = 50;

/**
 * Starts one VM, and waits until it runs, has failed, or is pending with reasons. Returns the reply with the VM in that
 * state.
 */
export async function startOne(
  session: Session,
  vmId: string,
  version: { readonly expectedVersion?: number } = {},
): Promise<ReplyOf<"vmStart">> {
  const reply = await session.call("vmStart", { vmId, ...version });
  if (!reply.ok) return reply;
  return { ...reply, vm: await waitFor(session, reply.vm, isSettled) };
}

/**
 * Starts one VM, waits for the result and shows it. The exit code is 0 when the VM runs or is pending with reasons, and
 * 1 when it failed.
 */
export async function startAndWait(session: Session, vmId: string, json: boolean): Promise<void> {
  const reply = await startOne(session, vmId);
  if (!reply.ok) throw refused(reply.error);
  const settled = reply.vm;
  if (json) sayJson(reply);
  else say(vmWords(settled, null));
  if (settled.state === "error")
    throw new CommandEnd(EXIT_REFUSED, json ? "" : `${vmId} failed: ${settled.reason}`);
}

function isSettled(vm: VmView): boolean {
  if (vm.state === "starting") return false;
  return vm.state !== "pending" || vm.refusals.length > 0;
}

/** Polls the VM until `isDone` is true, and returns the VM. Ends the command with exit code 3 after the deadline. */
export async function waitFor(
  session: Session,
  from: VmView,
  isDone: (vm: VmView) => boolean,
): Promise<VmView> {
  let vm = from;
  const deadline = Date.now() + session.timeoutMs;
  while (!isDone(vm)) {
    if (Date.now() > deadline) {
      const message = `${vm.vmId} is still ${vm.state} after ${session.timeoutMs} ms${vm.reason === null ? "" : `: ${vm.reason}`}`;
      throw new CommandEnd(EXIT_UNREACHABLE, message, { code: "UNAVAILABLE", message, retryable: true });
    }
    await sleep(POLL_INTERVAL_MS);
    ({ vm } = await session.ask("vmGet", { vmId: vm.vmId }));
  }
  return vm;
}
