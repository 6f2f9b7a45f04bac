/**
 * Which chassis an agent brings with it: `ecoli:2,yeast:1` is `ecoli-1`, `ecoli-2` and `yeast-1`.
 */
import { CHASSIS_TYPES, oversubscribePermille } from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";

/** Chassis of one type one agent may bring. */
const MAX_PER_TYPE = 64;

export interface OwnChassis {
  readonly chassisId: string;
  readonly chassisType: string;
  /** Where it is not configuration but read from elsewhere, again and again. */
  readonly capacity?: () => Promise<Amounts>;
  /** Of what there is, the thousandths its ledger gives away; absent: no resource is oversubscribed. */
  readonly oversubscribePermille?: Amounts;
}

/** Throws `RangeError` with every problem. */
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

/** `ribosomes=1500,atpPerSecond=2000`; undefined when there is nothing in it. Throws `RangeError` with every problem. */
export function parseOversubscription(text: string): Amounts | undefined {
  const parts = text.split(",").filter((part) => part.trim() !== "");
  if (parts.length === 0) return undefined;
  const pairs = parts.map((part) => part.trim().split("="));
  const parsed = oversubscribePermille.safeParse(
    Object.fromEntries(pairs.map(([name = "", permille = ""]) => [name, Number(permille)])),
  );
  if (parsed.success) return parsed.data as Amounts;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new RangeError(problems.join("; "));
}

/** These chassis, so much oversubscribed. */
export function oversubscribed(
  chassis: readonly OwnChassis[],
  permille: Amounts | undefined,
): readonly OwnChassis[] {
  return permille === undefined
    ? chassis
    : chassis.map((one) => ({ ...one, oversubscribePermille: permille }));
}
