/** What outlives the agent's process: the stored cell, and what xenstore says of it. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Cell, type CellSnapshot } from "@bioxen/cell-models";
import { describe, expect, it } from "vitest";
import {
  AGENT_KEY,
  ALLOCATION_KEY,
  type CellIdentity,
  ENVIRONMENT_KEY,
  identityKeys,
  parseAgentReport,
  parseSampleReport,
  SAMPLE_KEY,
} from "../src/protocol.ts";
import { decodeCell } from "../src/stored-cell.ts";
import { Machine, SPEC } from "./machine.ts";

const IDENTITY: CellIdentity = { ...SPEC, environment: {}, timeScale: 1_000, restores: 0, boot: "xenstore" };

function cellOf(base64: string): CellSnapshot {
  return (JSON.parse(Buffer.from(base64, "base64").toString()) as { cell: CellSnapshot }).cell;
}

/** The cell in the file that the agent has stored last. */
async function storedIn(machine: Machine, name = "cell"): Promise<CellSnapshot> {
  const stored = decodeCell(await readFile(join(machine.stateDir, name), "utf8"));
  if (typeof stored === "string") throw new Error(stored);
  return cellOf(stored.checkpointBase64);
}

const checkpointOf = async (machine: Machine) =>
  cellOf((await machine.call({ op: "checkpoint" })).bytesBase64);

/** The cell after it has lived until `simMinutes` without any interruption. */
function livedUntil(snapshot: CellSnapshot, simMinutes: number): CellSnapshot {
  const cell = Cell.restore(snapshot);
  for (let left = simMinutes - snapshot.simMinutes; left > 0; left -= 10_000)
    cell.advance(Math.min(left, 10_000));
  return cell.snapshot();
}

describe.each(["xen", "xe"] as const)("a machine with the xenstore tools of %s", (tools) => {
  it("boots its cell from its keys, reports it, and follows allocation and environment", async () => {
    await using machine = await Machine.create({ tools });
    await machine.boot();
    const reported = (state: string) =>
      machine.until(`the agent reports ${state}`, async () => {
        const value = await machine.xenstore.get(AGENT_KEY);
        const report = value === undefined ? undefined : parseAgentReport(value);
        return report?.state === state && report;
      });
    expect(await reported("waiting")).toMatchObject({
      reason: expect.stringMatching(/^no identity in xenstore/),
    });
    // A value that makes JSON need a backslash would not survive both tools.
    const identity = { ...IDENTITY, allocation: { ribosomes: 252, vcpus: 2 } };
    await machine.xenstore.set(identityKeys({ ...identity, biologicalType: "yeast" }));
    await machine.until("the reason is reported", async () =>
      (await machine.xenstore.get(AGENT_KEY))?.includes("'yeast' is none of"),
    );
    await machine.xenstore.set(identityKeys(identity));
    expect(await reported("running")).toMatchObject({
      incarnation: 1,
      fence: 10,
      model: "weisse",
      protocol: 1,
    });
    const sampled = (isWanted: (sample: ReturnType<typeof parseSampleReport>) => boolean) =>
      machine.until("the sample is reported", async () => {
        const value = await machine.xenstore.get(SAMPLE_KEY);
        const sample = value === undefined ? undefined : parseSampleReport(value);
        return sample !== undefined && isWanted(sample) && sample;
      });
    const first = await sampled(({ ribosomes }) => ribosomes.cap === 252);
    expect(first.doublingTimeMinutes).toBeCloseTo(150.4, 1);
    await machine.xenstore.set({ [ALLOCATION_KEY]: '{"ribosomes":400}' });
    const second = await sampled(({ ribosomes }) => ribosomes.cap === 400);
    expect(second.simMinutes, "the cell lives on").toBeGreaterThan(first.simMinutes);
    await machine.xenstore.set({ [ENVIRONMENT_KEY]: '{"nutrientQuality":0.05}' });
    await sampled(({ doublingTimeMinutes }) => (doublingTimeMinutes ?? 0) > 200);
  });
});

describe("after the death of its process", () => {
  it("the cell continues bit for bit from the last stored state, wherever the process was killed", async () => {
    await using machine = await Machine.create({ tools: "xe", saveMs: 30 });
    await machine.xenstore.set(identityKeys({ ...IDENTITY, config: { partitionNoise: true } }));
    let stored = 0;
    for (let kill = 0; kill < 8; kill += 1) {
      await machine.boot();
      await machine.until("a later state is stored", async () => {
        const latest = await storedIn(machine).catch(() => undefined); // Before the first one there is no file.
        return latest !== undefined && latest.simMinutes > stored + 50;
      });
      // The moment of the kill is drawn from more than two intervals of storing.
      await setTimeout(Math.random() * 80);
      await machine.end("SIGKILL");
      const before = await storedIn(machine);
      expect(before.simMinutes, "the cell has lived on").toBeGreaterThan(stored + 50);
      stored = before.simMinutes;
      await machine.boot();
      const after = await machine.until("the cell continues", async () => {
        const { identity } = await machine.call({ op: "status" });
        return identity !== undefined && checkpointOf(machine);
      });
      expect(after).toEqual(livedUntil(before, after.simMinutes));
      await machine.end("SIGKILL");
    }
    expect(machine.journal).not.toMatch(/damaged|not stored/);
  });

  it("a stop by SIGTERM loses nothing, and a cell without xenstore continues as well", async () => {
    await using machine = await Machine.create();
    await machine.boot();
    const program = "state.n = (state.n or 0) + 1";
    const spec = { ...SPEC, program };
    await machine.call({ op: "boot", spec, timeScale: 1_000 });
    await machine.call({ op: "resize", allocation: { ribosomes: 300 } });
    await machine.until(
      "it lives",
      async () => ((await machine.call({ op: "status" })).simMinutes ?? 0) > 500,
    );
    await machine.call({ op: "pause" });
    const { simMinutes } = await machine.call({ op: "checkpoint" });
    expect(await machine.end("SIGTERM")).toBe(0);
    await machine.boot();
    expect(await machine.call({ op: "status" })).toMatchObject({ simMinutes, paused: true });
    await machine.call({ op: "boot", spec, timeScale: 1_000 });
    await machine.call({ op: "resume" });
    const { result } = await machine.call({ op: "exec", source: "return state.n", timeoutMs: 5_000 });
    expect(result, "the program has run once more").toBe(2);
    expect((await machine.call({ op: "sample" })).sample.ribosomes.cap).toBe(300);
  });

  it("a new identity is a new cell, and the same one keeps what requests have changed", async () => {
    await using machine = await Machine.create({ tools: "xen" });
    await machine.xenstore.set(identityKeys(IDENTITY));
    await machine.boot();
    const lived = (minutes: number) =>
      machine.until(
        "it lives",
        async () => ((await machine.call({ op: "status" })).simMinutes ?? 0) > minutes,
      );
    await lived(1_000);
    await machine.call({ op: "resize", allocation: { ribosomes: 300 } });
    await machine.call({
      op: "exec",
      source: "cell.set_environment{nutrient_quality = 0.1}",
      timeoutMs: 5_000,
    });
    await machine.end("SIGTERM");
    await machine.boot();
    await lived(1_000);
    const { cap } = (await machine.call({ op: "sample" })).sample.ribosomes;
    expect(cap).toBe(300);
    expect((await checkpointOf(machine)).environment.nutrientQuality).toBe(0.1);
    await machine.end("SIGTERM");
    await machine.xenstore.set(identityKeys({ ...IDENTITY, restores: 1, timeScale: 0.001 }));
    await machine.boot();
    await machine.until(
      "a new cell",
      async () => (await machine.call({ op: "status" })).identity?.restores === 1,
    );
    expect((await machine.call({ op: "sample" })).sample.simMinutes).toBe(0);
  });

  it("a damaged file is set aside, and the one before it is used", async () => {
    await using machine = await Machine.create({ tools: "xe" });
    await machine.xenstore.set(identityKeys({ ...IDENTITY, boot: "ssh", timeScale: 1_000 }));
    await machine.boot();
    await machine.until("it waits", async () =>
      (await machine.call({ op: "status" })).agent.reason?.includes("waiting for the request boot"),
    );
    const wrong = machine.call({ op: "boot", spec: { ...SPEC, vmId: "another" } });
    await expect(wrong).rejects.toThrow(/this machine is that of "cell-1"/);
    await machine.call({ op: "boot", spec: SPEC });
    await machine.call({ op: "pause" });
    const first = (await machine.call({ op: "checkpoint" })).simMinutes;
    await machine.call({ op: "checkpoint" });
    await machine.end("SIGKILL");
    const path = join(machine.stateDir, "cell");
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace(/"simMinutes":\d/, '"simMinutes":9'));
    await machine.boot();
    const status = await machine.until("it continues", async () => {
      const reply = await machine.call({ op: "status" });
      return reply.identity !== undefined && reply;
    });
    expect(status).toMatchObject({ simMinutes: first, paused: true });
    expect(status.damaged).toEqual([expect.stringMatching(/^cell\.damaged-.*-cell$/)]);
    expect(machine.journal).toMatch(/cell is damaged: its digest does not match; kept as cell\.damaged-/);
    expect(await readdir(machine.stateDir)).toContain(status.damaged[0]);
    expect((await machine.run("status")).stdout).toMatch(/^damaged {4}cell\.damaged-/m);
  });

  it("a machine that stood still has not lived meanwhile", async () => {
    await using machine = await Machine.create();
    await machine.boot();
    await machine.call({ op: "boot", spec: SPEC, timeScale: 1 });
    await machine.until(
      "it lives",
      async () => ((await machine.call({ op: "status" })).simMinutes ?? 0) >= 1,
    );
    machine.signal("SIGSTOP");
    const stopped = performance.now();
    const before = (await storedIn(machine)).simMinutes;
    await machine.until("a pause of the machine", async () => performance.now() - stopped > 7_000);
    machine.signal("SIGCONT");
    const { simMinutes } = await machine.call({ op: "checkpoint" });
    expect(simMinutes - before).toBeLessThan(5);
  });
});
