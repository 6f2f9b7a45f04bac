/**
 * What a machine reads in xenstore about its VM.
 */
import { type FakeXapi, TEMPLATE_NAME } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { expect, it } from "vitest";
import { thrownBy } from "./connect.ts";
import { machineSpec, withDriver } from "./fleet.ts";

function machine(fake: FakeXapi, vmId: string): Record<string, unknown> & { readonly ref: string } {
  const found = fake.pool.db
    .all("VM")
    .find(([, vm]) => (vm["other_config"] as Record<string, string>)["bioxen:vm-id"] === vmId);
  if (found === undefined) throw new Error(`the pool has no machine of ${vmId}`);
  return { ...found[1], ref: found[0] };
}

it("a machine can read in xenstore which VM it is, and has no host key of its template", async () => {
  await withDriver(async ({ fake, driver }) => {
    const data = (vmId: string) => machine(fake, vmId)["xenstore_data"] as Record<string, string>;
    const template = fake.pool.db.all("VM").find(([, vm]) => vm["name_label"] === TEMPLATE_NAME)?.[0];
    const inherited = { "vm-data/bioxen-ssh-host-key": "SHA256:of-the-template", "vm-data/site": "lab" };
    fake.pool.db.update("VM", template ?? "", { xenstore_data: inherited });
    // An environment is for a cell, so the start waits for a guest agent, until the stop below.
    const more = { environment: { nutrientQuality: 0.3 }, seed: 41 };
    const started = thrownBy(driver.start(machineSpec("x1", 10, more)));
    await eventually("the machine runs", () => driver.guest?.("x1")?.state === "running" || undefined);
    expect(data("x1")).toEqual({
      "vm-data/site": "lab",
      "vm-data/bioxen/vm-id": "x1",
      "vm-data/bioxen/incarnation": "1",
      "vm-data/bioxen/fence": "10",
      "vm-data/bioxen/config": "{}",
      "vm-data/bioxen/time-scale": "1",
      "vm-data/bioxen/restores": "0",
      "vm-data/bioxen/boot": "xenstore",
      "vm-data/bioxen/type": machineSpec("x1", 10).biologicalType,
      "vm-data/bioxen/seed": "41",
      "vm-data/bioxen/environment": '{"nutrientQuality":0.3}',
      "vm-data/bioxen/allocation": JSON.stringify(machineSpec("x1", 10).allocation),
    });

    const { ref } = machine(fake, "x1");
    const written = { ...data("x1"), "vm-data/bioxen-ssh-host-key": "SHA256:of-the-machine" };
    fake.pool.db.update("VM", ref, { xenstore_data: written });
    await driver.stop("x1", 10);
    expect(await started).toMatchObject({ code: "INVALID_STATE" });
    await driver.start(machineSpec("x1", 12, { seed: 41, allocation: { vcpus: 1, memoryMiB: 512 } }));
    expect(data("x1"), "the machine keeps what it has written").toMatchObject({
      "vm-data/bioxen-ssh-host-key": "SHA256:of-the-machine",
      "vm-data/bioxen/allocation": '{"vcpus":1,"memoryMiB":512}',
    });
  });
});
