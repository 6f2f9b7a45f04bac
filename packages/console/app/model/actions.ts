/**
 * The actions on a VM that its state allows, in the order of their buttons. The service decides; this table only keeps
 * buttons away that it would refuse.
 */
import type { VmStateName } from "./types.ts";

export interface Action {
  readonly verb: string;
  readonly label: string;
  readonly from: readonly VmStateName[];
  /** The question before an action that cannot be undone, or that interrupts the guest. */
  readonly question?: string;
  /** The action opens a form instead of acting at once. */
  readonly form?: "resize" | "snapshot" | "migrate" | "environment" | "fork";
  readonly isPrimary?: boolean;
  readonly isDanger?: boolean;
}

const LIVE = ["running", "paused"] as const;
const AT_REST = ["created", "stopped", "error"] as const;

export const ACTIONS: readonly Action[] = [
  { verb: "start", label: "Start", from: AT_REST, isPrimary: true },
  { verb: "resume", label: "Resume", from: ["paused"], isPrimary: true },
  { verb: "pause", label: "Pause", from: ["running"] },
  { verb: "resize", label: "Resize", from: [...LIVE, ...AT_REST], form: "resize" },
  { verb: "set-environment", label: "Medium", from: LIVE, form: "environment" },
  { verb: "snapshot", label: "Snapshot", from: LIVE, form: "snapshot" },
  { verb: "fork", label: "Fork", from: LIVE, form: "fork" },
  { verb: "migrate", label: "Migrate", from: LIVE, form: "migrate" },
  {
    verb: "stop",
    label: "Stop",
    from: ["running", "paused", "pending", "starting"],
    question: "The guest ends and its place is released. What it has not stored in a snapshot is lost.",
  },
  {
    verb: "destroy",
    label: "Destroy",
    from: ["created", "pending", "starting", "running", "paused", "stopping", "stopped", "error"],
    question: "The VM and its snapshots are deleted. This cannot be undone.",
    isDanger: true,
  },
];

export function actionsIn(state: VmStateName): readonly Action[] {
  return ACTIONS.filter(({ from }) => from.includes(state));
}
