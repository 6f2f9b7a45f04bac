/**
 * The `bioxen` command: its JSON documents, its exit codes, and the demo.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OUTPUTS } from "../../packages/cli/src/output/schemas.ts";
import { World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await World.open({ chassis: "ecoli:1" });
});
afterAll(() => world.close());

describe("bioxen", () => {
  it("creates, starts and shows a VM with two commands", async () => {
    const created = await world.bioxenJson("vm", "create", "c1", "--type", "syn3a", "--start");
    expect(created).toMatchObject({ ok: true, changed: true, vm: { vmId: "c1", state: "running" } });
    const shown = await world.bioxenJson("vm", "show", "c1");
    expect(shown.vm.state).toBe("running");
    expect(Math.abs(shown.sample.doublingTimeMinutes / 105 - 1)).toBeLessThan(0.005);
    const half = await world.bioxenJson(
      "vm",
      "create",
      "c2",
      "--type",
      "syn3a",
      "--ribosomes",
      "50%",
      "--start",
    );
    expect(half.vm.allocation.ribosomes).toBe(252);
    const exec = await world.bioxenJson("vm", "exec", "c1", "-e", "return cell.type");
    expect(exec).toMatchObject({ ok: true, result: "syn3a" });
  });

  it("exits with 0 on success, 1 on a rejection, 2 on wrong usage and 3 on an unreachable server", async () => {
    expect((await world.bioxenProcess("vm", "ls")).code).toBe(0);
    const unknown = await world.bioxenProcess("vm", "start", "no-such-vm");
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain("VM_NOT_FOUND");
    expect(
      JSON.parse((await world.bioxenProcess("vm", "start", "no-such-vm", "--json")).stdout).error.code,
    ).toBe("VM_NOT_FOUND");
    expect((await world.bioxenProcess("vm", "create", "c9", "--ribosomes", "many")).code).toBe(2);
    expect((await world.bioxenProcess("no-such-command")).code).toBe(2);
    const away = await world.bioxenProcess("vm", "ls", "--server", "nats://127.0.0.1:1", "--timeout", "500");
    expect(away.code).toBe(3);
  });

  it("shows the status, the health, a past state and the log", async () => {
    const status = await world.bioxenJson("status");
    expect(status).toMatchObject({ durability: "always", server: { url: world.url } });
    expect(status.services.every((s: { ready: boolean }) => s.ready)).toBe(true);
    expect((await world.bioxen("doctor")).code).toBe(0);
    const past = await world.bioxenJson("state", "--at", "3");
    expect(past.atSeq).toBe(3);
    const tail = await world.bioxen("events", "tail", "--from", "1", "--no-follow", "--json");
    const lines = tail.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map((line) => line.seq)).toEqual(lines.map((_, i) => i + 1));
  });

  it("replays the log with another policy and other chassis, and rejects unknown ones", async () => {
    const spread = await world.bioxenJson(
      "vm",
      "create",
      "c3",
      "--type",
      "syn3a",
      "--policy",
      "spread",
      "--start",
    );
    expect(spread.vm).toMatchObject({ state: "running", placement: { policy: "spread" } });
    const same = await world.bioxenJson("replay");
    expect(same).toMatchObject({ ok: true, fromSeq: 1, differences: [], reproduction: { permille: 1_000 } });
    const alternative = [
      "replay",
      "--policy",
      "spread",
      "--without-chassis",
      "ecoli-1",
      "--with-chassis",
      "yeast:1",
    ];
    const asked = await world.bioxenJson(...alternative, "--to", String(same.toSeq));
    expect(asked.differences.map((d: { vmId: string }) => d.vmId)).toEqual(["c1", "c2", "c3"]);
    for (const { alternative } of asked.differences) expect(alternative.chassisId).toBe("what-if-yeast-1");
    const shown = await world.bioxen(...alternative);
    expect(shown.code, shown.stderr).toBe(0);
    expect(shown.stdout).toContain("the baseline reproduces 3 of 3 recorded placements");
    for (const wrong of [
      ["--without-chassis", "moon"],
      ["--with-chassis", "moon:1"],
      ["--policy", "moon"],
      ["--from", "0"],
    ]) {
      expect((await world.bioxen("replay", ...wrong)).code, wrong.join(" ")).toBe(2);
    }
  });

  it("runs the demo to its end, with 0 violations and no process left", async () => {
    const main = new URL("../../packages/cli/src/main.ts", import.meta.url).pathname;
    const demo = [main, "demo", "--once", "--json"];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, demo);
    expect(stderr.match(/matches the model/g)).toHaveLength(4);
    expect(stderr).toContain("0 violations");
    const result = JSON.parse(stdout);
    expect(OUTPUTS["demo"]?.schema.parse(result)).toEqual(result);
    const { stdout: left } = await promisify(execFile)("ps", ["-eo", "args"]);
    expect(left).not.toMatch(/bioxen-demo-/);
  });
});
