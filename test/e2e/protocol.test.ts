/**
 * The real messages of a whole run satisfy the published docs/asyncapi.json: requests, replies and refusals, events,
 * telemetry, alerts, durable commands and what BioXen's own services say to each other.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { recordExamples } from "./protocol-examples.ts";
import { UNREADABLE_SUBJECT, wholeRun } from "./protocol-run.ts";
import { publishedDocument, Traffic } from "./protocol-traffic.ts";
import { eventually, World } from "./world.ts";

const LEAST_MESSAGES = 2_000;
const LEAST_KINDS = 140;

/** A request, a reply, an event and a sample whose schemas demand, in a wrong document, a field that none has. */
const WRONG_KINDS = ["VmCreateRequest", "VmGetResult", "VmCreatedV1", "VmSample"];

let world: World;
const isIgnored = (subject: string) => subject === UNREADABLE_SUBJECT;
const traffic = new Traffic(isIgnored);
const judgedWrongly = new Traffic(isIgnored, wrongDocument());
beforeAll(async () => {
  // Without keys: the test listens to every subject, also to the requests between the services.
  world = await World.open({ keys: false, chassis: "ecoli:2,yeast:1" });
  traffic.listenTo(world.nats);
  judgedWrongly.listenTo(world.nats);
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

  it("violates a document with other schemas, in exactly the messages of these", () => {
    for (const kind of WRONG_KINDS) {
      expect(traffic.counts.get(kind), kind).toBeGreaterThan(0);
      expect(judgedWrongly.counts.get(kind), kind).toBeUndefined();
      expect(judgedWrongly.violations.some((text) => text.includes(kind))).toBe(true);
    }
    const others = judgedWrongly.violations.filter(
      (text) => !WRONG_KINDS.some((kind) => text.includes(kind)),
    );
    expect(others).toEqual([]);
    const counted = [...traffic.counts].filter(([kind]) => !WRONG_KINDS.includes(kind));
    expect(counted.filter(([kind]) => !judgedWrongly.counts.has(kind))).toEqual([]);
  });
});

function wrongDocument(): ReturnType<typeof publishedDocument> {
  const document = publishedDocument();
  for (const kind of WRONG_KINDS) {
    document.components.messages[kind].payload = {
      title: kind,
      type: "object",
      properties: { noSuchField: { type: "string" } },
      required: ["noSuchField"],
    };
  }
  return document;
}
