/**
 * What a driver measures of its guests.
 */

/** The latest measurement of a guest: the VM telemetry of the contract without `vmId`, `chassisId`, `atMs`. */
export interface GuestSample {
  /** Simulated time of the cell, minutes; for a machine without a cell, the time since its start. */
  readonly simMinutes: number;
  /** This field and those up to `luaInstructions` are absent for a guest without a cell. */
  readonly growthRatePerMinute?: number | undefined;
  /** Time in which the cell doubles; null while the cell does not grow. */
  readonly doublingTimeMinutes?: number | null | undefined;
  readonly ribosomes?: { readonly total: number; readonly engaged: number; readonly cap: number } | undefined;
  readonly atp?:
    | { readonly molecules: number; readonly perSecond: number; readonly capPerSecond: number }
    | undefined;
  readonly rnaPolymerases?: { readonly cap: number } | undefined;
  readonly proteinAminoAcids?: number | undefined;
  readonly divisions?: number | undefined;
  /** Number of instructions that the guest's programs have executed since the guest started. */
  readonly luaInstructions?: number | undefined;
  /** The values that the cell's model declares as its outputs, and those of its genes; absent without any. */
  readonly outputs?: Readonly<Record<string, number>> | undefined;
  /** Health of the guest, 0 to 100. */
  readonly health: number;
  /** Measurements of a machine, with or without a cell in it; absent for a cell without a machine. */
  readonly machine?: MachineSample;
  /** Time by which the guest is behind the host's clock because the host is too slow, ms; 0 if the guest keeps up. */
  readonly lagMs: number;
}

/** The measurements of a machine, made by the host that runs the machine. A value is null while it is unknown. */
export interface MachineSample {
  readonly vcpus: number;
  /** Utilisation of all virtual CPUs together, permille. */
  readonly cpuPermille: number | null;
  readonly memoryMiB: number;
  /** Used memory, MiB; known only with the guest tools in the machine. */
  readonly memoryUsedMiB: number | null;
  readonly address: string | null;
  /** Name of the host that runs the machine. */
  readonly host: string | null;
  /** Time since the start of the machine, minutes. */
  readonly uptimeMinutes?: number | undefined;
  /**
   * The guest agent in the machine: with the state `running` the machine is a cell. null: no agent has reported, so it
   * is only a machine. Absent if the driver does not know of guest agents.
   */
  readonly agent?: MachineAgent | null | undefined;
}

/** The guest agent in a machine, as it reports itself. */
export interface MachineAgent {
  readonly version: string;
  /** Name of the cell model. */
  readonly model: string;
  readonly state: "waiting" | "running" | "failed";
  /** Why the agent has no living cell. */
  readonly reason?: string | undefined;
}
