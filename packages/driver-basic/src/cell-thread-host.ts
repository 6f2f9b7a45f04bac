/**
 * The agent's side of one thread that computes cells: calls and their answers, ticks, and the end of the thread.
 *
 * A thread whose tick has not ended gets no further one; the time is added to its next tick. A thread that ends by itself
 * or gives no sign of life takes its guests with it. Its calls fail, and the next call starts another thread.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { messageOf } from "@bioxen/kernel";
import { DriverError, type GuestEvent } from "@bioxen/vm-driver";
import {
  type CellArguments,
  type CellCall,
  type CellResult,
  type CellThreadData,
  type FromCellThread,
  type GuestNow,
  type Outputs,
  type Packet,
  receivedError,
  type ToCellThread,
} from "./cell-thread-protocol.ts";
import { CELL_THREAD_END_MS, CELL_THREAD_SILENT_MS, CELL_THREAD_YOUNG_MB, SILENT_TICKS } from "./limits.ts";

export interface CellThreadPorts {
  /**
   * The guest is now like this. Called before the answer or the event that comes with it. `startFence`: the fence of the
   * start that this answers.
   */
  readonly onGuest: (vmId: string, guest: GuestNow, startFence?: number) => void;
  readonly onEvent: (event: GuestEvent) => void;
  readonly onSamples: (
    vmIds: readonly string[],
    samples: Float64Array,
    outputs: Readonly<Record<string, Outputs>>,
  ) => void;
  /** The thread has ended, and its guests with it. Called before its calls fail. */
  readonly onLost: (why: string) => void;
  /** Time without an answer to a tick after which the thread is ended, ms. Default: `CELL_THREAD_SILENT_MS`. */
  readonly silentMs?: number | undefined;
  /** URL of a script that replaces the one of the thread, for tests. */
  readonly threadUrl?: URL | undefined;
}

interface Pending {
  readonly method: CellCall;
  /** The fence of a start. */
  readonly startFence: number | undefined;
  readonly settle: (result: never) => void;
  readonly fail: (error: Error) => void;
}

export class CellThreadHost {
  readonly #data: CellThreadData;
  readonly #ports: CellThreadPorts;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #nextCall = 1;
  /** Host time of the tick under way, ms; 0: none. */
  #tickingMs = 0;
  /** Host time since that tick was sent, ms. */
  #waitingMs = 0;
  #tickSentAtMs = 0;
  #silentTicks = 0;

  constructor(data: CellThreadData, ports: CellThreadPorts) {
    this.#data = data;
    this.#ports = ports;
  }

  get isStarted(): boolean {
    return this.#worker !== undefined;
  }

  /** Host time that was given to the thread and that it has not computed yet, ms. */
  get behindMs(): number {
    return this.#tickingMs + this.#waitingMs;
  }

  /**
   * Calls the method of the thread's driver. Rejects as that method does, and with `UNAVAILABLE` if the thread ends before
   * it answers.
   */
  call<Call extends CellCall>(
    vmId: string,
    method: Call,
    args: CellArguments<Call>,
  ): Promise<CellResult<Call>> {
    const { promise, resolve, reject } = Promise.withResolvers<CellResult<Call>>();
    const call = this.#nextCall;
    this.#nextCall += 1;
    this.#post({ kind: "call", call, method, vmId, args });
    const [first] = args;
    const startFence = method === "start" && typeof first === "object" ? first.fence : undefined;
    this.#pending.set(call, { method, startFence, settle: resolve, fail: reject });
    return promise;
  }

  /** Lets simulated time pass for the thread's guests. */
  tick(elapsedMs: number, onlyAtRate: boolean): void {
    if (this.#worker === undefined) return;
    this.#waitingMs += elapsedMs;
    if (this.#tickingMs > 0) {
      this.#silentTicks += 1;
      const silentMs = performance.now() - this.#tickSentAtMs;
      if (this.#silentTicks >= SILENT_TICKS && silentMs >= (this.#ports.silentMs ?? CELL_THREAD_SILENT_MS)) {
        this.#lose(this.#worker, "it gave no sign of life");
      }
      return;
    }
    [this.#tickingMs, this.#waitingMs, this.#silentTicks] = [this.#waitingMs, 0, 0];
    this.#tickSentAtMs = performance.now();
    this.#post({ kind: "tick", elapsedMs: this.#tickingMs, onlyAtRate });
  }

  /** Ends the guests and the thread. */
  async close(): Promise<void> {
    const worker = this.#detach();
    this.#failAll("the driver is closed");
    if (worker === undefined) return;
    const end = once(worker, "exit");
    worker.postMessage({ kind: "end" } satisfies ToCellThread);
    const terminate = setTimeout(() => void worker.terminate(), CELL_THREAD_END_MS);
    await end.catch(() => undefined);
    clearTimeout(terminate);
  }

  #post(message: ToCellThread): void {
    this.#worker ??= this.#spawn();
    this.#worker.postMessage(message);
  }

  #spawn(): Worker {
    const url = this.#ports.threadUrl ?? new URL("./cell-thread-worker.ts", import.meta.url);
    const worker = new Worker(url, {
      workerData: this.#data,
      name: "bioxen-cells",
      resourceLimits: { maxYoungGenerationSizeMb: CELL_THREAD_YOUNG_MB },
    });
    worker.on("message", (packet: Packet) => {
      for (const message of packet) if (worker === this.#worker) this.#receive(message);
    });
    worker.on("error", (error) => this.#lose(worker, `it failed: ${messageOf(error)}`));
    worker.on("messageerror", (error) => this.#lose(worker, `its message was lost: ${messageOf(error)}`));
    worker.on("exit", () => this.#lose(worker, "it ended"));
    return worker;
  }

  #receive(message: FromCellThread): void {
    if (message.kind === "ticked") {
      this.#tickingMs = 0;
      return;
    }
    if (message.kind === "samples") {
      this.#ports.onSamples(message.vmIds, message.samples, message.outputs ?? {});
      return;
    }
    if (message.kind === "event") {
      if (message.guest !== undefined) this.#ports.onGuest(message.event.vmId, message.guest);
      this.#ports.onEvent(message.event);
      return;
    }
    const { call, vmId, guest, result, error } = message;
    const pending = this.#pending.get(call);
    this.#pending.delete(call);
    this.#ports.onGuest(vmId, guest, pending?.startFence);
    if (error !== undefined) pending?.fail(receivedError(error));
    else pending?.settle(result as never);
  }

  #lose(worker: Worker, why: string): void {
    if (worker !== this.#worker) return;
    void this.#detach()?.terminate();
    this.#ports.onLost(why);
    this.#failAll(`the thread of the cell ended: ${why}`);
  }

  #failAll(message: string): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { method, fail } of pending) {
      // It is unknown whether a program had run.
      fail(new DriverError("UNAVAILABLE", message, { retryable: method !== "exec" }));
    }
  }

  #detach(): Worker | undefined {
    const worker = this.#worker;
    this.#worker = undefined;
    [this.#tickingMs, this.#waitingMs, this.#silentTicks] = [0, 0, 0];
    return worker;
  }
}
