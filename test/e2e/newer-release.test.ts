/**
 * An instance of this release beside one of the next release, after an event that only the next release can read: it
 * leaves the requests to the newer instance, and serves again when that one is gone.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, World } from "./world.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const NEXT_VERSION = "99.0.0";
const REQUESTS = 1_000;

let world: World;
let next: string;
const processes: ChildProcess[] = [];

/** Copies the product and makes the copy the next release: it knows the event `bioxen.chassis.renamed.v1`. */
function copyOfNextRelease(): string {
  const folder = mkdtempSync(join(tmpdir(), "bioxen-next-"));
  for (const part of ["packages", "services"]) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true, verbatimSymlinks: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  symlinkSync(join(ROOT, "package.json"), join(folder, "package.json"));
  const change = (path: string, from: RegExp, to: string) => {
    const file = join(folder, "packages/contracts/src", path);
    const text = readFileSync(file, "utf8");
    if (!from.test(text)) throw new Error(`${path} has no ${from}`);
    writeFileSync(file, text.replace(from, to));
  };
  change("version.ts", /BIOXEN_VERSION = ".*"/, `BIOXEN_VERSION = "${NEXT_VERSION}"`);
  change("codec.ts", /(EVENT_TYPES: .* = \{\n)/, '$1  "bioxen.chassis.renamed.v1": z.object({}),\n');
  change(
    "fold/chassis.ts",
    /(evolve\(state, untyped, at\) \{\n)/,
    '$1    if ((untyped.type as string) === "bioxen.chassis.renamed.v1") return state;\n',
  );
  return folder;
}

async function startOfNext(service: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(next, "services", service, "main.ts")], {
    env: { ...process.env, BIOXEN_NATS_URL: world.url, BIOXEN_LOG_LEVEL: "warn" },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  processes.push(child);
  await once(child, "message");
  return child;
}

async function endOf(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  await gone;
}

beforeAll(async () => {
  next = copyOfNextRelease();
  // Without keys: the test appends an event of a later release.
  world = await World.open({ keys: false, chassis: "ecoli:1" });
});
afterAll(async () => {
  for (const child of processes) child.kill("SIGKILL");
  await world.close();
  rmSync(next, { recursive: true, force: true });
});

/** Stores an event of the next release as the next event of the chassis. */
async function renameChassis(): Promise<number> {
  const subject = "bioxen.evt.chassis.ecoli-1";
  const query = JSON.stringify({ last_by_subj: subject });
  const reply = await world.nats.request("$JS.API.STREAM.MSG.GET.BIOXEN_EVENTS", query, { timeout: 5_000 });
  const bytes = Buffer.from(reply.json<{ message: { data: string } }>().message.data, "base64");
  const last = JSON.parse(bytes.toString());
  const { createHash } = await import("node:crypto");
  const event = {
    ...last,
    id: "renamed-1",
    type: "bioxen.chassis.renamed.v1",
    data: {},
    aggregateversion: last.aggregateversion + 1,
    previoushash: createHash("sha256").update(bytes).digest("hex"),
  };
  const ack = await world.nats.request(subject, JSON.stringify(event), { timeout: 5_000 });
  return ack.json<{ seq: number }>().seq;
}

describe("an instance beside a newer one", () => {
  it("answers no request for which it lacks an event: none of 1 000 fails", async () => {
    await world.done("cmd.vm.create", { vmId: "c1", biologicalType: "syn3a" });
    const newer = await Promise.all(["lifecycle", "chassis-scheduler"].map(startOfNext));
    const seq = await renameChassis();
    const failed: unknown[] = [];
    for (let i = 0; i < REQUESTS; i += 1) {
      const [subject, payload] = [
        ["qry.vm.get", { vmId: "c1" }],
        ["qry.vm.list", {}],
        ["qry.chassis.list", {}],
        ["cmd.vm.create", { vmId: `n${i}`, biologicalType: "syn3a" }],
      ][i % 4] as [string, object];
      const reply = await world.ask(subject, payload);
      if (reply.ok !== true) failed.push({ i, subject, ...reply });
    }
    expect(failed).toEqual([]);
    for (const name of ["lifecycle", "chassis-scheduler"]) {
      await eventually(`the older ${name} waits`, async () => {
        const { standBys } = await world.bioxenJson("status");
        const found = standBys.find((one: { name: string }) => one.name === name);
        return found?.waiting.startsWith(`event ${seq} was written by a newer BioXen`) ? found : undefined;
      });
    }
    const doctor = await world.bioxenJson("doctor");
    expect(doctor.findings).toContainEqual({
      check: "lifecycle",
      verdict: "warn",
      found: expect.stringContaining(` stands by: event ${seq} was written by a newer BioXen`),
      remedy: "replace it by the newer release",
    });
    await eventually("the alert is raised", async () => {
      const { active } = await world.look("qry.alert.list", {});
      return active?.find(({ ruleId }: { ruleId: string }) => ruleId === "log-unreadable");
    });
    await world.done("qry.chassis.get", { chassisId: "ecoli-1" });
    await Promise.all(newer.map(endOf));
    await eventually("the older instances serve again", async () => {
      const vm = await world.look("qry.vm.get", { vmId: "c1" });
      const { error } = await world.look("qry.chassis.get", { chassisId: "ecoli-1" });
      return vm.ok === true && error?.code === "UNAVAILABLE" ? error : undefined;
    }).then((error) => {
      expect(error).toMatchObject({ retryable: false, details: { seq, newer: true } });
      expect(error.message).toContain("written by a newer BioXen");
    });
  });
});
