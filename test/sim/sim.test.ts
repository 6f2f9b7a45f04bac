/**
 * Two hundred histories of a cluster in trouble, in the ordinary tests. A seed that fails is run again with
 * `pnpm sim --seeds 1 --seed S`; one that found a bug is kept below.
 */
import { describe, expect, it } from "vitest";
import { run } from "./run.ts";
import { simulate } from "./simulate.ts";

const SEEDS = 200;
/** Half a minute of computing; the rest is for a busy machine. */
const LIMIT_MS = 600_000;

describe("a simulated cluster", () => {
  it(
    "keeps every promise in trouble and comes to rest after it",
    async () => {
      const { failed, missing } = await simulate(1, SEEDS);
      expect(failed.map(({ seed, problems }) => ({ seed, problems }))).toEqual([]);
      expect(missing).toEqual([]);
    },
    LIMIT_MS,
  );

  // 20: a resize overtaken by another wrote an allocation that its ledger no longer held.
  // 3972: a chassis was silent for a moment that was seen and never reported, and who waited for it was not woken.
  // 781: a VM that was to stop was told that its checkpoint is lost.
  // 842: a move above a lowered quota, which gave up the old place first; 8215: a VM that came back there on a charge not settled yet.
  // 2565: a move took the reservation of one that was cancelled; then a guest behind its checkpoint was handed over.
  // 38: a VM that was started again took the reservation of a move that had ended, which its ledger was giving back.
  // 340: a chassis was not opened, for a drain that had been cancelled at another instance.
  // 8750: nobody gave way for a VM that had begun to wait at another instance.
  // 5496: a quota was used up by others, and who waited for room under it was not told so.
  // 10287: a guest whose VM had lost the place grew on while its agent waited for the answer to a report.
  // 1466: a VM was told why it waits as if its move still went on, which had ended: it was told nothing.
  // 1419: a chassis was cordoned for a drain that had been cancelled, and opened, while that was appended.
  it.each([20, 38, 340, 781, 842, 1419, 1466, 2565, 3972, 5496, 5575, 8215, 8261, 8708, 8750, 10287])(
    "seed %i found a bug once",
    async (seed) => {
      expect((await run(seed)).problems).toEqual([]);
    },
  );
});
