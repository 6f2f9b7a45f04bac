/** The part of the view of a VM about its start: the last refusal by the host, and the progress of a long start. */
import * as z from "zod";
import type { Vm } from "./fold/vm-state.ts";

/** A refused start. `tries` counts since the start was requested; `hostCode` is the host's own code. */
export const refusedStartView = z
  .object({
    chassisId: z.string(),
    code: z.string(),
    hostCode: z.string().optional(),
    reason: z.string(),
    tries: z.int().min(1),
    atMs: z.int(),
    /** Time of the next try on this chassis, epoch ms; earlier if room comes there. */
    retryAtMs: z.int(),
  })
  .meta({ id: "RefusedStart" });

interface StartView {
  refusedStart?: z.infer<typeof refusedStartView>;
  startPermille?: number;
}

/** Returns the fields that the view has of the start; none when there is nothing to say. */
export function viewOfStart({ refusedStart, startProgress, fence }: Vm): StartView {
  const view: StartView = {};
  if (startProgress !== undefined && startProgress.fence === fence)
    view.startPermille = startProgress.permille;
  if (refusedStart === undefined) return view;
  const { fence: _fence, seq: _seq, placeEndsAtMs: _ends, hostCode, ...seen } = refusedStart;
  return { ...view, refusedStart: { ...seen, ...(hostCode === undefined ? {} : { hostCode }) } };
}
