/**
 * The legal transitions of a VM, written from the documented table of states, independently of the code that decides
 * them.
 */

/**
 * The transition of one event type: the states that the VM may have before the event, and its state afterwards. `same`
 * leaves the state unchanged.
 */
interface Transition {
  readonly from: readonly string[];
  readonly to: string;
}

const PLACED = ["starting", "running", "paused"] as const;
const UNPLACED = ["created", "stopped", "error"] as const;

export const TRANSITIONS: Readonly<Record<string, Transition>> = {
  "bioxen.vm.created.v1": { from: ["absent", "destroyed"], to: "created" },
  "bioxen.vm.start-requested.v1": { from: UNPLACED, to: "pending" },
  // A running VM is deferred while its move waits for a place; see `move-rules.ts`.
  "bioxen.vm.deferred.v1": { from: ["pending", "running", "paused"], to: "same" },
  "bioxen.vm.placed.v1": { from: ["pending"], to: "starting" },
  "bioxen.vm.started.v1": { from: ["starting"], to: "running" },
  "bioxen.vm.guest-restarted.v1": { from: ["running", "paused"], to: "same" },
  // The user may also pause a VM that preemption has paused; see `preemption-rules.ts`.
  "bioxen.vm.paused.v1": { from: ["running", "paused"], to: "paused" },
  "bioxen.vm.resumed.v1": { from: ["paused"], to: "running" },
  // A destroy command is allowed for a VM that is already stopping, and for a stopped VM whose pool has its machine.
  "bioxen.vm.stop-requested.v1": {
    from: ["pending", ...PLACED, "stopping", "stopped", "error"],
    to: "stopping",
  },
  // A VM that stops at its last minute is stopping; see `stateAfter`.
  "bioxen.vm.until-reached.v1": { from: ["running", "paused"], to: "paused" },
  "bioxen.vm.stopped.v1": { from: ["stopping"], to: "stopped" },
  "bioxen.vm.failed.v1": { from: PLACED, to: "error" },
  // Both versions are listed, because a reader of the log may deliver the stored version or the upcast one.
  "bioxen.vm.displaced.v1": { from: PLACED, to: "pending" },
  "bioxen.vm.displaced.v2": { from: PLACED, to: "pending" },
  // The next state depends on the mode; see `preemption-rules.ts`.
  "bioxen.vm.preempted.v1": { from: ["running", "paused"], to: "same" },
  "bioxen.vm.reinstated.v1": { from: ["running", "paused"], to: "same" },
  "bioxen.vm.resized.v1": { from: [...UNPLACED, ...PLACED], to: "same" },
  "bioxen.vm.executed.v1": { from: ["running", "paused", "stopping"], to: "same" },
  "bioxen.vm.environment-changed.v1": { from: ["running", "paused"], to: "same" },
  "bioxen.vm.checkpointed.v1": { from: ["running", "paused"], to: "same" },
  "bioxen.vm.snapshotted.v1": { from: ["running", "paused"], to: "same" },
  "bioxen.vm.snapshot-deleted.v1": { from: ["pending", "stopping", ...UNPLACED, ...PLACED], to: "same" },
  "bioxen.vm.restored.v1": { from: [...UNPLACED, "running", "paused"], to: "same" },
  "bioxen.vm.checkpoint-lost.v1": { from: PLACED, to: "same" },
  "bioxen.vm.migration-requested.v1": { from: ["running", "paused"], to: "same" },
  "bioxen.vm.migrating.v1": { from: ["running", "paused"], to: "same" },
  "bioxen.vm.moved.v1": { from: ["running", "paused"], to: "starting" },
  "bioxen.vm.migration-cancelled.v1": { from: ["running", "paused"], to: "same" },
  // The next state depends on the consequence; see `observation-rules.ts`.
  "bioxen.vm.observed.v1": { from: [...PLACED, "stopping", "stopped", "error"], to: "same" },
  // A VM whose host has no room gives its place up; see `stateAfter`.
  "bioxen.vm.start-refused.v1": { from: PLACED, to: "same" },
  "bioxen.vm.start-progressed.v1": { from: ["starting"], to: "same" },
  "bioxen.vm.transferred.v1": {
    from: ["pending", "stopping", "destroyed", ...UNPLACED, ...PLACED],
    to: "same",
  },
  "bioxen.vm.destroyed.v1": { from: ["pending", ...UNPLACED], to: "destroyed" },
};
