/**
 * A connection to a BioXen: calls by name of the endpoint, and the factories of VMs.
 */
import { randomUUID } from "node:crypto";
import {
  type BiologicalType,
  type CreateRequest,
  ENDPOINTS,
  type EndpointName,
  type RequestOf,
  type ResultOf,
  type VmType,
  type VmView,
} from "@bioxen/contracts";
import type { Reply } from "@bioxen/kernel";
import { type Bus, connectBus } from "@bioxen/nats";
import { asBioxenError, BioxenError } from "./errors.ts";
import { EventWatch, type WatchEventsOptions } from "./event-watch.ts";
import { insist } from "./insist.ts";
import { ClientJobs } from "./jobs.ts";
import { BioVm } from "./vm.ts";

export interface ConnectOptions {
  /** `nats://host:4222`, or several. */
  readonly servers: string | readonly string[];
  /** Deadline of each request, ms; default {@link DEFAULT_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

export const DEFAULT_TIMEOUT_MS = 10_000;

/** What a VM is made with beside its types: the contract's create command. */
export type VmConfig = Omit<CreateRequest, "vmId" | "biologicalType" | "vmType">;

/** Throws {@link BioxenError} UNAVAILABLE when no server answers. */
export async function connect(options: ConnectOptions): Promise<Bioxen> {
  try {
    const bus = await connectBus({ servers: options.servers, name: "bioxen-client" });
    return new Bioxen(bus, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  } catch (thrown) {
    throw asBioxenError(thrown);
  }
}

export class Bioxen {
  readonly bus: Bus;
  readonly timeoutMs: number;
  /** Durable commands: stored now, carried out once their owner is there. */
  readonly jobs: ClientJobs;
  readonly #watches = new Set<EventWatch>();
  readonly #onClose: (() => Promise<void>)[] = [];

  constructor(bus: Bus, timeoutMs: number) {
    this.bus = bus;
    this.timeoutMs = timeoutMs;
    this.jobs = new ClientJobs(bus);
  }

  /**
   * Calls an endpoint of the catalogue. Tried again under one message id when nobody answered, or "not now" was answered, until
   * `timeoutMs` has passed.
   * Throws {@link BioxenError} with the code of the refusal.
   */
  async call<N extends EndpointName>(
    name: N,
    request: RequestOf<N>,
    timeoutMs: number = this.timeoutMs,
  ): Promise<ResultOf<N>> {
    let reply: Reply;
    try {
      const options = { messageId: randomUUID(), timeoutMs, again: name !== "vmExec" };
      reply = await insist(this.bus, ENDPOINTS[name].subject, request, options);
    } catch (thrown) {
      throw asBioxenError(thrown);
    }
    if (!reply.ok) throw new BioxenError(reply.error);
    return reply as unknown as ResultOf<N>;
  }

  /** Creates a VM and returns its handle. The VM is not started. */
  async createBioVm(
    vmId: string,
    biologicalType: BiologicalType,
    vmType: VmType = "basic",
    config: VmConfig = {},
  ): Promise<BioVm> {
    await this.call("vmCreate", { ...config, vmId, biologicalType, vmType });
    return this.vm(vmId);
  }

  /** Creates a VM under an id of its own; a syn3a unless `biologicalType` says otherwise. */
  async createBiologicalVm(
    vmType: VmType = "basic",
    config: VmConfig & { readonly biologicalType?: BiologicalType } = {},
  ): Promise<BioVm> {
    const { biologicalType = "syn3a", ...rest } = config;
    const { vm } = await this.call("vmCreate", { ...rest, biologicalType, vmType });
    return this.vm(vm.vmId);
  }

  /** The handle of a VM, which may not exist. */
  vm(vmId: string): BioVm {
    return new BioVm(this, vmId);
  }

  /** Every VM that is not destroyed, in order of id. */
  async list(filter: Omit<RequestOf<"vmList">, "cursor" | "limit"> = {}): Promise<VmView[]> {
    const vms: VmView[] = [];
    let cursor: string | null = null;
    do {
      const page: ResultOf<"vmList"> = await this.call(
        "vmList",
        cursor === null ? filter : { ...filter, cursor },
      );
      vms.push(...page.vms);
      cursor = page.cursor;
    } while (cursor !== null);
    return vms;
  }

  /**
   * The events of the log from sequence `from` on (default: from now on), those to come too: in order, each once, across lost
   * connections and restarted servers. To go on in another process, remember the last `seq`. Ends by `break`, `return()`,
   * `signal` or `close()`; rejects with {@link WatchError} when what comes next cannot be given.
   * Throws {@link BioxenError} BAD_REQUEST for options that mean nothing.
   */
  watchEvents(options: WatchEventsOptions = {}): EventWatch {
    return new EventWatch(this.bus, options, this.#watches);
  }

  /** Called when this connection closes, after the bus has. */
  onClose(callback: () => Promise<void>): void {
    this.#onClose.push(callback);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#watches].map((watch) => watch.return()));
    await this.bus.close();
    for (const callback of this.#onClose.splice(0)) await callback();
  }
}
