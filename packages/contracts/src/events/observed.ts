/**
 * The event about a change that BioXen did not make to the machine of a VM. The VM's agent saw the change in the pool.
 *
 * The consequence of a change is decided when the change is recorded, from the VM's state and the agent's drift policy
 * at that time. The event contains the consequence, so that a reader needs neither the state nor the policy.
 */
import * as z from "zod";

export const SEEN_CHANGES = [
  "paused",
  "suspended",
  "resumed",
  "halted",
  "started",
  "deleted",
  "moved",
] as const;
export type SeenChange = (typeof SEEN_CHANGES)[number];

/**
 * What BioXen does after a change that it did not make. `repair`: the agent sets the machine back to the state of its
 * VM. `accept`: the VM takes the state of the machine, if VMs have such a state transition.
 */
export const DRIFT_POLICIES = ["repair", "accept"] as const;
export type DriftPolicy = (typeof DRIFT_POLICIES)[number];

/**
 * What follows from one change of a machine. `NONE`: no consequence. `REPAIR`: the agent sets the machine back to the
 * state of the VM. `FOLLOW`: the VM takes the state of the machine. It becomes paused or running with the machine,
 * stops when the machine was halted, and stops and is destroyed when the machine was deleted. `FAIL`: the guest has
 * ended, and the agent reports the failure next.
 */
export const DRIFT_CONSEQUENCES = ["NONE", "REPAIR", "FOLLOW", "FAIL"] as const;
export type DriftConsequence = (typeof DRIFT_CONSEQUENCES)[number];

/** An agent's report of a change that BioXen did not make. */
export const outsideChange = z.object({
  seen: z.enum(SEEN_CHANGES),
  /** Time of the observation by the agent's clock, epoch ms. It grows from one report about a VM to the next. */
  seenAtMs: z.int().min(0),
  drift: z.enum(DRIFT_POLICIES),
  /** With `moved`: the names of the machine's old and new host; absent when they are unknown. */
  fromHost: z.string().max(256).optional(),
  toHost: z.string().max(256).optional(),
});
export type OutsideChangeReport = z.infer<typeof outsideChange>;

export const OBSERVED_EVENTS = {
  /**
   * The agent saw a change of the machine. `fence` is the fencing token of the VM's present reservation, or of its last
   * reservation when the VM has none now. At most one change of each kind is recorded per reservation and minute;
   * changes with consequence `FOLLOW` are all recorded.
   */
  "bioxen.vm.observed.v1": z.object({
    fence: z.int().min(1),
    ...outsideChange.shape,
    consequence: z.enum(DRIFT_CONSEQUENCES),
  }),
} as const;
