import type { EventEnvelope, EventLog, LogMessage } from "@bioxen/kernel";
import { expect, it } from "vitest";
import { reservationIn } from "./reservations.ts";

const envelope = (id: string, type: string, data: object) => ({ id, type, data }) as unknown as EventEnvelope;
const events = new Map<number, EventEnvelope>([
  [7, envelope("e7", "bioxen.ledger.reserved.v1", { reservations: [{ vmId: "a" }, { vmId: "b" }] })],
  [8, envelope("e8", "bioxen.ledger.committed.v1", { entries: [{ vmId: "a", fence: 7 }] })],
]);
const log: Pick<EventLog, "messageAt"> = {
  messageAt: async (seq) => {
    const found = events.get(seq);
    return found && ({ seq, envelope: found } as LogMessage);
  },
};

it("finds the event of a reservation by its fence and VM, and nothing for any other event", async () => {
  expect(await reservationIn(log, "a", 7)).toBe("e7");
  expect(await reservationIn(log, "b", 7)).toBe("e7");
  expect(await reservationIn(log, "c", 7)).toBeUndefined();
  expect(await reservationIn(log, "a", 8)).toBeUndefined();
  expect(await reservationIn(log, "a", 9)).toBeUndefined();
});
