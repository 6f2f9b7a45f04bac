/**
 * Chassis types as data: a new type is one file. Every number has a unit and a source; the source of a number that is
 * not measured is `chosen limit`.
 *
 * When a chassis is registered, the scheduler copies the values of its type into the registration. Only the scheduler
 * therefore needs the file of a new type.
 */

import { MAX_AMOUNT } from "@bioxen/kernel";
import * as z from "zod";
import ecoli from "./chassis-types/ecoli.json" with { type: "json" };
import orthogonal from "./chassis-types/orthogonal.json" with { type: "json" };
import xcpng from "./chassis-types/xcpng.json" with { type: "json" };
import yeast from "./chassis-types/yeast.json" with { type: "json" };
import { checkedBy } from "./issue-words.ts";
import {
  CELL_RESOURCES,
  type ChassisDefaults,
  type ChassisType,
  DEFAULT_OVERHEAD_PERMILLE,
  POOL_RESOURCES,
  RESOURCE_NAMES,
  VM_TYPES,
  type VmType,
} from "./resources.ts";
import { MAX_VMS_PER_CHASSIS } from "./schemas.ts";

const quantity = (most: number) =>
  z.strictObject({
    value: z.int().min(0).max(most),
    unit: z.string().min(1),
    source: z.string().min(1),
  });

const chassisTypeFile = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/, "is not a valid type name"),
    hosts: z.enum(VM_TYPES),
    capacity: z.partialRecord(z.enum(RESOURCE_NAMES), quantity(MAX_AMOUNT)),
    /** Hypervisor overhead, permille; absent: the default of all types applies. */
    overheadPermille: quantity(1_000).optional(),
    maxVms: quantity(MAX_VMS_PER_CHASSIS),
  })
  .superRefine(({ hosts, capacity }, context) => {
    const own: readonly string[] = resourcesOfHost(hosts);
    for (const name of Object.keys(capacity)) {
      if (own.includes(name)) continue;
      const message = `is not a resource of a chassis that hosts ${hosts} VMs`;
      context.addIssue({ code: "custom", path: ["capacity", name], message });
    }
    // Only a `basic` type must name its capacity: the capacity of a pool is read from its hosts.
    for (const name of hosts === "basic" ? own : []) {
      if (name in capacity) continue;
      context.addIssue({ code: "custom", path: ["capacity", name], message: "is missing" });
    }
  });

export interface ChassisTypeData extends ChassisDefaults {
  readonly name: string;
  readonly hosts: VmType;
  /** The resources that a chassis of this type can have. */
  readonly resources: readonly string[];
  readonly overheadPermille: number;
}

function resourcesOfHost(hosts: VmType): readonly string[] {
  return hosts === "basic" ? CELL_RESOURCES : POOL_RESOURCES;
}

/** Parses the content of a chassis type file. Throws `RangeError` with the file name and every problem in it. */
export function parseChassisType(file: string, content: unknown): ChassisTypeData {
  const parsed = checkedBy(chassisTypeFile, content);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`.trim());
    throw new RangeError(`${file}: ${problems.join("; ")}`);
  }
  const { name, hosts, capacity, overheadPermille, maxVms } = parsed.data;
  const amounts = Object.entries(capacity).map(([resource, { value }]) => [resource, value] as const);
  return {
    name,
    hosts,
    resources: resourcesOfHost(hosts),
    capacity: Object.fromEntries(amounts.sort(([a], [b]) => (a < b ? -1 : 1))),
    overheadPermille: overheadPermille?.value ?? DEFAULT_OVERHEAD_PERMILLE,
    maxVms: maxVms.value,
  };
}

/** The chassis types that come with BioXen. */
export const BUILT_IN_CHASSIS_TYPES: Readonly<Record<ChassisType, ChassisTypeData>> = {
  ecoli: parseChassisType("ecoli.json", ecoli),
  yeast: parseChassisType("yeast.json", yeast),
  orthogonal: parseChassisType("orthogonal.json", orthogonal),
  xcpng: parseChassisType("xcpng.json", xcpng),
};

const { ecoli: ECOLI, yeast: YEAST, orthogonal: ORTHOGONAL } = BUILT_IN_CHASSIS_TYPES;

/**
 * Default capacity of each chassis type, including the hypervisor's own share, and default maximum number of VMs. A
 * pool has no defaults: its capacity is read from its hosts.
 */
export const CHASSIS_DEFAULTS: Readonly<Record<Exclude<ChassisType, "xcpng">, ChassisDefaults>> = {
  ecoli: { capacity: ECOLI.capacity, maxVms: ECOLI.maxVms },
  yeast: { capacity: YEAST.capacity, maxVms: YEAST.maxVms },
  orthogonal: { capacity: ORTHOGONAL.capacity, maxVms: ORTHOGONAL.maxVms },
};

/** Returns the built-in types and `others`, by name. Throws `RangeError` when two types have the same name. */
export function chassisTypesWith(others: readonly ChassisTypeData[]): ReadonlyMap<string, ChassisTypeData> {
  const all = new Map(Object.entries(BUILT_IN_CHASSIS_TYPES));
  const taken: string[] = [];
  for (const type of others) {
    if (all.has(type.name)) taken.push(type.name);
    all.set(type.name, type);
  }
  if (taken.length > 0)
    throw new RangeError(`chassis types defined twice: ${taken.join(", ")}: rename one of each`);
  return all;
}
