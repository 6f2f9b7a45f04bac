/**
 * What a thread that computes cells does: it runs a basic driver of its own, carries the calls of the agent's thread out
 * and reports what its guests do.
 *
 * All messages of one turn of the event loop are sent as one packet, in their order. So the agent's thread knows of
 * everything that a guest did before the answer to a call.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { CellModel } from "@bioxen/cell-models";
import { invariant } from "@bioxen/kernel";
import type { GuestEvent } from "@bioxen/vm-driver";
import { createBasicDriver } from "./basic-driver.ts";
import type { ComputingDriver } from "./basic-driver-options.ts";
import {
  type CellThreadData,
  callOf,
  type FromCellThread,
  type GuestNow,
  type Outputs,
  type Packet,
  sentError,
  type ToCellThread,
} from "./cell-thread-protocol.ts";
import { LAGGING_SAMPLES_MS } from "./limits.ts";
import { ROW_LENGTH, sampleRow } from "./sample-row.ts";

/**
 * Serves the agent's thread from this one, until that one asks for the end. Messages wait until the thread has imported
 * its model. A failed import rejects, which ends the thread.
 */
export async function runCellThread(): Promise<void> {
  const port = parentPort;
  invariant(port !== null, "cell-thread-worker.ts must run as a worker thread");
  const { modelUrl, ...options } = workerData as CellThreadData;
  const models = modelUrl === undefined ? [] : [await importedModel(modelUrl)];
  new CellThread(port, createBasicDriver({ ...options, models }));
}

/** Returns the model that the module exports; another thread has read and checked its declaration. */
async function importedModel(url: string): Promise<CellModel> {
  const { cellModel } = (await import(url)) as { readonly cellModel: CellModel };
  return cellModel;
}

class CellThread {
  readonly #port: MessagePort;
  readonly #driver: ComputingDriver;
  #packet: FromCellThread[] = [];
  #nextSamples: NodeJS.Timeout | undefined;

  constructor(port: MessagePort, driver: ComputingDriver) {
    this.#port = port;
    this.#driver = driver;
    driver.onGuestEvent((event) => this.#send(this.#eventMessage(event)));
    port.on("message", (message: ToCellThread) => {
      if (message.kind === "call") void this.#call(message);
      else if (message.kind === "tick") this.#tick(message);
      else void this.#end();
    });
  }

  async #call({ call, method, vmId, args }: ToCellThread & { kind: "call" }): Promise<void> {
    const outcome = await callOf(
      this.#driver,
      method,
    )(...args).then(
      (result) => ({ result }),
      (thrown: unknown) => ({ error: sentError(thrown) }),
    );
    this.#send({ kind: "answer", call, vmId, guest: this.#now(vmId), ...outcome });
  }

  #tick({ elapsedMs, onlyAtRate }: ToCellThread & { kind: "tick" }): void {
    this.#driver.tick(elapsedMs, { onlyAtRate });
    this.#sendSamples();
    this.#send({ kind: "ticked" });
  }

  /**
   * Sends the samples that have changed. While a guest lags, it computes between the ticks as well, so that its sample is
   * sent again before the next one.
   */
  #sendSamples(): void {
    const vmIds: string[] = [];
    const rows: Float64Array[] = [];
    const outputs: Record<string, Outputs> = {};
    const moved = this.#driver.takeMoved();
    for (const vmId of moved.vmIds) {
      const sample = this.#driver.sample(vmId);
      if (sample === undefined) continue;
      vmIds.push(vmId);
      rows.push(sampleRow(sample));
      if (sample.outputs !== undefined) outputs[vmId] = sample.outputs;
    }
    if (vmIds.length > 0) {
      const all = Object.keys(outputs).length === 0 ? {} : { outputs };
      this.#send({ kind: "samples", vmIds, samples: joined(rows), ...all });
    }
    clearTimeout(this.#nextSamples);
    if (moved.anyLags) this.#nextSamples = setTimeout(() => this.#sendSamples(), LAGGING_SAMPLES_MS);
  }

  async #end(): Promise<void> {
    clearTimeout(this.#nextSamples);
    await this.#driver.close();
    this.#flush();
    // Nothing else keeps the event loop of this thread alive.
    this.#port.close();
  }

  #eventMessage(event: GuestEvent): FromCellThread {
    const canChange = event.kind === "failed" || event.kind === "changed";
    return canChange ? { kind: "event", event, guest: this.#now(event.vmId) } : { kind: "event", event };
  }

  #now(vmId: string): GuestNow {
    const status = this.#driver.guest?.(vmId);
    const sample = this.#driver.sample(vmId);
    if (sample === undefined) return { status };
    const { outputs } = sample;
    return { status, sample: sampleRow(sample), ...(outputs === undefined ? {} : { outputs }) };
  }

  #send(message: FromCellThread): void {
    this.#packet.push(message);
    if (this.#packet.length === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    if (this.#packet.length === 0) return;
    const packet: Packet = this.#packet;
    this.#packet = [];
    this.#port.postMessage(packet);
  }
}

function joined(rows: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(rows.length * ROW_LENGTH);
  for (const [index, row] of rows.entries()) all.set(row, index * ROW_LENGTH);
  return all;
}
