/**
 * What a VM asks of the pool, out of a guest's spec, checked as a whole before anything is done.
 */
import { DriverError, type GuestSpec } from "@bioxen/vm-driver";
import {
  DEFAULT_SHUTDOWN_GRACE_MS,
  MAX_MEMORY_MIB,
  MAX_SHUTDOWN_GRACE_MS,
  MAX_VCPUS,
  MIN_MEMORY_MIB,
  WEIGHT_OF_PRIORITY_1,
} from "./limits.ts";

export interface Wishes {
  /** Name or uuid. */
  readonly template: string;
  readonly storage: string | undefined;
  readonly network: string | undefined;
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** Live growth goes up to here; more needs a restart. At least the present amounts. */
  readonly maxVcpus: number;
  readonly maxMemoryMiB: number;
  /** Of the credit scheduler: twice the weight gets twice the processor when it is short. */
  readonly weight: number;
  /** Hundredths of one physical CPU at most; 0: no bound. */
  readonly cap: number;
  readonly graceMs: number;
}

const KNOWN = [
  "template",
  "storage",
  "network",
  "maxVcpus",
  "maxMemoryMiB",
  "cpuSharePercent",
  "shutdown",
  "shutdownGraceMs",
];

/** Throws `BAD_REQUEST` with every problem. */
export function wishesOf(spec: GuestSpec, defaults: { readonly template: string }): Wishes {
  const problems: string[] = [];
  const { config, allocation } = spec;
  for (const name of Object.keys(config)) {
    if (!KNOWN.includes(name)) problems.push(`config.${name} means nothing to a VM of a pool`);
  }
  const text = (name: string): string | undefined => {
    const value = config[name];
    if (value === undefined) return undefined;
    if (typeof value === "string" && value !== "") return value;
    problems.push(`config.${name} must be a name or uuid`);
    return undefined;
  };
  const integer = (what: string, value: unknown, least: number, most: number): number => {
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
    problems.push(`${what} must be an integer from ${least} to ${most}`);
    return least;
  };
  const vcpus = integer("vcpus", allocation["vcpus"], 1, MAX_VCPUS);
  const memoryMiB = integer("memoryMiB", allocation["memoryMiB"], MIN_MEMORY_MIB, MAX_MEMORY_MIB);
  const share = integer("config.cpuSharePercent", config["cpuSharePercent"] ?? 100, 1, 100);
  const how = config["shutdown"] ?? "clean";
  if (how !== "clean" && how !== "hard") problems.push('config.shutdown must be "clean" or "hard"');
  const grace = config["shutdownGraceMs"] ?? DEFAULT_SHUTDOWN_GRACE_MS;
  const priority = Math.min(5, Math.max(1, spec.priority ?? 1));
  const wishes: Wishes = {
    template: text("template") ?? defaults.template,
    storage: text("storage"),
    network: text("network"),
    vcpus,
    memoryMiB,
    maxVcpus: integer("config.maxVcpus", config["maxVcpus"] ?? vcpus, vcpus, MAX_VCPUS),
    maxMemoryMiB: integer(
      "config.maxMemoryMiB",
      config["maxMemoryMiB"] ?? memoryMiB,
      memoryMiB,
      MAX_MEMORY_MIB,
    ),
    weight: WEIGHT_OF_PRIORITY_1 * 2 ** (priority - 1),
    cap: share === 100 ? 0 : share * vcpus,
    graceMs: integer("config.shutdownGraceMs", how === "hard" ? 0 : grace, 0, MAX_SHUTDOWN_GRACE_MS),
  };
  if (spec.program !== undefined) problems.push("program: a VM of a pool runs its own system, no Lua");
  if (problems.length > 0)
    throw new DriverError("BAD_REQUEST", problems.join("; "), { details: { problems } });
  return wishes;
}
