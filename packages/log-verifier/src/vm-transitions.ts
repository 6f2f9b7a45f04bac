/**
 * The legal moves of a VM, written from the contract's table (§3), not from the code that decides them.
 */

/** For each event: the states it may find, and the state it leaves; `same` leaves it as it was. */
interface Move {
  readonly from: readonly string[];
  readonly to: string;
}

const PLACED = ["starting", "running", "paused"] as const;
const UNPLACED = ["created", "stopped", "error"] as const;

export const MOVES: Readonly<Record<string, Move>> = {
  "bioxen.vm.created.v1": { from: ["absent", "destroyed"], to: "created" },
  "bioxen.vm.start-requested.v1": { from: UNPLACED, to: "pending" },
  // One that runs is told why its move waits: `move-rules.ts`.
  "bioxen.vm.deferred.v1": { from: ["pending", "running", "paused"], to: "same" },
  "bioxen.vm.placed.v1": { from: ["pending"], to: "starting" },
  "bioxen.vm.started.v1": { from: ["starting"], to: "running" },
  "bioxen.vm.guest-restarted.v1": { from: ["running", "paused"], to: "same" },
  // One that is paused by preemption may be paused by its user as well: `preemption-rules.ts`.
  "bioxen.vm.paused.v1": { from: ["running", "paused"], to: "paused" },
  "bioxen.vm.resumed.v1": { from: ["paused"], to: "running" },
  // A destroy may be asked of a VM that is stopping already.
  "bioxen.vm.stop-requested.v1": { from: ["pending", ...PLACED, "stopping"], to: "stopping" },
  "bioxen.vm.stopped.v1": { from: ["stopping"], to: "stopped" },
  "bioxen.vm.failed.v1": { from: PLACED, to: "error" },
  // Both versions: it judges what is stored, in whichever version a reader hands it over.
  "bioxen.vm.displaced.v1": { from: PLACED, to: "pending" },
  "bioxen.vm.displaced.v2": { from: PLACED, to: "pending" },
  // Where these lead depends on how: `preemption-rules.ts`.
  "bioxen.vm.preempted.v1": { from: ["running", "paused"], to: "same" },
  "bioxen.vm.reinstated.v1": { from: ["running", "paused"], to: "same" },
  "bioxen.vm.resized.v1": { from: [...UNPLACED, ...PLACED], to: "same" },
  "bioxen.vm.checkpointed.v1": { from: ["running", "paused"], to: "same" },
  "bioxen.vm.snapshotted.v1": { from: ["running", "paused"], to: "same" },
  "bioxen.vm.snapshot-deleted.v1": { from: ["pending", "stopping", ...UNPLACED, ...PLACED], to: "same" },
  "bioxen.vm.restored.v1": { from: [...UNPLACED, "running", "paused"], to: "same" },
  "bioxen.vm.checkpoint-lost.v1": { from: PLACED, to: "same" },
  "bioxen.vm.migration-requested.v1": { from: ["running", "paused"], to: "same" },
  "bioxen.vm.migrating.v1": { from: ["running", "paused"], to: "same" },
  "bioxen.vm.moved.v1": { from: ["running", "paused"], to: "starting" },
  "bioxen.vm.migration-cancelled.v1": { from: ["running", "paused"], to: "same" },
  // Where it leads depends on what follows: `observation-rules.ts`.
  "bioxen.vm.observed.v1": { from: [...PLACED, "stopping", "stopped", "error"], to: "same" },
  "bioxen.vm.destroyed.v1": { from: ["pending", ...UNPLACED], to: "destroyed" },
};
