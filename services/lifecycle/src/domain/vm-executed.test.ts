/** Which programs of users are recorded. */
import type { VmEvent } from "@bioxen/contracts";
import { given, vmEvent } from "@bioxen/testkit";
import { it } from "vitest";
import { DESTROYED, FENCE, LOGS, STOP, STOPPED } from "./testing.ts";
import { vmDecider } from "./vm-decider.ts";

const command = { type: "executed", fence: FENCE, source: "return 1", shell: false, outcome: "OK" } as const;
const executed = (events: readonly VmEvent[], more: object = {}) =>
  given(vmDecider, ...events).when({ ...command, ...more });

it("a program that ran is recorded with its minute and outcome, also of a guest that is paused or stopping", () => {
  const { source, outcome } = command;
  for (const events of [LOGS.running, LOGS.paused, LOGS.stopping]) {
    executed(events, { simMinute: 7 }).thenAppended(
      vmEvent("executed", { fence: FENCE, source, outcome, simMinute: 7 }),
    );
  }
  executed(LOGS.running, { outcome: "GUEST_ERROR", shell: true }).thenAppended(
    vmEvent("executed", { fence: FENCE, source, shell: true, outcome: "GUEST_ERROR" }),
  );
});

it("nothing is recorded for a guest that the VM has no more", () => {
  for (const events of [[], [...LOGS.running, STOP, STOPPED], [...LOGS.created, DESTROYED]]) {
    executed(events).thenUnchanged();
  }
  executed(LOGS.running, { fence: FENCE - 1 }).thenUnchanged();
});

it("a program has its place among the acts of its minute, unless its guest was replaced after a restore", () => {
  const { source, outcome } = command;
  const place = { nth: 1, afterSeq: 40, instructions: 9 };
  for (const [restores, again] of [
    [0, { again: place }],
    [1, {}],
  ] as const) {
    executed(LOGS.running, { simMinute: 7, again: { ...place, restores } }).thenAppended(
      vmEvent("executed", { fence: FENCE, source, outcome, simMinute: 7, ...again }),
    );
  }
});
