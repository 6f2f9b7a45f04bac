/**
 * Colours of data. The scales are readable with every kind of colour vision (steps of viridis), and each value is also
 * in words: under the pointer, in the table, and for screen readers.
 */
import type { VmSample, VmView } from "../model/types.ts";

export type ColourBy = "growth" | "health" | "owner";

/** Viridis from low to high, in ten steps. */
const SCALE = [
  "#46307e",
  "#3e4c8a",
  "#355f8d",
  "#2a768e",
  "#218e8d",
  "#25a884",
  "#44bf70",
  "#7ad151",
  "#bddf26",
  "#fde725",
];
/** Okabe and Ito's categories, without black. */
const CATEGORIES = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c7ae6", "#7f8c4a"];

export interface Legend {
  readonly colour: string;
  readonly text: string;
}

function step(share: number): string {
  const at = Math.min(SCALE.length - 1, Math.max(0, Math.floor(share * SCALE.length)));
  return SCALE[at] ?? SCALE[0] ?? "";
}

/** A number from a name that stays the same: FNV-1a. */
function hash(text: string): number {
  let sum = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) sum = Math.imul(sum ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return sum;
}

export function ownerColour(owner: string): string {
  return CATEGORIES[hash(owner) % CATEGORIES.length] ?? "";
}

/** Minutes in which a cell of the type doubles at full demand: the contract's reference. */
const REFERENCE_MINUTES: Readonly<Record<string, number>> = { syn3a: 105, minimal_cell: 180, ecoli: 40 };

/** Growth relative to the reference rate of the type, 0 to about 1; undefined without a growing cell. */
export function relativeGrowth(vm: VmView, sample: VmSample | undefined): number | undefined {
  if (sample?.growthRatePerMinute === undefined) return undefined;
  const reference = Math.LN2 / (REFERENCE_MINUTES[vm.biologicalType] ?? 60);
  return sample.growthRatePerMinute / reference;
}

/** The colour of a cell; undefined when there is nothing to show, so that the cell is drawn hollow. */
export function colourOf(by: ColourBy, vm: VmView, sample: VmSample | undefined): string | undefined {
  if (by === "owner") return ownerColour(vm.owner);
  if (vm.state !== "running" || sample === undefined) return undefined;
  if (by === "health") return step(sample.health / 100.1);
  const growth = relativeGrowth(vm, sample);
  return growth === undefined ? undefined : step(growth / 1.05);
}

export function legendOf(by: ColourBy, owners: readonly string[]): readonly Legend[] {
  if (by === "owner") return owners.slice(0, 8).map((owner) => ({ colour: ownerColour(owner), text: owner }));
  const texts =
    by === "health" ? ["0", "25", "50", "75", "100"] : ["0 %", "25 %", "50 %", "75 %", "100 % of reference"];
  return texts.map((text, at) => ({ colour: step(at / 4.001), text }));
}

export const SERIES_COLOURS = CATEGORIES;
