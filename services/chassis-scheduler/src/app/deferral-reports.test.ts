/**
 * The reasons in the log are those of the lease holder: others are replaced, equal ones are not reported again.
 */
import type { PlacementRefusal } from "@bioxen/contracts";
import type { Reply } from "@bioxen/kernel";
import type { WaitingVm } from "@bioxen/placement";
import { expect, it } from "vitest";
import { DeferralReports } from "./deferral-reports.ts";

const reason = (chassisId: string, code: string): PlacementRefusal => ({ chassisId, code, message: "x" });
const TRUE = [reason("c1", "CAPACITY_EXCEEDED"), reason("c2", "MISMATCH")];
const FORGED = [reason("c1", "QUOTA_EXCEEDED")];
const WAITING = [{ vmId: "a", waitingSinceMs: 5 }] as unknown as readonly WaitingVm[];

it("reports again what another client has replaced, and nothing that the log has", async () => {
  let recorded: readonly PlacementRefusal[] = [];
  const sent: unknown[] = [];
  const bus = {
    call: async (_subject: string, payload: unknown): Promise<Reply> => {
      sent.push(payload);
      recorded = TRUE;
      return { ok: true };
    },
  };
  const reports = new DeferralReports(bus, () => recorded);
  const report = (reasons = TRUE) => reports.report([{ vmId: "a", reasons }], WAITING, () => true);
  expect(reports.isForeign("a", FORGED), "nothing was reported yet").toBe(false);
  await report();
  await report();
  await report([...TRUE].reverse());
  expect(sent).toEqual([{ deferrals: [{ vmId: "a", reasons: TRUE }] }]);
  expect(reports.isForeign("a", TRUE)).toBe(false);
  expect(reports.isForeign("a", FORGED)).toBe(true);
  recorded = FORGED;
  await report();
  expect(sent).toHaveLength(2);
  expect(recorded).toBe(TRUE);
});
