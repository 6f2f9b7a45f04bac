/**
 * Watches of the Python client on a real server: every event once and in order, across restarts of the server and of
 * the program; and an error where that is impossible.
 */
import { EVENT_STREAM, eventSubject, LOG_SKIPS_ID } from "@bioxen/contracts";
import { appendNext } from "@bioxen/testkit";
import { eventually } from "@bioxen/testkit/eventually";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { range, WatchWorld } from "../../../packages/client/test/watch-world.ts";
import { PYTHON, PythonProgram, requirePythonUnderCi } from "./python.ts";

requirePythonUnderCi();

interface Line {
  readonly seq?: number;
  readonly type?: string;
  readonly reason?: string;
  readonly lastSeq?: number;
  readonly text?: string;
}

describe.skipIf(PYTHON === undefined)("a watch of the Python client", () => {
  let world: WatchWorld;
  let programs: PythonProgram[];
  beforeEach(async () => {
    world = await WatchWorld.open();
    programs = [];
  });
  afterEach(async () => {
    for (const program of programs) program.kill();
    await world.close();
  });

  async function noConsumerLeft(): Promise<void> {
    await eventually("no consumer is left", async () =>
      (await world.consumers()).length === 0 ? true : undefined,
    );
  }

  /** Starts the program that prints events; resolves once it watches. */
  async function watching(first: number, count = 0): Promise<PythonProgram> {
    const program = new PythonProgram(["test/watch_program.py", String(first), String(count)], {
      BIOXEN_NATS_URL: world.server.url,
    });
    programs.push(program);
    await program.first(1);
    return program;
  }

  /** The first `count` events that the program prints, after its first line. */
  async function events(program: PythonProgram, count: number): Promise<Line[]> {
    return (await program.first(count + 1)).slice(1) as Line[];
  }

  const seqs = (lines: readonly Line[]) => lines.map((line) => line.seq);

  it("delivers the stored events, then each new one, and leaves no consumer on the server", async () => {
    await world.append(5, "a", "b");
    const program = await watching(2, 6);
    expect(await events(program, 4)).toMatchObject([2, 3, 4, 5].map((seq) => ({ seq })));
    await world.append(2, "a");
    expect(seqs(await events(program, 6))).toEqual(range(2, 7));
    expect(await program.ended(), program.stderr).toBe(0);
    expect(program.stderr).toBe("");
    expect(program.lines.at(-1)).toEqual({ lastSeq: 7 });
    await noConsumerLeft();
  });

  it("without a sequence delivers what is stored from its creation on", async () => {
    await world.append(3, "a");
    const program = await watching(0, 2);
    await world.append(2, "a");
    expect(seqs(await events(program, 2))).toEqual([4, 5]);
  });

  it("waits for a sequence beyond the end of the log", async () => {
    await world.append(2, "a");
    const program = await watching(5, 1);
    await eventually("the watch has a consumer", async () =>
      (await world.consumers()).length > 0 ? true : undefined,
    );
    await world.append(3, "a");
    expect(seqs(await events(program, 1))).toEqual([5]);
  });

  it("leaves out a message that an operator has skipped", async () => {
    await world.append(3, "a");
    await world.putBytes("broken", "{not an event");
    const subject = eventSubject("chassis", "broken");
    const skip = { seq: 4, subject, digest: "d", problem: "p", newer: false, reason: "r", by: "b" };
    await appendNext(world.log, "log", LOG_SKIPS_ID, { type: "bioxen.log.skipped.v1", data: skip });
    const program = await watching(2, 3);
    expect(seqs(await events(program, 3))).toEqual([2, 3, 5]);
    expect(await program.ended(), program.stderr).toBe(0);
  });

  it("leaves nothing on the server when a program drops it without closing it", async () => {
    await world.append(1, "a");
    const source = `
import bioxen, sys
with bioxen.connect() as bx:
    print(next(bx.watch_events(1))["seq"], flush=True)
    sys.stdin.readline()`;
    const program = new PythonProgram(["-c", source], { BIOXEN_NATS_URL: world.server.url });
    programs.push(program);
    expect(await program.first(1)).toEqual([1]);
    await noConsumerLeft();
    program.say("end");
    expect(await program.ended(), program.stderr).toBe(0);
    expect(program.stderr).toBe("");
  });

  it("delivers more events than one pull requests, without a gap", async () => {
    await world.append(1_300, "a", "b", "c");
    const program = await watching(1, 1_300);
    expect(seqs(await events(program, 1_300))).toEqual(range(1, 1_300));
  });

  it("goes on after the server was killed and has restarted, without a gap and without a repeat", async () => {
    await world.append(10, "a", "b");
    const program = await watching(1);
    expect(seqs(await events(program, 10))).toEqual(range(1, 10));
    for (const round of [1, 2]) {
      await world.server.kill();
      await world.server.startAgain();
      await world.append(10, "a", "b");
      expect(seqs(await events(program, 10 + 10 * round))).toEqual(range(1, 10 + 10 * round));
    }
    program.say("end");
    expect(await program.ended(), program.stderr).toBe(0);
    expect(program.stderr).toBe("");
    expect(program.lines.slice(1, -1)).toHaveLength(30);
    await noConsumerLeft();
  });

  it("goes on when its consumer is deleted", async () => {
    await world.append(2, "a");
    const program = await watching(1, 5);
    await events(program, 2);
    const [consumer] = await eventually("a consumer exists", async () => {
      const names = await world.consumers();
      return names.length > 0 ? names : undefined;
    });
    await world.bioxen.bus.connection.request(`$JS.API.CONSUMER.DELETE.${EVENT_STREAM}.${consumer}`);
    await world.append(3, "a");
    expect(seqs(await events(program, 5))).toEqual(range(1, 5));
  });

  it("resumes in another process from a stored sequence, without a gap or a repeat", async () => {
    await world.append(20, "a", "b", "c");
    const seen: (number | undefined)[] = [];
    while (seen.length < 20) {
      const program = await watching((seen.at(-1) ?? 0) + 1, Math.min(7, 20 - seen.length));
      expect(await program.ended(), program.stderr).toBe(0);
      seen.push(...(program.lines.slice(1, -1) as Line[]).map((line) => line.seq));
    }
    expect(seen).toEqual(range(1, 20));
  });

  it("ends with an error when another log is in the place of the one it knows", async () => {
    await world.append(5, "a");
    const program = await watching(1);
    await events(program, 5);
    await world.replaceLog();
    await world.append(7, "b");
    expect(await program.ended(), program.stderr).toBe(0);
    expect(program.lines.at(-2)).toMatchObject({
      reason: "log-replaced",
      lastSeq: 5,
      // The watch may also look at the log between its replacement and the seventh event.
      text: expect.stringMatching(
        /event 5 differs from the one seen earlier|it ends at \d, earlier it ended at 5/,
      ),
    });
  });

  it("ends with an error when the log is shorter than before", async () => {
    await world.append(5, "a");
    const program = await watching(1);
    await events(program, 5);
    await world.replaceLog();
    expect(await program.ended(), program.stderr).toBe(0);
    expect(program.lines.at(-2)).toMatchObject({
      reason: "log-replaced",
      text: expect.stringContaining("it ends at 0, earlier it ended at 5"),
    });
  });

  it("ends at a message that is no event", async () => {
    await world.append(2, "a");
    await world.putBytes("broken", "no JSON");
    const program = await watching(1);
    expect(await program.ended(), program.stderr).toBe(0);
    expect(program.lines.slice(1, -1)).toMatchObject([
      { seq: 1 },
      { seq: 2 },
      { reason: "event-unreadable", lastSeq: 2 },
    ]);
  });
});
