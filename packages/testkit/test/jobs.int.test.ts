/**
 * Durable commands on a real server: they are stored first, and carried out once, in the order of their VM. A job that
 * cannot be carried out has an outcome with the reason.
 */
import { ENDPOINTS, MAX_JOB_ATTEMPTS, MAX_PAYLOAD_BYTES, refuse } from "@bioxen/contracts";
import { openOutcomes } from "@bioxen/nats";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../src/index.ts";
import { JOB, JobWorld, ScriptedLeases } from "./job-world.ts";
import { sendRaw } from "./raw-protocol.ts";

const START = ENDPOINTS.vmStart.subject;

let world: JobWorld;
beforeAll(async () => {
  world = await JobWorld.open();
});
beforeEach(() => {
  world.tried = [];
});
afterAll(() => world.close());

describe("without a worker", () => {
  it("jobs are stored, each id once, and are carried out in order once a worker starts", async () => {
    for (let i = 0; i < 20; i += 1) {
      for (const vmId of ["early-a", "early-b"]) {
        await world.start(vmId, `${vmId}-${i}`);
        await world.start(vmId, `${vmId}-${i}`);
      }
    }
    expect(await world.jobs.waiting(100)).toHaveLength(40);
    expect(await world.jobs.outcome("early-a-0")).toBeUndefined();
    await world.startWorker();
    await world.isEmpty();
    for (const vmId of ["early-a", "early-b"]) {
      expect(world.tried.filter((one) => one.startsWith(vmId))).toEqual(
        Array.from({ length: 20 }, (_, i) => `${vmId} ${vmId}-${i}`),
      );
      expect(await world.effectsOn(vmId)).toBe(20);
    }
    expect(await world.jobs.outcome("early-b-19")).toEqual({
      ok: true,
      changed: true,
      vm: { vmId: "early-b" },
    });
  });
});

describe("a job that cannot be carried out", () => {
  it.each([
    ["not JSON", "{", "bad-1", JOB, "BAD_REQUEST", "is not JSON"],
    ["of the wrong shape", '{"vm":1}', "bad-2", JOB, "BAD_REQUEST", "vm is not a field"],
    ["too large", " ".repeat(MAX_PAYLOAD_BYTES + 1), "bad-3", JOB, "TOO_LARGE", "the limit is"],
    [
      "for an unknown verb",
      "{}",
      "bad-4",
      "bioxen.job.vm.fly",
      "BAD_REQUEST",
      "unknown command bioxen.cmd.vm.fly",
    ],
    ["for an unknown aggregate", "{}", "bad-5", "bioxen.job.dragon.fly", "BAD_REQUEST", "unknown command"],
    ["on a malformed subject", "{}", "bad-6", "bioxen.job.x", "BAD_REQUEST", "unknown command"],
    ["for an internal command", "{}", "bad-7", "bioxen.job.vm.report", "BAD_REQUEST", "unknown command"],
    ["under an id with a dot", "[]", "bad.8", JOB, "BAD_REQUEST", "must be an object"],
  ])(
    "%s becomes a dead letter at once, and its outcome names the reason",
    async (_, payload, id, subject, code, why) => {
      await world.publish(payload, id, subject);
      const outcome = await world.outcomeOf(id);
      expect(outcome).toMatchObject({ ok: false, error: { code, retryable: false } });
      expect(JSON.stringify(outcome)).toContain(why);
      const letter = await world.jobs.deadLetter(id);
      expect(letter).toMatchObject({ id, subject, round: 1, error: { code } });
      expect(new TextDecoder().decode(letter?.data)).toBe(payload);
      await world.isEmpty();
    },
  );

  it.each([
    ["without an id", undefined, "unnamed-1"],
    ["with a space in its id", "a b", "unnamed-2"],
    ["with a wildcard in its id", "a.*", "unnamed-3"],
    ["with an empty token in its id", "a..b", "unnamed-4"],
    ["with a reserved id", "_seq-1", "unnamed-5"],
  ])("%s is named by its sequence, and can be retried under that name", async (_, id, vmId) => {
    await world.publish(JSON.stringify({ vmId }), id);
    const letter = await eventually("the job is a dead letter", async () => {
      const letters = await world.jobs.deadLetters(100);
      return letters.find((one) => new TextDecoder().decode(one.data).includes(`"${vmId}"`));
    });
    expect(letter.id).toMatch(/^_seq-\d+$/);
    expect(letter.error.message).toContain("Nats-Msg-Id");
    expect(await world.outcomeOf(letter.id)).toMatchObject({ ok: false, error: { code: "BAD_REQUEST" } });
    expect(await world.effectsOn(vmId)).toBe(0);
    await world.jobs.retry(letter.id);
    expect(await world.outcomeOf(letter.id)).toMatchObject({ ok: true });
    expect(await world.effectsOn(vmId)).toBe(1);
  });

  it("with a long header becomes a dead letter that names it, and is retried without it", async () => {
    const payload = '{"vmId":"long-header"}';
    await world.publish(payload, "long-header-1", JOB, { "Bioxen-Correlation-Id": "x".repeat(256) });
    expect(await world.outcomeOf("long-header-1")).toMatchObject({
      ok: false,
      error: { code: "BAD_REQUEST", details: { problems: [{ path: "Bioxen-Correlation-Id" }] } },
    });
    expect(await world.effectsOn("long-header")).toBe(0);
    expect(await world.jobs.retry("long-header-1")).toBeDefined();
    expect(await world.outcomeOf("long-header-1")).toMatchObject({ ok: true });
  });

  it("with a header that the client library cannot decode becomes a dead letter, and blocks no other job", async () => {
    const payload = '{"vmId":"bad-header"}';
    const header = "NATS/1.0\r\nNats-Msg-Id: bad-header-1\r\nBioxen-Correlation-Id: a\nb\r\n\r\n";
    const size = header.length + payload.length;
    await sendRaw(world.server.url, `HPUB ${JOB} ${header.length} ${size}\r\n${header}${payload}\r\n`);
    const letter = await eventually("the job is a dead letter", async () =>
      (await world.jobs.deadLetters(100)).find(({ error }) =>
        error.message.includes("headers cannot be read"),
      ),
    );
    expect(letter).toMatchObject({ error: { code: "BAD_REQUEST" } });
    await world.start("after-bad-header", "after-bad-header-1");
    expect(await world.outcomeOf("after-bad-header-1")).toMatchObject({ ok: true });
    expect(await world.effectsOn("bad-header")).toBe(0);
  });

  it("has an outcome and no dead letter after a final rejection", async () => {
    world.refusals.set("refused", refuse("VM_NOT_FOUND", "there is no VM"));
    await world.start("refused", "refused-1");
    expect(await world.outcomeOf("refused-1")).toMatchObject({ ok: false, error: { code: "VM_NOT_FOUND" } });
    expect(await world.jobs.deadLetter("refused-1")).toBeUndefined();
    expect(world.tried).toHaveLength(1);
  });

  it("is retried after a retryable rejection; its VM waits, other VMs do not, and its dead letter can succeed", async () => {
    world.refusals.set("later", refuse("CONFLICT", "not now", { retryable: true }));
    await world.start("later", "later-1");
    await world.start("later", "later-2");
    await world.start("other", "other-1");
    expect(await world.outcomeOf("other-1")).toMatchObject({ ok: true });
    expect(await world.jobs.outcome("later-1")).toBeUndefined();
    const letter = await eventually("the job is a dead letter", () => world.jobs.deadLetter("later-1"));
    world.refusals.delete("later");
    expect(letter).toMatchObject({
      attempts: MAX_JOB_ATTEMPTS,
      error: { code: "CONFLICT", message: "not now" },
    });
    expect(world.tried.filter((one) => one === "later later-1")).toHaveLength(MAX_JOB_ATTEMPTS);
    expect(await world.outcomeOf("later-1")).toMatchObject({ ok: false, error: { code: "CONFLICT" } });
    expect(await world.outcomeOf("later-2")).toMatchObject({ ok: true });
    expect(world.tried.indexOf("later later-2")).toBe(world.tried.lastIndexOf("later later-1") + 1);
    await world.jobs.retry("later-1");
    expect(await world.outcomeOf("later-1")).toMatchObject({ ok: true });
    expect(await world.jobs.deadLetter("later-1")).toBeUndefined();
    expect(await world.effectsOn("later")).toBe(2);
    expect(await world.jobs.retry("later-1")).toBeUndefined();
  });

  it("keeps its outcome when its dead letter is dropped", async () => {
    await world.publish("{", "dropped");
    await world.outcomeOf("dropped");
    expect(await world.jobs.drop("dropped")).toMatchObject({ id: "dropped" });
    expect(await world.jobs.deadLetter("dropped")).toBeUndefined();
    expect(await world.jobs.outcome("dropped")).toMatchObject({ ok: false });
    expect(await world.jobs.drop("dropped")).toBeUndefined();
  });
});

describe("jobs whose payloads do not fit the memory for them", () => {
  it("are read again for each try, and carried out in order", async () => {
    await world.stopWorkers();
    for (let i = 0; i < 6; i += 1) await world.start("unheld", `unheld-${i}`);
    world.refusals.set("unheld-later", refuse("CONFLICT", "not now", { retryable: true }));
    await world.start("unheld-later", "unheld-later-1");
    await world.startWorker(new ScriptedLeases(), 2 * '{"vmId":"unheld"}'.length);
    await eventually(
      "the other VM is tried twice",
      () => world.tried.filter((one) => one.startsWith("unheld-later")).length >= 2 || undefined,
    );
    world.refusals.delete("unheld-later");
    await world.isEmpty();
    expect(world.tried.filter((one) => one.startsWith("unheld "))).toEqual(
      Array.from({ length: 6 }, (_, i) => `unheld unheld-${i}`),
    );
    expect(await world.effectsOn("unheld")).toBe(6);
    expect(await world.outcomeOf("unheld-later-1")).toMatchObject({ ok: true });
  });
});

describe("a job that is published again", () => {
  it("gets its outcome long afterwards; another job under its id becomes a dead letter", async () => {
    await world.start("again", "again-1");
    const first = await world.outcomeOf("again-1");
    await world.isEmpty();
    // A restarted server has forgotten the ids of finished jobs, as every server has after two minutes.
    await world.server.kill();
    await world.server.startAgain();
    await world.start("again", "again-1");
    await world.isEmpty();
    expect(await world.effectsOn("again")).toBe(1);
    expect(world.tried.filter((one) => one.startsWith("again"))).toHaveLength(1);
    expect(await world.jobs.outcome("again-1")).toEqual(first);
    await world.server.kill();
    await world.server.startAgain();
    await world.publish('{"vmId":"again"}', "again-1", "bioxen.job.vm.stop");
    await world.isEmpty();
    const letters = await world.jobs.deadLetters(1_000);
    expect(letters.find((letter) => letter.subject === "bioxen.job.vm.stop")?.error.message).toContain(
      `of another job, again-1 on ${JOB}`,
    );
    expect(await world.jobs.outcome("again-1")).toEqual(first);
  });

  it("as a request under the same id gets the outcome of the job, without a second effect", async () => {
    await world.start("both", "both-1");
    await world.outcomeOf("both-1");
    const outcomes = await openOutcomes(world.bus);
    const found = await outcomes.once(`${START}:both-1`, () =>
      Promise.reject(new Error("carried out again")),
    );
    expect(found).toMatchObject({ ok: true });
  });
});

describe("a job under the id of a request with another payload", () => {
  it("has the outcome CONFLICT, and no effect", async () => {
    const outcomes = await openOutcomes(world.bus);
    const digest = "of another payload";
    const carriedOut = async () => ({ ok: true, result: {} }) as const;
    await outcomes.once(`${START}:taken-1`, carriedOut, { digest });
    await world.start("taken", "taken-1");
    expect(await world.outcomeOf("taken-1")).toMatchObject({ ok: false, error: { code: "CONFLICT" } });
    expect(await world.effectsOn("taken")).toBe(0);
  });
});
