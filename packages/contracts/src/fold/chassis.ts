/**
 * The meaning of a chassis' events: the chassis after each of them.
 */
import type { Amounts, Fold } from "@bioxen/kernel";
import type { ChassisEvent } from "../events/chassis.ts";
import type { Taint } from "../schemas.ts";

export interface Chassis {
  readonly registered: true;
  readonly chassisType: string;
  readonly capacity: Amounts;
  readonly overheadPermille: number;
  readonly oversubscribePermille?: Amounts | undefined;
  readonly maxVms: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly agentId: string;
  /** Absent when the chassis has no taint. */
  readonly taints?: readonly Taint[] | undefined;
  readonly cordoned: boolean;
  /**
   * Sequence of the last cordon; absent without one. A drain that removes its own cordon compares this sequence, so
   * that it leaves a later cordon in place.
   */
  readonly cordonedSeq?: number | undefined;
  /**
   * Correlation id of the last cordon. A drain recognises its own cordon by it, however late the cordon was appended.
   */
  readonly cordonedChain?: string | undefined;
  /** Sequence of the last uncordon; absent without one. */
  readonly uncordonedSeq?: number | undefined;
  /** The event that declared the chassis lost, and its time; null while the chassis is not lost. */
  readonly lost: { readonly atMs: number; readonly seq: number; readonly eventId: string } | null;
  /** Length of the latest series of losses, each soon after the recovery from the one before; 0 without a loss. */
  readonly lossesInARow: number;
  /** Instant of the latest recovery from a loss, epoch ms; null without one. */
  readonly recoveredAtMs: number | null;
  readonly registeredAtMs: number;
  readonly version: number;
}

export type ChassisState = { readonly registered: false } | Chassis;

/** The loss fields of a chassis that was never lost. */
export const NEVER_LOST = { lost: null, lossesInARow: 0, recoveredAtMs: null } as const;

export const NO_CHASSIS: ChassisState = Object.freeze({ registered: false });

export const chassisFold: Fold<ChassisState> = {
  schema: 4,
  initial: NO_CHASSIS,
  evolve(state, untyped, at) {
    const event = untyped as ChassisEvent;
    if (event.type === "bioxen.chassis.registered.v1") {
      return {
        ...event.data,
        registered: true,
        cordoned: false,
        ...NEVER_LOST,
        registeredAtMs: at.atMs,
        version: at.version,
      };
    }
    if (!state.registered) throw new Error(`${event.type} of a chassis that is not registered`);
    switch (event.type) {
      case "bioxen.chassis.reconfigured.v1": {
        const { taints: _, ...others } = state;
        return { ...others, oversubscribePermille: undefined, ...event.data, version: at.version };
      }
      case "bioxen.chassis.cordoned.v1":
        return {
          ...state,
          cordoned: true,
          cordonedSeq: at.seq,
          cordonedChain: at.correlationId,
          version: at.version,
        };
      case "bioxen.chassis.uncordoned.v1":
        return { ...state, cordoned: false, uncordonedSeq: at.seq, version: at.version };
      case "bioxen.chassis.lost.v1": {
        const { lossesInARow } = event.data;
        const { atMs, seq, eventId } = at;
        return { ...state, lost: { atMs, seq, eventId }, lossesInARow, version: at.version };
      }
      case "bioxen.chassis.recovered.v1":
        return { ...state, lost: null, recoveredAtMs: at.atMs, version: at.version };
      case "bioxen.chassis.removed.v1":
        return NO_CHASSIS;
    }
  },
};
