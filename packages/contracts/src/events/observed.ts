/**
 * What somebody else than BioXen did to the machine of a VM, as its agent saw it in the pool.
 *
 * What follows is decided when it is recorded, from the VM's state then and its agent's policy, and stands in the event: a reader
 * needs neither to know what the event means.
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

/** `repair`: the machine is made what its VM is; `accept`: its VM becomes what the machine is, where the table of states has a way. */
export const DRIFT_POLICIES = ["repair", "accept"] as const;
export type DriftPolicy = (typeof DRIFT_POLICIES)[number];

/**
 * `NONE`: nothing follows; `REPAIR`: its agent makes the machine what the VM is; `FOLLOW`: the VM is what its machine is (paused,
 * running; one that was halted is to stop, one that was deleted is to be destroyed); `FAIL`: its guest has ended, which is told next.
 */
export const DRIFT_CONSEQUENCES = ["NONE", "REPAIR", "FOLLOW", "FAIL"] as const;
export type DriftConsequence = (typeof DRIFT_CONSEQUENCES)[number];

/** As an agent reports it. */
export const outsideChange = z.object({
  seen: z.enum(SEEN_CHANGES),
  /** By the agent's clock; grows from one report of an agent about a VM to the next. */
  seenAtMs: z.int().min(0),
  drift: z.enum(DRIFT_POLICIES),
  /** Names of the hosts, with `moved`; absent: not known. */
  fromHost: z.string().max(256).optional(),
  toHost: z.string().max(256).optional(),
});
export type OutsideChangeReport = z.infer<typeof outsideChange>;

export const OBSERVED_EVENTS = {
  /** `fence`: of the place its machine has, or, where it has none, had last. One of a kind and place is recorded each minute at most, unless the VM follows it. */
  "bioxen.vm.observed.v1": z.object({
    fence: z.int().min(1),
    ...outsideChange.shape,
    consequence: z.enum(DRIFT_CONSEQUENCES),
  }),
} as const;
