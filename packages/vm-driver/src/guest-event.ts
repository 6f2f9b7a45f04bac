/** What a driver tells about its guests without being asked. */
import type { RecordedRows } from "./guest-record.ts";
import type { LeftBehind } from "./remains.ts";

/** Changes of a guest that did not come from the agent. `moved`: to another host of the same pool. */
export type OutsideChange = "paused" | "suspended" | "resumed" | "halted" | "started" | "deleted" | "moved";

export type GuestEvent =
  /** The guest printed a line. */
  | { readonly kind: "log"; readonly vmId: string; readonly fence: number; readonly line: string }
  /** The guest has entered the state `failed`. */
  | { readonly kind: "failed"; readonly vmId: string; readonly fence: number; readonly reason: string }
  /** The cell has divided `divisions` times since the last event of this kind. */
  | { readonly kind: "divided"; readonly vmId: string; readonly fence: number; readonly divisions: number }
  /** The guest has recorded rows of its time course. Each row is emitted once, before the minute after it is computed. */
  | ({ readonly kind: "recorded"; readonly vmId: string; readonly fence: number } & RecordedRows)
  /**
   * A change of the guest or of its kept parts that the agent did not cause. The driver emits this event before the
   * other events that result from the same change.
   */
  | {
      readonly kind: "observed";
      readonly vmId: string;
      readonly fence: number;
      readonly seen: OutsideChange;
      /** Names of the old and the new host, only for `moved`; absent if unknown. */
      readonly fromHost?: string | undefined;
      readonly toHost?: string | undefined;
    }
  /** An object could not be removed: after the first try, and again after the last one. */
  | { readonly kind: "left"; readonly vmId: string; readonly left: LeftBehind }
  /** A long step of the guest's start makes progress: the copy of a disk, for instance. */
  | { readonly kind: "progress"; readonly vmId: string; readonly fence: number; readonly permille: number }
  /** The guest or its kept parts changed, but no call to the driver caused it: the agent should reconcile the VM. */
  | { readonly kind: "changed"; readonly vmId: string; readonly fence: number };
