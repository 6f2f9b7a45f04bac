/**
 * A connection to a BioXen: calls by the name of the endpoint, and the factories of VMs.
 */
import type {
  BiologicalType,
  CreateRequest,
  EndpointName,
  RequestOf,
  ResultOf,
  VmType,
  VmView,
} from "@bioxen/contracts";
import {
  type Bus,
  type ConnectionSettings,
  connectBus,
  findSettings,
  type TlsSettings,
} from "@bioxen/nats/client";
import { Calls, type Connection } from "./calls.ts";
import { asBioxenError, BioxenError, type WatchError } from "./errors.ts";
import { EventWatch, type WatchEventsOptions } from "./event-watch.ts";
import { ClientJobs } from "./jobs.ts";
import { BioVm } from "./vm.ts";

export interface ConnectOptions {
  /**
   * URL of the server, or several URLs: `nats://host:4222`, in a browser `wss://host:port`. A URL may carry a login:
   * `nats://user:password@host`, `tls://token@host`. Default in Node: `BIOXEN_NATS_URL`, else the local stack, as for
   * the `bioxen` command.
   */
  readonly servers?: string | readonly string[];
  /**
   * Credentials: in Node the path of a file with an nkey seed or of a `.creds` file, which is read again at every
   * reconnect; in a browser the content of such a file. Default in Node: `BIOXEN_NATS_CREDS`.
   */
  readonly creds?: string;
  /**
   * Paths of PEM files, or PEM texts; their presence asks for TLS. Default in Node: `BIOXEN_NATS_CA`,
   * `BIOXEN_NATS_CERT` and `BIOXEN_NATS_KEY`. Not for browsers, which choose certificates themselves.
   */
  readonly tls?: TlsSettings;
  /** JetStream domain of the streams. Default in Node: `BIOXEN_NATS_DOMAIN`, else the domain of the server. */
  readonly domain?: string;
  /** Deadline of each request, ms; default {@link DEFAULT_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

export const DEFAULT_TIMEOUT_MS = 10_000;
/** Longest wait for one answer of JetStream, ms; a healthy server answers within milliseconds. */
const MAX_REQUEST_TIMEOUT_MS = 5_000;

/** Settings of a new VM: the fields of the contract's create command except id and types. */
export type VmConfig = Omit<CreateRequest, "vmId" | "biologicalType" | "vmType">;

/**
 * Connects to a BioXen. Throws {@link BioxenError}:
 * - UNAVAILABLE when the options name no server and no default server is found, or no server answers within 10 s.
 * - UNAVAILABLE at once when a server refuses the login or TLS (`details.reason`: `login` or `tls`).
 * - BAD_REQUEST with every problem of a URL or file.
 */
export async function connect(options: ConnectOptions = {}): Promise<Bioxen> {
  const { timeoutMs, ...given } = options;
  const settings = await findSettings(given);
  if (settings === undefined) {
    const message =
      "no server is named: pass { servers }; in Node, BIOXEN_NATS_URL or a local stack (`bioxen up`) names one too";
    throw new BioxenError({ code: "UNAVAILABLE", message, retryable: false });
  }
  return connectTo(settings, timeoutMs);
}

/** Connects with these settings only, and ignores the environment and any local stack. */
export async function connectTo(
  settings: ConnectionSettings,
  timeoutMs: number = DEFAULT_TIMEOUT_MS,
): Promise<Bioxen> {
  try {
    const requestTimeoutMs = Math.min(MAX_REQUEST_TIMEOUT_MS, timeoutMs);
    const bus = await connectBus({ ...settings, name: "bioxen-client", requestTimeoutMs });
    return new Bioxen(bus, timeoutMs);
  } catch (thrown) {
    throw asBioxenError(thrown);
  }
}

export class Bioxen implements Connection {
  readonly bus: Bus;
  readonly timeoutMs: number;
  /** Durable commands: stored at once, and carried out when the service that owns them runs. */
  readonly jobs: ClientJobs;
  readonly #calls: Calls;
  readonly #watches = new Set<EventWatch>();
  readonly #onClose: (() => Promise<void>)[] = [];

  constructor(bus: Bus, timeoutMs: number) {
    this.bus = bus;
    this.timeoutMs = timeoutMs;
    this.jobs = new ClientJobs(bus, this);
    this.#calls = new Calls(bus, { timeoutMs });
  }

  /**
   * Calls an endpoint of the catalogue. Every call but `vmExec` is repeated under one message id until `timeoutMs` has
   * passed, as long as no service replies or the refusal is transient (UNAVAILABLE, RATE_LIMITED, CONFLICT). The pause
   * between two attempts is at least the `retryAfterMs` of the refusal, if the refusal has this field.
   * Throws {@link BioxenError} with the code of the refusal, or UNAVAILABLE when no service replies.
   */
  async call<N extends EndpointName>(
    name: N,
    request: RequestOf<N>,
    timeoutMs?: number,
  ): Promise<ResultOf<N>> {
    try {
      return await this.#calls.ask(name, request, timeoutMs === undefined ? {} : { timeoutMs });
    } catch (thrown) {
      throw asBioxenError(thrown);
    }
  }

  /** Creates a VM and returns its handle; the VM is not started. Throws {@link BioxenError} VM_ALREADY_EXISTS. */
  async createBioVm(
    vmId: string,
    biologicalType: BiologicalType,
    vmType: VmType = "basic",
    config: VmConfig = {},
  ): Promise<BioVm> {
    await this.call("vmCreate", { ...config, vmId, biologicalType, vmType });
    return this.vm(vmId);
  }

  /** Creates a VM under a new id, of `biologicalType` (default `syn3a`), and returns its handle. */
  async createBiologicalVm(
    vmType: VmType = "basic",
    config: VmConfig & { readonly biologicalType?: BiologicalType } = {},
  ): Promise<BioVm> {
    const { biologicalType = "syn3a", ...rest } = config;
    const { vm } = await this.call("vmCreate", { ...rest, biologicalType, vmType });
    return this.vm(vm.vmId);
  }

  /** Returns the handle of a VM without a call to any service; the VM need not exist. */
  vm(vmId: string): BioVm {
    return new BioVm(this, vmId);
  }

  /**
   * Returns all VMs that match the filter, in order of id. Destroyed VMs are included only with `state: "destroyed"`.
   */
  async list(filter: Omit<RequestOf<"vmList">, "cursor" | "limit"> = {}): Promise<VmView[]> {
    try {
      return await this.#calls.listAllVms(filter);
    } catch (thrown) {
      throw asBioxenError(thrown);
    }
  }

  /**
   * Returns the events of the log from sequence `from` on (default: from now on), and then every new one: in order,
   * each once, across lost connections and server restarts. To resume in another process, store the last `seq`.
   *
   * The iteration ends by `break`, `return()`, `signal` or `close()`. It rejects with {@link WatchError} when it cannot
   * deliver the next event. Throws {@link BioxenError} BAD_REQUEST for invalid options.
   */
  watchEvents(options: WatchEventsOptions = {}): EventWatch {
    return new EventWatch(this.bus, options, this.#watches);
  }

  /** Registers a callback that `close()` awaits after it has closed the bus. */
  onClose(callback: () => Promise<void>): void {
    this.#onClose.push(callback);
  }

  /** Ends all watches, closes the connection, and awaits the callbacks of {@link onClose}. */
  async close(): Promise<void> {
    await Promise.all([...this.#watches].map((watch) => watch.return()));
    await this.bus.close();
    for (const callback of this.#onClose.splice(0)) await callback();
  }
}
