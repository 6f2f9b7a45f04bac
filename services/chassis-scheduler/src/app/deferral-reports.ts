/**
 * Reports to lifecycle why VMs wait for a place, once for each change of the reasons.
 *
 * Reported reasons are kept in memory only. A new lease holder starts with an empty memory and reports every reason
 * again; lifecycle ignores reasons that are already recorded for the VM. Any client can send a deferral. If the log
 * gets reasons that this process did not report, this process reports its own reasons again.
 */
import { callFailure, ENDPOINTS, MAX_PAGE, type PlacementRefusal, refusalKind } from "@bioxen/contracts";
import { type Caller, type SentPart, sendInParts } from "@bioxen/kernel";
import type { Deferral, WaitingVm } from "@bioxen/placement";

/** Deadline of one call to lifecycle, ms. The call appends one event per deferred VM. */
const CALL_TIMEOUT_MS = 10_000;

interface Reported {
  readonly kinds: string;
  /** The instant at which the VM's wait began, epoch ms. */
  readonly sinceMs: number | undefined;
}

export class DeferralReports {
  readonly #bus: Caller;
  /** Returns the reasons that the log has for the VM's present wait. The list is empty when the log has no reason. */
  readonly #recordedOf: (vmId: string) => readonly PlacementRefusal[];
  /** By VM id, the last report: the kinds of the reported reasons, and the start of the wait that they explain. */
  readonly #reported = new Map<string, Reported>();

  constructor(bus: Caller, recordedOf: (vmId: string) => readonly PlacementRefusal[]) {
    this.#bus = bus;
    this.#recordedOf = recordedOf;
  }

  /**
   * Returns true if `reasons`, which an event has recorded for the VM, differ from the reasons that this process
   * reported. This process must then report its own reasons again. Call it after each event that records reasons.
   */
  isForeign(vmId: string, reasons: readonly PlacementRefusal[]): boolean {
    const reported = this.#reported.get(vmId);
    return reported !== undefined && reported.kinds !== kindsOf(reasons);
  }

  /** Forgets what was reported, so that the next report contains every reason. */
  clear(): void {
    this.#reported.clear();
  }

  /**
   * Reports the deferrals whose reasons have changed, in pages. A page has at most `MAX_PAGE` deferrals, and fewer if
   * these would not fit in a message.
   *
   * `waiting` are all VMs that wait; earlier reports about any other VM are forgotten. `acts` returns false when this
   * instance has lost its lease; the instance then sends no further page. Throws `Fault` UNAVAILABLE when lifecycle
   * rejects a page.
   */
  async report(
    deferrals: readonly Deferral[],
    waiting: readonly WaitingVm[],
    acts: () => boolean,
  ): Promise<void> {
    const since = new Map(waiting.map((vm) => [vm.vmId, vm.waitingSinceMs]));
    for (const vmId of this.#reported.keys()) if (!since.has(vmId)) this.#reported.delete(vmId);
    const changed = deferrals.filter(({ vmId, reasons }) => {
      const before = this.#reported.get(vmId);
      const kinds = kindsOf(reasons);
      const isReported = before?.kinds === kinds && before.sinceMs === since.get(vmId);
      return !isReported || kindsOf(this.#recordedOf(vmId)) !== kinds;
    });
    const note = ({ vmId, reasons }: Deferral) =>
      this.#reported.set(vmId, { kinds: kindsOf(reasons), sinceMs: since.get(vmId) });
    for (let i = 0; i < changed.length && acts(); i += MAX_PAGE) {
      await sendInParts(changed.slice(i, i + MAX_PAGE), async (part): Promise<SentPart<void>> => {
        const sent = await this.#send(part);
        if (sent.kind === "sent") for (const one of part) note(one);
        return sent;
      });
    }
  }

  async #send(deferrals: readonly Deferral[]): Promise<SentPart<void>> {
    const { subject } = ENDPOINTS.vmDefer;
    const reply = await this.#bus.call(subject, { deferrals }, { timeoutMs: CALL_TIMEOUT_MS });
    if (reply.ok) return { kind: "sent", result: undefined };
    const cause = callFailure(subject, reply.error);
    if (reply.error.code === "TOO_LARGE") return { kind: "too-large", cause };
    throw cause;
  }
}

/**
 * Returns the kinds of the reasons as one text. If one reason stands for several chassis, the text omits the chassis names
 * and messages. The reasons then name only the few chassis that are closest to accepting the VM, and these chassis vary.
 */
function kindsOf(reasons: readonly PlacementRefusal[]): string {
  const isBounded = reasons.some(({ chassisCount }) => chassisCount !== undefined);
  const kind = (reason: PlacementRefusal) => {
    if (isBounded) return `${reason.code} ${reason.resource ?? ""}`;
    return `${reason.chassisId} ${refusalKind(reason)}`;
  };
  return [...new Set(reasons.map(kind))].sort().join("\n");
}
