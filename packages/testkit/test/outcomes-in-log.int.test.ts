/**
 * First outcomes of commands whose only effect is an event: the store has only those that are not in the log.
 */
import { type HandlerResult, refuse } from "@bioxen/contracts";
import { type Bus, connectBus, type Outcomes, openOutcomes } from "@bioxen/nats";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, expect, it } from "vitest";
import { TestServer } from "../src/index.ts";

const BUCKET = "KV_bioxen-first-outcomes";
const CHANGED: HandlerResult = { ok: true, result: { changed: true } };
const UNCHANGED: HandlerResult = { ok: true, result: { changed: false, at: 7 } };

let server: TestServer;
let bus: Bus;
let outcomes: Outcomes;
/** The store as another instance has it. */
let others: Outcomes;

beforeAll(async () => {
  server = await TestServer.start();
  bus = await connectBus({ servers: server.url, name: "outcomes" });
  outcomes = await openOutcomes(bus);
  others = await openOutcomes(bus);
});
afterAll(async () => {
  await bus.close();
  await server.stop();
});

const writes = async () => {
  const { state } = await (await jetstreamManager(bus.connection)).streams.info(BUCKET);
  return state.last_seq;
};
const never = () => Promise.reject(new Error("carried out again"));

it("writes nothing for a command that appended its event", async () => {
  const before = await writes();
  await expect(outcomes.onceInLog("vm.start:a", async () => CHANGED)).resolves.toEqual(CHANGED);
  expect(await writes()).toBe(before);
});

it.each([
  ["a refusal", refuse("VM_NOT_FOUND", "there is no VM")],
  ["no change", UNCHANGED],
])("stores %s with one write, for a repeat at any instance", async (name, outcome) => {
  const id = `vm.start:${name}`;
  const before = await writes();
  await expect(outcomes.onceInLog(id, async () => outcome, { digest: "d" })).resolves.toEqual(outcome);
  expect(await writes()).toBe(before + 1);
  await expect(others.onceInLog(id, never, { digest: "d" })).resolves.toEqual(outcome);
  await expect(others.once(id, never, { digest: "d" })).resolves.toEqual(outcome);
  const other = await others.onceInLog(id, never, { digest: "of another payload" });
  expect(other).toMatchObject({ ok: false, rejection: { code: "CONFLICT" } });
});

it("does not store a refusal that a repeat can overcome", async () => {
  const busy = refuse("UNAVAILABLE", "busy", { retryable: true });
  await expect(outcomes.onceInLog("vm.start:busy", async () => busy)).resolves.toEqual(busy);
  await expect(others.onceInLog("vm.start:busy", async () => CHANGED)).resolves.toEqual(CHANGED);
});

it("gives two attempts at the same time the outcome that was stored first", async () => {
  const { promise: bothBegan, resolve } = Promise.withResolvers<void>();
  let began = 0;
  const attempt = (message: string) => async () => {
    began += 1;
    if (began === 2) resolve();
    await bothBegan;
    return refuse("VM_NOT_FOUND", message);
  };
  const [one, other] = await Promise.all([
    outcomes.onceInLog("vm.start:both", attempt("one")),
    others.onceInLog("vm.start:both", attempt("other")),
  ]);
  expect(one).toEqual(other);
  expect(began).toBe(2);
});

it("waits for an attempt that has claimed the command, such as a job", async () => {
  const { promise: job, resolve: end } = Promise.withResolvers<HandlerResult>();
  const before = await writes();
  const first = outcomes.once("vm.start:claimed", () => job);
  await expect.poll(writes).toBe(before + 1);
  const second = others.onceInLog("vm.start:claimed", never);
  end(UNCHANGED);
  await expect(second).resolves.toEqual(UNCHANGED);
  await expect(first).resolves.toEqual(UNCHANGED);
});
