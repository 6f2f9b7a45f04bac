/**
 * The meaning of a chassis' events.
 */
import type { Amounts, Fold } from "@bioxen/kernel";
import type { ChassisEvent } from "../events/chassis.ts";

export interface Chassis {
  readonly registered: true;
  readonly chassisType: string;
  readonly capacity: Amounts;
  readonly overheadPermille: number;
  readonly maxVms: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly agentId: string;
  readonly cordoned: boolean;
  readonly registeredAtMs: number;
  readonly version: number;
}

export type ChassisState = { readonly registered: false } | Chassis;

export const NO_CHASSIS: ChassisState = Object.freeze({ registered: false });

export const chassisFold: Fold<ChassisState> = {
  schema: 1,
  initial: NO_CHASSIS,
  evolve(state, untyped, at) {
    const event = untyped as ChassisEvent;
    if (event.type === "bioxen.chassis.registered.v1") {
      return {
        ...event.data,
        registered: true,
        cordoned: false,
        registeredAtMs: at.atMs,
        version: at.version,
      };
    }
    if (!state.registered) throw new Error(`${event.type} of a chassis that is not registered`);
    switch (event.type) {
      case "bioxen.chassis.reconfigured.v1":
        return { ...state, ...event.data, version: at.version };
      case "bioxen.chassis.cordoned.v1":
        return { ...state, cordoned: true, version: at.version };
      case "bioxen.chassis.uncordoned.v1":
        return { ...state, cordoned: false, version: at.version };
      case "bioxen.chassis.removed.v1":
        return NO_CHASSIS;
    }
  },
};
