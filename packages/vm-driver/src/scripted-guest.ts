/** One guest of the scripted driver. */
import type { GuestChange } from "./changes.ts";
import type { GuestSpec, GuestState, GuestStatus } from "./driver.ts";
import type { GuestSample } from "./guest-sample.ts";
import { beginningOf } from "./scripted-checkpoint.ts";

export interface Guest {
  spec: GuestSpec;
  state: GuestState;
  reason: string | undefined;
  allocation: Readonly<Record<string, number>>;
  simMinutes: number;
  instructions: number;
  /** The last minute of the guest; undefined: it has none. */
  lastMinute: number | undefined;
  /** The largest number of a change that the guest has got. */
  changed: number;
  /** Changes of the allocation that the guest has got and not reached. */
  coming: readonly GuestChange[];
}

export function newGuest(spec: GuestSpec): Guest {
  const { simMinutes, instructions } = beginningOf(spec);
  const { allocation, changes = [] } = spec;
  const changed = Math.max(0, ...changes.map(({ seq }) => seq));
  const guest: Guest = {
    spec,
    state: spec.startsPaused === true ? "paused" : "running",
    reason: undefined,
    allocation,
    simMinutes,
    instructions,
    lastMinute: spec.lastMinute,
    changed,
    coming: [],
  };
  for (const change of changes) expectChange(guest, change);
  return guest;
}

/** Lets the change of the allocation act when the guest reaches its minute. A scripted guest has no environment. */
export function expectChange(guest: Guest, change: GuestChange): void {
  if (change.allocation === undefined) return;
  const later = guest.coming.findIndex(({ simMinute }) => simMinute > change.simMinute);
  guest.coming = guest.coming.toSpliced(later < 0 ? guest.coming.length : later, 0, change);
  pass(guest, 0);
}

/** Lets simulated minutes pass, and the changes of these minutes act. */
export function pass(guest: Guest, minutes: number): void {
  guest.simMinutes = Math.min(guest.simMinutes + minutes, guest.lastMinute ?? Number.POSITIVE_INFINITY);
  const due = guest.coming.filter(({ simMinute }) => simMinute <= guest.simMinutes);
  guest.coming = guest.coming.slice(due.length);
  guest.allocation = due.at(-1)?.allocation ?? guest.allocation;
}

/** The sample of a scripted guest: only the clock, the caps and the instruction counter change. */
export function sampleOf(guest: Guest): GuestSample {
  const cap = (name: string): number => guest.allocation[name] ?? 0;
  return {
    simMinutes: guest.simMinutes,
    growthRatePerMinute: 0,
    doublingTimeMinutes: null,
    ribosomes: { total: 0, engaged: 0, cap: cap("ribosomes") },
    atp: { molecules: 0, perSecond: 0, capPerSecond: cap("atpPerSecond") },
    rnaPolymerases: { cap: cap("rnaPolymerases") },
    proteinAminoAcids: 0,
    divisions: 0,
    luaInstructions: guest.instructions,
    health: guest.state === "failed" ? 0 : 100,
    lagMs: 0,
  };
}

export function isAtLastMinute({ state, simMinutes, lastMinute }: Guest): boolean {
  return state !== "failed" && lastMinute !== undefined && simMinutes >= lastMinute;
}

export function statusOf(guest: Guest): GuestStatus {
  const { spec, state, reason } = guest;
  const status = { vmId: spec.vmId, fence: spec.fence, state };
  if (isAtLastMinute(guest)) return { ...status, atLastMinute: true };
  return reason === undefined ? status : { ...status, reason };
}
