/**
 * Samples as numbers: a thread sends those of thousands of guests as one array, which costs the agent's thread nothing
 * until it reads a sample.
 */
import type { GuestSample } from "@bioxen/vm-driver";

/** One sample: {@link ROW_LENGTH} numbers. NaN: absent. */
export type SampleRow = Float64Array;

export const ROW_LENGTH = 15;
const NO_GROWTH = -1;

export function sampleRow(sample: GuestSample): SampleRow {
  const { ribosomes, atp, rnaPolymerases, doublingTimeMinutes } = sample;
  return Float64Array.of(
    sample.simMinutes,
    sample.health,
    sample.lagMs,
    ...[
      sample.growthRatePerMinute,
      doublingTimeMinutes === null ? NO_GROWTH : doublingTimeMinutes,
      ribosomes?.total,
      ribosomes?.engaged,
      ribosomes?.cap,
      atp?.molecules,
      atp?.perSecond,
      atp?.capPerSecond,
      rnaPolymerases?.cap,
      sample.proteinAminoAcids,
      sample.divisions,
      sample.luaInstructions,
    ].map((value) => value ?? Number.NaN),
  );
}

/** Returns the sample that starts at `offset` of the rows. */
export function sampleOf(rows: Float64Array, offset = 0): GuestSample {
  const at = (index: number): number => rows[offset + index] ?? Number.NaN;
  const [growth, doubling] = [at(3), at(4)];
  const [total, engaged, cap] = [at(5), at(6), at(7)];
  const [molecules, perSecond, capPerSecond] = [at(8), at(9), at(10)];
  return {
    simMinutes: at(0),
    health: at(1),
    lagMs: at(2),
    ...present("growthRatePerMinute", growth),
    ...(Number.isNaN(doubling) ? {} : { doublingTimeMinutes: doubling === NO_GROWTH ? null : doubling }),
    ...(Number.isNaN(total) ? {} : { ribosomes: { total, engaged, cap } }),
    ...(Number.isNaN(molecules) ? {} : { atp: { molecules, perSecond, capPerSecond } }),
    ...(Number.isNaN(at(11)) ? {} : { rnaPolymerases: { cap: at(11) } }),
    ...present("proteinAminoAcids", at(12)),
    ...present("divisions", at(13)),
    ...present("luaInstructions", at(14)),
  };
}

function present<Name extends string>(name: Name, value: number): { readonly [name in Name]?: number } {
  return Number.isNaN(value) ? {} : ({ [name]: value } as { readonly [name in Name]?: number });
}
