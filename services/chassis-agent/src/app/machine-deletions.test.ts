/**
 * Deletions of machines of other owners: each machine has its own steps.
 */
import type { EventFeed, ServicePorts } from "@bioxen/kernel";
import { FakeClock, settle } from "@bioxen/testkit";
import { DriverError, type VmDriver } from "@bioxen/vm-driver";
import { expect, it } from "vitest";
import type { Drivers } from "./drivers.ts";
import type { GuestView } from "./guest-view.ts";
import { MachineDeletions } from "./machine-deletions.ts";

const UUIDS = ["1", "2", "3"].map((digit) => `${digit.repeat(8)}-0000-0000-0000-000000000000`);
const [FIRST = "", SECOND = "", THIRD = ""] = UUIDS;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Begins the deletions of all of {@link UUIDS}; `claimOrphan` decides about each, and false means that it is gone. */
function rig(claimOrphan: (uuid: string) => Promise<boolean>) {
  const clock = new FakeClock();
  const reports: string[] = [];
  let deleting: readonly string[] = UUIDS;
  const bus = {
    call: async (_subject: string, { uuid, outcome }: { uuid: string; outcome: string }) => {
      reports.push(`${uuid} ${outcome}`);
      deleting = deleting.filter((one) => one !== uuid);
      return { ok: true, changed: true, chassis: {} };
    },
  };
  const view = { hosted: () => ["pool"], registered: () => ({ deletingMachines: deleting }) };
  const driver: Partial<VmDriver> = {
    whenReady: async () => undefined,
    claimOrphan,
    list: () => [],
    kept: () => [],
  };
  const deletions = new MachineDeletions({
    // Only the ports and the parts of the view and the driver that deletions use.
    ports: { bus, clock, timers: clock, logger: silent } as unknown as ServicePorts,
    claim: { isHeld: () => true },
    drivers: { all: [driver] } as unknown as Drivers,
    view: view as unknown as GuestView,
  });
  deletions.begin({ onEvent: () => undefined } as unknown as EventFeed);
  return { clock, reports, end: () => deletions.end() };
}

it("a deletion that fails does not delay the others", async () => {
  let isBusy = true;
  const { clock, reports, end } = rig(async (uuid) => {
    if (uuid === FIRST && isBusy) throw new DriverError("UNAVAILABLE", "the pool is busy with it");
    return false;
  });
  await settle();
  expect(reports).toEqual([`${SECOND} DELETED`, `${THIRD} DELETED`]);
  isBusy = false;
  await clock.advance(10_000);
  expect(reports.at(-1)).toBe(`${FIRST} DELETED`);
  await clock.advance(60_000);
  expect(reports, "each outcome is reported once").toHaveLength(UUIDS.length);
  await end();
});

it("a deletion that the pool does not answer does not delay the others", async () => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const { clock, reports, end } = rig((uuid) => (uuid === FIRST ? promise : Promise.resolve(false)));
  await clock.advance(60_000);
  expect(reports).toEqual([`${SECOND} DELETED`, `${THIRD} DELETED`]);
  resolve(false);
  await settle();
  expect(reports.at(-1)).toBe(`${FIRST} DELETED`);
  await end();
});
