/**
 * An example of a third-party driver. Its guest is a mass that doubles, faster with more ribosomes. The driver supports
 * neither Lua nor checkpoints, and its capabilities declare that. BioXen answers a request for one of them with
 * `UNSUPPORTED`.
 *
 * `BIOXEN_DRIVER=@bioxen-examples/third-party-driver` selects this driver for the `basic` VMs of an agent.
 */
import {
  type DriverCapabilities,
  DriverError,
  Fences,
  type GuestEvent,
  type GuestSample,
  type GuestSpec,
  type GuestStatus,
  type VmDriver,
} from "@bioxen/vm-driver";

/** Doubling time with unlimited ribosomes, minutes. */
const FASTEST_DOUBLING_MINUTES = 30;
/** Number of ribosomes at which a guest grows at half of the maximum rate. */
const HALF_SATURATION = 250;

const CAPABILITIES: DriverCapabilities = {
  vmType: "basic",
  exec: false,
  pause: true,
  liveResize: true,
  snapshot: false,
  clock: "host",
  keepsStopped: false,
  meters: ["ribosomes"],
  maxExecTimeoutMs: 0,
};

interface Guest {
  readonly spec: GuestSpec;
  state: "running" | "paused";
  allocation: Readonly<Record<string, number>>;
  simMinutes: number;
  /**
   * Number of doublings of the guest's mass since its start, including the fraction of the present one. The guest
   * divides at each whole number.
   */
  generations: number;
}

export interface Host {
  readonly timeScaleMinutesPerSecond: number;
}

/** Returns the driver. The agent calls this function once at its start. */
export function createDriver(host: Host): VmDriver {
  return new ExponentialDriver(host.timeScaleMinutesPerSecond);
}

class ExponentialDriver implements VmDriver {
  readonly capabilities = CAPABILITIES;
  readonly #minutesPerSecond: number;
  readonly #fences = new Fences();
  readonly #guests = new Map<string, Guest>();
  readonly #listeners: ((event: GuestEvent) => void)[] = [];
  #closed = false;

  constructor(minutesPerSecond: number) {
    this.#minutesPerSecond = minutesPerSecond;
  }

  async start(spec: GuestSpec): Promise<void> {
    this.#requireOpen();
    if (spec.checkpoint !== undefined) throw unsupported("checkpoints");
    if (spec.program !== undefined) throw unsupported("programs");
    const held = this.#guests.get(spec.vmId)?.spec.fence;
    if (this.#fences.start(spec.vmId, spec.fence, held) === "same") return;
    const { allocation } = spec;
    const state = spec.startsPaused === true ? "paused" : "running";
    this.#guests.set(spec.vmId, { spec, state, allocation, simMinutes: 0, generations: 0 });
  }

  async restart(): Promise<never> {
    this.#requireOpen();
    throw unsupported("checkpoints");
  }

  async pause(vmId: string, fence: number): Promise<void> {
    this.#alive(vmId, fence).state = "paused";
  }

  async resume(vmId: string, fence: number): Promise<void> {
    this.#alive(vmId, fence).state = "running";
  }

  async stop(vmId: string, fence: number): Promise<void> {
    this.#requireOpen();
    this.#fences.stop(vmId, fence, this.#guests.get(vmId)?.spec.fence);
    this.#guests.delete(vmId);
  }

  async resize(vmId: string, fence: number, allocation: Readonly<Record<string, number>>): Promise<void> {
    this.#alive(vmId, fence).allocation = allocation;
  }

  async exec(): Promise<never> {
    throw unsupported("exec");
  }

  async snapshot(): Promise<never> {
    this.#requireOpen();
    throw unsupported("checkpoints");
  }

  sample(vmId: string): GuestSample | undefined {
    const guest = this.#guests.get(vmId);
    return guest === undefined ? undefined : sampleOf(guest);
  }

  async whenReady(): Promise<void> {}

  list(): readonly GuestStatus[] {
    return [...this.#guests.values()]
      .map(({ spec: { vmId, fence }, state }) => ({ vmId, fence, state }))
      .sort((a, b) => (a.vmId < b.vmId ? -1 : 1));
  }

  guest(vmId: string): GuestStatus | undefined {
    const guest = this.#guests.get(vmId);
    return guest && { vmId, fence: guest.spec.fence, state: guest.state };
  }

  kept(): readonly never[] {
    return [];
  }

  async discard(): Promise<void> {}

  onGuestEvent(listener: (event: GuestEvent) => void): void {
    this.#listeners.push(listener);
  }

  tick(elapsedMs: number): void {
    const minutes = (elapsedMs / 1000) * this.#minutesPerSecond;
    for (const guest of this.#guests.values()) {
      if (guest.state !== "running") continue;
      const before = Math.floor(guest.generations);
      guest.simMinutes += minutes;
      guest.generations += minutes * doublingsPerMinute(guest.allocation);
      const divisions = Math.floor(guest.generations) - before;
      const { vmId, fence } = guest.spec;
      if (divisions > 0)
        for (const tell of this.#listeners) tell({ kind: "divided", vmId, fence, divisions });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#guests.clear();
  }

  #requireOpen(): void {
    if (this.#closed) throw new DriverError("UNAVAILABLE", "the driver is closed");
  }

  #alive(vmId: string, fence: number): Guest {
    this.#requireOpen();
    const guest = this.#guests.get(vmId);
    this.#fences.touch(vmId, fence, guest?.spec.fence);
    if (guest === undefined) throw new DriverError("GUEST_NOT_FOUND", `"${vmId}" is not here`);
    return guest;
  }
}

function unsupported(what: string): DriverError {
  return new DriverError("UNSUPPORTED", `the exponential driver has no ${what}`);
}

function doublingsPerMinute(allocation: Readonly<Record<string, number>>): number {
  const ribosomes = allocation["ribosomes"] ?? 0;
  return ribosomes / (ribosomes + HALF_SATURATION) / FASTEST_DOUBLING_MINUTES;
}

function sampleOf({ allocation, simMinutes, generations, state }: Guest): GuestSample {
  const rate = state === "running" ? doublingsPerMinute(allocation) : 0;
  const cap = allocation["ribosomes"] ?? 0;
  return {
    simMinutes,
    growthRatePerMinute: rate * Math.LN2,
    doublingTimeMinutes: rate === 0 ? null : 1 / rate,
    ribosomes: { total: cap, engaged: state === "running" ? cap : 0, cap },
    atp: { molecules: 0, perSecond: 0, capPerSecond: allocation["atpPerSecond"] ?? 0 },
    rnaPolymerases: { cap: allocation["rnaPolymerases"] ?? 0 },
    proteinAminoAcids: 0,
    divisions: Math.floor(generations),
    luaInstructions: 0,
    health: Math.min(100, Math.round(rate * FASTEST_DOUBLING_MINUTES * 150)),
    lagMs: 0,
  };
}
