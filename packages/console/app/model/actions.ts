/**
 * The actions on a VM that its state allows, in the order of their buttons. The service decides; this table only keeps
 * buttons away that it would refuse.
 */
import type { VmStateName, VmView } from "./types.ts";

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

export type Payload = Readonly<Record<string, unknown>>;

export interface Back {
  readonly verb: string;
  readonly payload: Payload;
  /** What is said once it is done. */
  readonly words: string;
}

/**
 * What takes an action back: the command that leads to what the VM had before. undefined for an action that cannot be
 * taken back, such as a stop, after which there is no guest. A move has a button of its own while it is under way, and
 * the view of a VM has only the medium of its creation.
 */
export function undoOf(before: VmView, verb: string, payload: Payload): Back | undefined {
  const changed = (field: string) => Object.keys((payload[field] ?? {}) as object);
  switch (verb) {
    case "pause":
      return { verb: "resume", payload: {}, words: "runs again" };
    case "resume":
      return { verb: "pause", payload: {}, words: "paused again" };
    case "resize": {
      const had = before.allocation ?? before.request;
      const resources = Object.fromEntries(changed("resources").map((name) => [name, had[name] ?? 0]));
      return { verb, payload: { resources }, words: "has its earlier resources again" };
    }
    default:
      return undefined;
  }
}
