/**
 * Changes to the machine of a VM that BioXen did not make, as the VM's agent saw them in the pool.
 *
 * The consequence of a change is decided when the change is recorded, from the VM's state and the agent's drift policy
 * at that time. The event contains the consequence, so that a reader needs neither the state nor the policy.
 */
import { z } from "zod";

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
 * What follows from one change. `NONE`: no consequence. `REPAIR`: the agent sets the machine back to the state of the
 * VM. `FOLLOW`: the VM takes the state of the machine: paused or running, stopping when the machine was halted,
 * stopping and then destroyed when it was deleted. `FAIL`: the guest has ended, and the agent reports the failure next.
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
   * The agent saw a change of the machine. `fence` names the VM's present reservation, or its last one when it has
   * none. At most one change of each kind is recorded per reservation and minute, except for changes with consequence
   * `FOLLOW`.
   */
  "bioxen.vm.observed.v1": z.object({
    fence: z.int().min(1),
    ...outsideChange.shape,
    consequence: z.enum(DRIFT_CONSEQUENCES),
  }),
} as const;
