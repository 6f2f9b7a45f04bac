/** When guests get checkpoints: at the interval, and soon after something has acted on them. */
import type { CellChange, VmState } from "@bioxen/contracts";
import type { EventFeed, ServicePorts } from "@bioxen/kernel";
import { FakeClock, settle } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { CHANGED_CHECKPOINT_MS, CheckpointRounds } from "./checkpoint-rounds.ts";
import type { GuestView } from "./guest-view.ts";
import type { Report } from "./reports.ts";

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const INTERVAL_MS = 60_000;
const change = (simMinute: number): CellChange => ({ seq: 7, simMinute, environment: { substrate: 1 } });

/** A running VM whose cell lives one minute in a second; `changes` are those since its checkpoint. */
async function rig(changes?: readonly CellChange[], { canStore = true } = {}) {
  const clock = new FakeClock();
  const beganMs = clock.nowMs();
  const minute = () => Math.floor((clock.nowMs() - beganMs) / 1_000);
  const taken: number[] = [];
  let tries = 0;
  let vm = { exists: true, state: "running", fence: 4, checkpoint: null, changes } as unknown as VmState;
  const view = { vm: () => vm, isHosted: () => true, vms: { entries: () => [["v1", vm]] } };
  let told: (record: never) => void = () => undefined;
  const rounds = new CheckpointRounds({
    ports: { clock, timers: clock, logger: silent } as unknown as ServicePorts,
    view: view as unknown as GuestView,
    states: {
      minuteOf: minute,
      takeCheckpoint: async () => {
        tries += 1;
        const checkpoint = { checkpointId: "c", simMinutes: minute(), bytes: 1, sha256: "" };
        return canStore ? { checkpoint, restores: 0 } : null;
      },
    },
    reports: {
      send: async ({ checkpoint }: Report) => {
        const { simMinutes = -1 } = checkpoint ?? {};
        taken.push(simMinutes);
        const left = (vm as { changes?: readonly CellChange[] }).changes?.filter(
          (c) => c.simMinute >= simMinutes,
        );
        vm = { ...vm, changes: left?.length === 0 ? undefined : left } as unknown as VmState;
        return 1;
      },
    },
    intervalMs: INTERVAL_MS,
  });
  const feed = {
    onEvent: (listener: typeof told) => {
      told = listener;
    },
  };
  rounds.begin(feed as unknown as EventFeed);
  await settle();
  const acts = (...now: readonly CellChange[]) => {
    vm = { ...vm, changes: now } as unknown as VmState;
    told({ envelope: { subject: "vm/v1" } } as never);
    return settle();
  };
  return { clock, taken, acts, tries: () => tries };
}

it("a guest without changes gets a checkpoint at the interval", async () => {
  const { clock, taken } = await rig();
  await clock.advance(INTERVAL_MS);
  expect(taken).toHaveLength(1);
  expect(taken[0]).toBeGreaterThanOrEqual(30);
});

it("a change that has acted is followed by one checkpoint", async () => {
  const { clock, taken, acts } = await rig();
  await clock.advance(10_000);
  await acts(change(10));
  await clock.advance(15_000);
  expect(taken).toEqual([10 + CHANGED_CHECKPOINT_MS / 1_000]);
});

it("a coming change causes a checkpoint only when the guest has passed its minute", async () => {
  const { clock, taken } = await rig([change(12)]);
  await clock.advance(11_000);
  expect(taken).toEqual([]);
  await clock.advance(10_000);
  expect(taken).toEqual([15]);
});

it("a guest that acts all the time gets no checkpoint more often, and one without a storable state none", async () => {
  const often = await rig();
  for (let i = 0; i < 20; i += 1) {
    await often.clock.advance(1_000);
    await often.acts(change(i));
  }
  expect(often.taken).toEqual([5, 10, 15, 20]);
  const never = await rig([change(1)], { canStore: false });
  await never.clock.advance(INTERVAL_MS - 1_000);
  expect(never.tries()).toBe(1);
});
