/**
 * Roles, default templates, slow copies and the check of cores per socket, as in xapi-project/xen-api (commit e2ee48d).
 */
import { afterEach, expect, it } from "vitest";
import { Dispatch } from "../src/dispatch.ts";
import {
  createFakeXapi,
  type FakeOptions,
  type FakeXapi,
  INSTALLER_NAMES,
  type Role,
  TEMPLATE_NAME,
} from "../src/index.ts";

let fake: FakeXapi;
afterEach(() => fake.close());

async function machineOn(options: FakeOptions): Promise<string> {
  fake = await createFakeXapi(options);
  const template = fake.pool.db.all("VM").find(([, one]) => one["name_label"] === TEMPLATE_NAME)?.[0];
  const vm = String(await fake.outside("VM.clone", template, "m"));
  await fake.outside("VM.provision", vm);
  return vm;
}

it.each([
  ["read-only", "VM.get_record", true],
  ["read-only", "VM.start", false],
  ["vm-admin", "VM.start", true],
  ["vm-admin", "VM.snapshot", false],
  ["vm-power-admin", "VM.snapshot", true],
] as const)("a session of the role %s and %s: %s (rbac.ml)", async (role: Role, method, isAllowed) => {
  const user = { username: "u", password: "p", role };
  const vm = await machineOn({});
  const dispatch = new Dispatch(fake.pool, [user]);
  const { result: session } = await dispatch.call("session.login_with_password", ["u", "p"]);
  const args = { "VM.start": [false, false], "VM.snapshot": ["s"], "VM.get_record": [] }[method];
  const called = dispatch.call(method, [session, vm, ...args]).then(
    () => "done",
    (thrown: { code: string; params: readonly string[] }) => `${thrown.code} ${thrown.params[0]}`,
  );
  expect(await called).toBe(isAllowed ? "done" : `RBAC_PERMISSION_DENIED ${method}`);
});

it("a clone of a default template is none (xapi_vm_clone.ml, `copy_vm_record`)", async () => {
  fake = await createFakeXapi();
  const [name] = INSTALLER_NAMES;
  const [template, fields] = fake.pool.db.all("VM").find(([, one]) => one["name_label"] === name) ?? [];
  expect(fields).toMatchObject({ is_default_template: true, other_config: { default_template: "true" } });
  const clone = fake.pool.db.get("VM", String(await fake.outside("VM.clone", template, "m")));
  expect(clone).toMatchObject({ is_a_template: true, is_default_template: false });
  expect(clone["other_config"]).not.toHaveProperty("default_template");
  await expect(fake.outside("VM.destroy", template)).rejects.toMatchObject({
    code: "VM_CANNOT_DELETE_DEFAULT_TEMPLATE",
  });
});

it("a copy takes copyMs, and its task reports the progress (xapi_vm_clone.ml)", async () => {
  const vm = await machineOn({ copyMs: 100 });
  const seen = new Set<number>();
  const task = String(await fake.outside("Async.VM.copy", vm, "c", fake.pool.storage));
  for (let progress = 0; progress < 1; progress = Number(fake.pool.db.get("task", task)["progress"])) {
    seen.add(progress);
    await fake.pool.db.nextChange(1_000);
  }
  expect([...seen]).toEqual([...seen].sort((a, b) => a - b));
  expect(seen.size).toBeGreaterThan(3);
});

it("a start needs a multiple of the cores per socket (vm_platform.ml)", async () => {
  const vm = await machineOn({});
  fake.pool.db.update("VM", vm, { platform: { "cores-per-socket": "4" }, VCPUs_max: 2 });
  await expect(fake.outside("VM.start", vm, false, false)).rejects.toMatchObject({
    code: "VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE",
    params: ["2", "4"],
  });
  await fake.outside("VM.set_VCPUs_max", vm, 4);
  await fake.outside("VM.start", vm, false, false);
});
