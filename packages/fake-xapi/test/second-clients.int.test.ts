/**
 * Drives the fake with third-party clients of XAPI, which shows that it speaks XAPI's protocol. They prove no
 * semantics.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { eventually } from "@bioxen/testkit/eventually";
import { describe, expect, it } from "vitest";
import { createClient } from "xen-api";
import { createFakeXapi, type FakeXapi, TEMPLATE_NAME } from "../src/index.ts";

const run = promisify(execFile);

/** A program for Python's own XML-RPC client, from login to cleanup. It prints one JSON document. */
const PYTHON = `
import json, ssl, sys, xmlrpc.client
url, user, password, template = sys.argv[1:5]
context = ssl._create_unverified_context()
server = xmlrpc.client.ServerProxy(url, context=context)
def call(method, *args):
    answer = getattr(server, method)(*args)
    if answer["Status"] != "Success":
        raise RuntimeError(" ".join(answer["ErrorDescription"]))
    return answer["Value"]
try:
    call("session.login_with_password", user, "wrong")
    failure = "none"
except RuntimeError as error:
    failure = str(error).split()[0]
session = call("session.login_with_password", user, password, "2.20", "python")
[source] = call("VM.get_by_name_label", session, template)
token = call("event.from", session, ["VM"], "", 0.1)["token"]
vm = call("VM.clone", session, source, "from-python")
call("VM.provision", session, vm)
call("VM.set_memory_limits", session, vm, str(2**28), str(2**31), str(2**31), str(2**31))
task = call("Async.VM.start", session, vm, False, False)
seen = []
while True:
    batch = call("event.from", session, ["VM", "task"], token, 5.0)
    token = batch["token"]
    seen += [(event["class"], event["operation"]) for event in batch["events"]]
    if call("task.get_status", session, task) != "pending":
        break
status = call("task.get_status", session, task)
call("task.destroy", session, task)
record = call("VM.get_record", session, vm)
try:
    call("VM.start", session, vm, False, False)
    again = "none"
except RuntimeError as error:
    again = str(error).split()[0]
call("VM.hard_shutdown", session, vm)
vdis = [call("VBD.get_VDI", session, vbd) for vbd in record["VBDs"]]
call("VM.destroy", session, vm)
for vdi in vdis:
    call("VDI.destroy", session, vdi)
call("session.logout", session)
print(json.dumps({"failure": failure, "status": status, "power": record["power_state"], "again": again,
  "memory": record["memory_static_max"], "template": record["is_a_template"], "seen": sorted(set(map(tuple, seen)))}))
`;

/** Python starts slowly on a busy machine. */
const TIMEOUT_MS = 120_000;

async function withFake(body: (fake: FakeXapi) => Promise<void>): Promise<void> {
  const fake = await createFakeXapi();
  const before = fake.counts();
  try {
    await body(fake);
    await eventually(`nothing is left: ${JSON.stringify(fake.counts())}`, () => {
      return JSON.stringify(fake.counts()) === JSON.stringify(before) || undefined;
    });
  } finally {
    await fake.close();
  }
}

const hasPython = await run("python3", ["-c", "import xmlrpc.client"]).then(
  () => true,
  () => false,
);
if (!hasPython) console.warn("python3 is not installed: the tests with its XML-RPC client are skipped");

it("python3 is installed under CI", () => {
  if (process.env["CI"]) expect(hasPython).toBe(true);
});

describe.skipIf(!hasPython)("Python's xmlrpc.client", { timeout: TIMEOUT_MS }, () => {
  it("clones, provisions, starts, follows events, destroys", async () => {
    await withFake(async (fake) => {
      const { stdout } = await run("python3", [
        "-c",
        PYTHON,
        fake.url,
        fake.username,
        fake.password,
        TEMPLATE_NAME,
      ]);
      const report = JSON.parse(stdout) as Record<string, unknown>;
      expect(report).toMatchObject({
        failure: "SESSION_AUTHENTICATION_FAILED",
        status: "success",
        power: "Running",
        again: "VM_BAD_POWER_STATE",
        // 64-bit integers are strings in XML-RPC.
        memory: String(2 ** 31),
        template: false,
      });
      expect(report["seen"]).toEqual(expect.arrayContaining([["vm", "add"]]));
    });
  });
});

describe("xen-api from npm", { timeout: TIMEOUT_MS }, () => {
  it("clones, provisions, starts, follows events, snapshots, reverts, destroys", async () => {
    await withFake(async (fake) => {
      const xapi = createClient({
        url: fake.url,
        auth: { user: fake.username, password: fake.password },
        allowUnauthorized: true,
        transport: "json-rpc",
        watchEvents: ["VM", "task", "pool"],
        debounce: 20,
      });
      await xapi.connect();
      await xapi.objectsFetched;
      const [source = ""] = (await xapi.call("VM.get_by_name_label", TEMPLATE_NAME)) as string[];
      const vm = String(await xapi.callAsync("VM.clone", source, "from-xen-api"));
      await xapi.callAsync("VM.provision", vm);
      await xapi.callAsync("VM.start", vm, false, false);
      const record = await xapi.barrier(vm);
      expect(record).toMatchObject({ $type: "VM", power_state: "Running", name_label: "from-xen-api" });
      const refused = await xapi.call("VM.start", vm, false, false).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "VM_BAD_POWER_STATE" });
      await xapi.callAsync("VM.pause", vm);
      await xapi.callAsync("VM.unpause", vm);
      const snapshot = String(await xapi.callAsync("VM.snapshot", vm, "before"));
      await xapi.callAsync("VM.hard_shutdown", vm);
      await xapi.callAsync("VM.revert", snapshot);
      for (const each of [snapshot, vm]) {
        const vbds = (await xapi.call("VM.get_VBDs", each)) as string[];
        const vdis = await Promise.all(vbds.map((vbd) => xapi.call("VBD.get_VDI", vbd)));
        await xapi.callAsync("VM.destroy", each);
        for (const vdi of vdis) await xapi.call("VDI.destroy", vdi);
      }
      for (const task of (await xapi.call("task.get_all")) as string[]) await xapi.call("task.destroy", task);
      await xapi.disconnect();
    });
  });
});
