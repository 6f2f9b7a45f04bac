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

it("reports another message of a chassis that is unavailable, and no other amounts", async () => {
  const sent: string[] = [];
  let recorded: readonly PlacementRefusal[] = [];
  const bus = {
    call: async (_subject: string, payload: unknown): Promise<Reply> => {
      sent.push(JSON.stringify(payload));
      return { ok: true };
    },
  };
  const reports = new DeferralReports(bus, () => recorded);
  const says = async (code: string, message: string) => {
    const reasons = [{ ...reason("c1", code), message }];
    await reports.report([{ vmId: "a", reasons }], WAITING, () => true);
    recorded = reasons;
  };
  await says("UNAVAILABLE", "is lost");
  await says("UNAVAILABLE", "is held for b, which has waited longer");
  await says("UNAVAILABLE", "is held for b, which has waited longer");
  await says("CAPACITY_EXCEEDED", "5 asked, 3 free");
  await says("CAPACITY_EXCEEDED", "5 asked, 2 free");
  expect(sent.map((text) => /"message":"([^"]*)"/.exec(text)?.[1])).toEqual([
    "is lost",
    "is held for b, which has waited longer",
    "5 asked, 3 free",
  ]);
});
