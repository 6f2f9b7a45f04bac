/**
 * `bioxen vm wait`: waits until VMs are in a state.
 */
import type { Accepted, Refused } from "@bioxen/client";
import { type ResultOf, VM_STATES, type VmView, vmSubjectsFor } from "@bioxen/contracts";
import { tenantOf } from "@bioxen/nats";
import type { Command } from "commander";
import { type SelectOptions, toEach, withSelector } from "../many-vms.ts";
import { CommandEnd, EXIT_UNREACHABLE } from "../outcome.ts";
import { oneOf } from "../parse.ts";
import type { Session } from "../session.ts";

/**
 * Longest time between two looks at a VM, ms. Its events cause a look at once; they are published at most once, and
 * can come before the service that is asked has read them.
 */
const LOOK_INTERVAL_MS = 500;

interface WaitOptions extends SelectOptions {
  readonly for: VmView["state"];
}

type Waited = Accepted & ResultOf<"vmGet">;

export function addWaitCommand(vm: Command): void {
  withSelector(vm.command("wait [ids...]"))
    .description("wait until VMs are in a state, at most --timeout; exit code 3 after that")
    .addOption(oneOf("--for <state>", "the state to wait for", VM_STATES).makeOptionMandatory())
    .addHelpText(
      "after",
      "\nA state that a VM soon leaves, such as starting, can pass unseen.\n\nExamples:\n  bioxen vm wait c1 --for running --timeout 60000\n  bioxen vm wait c1 c2 --for stopped",
    )
    .action((ids: string[], options: WaitOptions, command: Command) =>
      toEach<Waited>(command, ids, options, {
        act: (session, vmId) => waitForState(session, vmId, options.for),
        words: ({ vm: { vmId, state } }) => `${vmId} is ${state}`,
      }),
    );
}

async function waitForState(
  session: Session,
  vmId: string,
  state: VmView["state"],
): Promise<Waited | Refused> {
  const deadline = performance.now() + session.timeoutMs;
  let look: () => void = () => undefined;
  const subjects = vmSubjectsFor(await tenantOf(session.bus), vmId);
  const events = session.bus.subscribe(subjects.events, () => look());
  try {
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        look = resolve;
      });
      const reply = await session.call("vmGet", { vmId });
      if (!reply.ok || reply.vm.state === state) return reply;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw late(reply.vm, state, session.timeoutMs);
      await within(changed, Math.min(LOOK_INTERVAL_MS, leftMs));
    }
  } finally {
    events.stop();
  }
}

async function within(promise: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}

function late(vm: VmView, state: string, afterMs: number): CommandEnd {
  const why = vm.reason === null ? "" : `: ${vm.reason}`;
  const message = `${vm.vmId} is still ${vm.state}, not ${state}, after ${afterMs} ms${why}`;
  return new CommandEnd(EXIT_UNREACHABLE, message, { code: "UNAVAILABLE", message, retryable: true });
}
