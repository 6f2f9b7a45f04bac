/**
 * A process with a driver, for `kills.e2e.test.ts`, which kills it at random, and for `unfinished.int.test.ts`. The parent sends orders `{vmId, fence,
 * verb}`; the process retries each one until it succeeds, and then answers.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { DriverError } from "@bioxen/vm-driver";
import { poolConfiguration } from "../src/driver/configuration.ts";
import { checkpointNaming } from "../src/driver/snapshots.ts";
import { createXcpngDriver } from "../src/driver/xcpng-driver.ts";
import { machineSpec, ownerOf } from "./fleet.ts";

export interface Order {
  readonly vmId: string;
  readonly fence: number;
  readonly verb: "start" | "snapshot" | "restore" | "stop" | "discard";
  /** Program of the cell in the machine; default: the machine needs no cell. */
  readonly program?: string;
}

const RETRY_MS = 20;

const pool = poolConfiguration(process.env, "killable");
if (pool === undefined) throw new Error("BIOXEN_XCPNG_URL is not set");
const driver = createXcpngDriver({ ...pool.options, owner: ownerOf("killable") });

/**
 * Restores as an agent does: when a restart was interrupted, there is no guest, and a start from the checkpoint
 * continues.
 */
async function restore(vmId: string, fence: number): Promise<void> {
  const config = { shutdown: "hard" };
  const spec = machineSpec(vmId, fence, { config, checkpoint: checkpointNaming("kept"), restores: 1 });
  const guest = driver.list().find((one) => one.vmId === vmId);
  if (guest === undefined) return driver.start(spec);
  if (guest.restores === 0) return driver.restart(spec);
  if (guest.state === "paused") await driver.resume(vmId, fence);
}

async function obey({ vmId, fence, verb, program }: Order): Promise<void> {
  for (;;) {
    try {
      await driver.whenReady();
      if (verb === "start")
        return await driver.start(machineSpec(vmId, fence, { config: { shutdown: "hard" }, program }));
      if (verb === "snapshot") return void (await driver.snapshots?.take(vmId, fence, "kept"));
      if (verb === "restore") return await restore(vmId, fence);
      if (verb === "stop") return await driver.stop(vmId, fence);
      return await driver.discard(vmId, 1);
    } catch (thrown) {
      if (!(thrown instanceof DriverError) || !thrown.retryable) throw thrown;
      await sleep(RETRY_MS);
    }
  }
}

// A test that fails, or is killed, leaves no process behind.
process.on("disconnect", () => process.exit(0));
process.on("message", (order: Order | "end") => {
  if (order === "end") {
    void driver.close().then(() => process.exit(0));
    return;
  }
  obey(order).then(
    () => process.send?.({ done: order }),
    (thrown: unknown) => process.send?.({ failed: order, why: String(thrown) }),
  );
});
