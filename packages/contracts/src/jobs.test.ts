import type { Reply } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { jobIdProblem, MAX_JOB_ID_LENGTH, ownJobId } from "./job-id.ts";
import {
  afterAttempt,
  answersJob,
  isJobCommand,
  JOB_AGGREGATES,
  jobAggregatesOf,
  jobQueueOf,
  MAX_JOB_ATTEMPTS,
  STRAY_JOB_OWNER,
} from "./jobs.ts";
import { commandSubject, jobSubject } from "./subjects.ts";

const refusal = (code: string, retryable = false): Reply => ({
  ok: false,
  error: { code, message: "why", retryable },
});

describe("what follows an attempt", () => {
  it("a successful reply or a final refusal is the outcome", () => {
    for (const reply of [
      { ok: true, changed: true } as Reply,
      refusal("VM_ALREADY_EXISTS"),
      refusal("INFEASIBLE"),
      refusal("CANCELLED"),
    ]) {
      expect(afterAttempt(reply, 1)).toEqual({ kind: "settled", reply });
    }
  });

  it.each(["BAD_REQUEST", "TOO_LARGE", "INTERNAL"])("%s makes a dead letter at once", (code) => {
    expect(afterAttempt(refusal(code), 1)).toEqual({
      kind: "dead",
      error: { code, message: "why", retryable: false },
    });
  });

  it("a retryable refusal is retried with growing waits for half a minute, and then makes a dead letter", () => {
    const waits: number[] = [];
    for (let attempt = 1; attempt < MAX_JOB_ATTEMPTS; attempt += 1) {
      const after = afterAttempt(refusal("UNAVAILABLE", true), attempt);
      if (after.kind !== "again") throw new Error(after.kind);
      waits.push(after.afterMs);
    }
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000]);
    expect(afterAttempt(refusal("UNAVAILABLE", true), MAX_JOB_ATTEMPTS).kind).toBe("dead");
  });
});

describe("the id of a job", () => {
  it.each(["a", "order-7", "a.b.c", "A_b", "6f9619ff-8b86-d011", "x/y=z", "a".repeat(MAX_JOB_ID_LENGTH)])(
    "%s is valid",
    (id) => expect(jobIdProblem(id)).toBeUndefined(),
  );

  it.each([undefined, "", " ", "a b", "a*", ">", "a.>", ".a", "a.", "a..b", "é", "a\u0000", "_x"])(
    "%j is invalid",
    (id) => {
      expect(jobIdProblem(id)).toMatch(/Nats-Msg-Id/);
    },
  );

  it("a publisher cannot use an id that is too long or that BioXen assigns", () => {
    expect(jobIdProblem("a".repeat(MAX_JOB_ID_LENGTH + 1))).toContain(String(MAX_JOB_ID_LENGTH));
    expect(jobIdProblem(ownJobId(7))).toBeDefined();
  });

  it("an outcome answers jobs with its subject, of its round and of earlier rounds", () => {
    const stored = { subject: "bioxen.job.vm.start", round: 2 };
    expect([1, 2, 3].map((round) => answersJob(stored, { ...stored, round }))).toEqual([true, true, false]);
    expect(answersJob(stored, { subject: "bioxen.job.vm.stop", round: 1 })).toBe(false);
    expect(answersJob(undefined, stored)).toBe(false);
  });
});

describe("the owner and the queue of a job", () => {
  it("the owner of the command owns the job; internal commands cannot be jobs", () => {
    expect(jobAggregatesOf("lifecycle")).toEqual(["vm", "log"]);
    expect(jobAggregatesOf("chassis-scheduler")).toEqual(["chassis"]);
    expect(JOB_AGGREGATES).toEqual(["vm", "chassis", "quota", "experiment", "alert", "log"]);
    expect(jobAggregatesOf(STRAY_JOB_OWNER)).not.toEqual([]);
    expect(isJobCommand("bioxen.cmd.vm.create")).toBe(true);
    for (const subject of [
      "bioxen.cmd.vm.report",
      "bioxen.cmd.ledger.reserve",
      "bioxen.qry.vm.get",
      "bioxen.cmd.job.cancel",
    ]) {
      expect(isJobCommand(subject)).toBe(false);
    }
    expect(commandSubject(jobSubject("bioxen.cmd.vm.create"))).toBe("bioxen.cmd.vm.create");
  });

  it("jobs of one VM share a queue; a job without an id in its payload has none", () => {
    expect(jobQueueOf({ vmId: "a", chassisId: "b" })).toBe(jobQueueOf({ vmId: "a" }));
    expect(jobQueueOf({ vmId: "a" })).not.toBe(jobQueueOf({ chassisId: "a" }));
    for (const payload of [{}, { vmId: 1 }, null, "a", [1]]) expect(jobQueueOf(payload)).toBeUndefined();
  });
});
