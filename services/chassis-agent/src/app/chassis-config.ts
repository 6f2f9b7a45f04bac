/**
 * The chassis that an agent registers: `ecoli:2,yeast:1` stands for `ecoli-1`, `ecoli-2` and `yeast-1`.
 */
import { CHASSIS_TYPES, checkedBy, type HostRoom, oversubscribePermille } from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";

/** Maximum number of chassis of one type per agent. */
const MAX_PER_TYPE = 64;

export interface OwnChassis {
  readonly chassisId: string;
  readonly chassisType: string;
  /** Reads the present capacity of the chassis. Absent when the capacity is that of the chassis type. */
  readonly capacity?: () => Promise<Amounts>;
  /** Reads the hosts of a pool, each with what it has for VMs when it is empty. Absent for a chassis without hosts. */
  readonly hosts?: () => Promise<readonly HostRoom[]>;
  /** Returns the hosts with the memory that is free now, for heartbeats; undefined while it is unknown. */
  readonly freeHosts?: () => readonly HostRoom[] | undefined;
  /**
   * Returns how many failures of hosts a pool is to tolerate, and for how many it has a plan; undefined unless the plan
   * falls short. Absent for a chassis without hosts.
   */
  readonly failoverGap?: () => { readonly toTolerate: number; readonly planned: number } | undefined;
  /** Share of the real capacity that the ledger offers, in permille by resource. Absent without oversubscription. */
  readonly oversubscribePermille?: Amounts;
}

/** Parses a list of chassis. Throws `RangeError` that lists every problem. */
export function parseOwnChassis(text: string): OwnChassis[] {
  const problems: string[] = [];
  const out: OwnChassis[] = [];
  const seen = new Set<string>();
  const own = CHASSIS_TYPES.filter((type) => type !== "xcpng");
  for (const part of text.split(",").filter((p) => p.trim() !== "")) {
    const [type = "", count = "1", ...more] = part.trim().split(":");
    if (!own.some((known) => known === type))
      problems.push(`${part}: the type must be one of ${own.join(", ")}`);
    if (more.length > 0 || !/^[0-9]+$/.test(count) || Number(count) < 1 || Number(count) > MAX_PER_TYPE) {
      problems.push(`${part}: the number must be an integer from 1 to ${MAX_PER_TYPE}`);
    }
    if (seen.has(type)) problems.push(`${part}: ${type} is named twice`);
    seen.add(type);
    if (problems.length > 0) continue;
    for (let i = 1; i <= Number(count); i += 1) out.push({ chassisId: `${type}-${i}`, chassisType: type });
  }
  if (problems.length > 0) throw new RangeError(problems.join("; "));
  return out;
}

/**
 * Parses `ribosomes=1500,atpPerSecond=2000`; undefined for an empty text. Throws `RangeError` that lists every problem.
 */
export function parseOversubscription(text: string): Amounts | undefined {
  const parts = text.split(",").filter((part) => part.trim() !== "");
  if (parts.length === 0) return undefined;
  const pairs = parts.map((part) => part.trim().split("="));
  const parsed = checkedBy(
    oversubscribePermille,
    Object.fromEntries(pairs.map(([name = "", permille = ""]) => [name, Number(permille)])),
  );
  if (parsed.success) return parsed.data as Amounts;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new RangeError(problems.join("; "));
}

/** Returns the chassis with this oversubscription set on each of them. */
export function oversubscribed(
  chassis: readonly OwnChassis[],
  permille: Amounts | undefined,
): readonly OwnChassis[] {
  return permille === undefined
    ? chassis
    : chassis.map((one) => ({ ...one, oversubscribePermille: permille }));
}
