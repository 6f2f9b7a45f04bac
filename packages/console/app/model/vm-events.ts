/**
 * What an event changes in the shown view of a VM: the fields that a fleet shows at a glance.
 *
 * The services fold the events in full. The console applies the few changes that must be on the screen at once, and
 * reads the view again for the others, so that it needs no second copy of the domain. An event that the view already
 * contains (by version) changes nothing.
 */
import type { Amounts, LogEvent, VmStateName, VmView } from "./types.ts";

type Changes = Partial<
  Pick<VmView, "state" | "chassisId" | "allocation" | "reason" | "fence" | "refusals">
> & {
  pendingSinceMs?: number | null;
};

const NO_PLACE = { chassisId: null, allocation: null, fence: null } as const;

const PLAIN: Readonly<Record<string, VmStateName>> = {
  started: "running",
  paused: "paused",
  resumed: "running",
  "stop-requested": "stopping",
};
const LEAVING: Readonly<Record<string, VmStateName>> = {
  stopped: "stopped",
  destroyed: "destroyed",
  failed: "error",
};

/** The verb of an event type: `placed` of `bioxen.vm.placed.v1`. */
export function verbOf(type: string): string {
  return type.split(".")[2] ?? type;
}

/** Returns the changes, or undefined when only a service can say what the event changes. */
export function changesOf({ type, time, data }: LogEvent): Changes | undefined {
  const verb = verbOf(type);
  const reason = typeof data["reason"] === "string" ? data["reason"] : null;
  const plain = PLAIN[verb];
  if (plain !== undefined) return { state: data["paused"] === true ? "paused" : plain, reason };
  const left = LEAVING[verb];
  if (left !== undefined) return { state: left, reason, ...NO_PLACE, refusals: [] };
  const pendingSinceMs = Date.parse(time);
  switch (verb) {
    case "start-requested":
      return { state: "pending", reason: null, pendingSinceMs, refusals: [] };
    case "displaced":
      return { state: "pending", reason, pendingSinceMs, ...NO_PLACE };
    case "deferred":
      return { refusals: (data["reasons"] ?? []) as VmView["refusals"] };
    case "placed":
      return {
        state: "starting",
        reason: null,
        chassisId: String(data["chassisId"]),
        allocation: data["allocation"] as Amounts,
        fence: Number(data["fence"]),
        refusals: [],
      };
    case "checkpointed":
    case "executed":
      return {};
    default:
      return undefined;
  }
}

/** Returns the view after the event; the same view when the event is older, undefined when it must be read again. */
export function viewAfter(view: VmView, event: LogEvent): VmView | undefined {
  if (event.aggregateversion <= view.version) return view;
  if (event.aggregateversion !== view.version + 1) return undefined;
  const changes = changesOf(event);
  if (changes === undefined) return undefined;
  return { ...view, ...changes, version: event.aggregateversion, updatedAtMs: Date.parse(event.time) };
}
