/**
 * The real messages of a whole run satisfy the published docs/asyncapi.json: requests, replies and refusals, events,
 * telemetry, alerts, durable commands and what BioXen's own services say to each other.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { recordExamples } from "./protocol-examples.ts";
import { UNREADABLE_SUBJECT, wholeRun } from "./protocol-run.ts";
import { Traffic } from "./protocol-traffic.ts";
import { eventually, World } from "./world.ts";

const LEAST_MESSAGES = 2_000;
const LEAST_KINDS = 140;

let world: World;
const traffic = new Traffic((subject) => subject === UNREADABLE_SUBJECT);
beforeAll(async () => {
  world = await World.open({ chassis: "ecoli:2,yeast:1" });
  traffic.listenTo(world.nats);
});
afterAll(() => world.close());

const CALLED = /(?:Request|Result|ErrorReply)$/;

describe("the traffic of a whole run", () => {
  it("satisfies docs/asyncapi.json, message by message", async () => {
    await wholeRun(world);
    await eventually(`${LEAST_MESSAGES} messages were judged, and malformed jobs are dead letters`, () =>
      traffic.total >= LEAST_MESSAGES && traffic.malformedJobs.size === 0 ? true : undefined,
    );
    const { counts, violations, kinds, refusals, total } = traffic;
    const unseen = kinds.filter((kind) => !counts.has(kind));
    const refused = [...refusals.values()].reduce((sum, codes) => sum + codes.size, 0);
    console.log(
      `${total} messages of ${counts.size} kinds, ${refused} kinds of refusal; not seen: ${unseen.join(", ")}`,
    );
    if (process.env["BIOXEN_RECORD_EXAMPLES"] === "1") recordExamples(traffic);
    expect(violations.slice(0, 20)).toEqual([]);
    expect(counts.size).toBeGreaterThanOrEqual(LEAST_KINDS);
    expect(
      unseen.filter((kind) => CALLED.test(kind)),
      "a new endpoint needs a call in protocol-run.ts",
    ).toEqual([]);
  });
});
