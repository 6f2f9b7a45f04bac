/**
 * The fleet as it was after an event of the log: what `bioxen state --at SEQ --json` prints.
 */
import { API_PREFIX, type Identity, pastState, principalOf, readsEverything } from "@bioxen/contracts";
import type { EventLog } from "@bioxen/kernel";
import type { FastifyInstance } from "fastify";
import { HttpError } from "../app/http-error.ts";
import { sendReply } from "./http-server.ts";
import type { CallerOf } from "./request-callers.ts";

/** Longest time without an event while the log is read, ms. */
const STALL_MS = 10_000;
/** Pasts that are folded at the same time: each reads the log from its first event. */
const MAX_FOLDING = 2;

export function addStateRoute(
  server: FastifyInstance,
  { log, callerOf }: { readonly log: (as: Identity) => Promise<EventLog>; readonly callerOf: CallerOf },
): void {
  let folding = 0;
  server.get(`${API_PREFIX}/state`, async (request, reply) => {
    const { identity } = callerOf(request);
    if (!readsEverything(identity.role)) {
      throw new HttpError("FORBIDDEN", `${principalOf(identity)} may not read the log of all owners`);
    }
    const { at } = request.query as { readonly at?: unknown };
    if (at !== undefined && (typeof at !== "string" || !/^[1-9]\d{0,14}$/.test(at))) {
      throw new HttpError("BAD_REQUEST", "at must be a sequence of the log: the first is 1");
    }
    if (folding >= MAX_FOLDING) {
      throw new HttpError("RATE_LIMITED", "other states are being computed: try again", {
        details: { retryAfterMs: 1_000 },
      });
    }
    folding += 1;
    try {
      const events = await log(identity);
      const lastSeq = await events.lastSeq();
      const atSeq = at === undefined ? lastSeq : Number(at);
      if (atSeq > lastSeq) {
        const end = lastSeq === 0 ? "the log is empty" : `the log ends at #${lastSeq}`;
        throw new HttpError("BAD_REQUEST", `event #${atSeq} does not exist: ${end}`, {
          details: { lastSeq },
        });
      }
      const { atMs: _, ...state } = await pastState(events, atSeq, { stallMs: STALL_MS });
      return sendReply(reply, 200, { ok: true, ...state });
    } finally {
      folding -= 1;
    }
  });
}
