/**
 * What a spec asks of the cell in its machine, and what the machine boots its cell with.
 *
 * A machine without the guest agent ignores type and seed. A spec that asks for more than these needs the agent: it
 * would otherwise run as something else than was asked for.
 */
import {
  CELL_RESOURCES,
  type CellIdentity,
  type CellSpec,
  MAX_XENSTORE_VALUE_BYTES,
} from "@bioxen/guest-agent/protocol";
import type { GuestSpec } from "@bioxen/vm-driver";

/** Settings in the `config` of a VM that are those of its cell; every other one is the machine's. */
export const CELL_SETTINGS: readonly string[] = [
  "model",
  "parameters",
  "parameterSet",
  "noise",
  "partitionNoise",
  "age",
  "lineage",
  "genes",
];

type Amounts = Readonly<Record<string, number>>;

/** Returns the part of an allocation that limits the cell. */
export function cellAllocation(allocation: Amounts): Amounts {
  const named = CELL_RESOURCES.flatMap((name) => {
    const amount = allocation[name];
    return amount === undefined ? [] : [[name, amount] as const];
  });
  return Object.fromEntries(named);
}

/** Returns what the spec asks of a cell, in words; empty when the machine serves it without a cell. */
export function cellNeeds({ allocation, environment = {}, program, config }: GuestSpec): readonly string[] {
  const settings = CELL_SETTINGS.filter((name) => config[name] !== undefined);
  return [
    ...Object.keys(cellAllocation(allocation)),
    ...Object.keys(environment).map((name) => `environment.${name}`),
    ...settings.map((name) => `config.${name}`),
    ...(program === undefined ? [] : ["program"]),
  ];
}

export const needsCell = (spec: GuestSpec): boolean => cellNeeds(spec).length > 0;

/**
 * Returns the spec of the cell in the machine. A revert of the machine brings the stored cell back with the disk, so the
 * cell always continues: its count of restores stays 0.
 */
export function cellSpecOf(spec: GuestSpec): CellSpec {
  const { vmId, incarnation, fence, biologicalType, seed, environment, program, config } = spec;
  const own = Object.entries(config).filter(([name]) => CELL_SETTINGS.includes(name));
  return {
    vmId,
    incarnation,
    fence,
    biologicalType,
    seed,
    allocation: cellAllocation(spec.allocation),
    ...(environment === undefined ? {} : { environment }),
    ...(program === undefined ? {} : { program }),
    config: Object.fromEntries(own),
    restores: 0,
  };
}

/**
 * Returns the identity that the machine reads in xenstore. A program, and settings that are larger than a value of
 * xenstore, are delivered with the request `boot` instead, so that the machine waits for that request.
 */
export function identityOf(spec: GuestSpec, timeScale: number): CellIdentity {
  const { program, config, environment = {}, restores = 0, ...rest } = cellSpecOf(spec);
  const isTooLarge = Buffer.byteLength(JSON.stringify(config)) > MAX_XENSTORE_VALUE_BYTES;
  const boot = program !== undefined || isTooLarge ? "ssh" : "xenstore";
  const { allocation } = spec;
  return { ...rest, allocation, environment, restores, config: isTooLarge ? {} : config, timeScale, boot };
}
