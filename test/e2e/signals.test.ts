/**
 * A signal at any moment of `up`, `up --detach`, `start` and `down` leaves no process, and the data can be used again.
 *
 * The lane runs a few cases at other moments each time; `BIOXEN_SIGNAL_SEED` repeats those of a failed run, and
 * `pnpm chaos:signals` runs 40.
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { SignalRun, signalCases, wordsOf } from "./signal-cases.ts";

const CASES = Number(process.env["BIOXEN_SIGNAL_CASES"] ?? 6);
const SEED = Number(process.env["BIOXEN_SIGNAL_SEED"] ?? Date.now() % 100_000);
/** Latest moment of a signal after the start of a stack, ms: some signals meet a stack that is up. */
const LONGEST_MS = Number(process.env["BIOXEN_SIGNAL_LONGEST_MS"] ?? 6_000);
const CASE_DEADLINE_MS = 180_000;

let dir: string;
let run: SignalRun;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-signals-"));
  run = new SignalRun(dir, randomUUID());
  console.log(`${CASES} signals with seed ${SEED}`);
});
afterAll(async () => {
  await run.kill();
  await rm(dir, { recursive: true, force: true });
});

it.skipIf(process.platform !== "linux").each(signalCases(SEED, CASES, LONGEST_MS))(
  `seed ${SEED}: $signal to the $target of $launch $command after $atMs ms`,
  async (one) => {
    expect(await run.run(one), wordsOf(one)).toEqual([]);
  },
  CASE_DEADLINE_MS,
);
