/**
 * Decider of a chassis: its agent registers it, operators cordon, uncordon and remove it, and the lease holder declares
 * it lost and recovered.
 *
 * A drain cordons its chassis and lifts that cordon when it is cancelled. The drain is another aggregate (`drain.ts`);
 * its effects on the chassis are two commands here.
 */
import {
  type Chassis,
  type ChassisEvent,
  type ChassisState,
  chassisFold,
  type Drain,
  type DrainState,
  type LeftObject,
  type MACHINE_OUTCOMES,
  MAX_LEFT_OBJECTS,
  refuse,
} from "@bioxen/contracts";
import { accept, type Decision, deciderOf, UNCHANGED } from "@bioxen/kernel";
import { FLAP_MEMORY_MS } from "./failure-detector.ts";
import { isSameRegistration, type Registration, withModels } from "./registration.ts";

export interface Silence {
  /** How long the agent has been silent, ms. */
  readonly silentMs: number;
  /** The limit that `silentMs` exceeds, ms. */
  readonly timeoutMs: number;
}

/** The fields of a heartbeat that decide whether a lost chassis counts as recovered. */
export interface AgentSample {
  /** Sequence of the newest event that the agent has applied. */
  readonly appliedSeq: number;
  /** Number of guests that run on the chassis although the log does not place them on it. */
  readonly strays: number;
}

export type ChassisCommand =
  /** `byAgent` is the agent that sent the registration; absent for an operator and on a stack without keys. */
  | {
      readonly type: "register";
      readonly chassisId: string;
      readonly registration: Registration;
      readonly byAgent?: string | undefined;
    }
  | { readonly type: "cordon"; readonly chassisId: string }
  | { readonly type: "uncordon"; readonly chassisId: string; readonly isDraining: boolean }
  /** `vmIds` are the VMs on the chassis. */
  | { readonly type: "remove"; readonly chassisId: string; readonly vmIds: readonly string[] }
  | { readonly type: "cordon-for-drain"; readonly chassisId: string; readonly drain: Drain }
  | { readonly type: "uncordon-after-drain"; readonly drain: DrainState }
  | { readonly type: "delete-machine"; readonly chassisId: string; readonly uuid: string }
  | {
      readonly type: "report-machine";
      readonly chassisId: string;
      readonly uuid: string;
      readonly outcome: MachineOutcome;
      readonly reason: string;
    }
  /** `left` is null when the object is gone. */
  | { readonly type: "report-left"; readonly uuid: string; readonly left: Omit<LeftObject, "uuid"> | null }
  | { readonly type: "declare-lost"; readonly silence: Silence; readonly nowMs: number }
  /** `evacuating` is the number of VMs that the loss displaces and that the log still has on the chassis. */
  | {
      readonly type: "declare-recovered";
      readonly sample: AgentSample;
      readonly evacuating: number;
      readonly nowMs: number;
    };

/** Maximum number of machines that one agent deletes at a time; the state of the chassis names each of them. */
const MAX_DELETING_MACHINES = 100;

type MachineOutcome = (typeof MACHINE_OUTCOMES)[number];
type ChassisDecision = Decision<ChassisEvent>;

export const chassisDecider = deciderOf<ChassisState, ChassisCommand, ChassisEvent>(chassisFold, {
  register(state, { chassisId, registration: requested, byAgent }) {
    const registration = withModels(requested, state);
    if (!state.registered)
      return accept<ChassisEvent>({ type: "bioxen.chassis.registered.v1", data: registration });
    if (byAgent !== undefined && byAgent !== state.agentId && state.lost === null) {
      const remedy = `bioxen chassis register ${chassisId} --type ${state.chassisType} --agent ${byAgent}`;
      const message =
        `${chassisId} belongs to agent ${state.agentId}: agent ${byAgent} may register it once it is lost or removed, ` +
        "or an operator gives it to that agent";
      return refuse("FORBIDDEN", message, { details: { agentId: state.agentId, remedy } });
    }
    if (state.chassisType !== registration.chassisType) {
      const message = `${chassisId} is registered as type ${state.chassisType}: remove it before it is registered as ${registration.chassisType}`;
      return refuse("CONFLICT", message);
    }
    if (isSameRegistration(state, registration)) return UNCHANGED;
    return accept<ChassisEvent>({ type: "bioxen.chassis.reconfigured.v1", data: registration });
  },

  cordon: (state, { chassisId }) => cordon(state, chassisId),

  uncordon(state, { chassisId, isDraining }) {
    if (isDraining) {
      const remedy = `Cancel the drain with: bioxen chassis drain ${chassisId} --cancel`;
      return refuse("CONFLICT", `${chassisId} is being drained: cancel the drain first`, {
        details: { remedy },
      });
    }
    if (!state.registered) return chassisNotFound(chassisId);
    return state.cordoned
      ? accept<ChassisEvent>({ type: "bioxen.chassis.uncordoned.v1", data: {} })
      : UNCHANGED;
  },

  remove(state, { chassisId, vmIds }) {
    if (!state.registered) return chassisNotFound(chassisId);
    if (vmIds.length > 0) {
      const message = `${chassisId} still has ${vmIds.length} VMs: drain it, or stop them first`;
      return refuse("CONFLICT", message, { details: { vmIds: vmIds.slice(0, 100) } });
    }
    return accept<ChassisEvent>({ type: "bioxen.chassis.removed.v1", data: {} });
  },

  "cordon-for-drain"(state, { chassisId, drain }) {
    const isAfterStart = (seq = 0) => seq > drain.startedSeq;
    // A drain cordons its chassis once. If the chassis was cordoned and uncordoned after the start of the drain, the
    // drain has ended, and this instance has not read its end yet.
    const wasLifted =
      state.registered && isAfterStart(state.cordonedSeq) && isAfterStart(state.uncordonedSeq);
    return wasLifted ? UNCHANGED : cordon(state, chassisId);
  },

  "uncordon-after-drain": (state, { drain }) =>
    isCordonOfCancelledDrain(state, drain)
      ? accept<ChassisEvent>({ type: "bioxen.chassis.uncordoned.v1", data: {} })
      : UNCHANGED,

  "delete-machine"(state, { chassisId, uuid }) {
    if (!state.registered) return chassisNotFound(chassisId);
    const deleting = state.deletingMachines ?? [];
    if (deleting.includes(uuid)) return UNCHANGED;
    if (deleting.length >= MAX_DELETING_MACHINES) {
      const message = `${chassisId} deletes ${deleting.length} machines already: wait until one is deleted`;
      return refuse("CONFLICT", message);
    }
    return accept<ChassisEvent>({ type: "bioxen.chassis.machine-deletion-requested.v1", data: { uuid } });
  },

  "report-machine"(state, { uuid, outcome, reason }) {
    if (!state.registered || !(state.deletingMachines ?? []).includes(uuid)) return UNCHANGED;
    const data = { uuid, outcome, reason };
    return accept<ChassisEvent>({ type: "bioxen.chassis.machine-deletion-ended.v1", data });
  },

  "report-left"(state, { uuid, left }) {
    if (!state.registered) return UNCHANGED;
    const all = state.leftBehind ?? [];
    const known = all.find((one) => one.uuid === uuid);
    if (left === null) {
      if (known === undefined) return UNCHANGED;
      const { vmId, kind } = known;
      return accept<ChassisEvent>({
        type: "bioxen.chassis.removal-completed.v1",
        data: { vmId, kind, uuid },
      });
    }
    const isFull = known === undefined && all.length >= MAX_LEFT_OBJECTS;
    // Of the tries of one run of the agent only the first and the last are recorded.
    const isTold = known !== undefined && (known.nextTryAtMs === null) === (left.nextTryAtMs === null);
    if (isFull || isTold) return UNCHANGED;
    return accept<ChassisEvent>({ type: "bioxen.chassis.removal-failed.v1", data: { uuid, ...left } });
  },

  "declare-lost"(state, { silence, nowMs }) {
    if (!state.registered || state.lost !== null) return UNCHANGED;
    const { recoveredAtMs } = state;
    const isInARow = recoveredAtMs !== null && nowMs - recoveredAtMs < FLAP_MEMORY_MS;
    const lossesInARow = isInARow ? state.lossesInARow + 1 : 1;
    const silentMs = Math.round(silence.silentMs);
    const data = { silentMs, timeoutMs: Math.round(silence.timeoutMs), lossesInARow };
    return accept<ChassisEvent>({ type: "bioxen.chassis.lost.v1", data });
  },

  // A recovered chassis must run no guest of an evacuated VM. Its agent must therefore have applied the event that
  // declared the chassis lost, and ended every guest that is no longer placed there. No VM may still be evacuating.
  "declare-recovered"(state, { sample, evacuating, nowMs }) {
    if (!state.registered || state.lost === null) return UNCHANGED;
    if (sample.appliedSeq < state.lost.seq || sample.strays > 0 || evacuating > 0) return UNCHANGED;
    const data = { lostForMs: Math.max(0, nowMs - state.lost.atMs) };
    return accept<ChassisEvent>({ type: "bioxen.chassis.recovered.v1", data });
  },
});

function cordon(state: ChassisState, chassisId: string): ChassisDecision {
  if (!state.registered) return chassisNotFound(chassisId);
  return state.cordoned ? UNCHANGED : accept<ChassisEvent>({ type: "bioxen.chassis.cordoned.v1", data: {} });
}

/**
 * Returns true when the cordon of the chassis belongs to a cancelled drain, and so must be lifted. The drain's own
 * cordon must be lifted even when it was appended after the drain's end. A later cordon by an operator stays.
 */
export function isCordonOfCancelledDrain(chassis: ChassisState, drain: DrainState): chassis is Chassis {
  if (!drain.exists || drain.status !== "cancelled" || drain.wasCordoned || drain.ended === null)
    return false;
  if (!chassis.registered || !chassis.cordoned) return false;
  const isOwn = chassis.cordonedChain === drain.startedBy.correlationid;
  return isOwn || (chassis.cordonedSeq ?? 0) < drain.ended.seq;
}

export function chassisNotFound(chassisId: string) {
  return refuse("CHASSIS_NOT_FOUND", `there is no chassis ${chassisId}`);
}
