/** The rules for resizes at minutes of simulated time. */
import { expect, it } from "vitest";
import { checkpointed, created, RUNNING, resizedAt, verify } from "./testing.ts";

it("accepts a resize at a minute, with more in the ledger than the cell has then", () => {
  expect(verify([...RUNNING, checkpointed(5), resizedAt(5)])).toEqual([]);
  expect(verify([...RUNNING, resizedAt(7, { given: { ribosomes: 1 } })])).toEqual([]);
});

it("finds a cell that gets more than its VM holds", () => {
  expect(verify([...RUNNING, resizedAt(5, { given: { ribosomes: 5 } })])).toContain(
    "running-without-allocation",
  );
});

it("finds a minute before the checkpoint, and a minute of a VM without a guest", () => {
  expect(verify([...RUNNING, checkpointed(5), resizedAt(4)])).toContain("guest-state");
  expect(verify([created, resizedAt(4, { allocation: null })])).toContain("guest-state");
});
