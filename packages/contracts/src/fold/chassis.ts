/**
 * Folds the events of a chassis into its state.
 */
import type { Amounts, Fold } from "@bioxen/kernel";
import type { ChassisEvent, LeftObject } from "../events/chassis.ts";
import type { HostRoom } from "../host-fit.ts";
import type { RecordedModel } from "../models.ts";
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
  /** Taints of the chassis; absent when it has none. */
  readonly taints?: readonly Taint[] | undefined;
  /** The hosts of a pool, each with what it has for VMs when it is empty; absent for a chassis without hosts. */
  readonly hosts?: readonly HostRoom[] | undefined;
  /** The cell models of its agent beside the built-in one; absent without any. */
  readonly models?: readonly RecordedModel[] | undefined;
  readonly cordoned: boolean;
  /**
   * Log sequence of the latest cordon event; absent if the chassis was never cordoned. A drain uncordons the chassis
   * only while this event is the drain's own cordon. A later cordon therefore stays in place.
   */
  readonly cordonedSeq?: number | undefined;
  /**
   * Correlation id of the latest cordon event. A drain recognises its own cordon by this id, however late the cordon
   * event was appended.
   */
  readonly cordonedChain?: string | undefined;
  /** Log sequence of the latest uncordon event; absent if the chassis was never uncordoned. */
  readonly uncordonedSeq?: number | undefined;
  /** Time, sequence and id of the event that declared the chassis lost; null while the chassis is not lost. */
  readonly lost: { readonly atMs: number; readonly seq: number; readonly eventId: string } | null;
  /**
   * Number of losses in the latest series. A loss continues the series if it comes soon after the recovery from the
   * previous loss. 0 if the chassis was never lost.
   */
  readonly lossesInARow: number;
  /** Time of the latest recovery from a loss, epoch ms; null if the chassis never recovered from one. */
  readonly recoveredAtMs: number | null;
  /** Uuids of machines of other owners that the agent deletes, in order of the requests; absent without any. */
  readonly deletingMachines?: readonly string[] | undefined;
  /** What the pool keeps although the agent was to remove it, in order of the first failures; absent without any. */
  readonly leftBehind?: readonly LeftObject[] | undefined;
  readonly registeredAtMs: number;
  readonly version: number;
}

export type ChassisState = { readonly registered: false } | Chassis;

/** Values of the fields about losses, for a chassis that was never lost. */
export const NEVER_LOST = { lost: null, lossesInARow: 0, recoveredAtMs: null } as const;

export const NO_CHASSIS: ChassisState = Object.freeze({ registered: false });

export const chassisFold: Fold<ChassisState> = {
  schema: 7,
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
        const { taints: _taints, hosts: _hosts, models: _models, ...others } = state;
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
      case "bioxen.chassis.machine-deletion-requested.v1": {
        const deletingMachines = [...(state.deletingMachines ?? []), event.data.uuid];
        return { ...state, deletingMachines, version: at.version };
      }
      case "bioxen.chassis.machine-deletion-ended.v1": {
        const { deletingMachines = [], ...others } = state;
        const left = deletingMachines.filter((uuid) => uuid !== event.data.uuid);
        return { ...others, ...(left.length === 0 ? {} : { deletingMachines: left }), version: at.version };
      }
      case "bioxen.chassis.removal-failed.v1":
      case "bioxen.chassis.removal-completed.v1":
        return { ...withLeft(state, event), version: at.version };
      case "bioxen.chassis.removed.v1":
        return NO_CHASSIS;
    }
  },
};

type RemovalEvent = Extract<ChassisEvent, { readonly type: `bioxen.chassis.removal-${string}` }>;

function withLeft(state: Chassis, event: RemovalEvent): Chassis {
  const { leftBehind = [], ...others } = state;
  const at = leftBehind.findIndex(({ uuid }) => uuid === event.data.uuid);
  const left =
    event.type === "bioxen.chassis.removal-completed.v1"
      ? leftBehind.filter(({ uuid }) => uuid !== event.data.uuid)
      : at < 0
        ? [...leftBehind, event.data]
        : leftBehind.with(at, event.data);
  return left.length === 0 ? others : { ...others, leftBehind: left };
}
