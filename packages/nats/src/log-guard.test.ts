/**
 * What a guard does when the server does not answer: the report of a gap that a reader has met, and the next check.
 */
import { expect, it, vi } from "vitest";
import type { LogState } from "./log-damage.ts";
import { CONFIRM_WAIT_MS, LogGuard, type WatchedLog } from "./log-guard.ts";

const STATE: LogState = { created: "t", lastSeq: 9, readableSeq: 9, missing: [], drift: [] };

/** A guard of a log whose server answers until the guard is open, and then as `later` says. */
async function guardWith(later: () => Promise<LogState>) {
  const sentences: string[] = [];
  const waits: (() => void)[] = [];
  const waitsMs: number[] = [];
  let isOpen = false;
  const log: WatchedLog = {
    copies: 1,
    state: () => (isOpen ? later() : Promise.resolve(STATE)),
    markAt: async () => ({ digest: "digest" }),
    records: async () => [],
    write: async () => undefined,
    remove: async () => undefined,
  };
  const guard = await LogGuard.open(log, {
    writes: false,
    onDamage: (_seq, sentence) => sentences.push(sentence),
    onDrift: () => undefined,
    repair: async () => undefined,
    timers: {
      after: (ms, callback) => {
        waits.push(callback);
        waitsMs.push(ms);
        return { cancel: () => undefined };
      },
    },
  });
  isOpen = true;
  return { guard, sentences, waitsMs, elapse: () => waits.shift()?.() };
}

it("reports the gap alone once the deadline of a silent server has passed", async () => {
  const { guard, sentences, elapse } = await guardWith(() => new Promise(() => undefined));
  const reported = guard.reportGap(4, 5);
  expect(sentences).toEqual([]);
  elapse();
  await reported;
  expect(sentences).toEqual([expect.stringMatching(/^events 4 to 5 are missing in the event log: restore/)]);
});

it("reports the gap alone at once when the server cannot be asked", async () => {
  const { guard, sentences } = await guardWith(() => Promise.reject(new Error("no connection")));
  await guard.reportGap(4, 4);
  expect(sentences).toEqual([expect.stringMatching(/^event 4 is missing in the event log: restore/)]);
});

it("checks the log again soon after a check without an answer", async () => {
  let isAway = true;
  const { guard, waitsMs, elapse } = await guardWith(async () => {
    if (isAway) throw new Error("no connection");
    return STATE;
  });
  guard.begin(() => STATE.lastSeq);
  const [interval] = waitsMs;
  elapse();
  await vi.waitUntil(() => waitsMs.length === 2);
  isAway = false;
  elapse();
  await vi.waitUntil(() => waitsMs.length === 3);
  expect(waitsMs).toEqual([interval, CONFIRM_WAIT_MS, interval]);
  expect(interval).toBeGreaterThan(CONFIRM_WAIT_MS);
});
