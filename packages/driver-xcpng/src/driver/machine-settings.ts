/**
 * The settings of a machine, read from a guest's spec and validated completely before the pool is called.
 */
import { DriverError, type GuestSpec } from "@bioxen/vm-driver";
import { CELL_SETTINGS } from "./cell-settings.ts";
import {
  DEFAULT_SHUTDOWN_GRACE_MS,
  MAX_MEMORY_MIB,
  MAX_SHUTDOWN_GRACE_MS,
  MAX_VCPUS,
  MIN_MEMORY_MIB,
  WEIGHT_OF_PRIORITY_1,
} from "./limits.ts";

export interface MachineSettings {
  /** Name or uuid of the template from which the machine is cloned. */
  readonly template: string;
  readonly storage: string | undefined;
  readonly network: string | undefined;
  /** Uuid of the orphan that the VM's first start takes over instead of a new machine; see `orphans.ts`. */
  readonly machine: string | undefined;
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** Largest number of virtual CPUs that the running machine can get without a restart; at least `vcpus`. */
  readonly maxVcpus: number;
  /** Largest memory that the running machine can get without a restart, MiB; at least `memoryMiB`. */
  readonly maxMemoryMiB: number;
  /** Weight in Xen's credit scheduler: under contention, twice the weight gets twice the processor time. */
  readonly weight: number;
  /** Maximum processor time of the machine, in hundredths of one physical CPU; 0 means no limit. */
  readonly cap: number;
  /** Time that a clean shutdown may take before the machine is switched off, ms; 0 switches it off at once. */
  readonly graceMs: number;
}

const KNOWN = [
  "template",
  "storage",
  "network",
  "machine",
  "maxVcpus",
  "maxMemoryMiB",
  "cpuSharePercent",
  "shutdown",
  "shutdownGraceMs",
];

/**
 * Reads the settings of `spec`. The maxima of its config limit live growth only: a VM that was resized above them has as
 * much as it was granted from its next start on. Throws a `BAD_REQUEST` error that lists every problem.
 */
export function machineSettingsOf(spec: GuestSpec, defaults: { readonly template: string }): MachineSettings {
  const problems: string[] = [];
  const { config, allocation } = spec;
  for (const name of Object.keys(config)) {
    if (!KNOWN.includes(name) && !CELL_SETTINGS.includes(name))
      problems.push(`config.${name} is not a setting of an xcpng VM`);
  }
  const text = (name: string): string | undefined => {
    const value = config[name];
    if (value === undefined) return undefined;
    if (typeof value === "string" && value !== "") return value;
    problems.push(`config.${name} must be a name or a uuid`);
    return undefined;
  };
  const integer = (what: string, value: unknown, least: number, most: number): number => {
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
    problems.push(`${what} must be an integer from ${least} to ${most}`);
    return least;
  };
  const vcpus = integer("vcpus", allocation["vcpus"], 1, MAX_VCPUS);
  const memoryMiB = integer("memoryMiB", allocation["memoryMiB"], MIN_MEMORY_MIB, MAX_MEMORY_MIB);
  const mostMiB = config["maxMemoryMiB"] ?? memoryMiB;
  const maxMemoryMiB = integer("config.maxMemoryMiB", mostMiB, MIN_MEMORY_MIB, MAX_MEMORY_MIB);
  const share = integer("config.cpuSharePercent", config["cpuSharePercent"] ?? 100, 1, 100);
  const how = config["shutdown"] ?? "clean";
  if (how !== "clean" && how !== "hard") problems.push('config.shutdown must be "clean" or "hard"');
  const grace = config["shutdownGraceMs"] ?? DEFAULT_SHUTDOWN_GRACE_MS;
  const priority = Math.min(5, Math.max(1, spec.priority ?? 1));
  const settings: MachineSettings = {
    template: text("template") ?? defaults.template,
    storage: text("storage"),
    network: text("network"),
    machine: text("machine"),
    vcpus,
    memoryMiB,
    maxVcpus: Math.max(vcpus, integer("config.maxVcpus", config["maxVcpus"] ?? vcpus, 1, MAX_VCPUS)),
    maxMemoryMiB: Math.max(memoryMiB, maxMemoryMiB),
    weight: WEIGHT_OF_PRIORITY_1 * 2 ** (priority - 1),
    cap: share === 100 ? 0 : share * vcpus,
    graceMs: integer("config.shutdownGraceMs", how === "hard" ? 0 : grace, 0, MAX_SHUTDOWN_GRACE_MS),
  };
  if (problems.length > 0)
    throw new DriverError("BAD_REQUEST", problems.join("; "), { details: { problems } });
  return settings;
}
