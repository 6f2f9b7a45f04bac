/**
 * A tenant reads nothing of another tenant: by no query and no command, by no request to JetStream, and on no subject.
 *
 * The tenants share a chassis, and each has preempted a VM of the other. Everything of one tenant has a word in it that
 * the other one must not get. Before that, the admin gets it by the same queries.
 */
import { accessOf, ENDPOINTS, type EndpointName } from "@bioxen/contracts";
import { STREAM_NAMES } from "@bioxen/nats";
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  CELL,
  GIVEN,
  JOB,
  MARK,
  OWN,
  OWNER,
  PROBED,
  PROGRAM,
  type Probe,
  probesAt,
  READER,
  SEEN_BY_ADMIN,
} from "./tenant-queries.ts";
import { TenantWorld, withoutEcho } from "./tenant-world.ts";
import { eventually, type Json } from "./world.ts";

/** Longest wait for an answer to a request that the server may ignore, ms. */
const NO_ANSWER_MS = 300;
/** The id of a message that both tenants send. */
const SAME_ID = "same-id";

let tenants: TenantWorld;
beforeAll(async () => {
  tenants = await TenantWorld.open();
}, 300_000);
afterAll(() => tenants?.close());

const subjectOf = (name: EndpointName): string => ENDPOINTS[name].subject;
/** The answer to the reader; the text of the refusal when the server refuses the request. */
const asReader = (subject: string, request: object): Promise<string> =>
  tenants.ask(tenants.reader, subject, request).catch((thrown: Error) => `refused: ${thrown.message}`);

describe("the catalogue", () => {
  it("has a case for every query, and for everything that a tenant may call", () => {
    const cases = Object.keys(probesAt(1)).sort();
    expect(cases).toEqual(PROBED.map(([name]) => name).sort());
  });

  it.each(SEEN_BY_ADMIN)("shows the admin by %s %j what is hidden from others", async (name, request) => {
    const reply = await tenants.ask(tenants.world.nats, subjectOf(name), request);
    expect(JSON.parse(reply)).toMatchObject({ ok: true });
    expect(reply).toContain(MARK);
  });

  it.each(PROBED)("shows the reader nothing by %s", async (name, endpoint) => {
    const probes: readonly Probe[] = probesAt(tenants.seq)[name] ?? [];
    expect(probes.length).toBeGreaterThan(0);
    for (const { request, absent } of probes) {
      const what = `${name} ${JSON.stringify(request)}`;
      const reply = await asReader(endpoint.subject, request);
      expect(withoutEcho(reply, request), what).not.toContain(MARK);
      if (accessOf("tenant", endpoint) === "none") {
        expect(reply, what).toMatch(/^refused: .*permission/i);
      } else if (absent !== undefined) {
        const other = await asReader(endpoint.subject, absent.request);
        expect(reply.replaceAll(absent.name, absent.for), what).toBe(other);
      }
    }
  });

  it("changes nothing of the owner by all of this", async () => {
    const history = await tenants.world.done("qry.vm.history", { vmId: CELL });
    const principals = new Set(history.events.map(({ principal }: Json) => principal));
    expect(principals).not.toContain(READER);
    expect((await tenants.world.done("qry.vm.get", { vmId: GIVEN })).vm).toMatchObject({ owner: OWNER });
  });
});

describe("an answer that another tenant got", () => {
  it.each([
    ["placementPlan", { vmIds: [CELL], limit: 1 }, { vmIds: [OWN] }],
    ["placementExplain", { vmId: CELL, limit: 1 }, { vmId: OWN }],
  ] as const)("has no further page for the reader: %s", async (name, request, own) => {
    const { cursor } = JSON.parse(await tenants.ask(tenants.owner, subjectOf(name), request));
    expect(cursor).toEqual(expect.any(String));
    expect(
      JSON.parse(await tenants.ask(tenants.owner, subjectOf(name), { ...request, cursor })),
    ).toMatchObject({ ok: true });
    const reply = await asReader(subjectOf(name), { ...own, cursor });
    expect(JSON.parse(reply)).toMatchObject({ ok: false });
    expect(reply).not.toContain(MARK);
  });

  it("is not repeated to the reader under the same message id", async () => {
    const request = { vmId: CELL, source: PROGRAM };
    const first = await tenants.ask(tenants.owner, "bioxen.cmd.vm.exec", request, SAME_ID);
    expect(first).toContain(`${MARK} result`);
    expect(await tenants.ask(tenants.owner, "bioxen.cmd.vm.exec", request, SAME_ID)).toBe(first);
    for (const id of [SAME_ID, `${OWNER}/${SAME_ID}`, `${OWNER}/bioxen.cmd.vm.exec#${SAME_ID}`]) {
      const reply = JSON.parse(await tenants.ask(tenants.reader, "bioxen.cmd.vm.exec", request, id));
      expect(reply).toMatchObject({ ok: false, error: { code: "VM_NOT_FOUND" } });
    }
  });

  it("is not the outcome of the reader's job with the same id", async () => {
    const request = { vmId: CELL, source: PROGRAM };
    const outcomeFor = (as: NatsConnection) =>
      eventually("the job has an outcome", async () => {
        const reply = JSON.parse(await tenants.ask(as, "bioxen.qry.job.outcome", { id: JOB }));
        return reply.outcome ?? undefined;
      });
    await tenants.ask(tenants.owner, "bioxen.job.vm.exec", request, JOB);
    expect(JSON.stringify(await outcomeFor(tenants.owner))).toContain(`${MARK} result`);
    // The reader knows the id, and finds no such job.
    expect(
      JSON.parse(await tenants.ask(tenants.reader, "bioxen.qry.job.outcome", { id: JOB })),
    ).toMatchObject({
      ok: false,
      error: { code: "JOB_NOT_FOUND" },
    });
    const ack = JSON.parse(await tenants.ask(tenants.reader, "bioxen.job.vm.exec", request, JOB));
    expect(ack).not.toMatchObject({ duplicate: true });
    expect(await outcomeFor(tenants.reader)).toMatchObject({ ok: false, error: { code: "VM_NOT_FOUND" } });
  });
});

/** Requests about each stream. Those that the server lets through must not show anything. */
const STREAM_REQUESTS: readonly (readonly [string, object])[] = STREAM_NAMES.flatMap((stream) => [
  [`$JS.API.STREAM.INFO.${stream}`, { subjects_filter: ">" }] as const,
  ...["bioxen.>", `bioxen.feed.${OWNER}.>`, `bioxen.evt.vm.${CELL}`, ">"].flatMap((last_by_subj) => [
    [`$JS.API.STREAM.MSG.GET.${stream}`, { last_by_subj }] as const,
    [`$JS.API.DIRECT.GET.${stream}`, { last_by_subj }] as const,
    [`$JS.API.DIRECT.GET.${stream}.${last_by_subj.replaceAll(/[>*]/g, "x")}`, {}] as const,
  ]),
  [`$JS.API.STREAM.MSG.GET.${stream}`, { seq: 1, next_by_subj: ">" }] as const,
  [`$JS.API.CONSUMER.NAMES.${stream}`, {}] as const,
  [`$JS.API.CONSUMER.LIST.${stream}`, {}] as const,
  [`$JS.API.STREAM.SNAPSHOT.${stream}`, { deliver_subject: "_INBOX.reader.snapshot" }] as const,
]);
const LISTS = ["STREAM.NAMES", "STREAM.LIST", "ACCOUNT.INFO", "INFO"].map(
  (verb) => [`$JS.API.${verb}`, {}] as const,
);

/** The text of the answer, the refusal, or nothing when the server gives no answer. */
async function tried(subject: string, request: object): Promise<string> {
  return tenants.reader.request(subject, JSON.stringify(request), { timeout: NO_ANSWER_MS }).then(
    (message: Msg) => message.string(),
    (thrown: Error) => thrown.message,
  );
}

/** Creates a consumer of a stream, and returns what it has. */
async function consumed(
  stream: string,
  name: string,
  inSubject: string | undefined,
  filter: object,
): Promise<string> {
  const part = inSubject === undefined ? "" : `.${inSubject}`;
  const config = { name, ack_policy: "none", deliver_policy: "all", ...filter };
  const created = await tried(`$JS.API.CONSUMER.CREATE.${stream}.${name}${part}`, {
    stream_name: stream,
    config,
  });
  const inbox = `_INBOX.reader.${name}`;
  const heard: string[] = [];
  const subscription = tenants.reader.subscribe(inbox, {
    callback: (_error, message) => void heard.push(`${message.subject} ${message.string()}`),
  });
  tenants.reader.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, '{"batch":1000,"no_wait":true}', {
    reply: inbox,
  });
  await tenants.reader.flush();
  await new Promise((resolve) => setTimeout(resolve, NO_ANSWER_MS));
  subscription.unsubscribe();
  return [created, ...heard].join("\n");
}

describe("JetStream", () => {
  it("tells the reader nothing of the streams", async () => {
    for (const [subject, request] of [...STREAM_REQUESTS, ...LISTS]) {
      expect(withoutEcho(await tried(subject, request), [subject, request]), subject).not.toContain(MARK);
    }
  }, 120_000);

  it("has for the reader the events of its own VMs, without the names of others", async () => {
    const text = await consumed("BIOXEN_FEED", `${READER}_1`, `bioxen.feed.${READER}.>`, {
      filter_subject: `bioxen.feed.${READER}.>`,
    });
    expect(text).toContain("bioxen.vm.preempted");
    expect(text).not.toContain(MARK);
  });

  it("gives the reader nothing of a consumer of the owner, whose name it knows", async () => {
    const name = `${OWNER}_1`;
    const filter_subject = `bioxen.feed.${OWNER}.>`;
    const config = { name, filter_subject, ack_policy: "none", deliver_policy: "all" };
    const created = await tenants.ask(
      tenants.owner,
      `$JS.API.CONSUMER.CREATE.BIOXEN_FEED.${name}.${filter_subject}`,
      { stream_name: "BIOXEN_FEED", config },
    );
    expect(created).toContain(`"name":"${name}"`);
    for (const verb of ["MSG.NEXT", "INFO", "DELETE"]) {
      const subject = `$JS.API.CONSUMER.${verb}.BIOXEN_FEED.${name}`;
      expect(await tried(subject, { batch: 10, no_wait: true })).toMatch(/permission/i);
    }
    const own = { filter_subject: `bioxen.feed.${READER}.>` };
    expect(await consumed("BIOXEN_FEED", name, own.filter_subject, own)).toMatch(/permission/i);
    const info = await tenants.ask(tenants.owner, `$JS.API.CONSUMER.INFO.BIOXEN_FEED.${name}`, {});
    expect(JSON.parse(info)).toMatchObject({ config: { filter_subject }, delivered: { consumer_seq: 0 } });
  });

  it.each([
    ["BIOXEN_FEED", `${READER}_2`, `bioxen.feed.${OWNER}.>`, { filter_subject: `bioxen.feed.${OWNER}.>` }],
    ["BIOXEN_FEED", `${READER}_3`, `bioxen.feed.${READER}.>`, { filter_subject: `bioxen.feed.${OWNER}.>` }],
    ["BIOXEN_FEED", `${READER}_4`, `bioxen.feed.${READER}.>`, { filter_subject: "bioxen.feed.>" }],
    ["BIOXEN_FEED", `${READER}_5`, undefined, {}],
    ["BIOXEN_FEED", `${READER}_6`, undefined, { filter_subjects: ["bioxen.feed.>"] }],
    ["BIOXEN_EVENTS", "c6", undefined, {}],
    ["BIOXEN_EVENTS", "c7", `bioxen.evt.vm.${CELL}`, { filter_subject: `bioxen.evt.vm.${CELL}` }],
    ["BIOXEN_OUTCOMES", "c8", undefined, {}],
    ["BIOXEN_COMMANDS", "c9", undefined, {}],
    ["KV_bioxen-first-outcomes", "c10", undefined, {}],
  ])("gives the reader no consumer of %s (%s, %s, %j)", async (stream, name, inSubject, filter) => {
    const text = await consumed(stream, name, inSubject, filter);
    expect(withoutEcho(text, [inSubject, filter])).not.toContain(MARK);
  });
});

const HEARD = [
  ">",
  "bioxen.>",
  "bioxen.evt.>",
  "bioxen.tel.>",
  "bioxen.log.>",
  "bioxen.alert.>",
  "bioxen.stored.>",
  "bioxen.job-outcome.>",
  "bioxen.cmd.>",
  "bioxen.as.>",
  "bioxen.from.>",
  "bioxen.feed.>",
  `bioxen.feed.${OWNER}.>`,
  `bioxen.feed.${OWNER}.log.${CELL}`,
  `bioxen.feed.${READER}.>`,
  "_INBOX.>",
  "_R_.>",
  "$JS.>",
  "$KV.>",
  "$SRV.>",
  "$SYS.>",
];

it("the reader hears nothing on any subject while the owner works", async () => {
  const heard: string[] = [];
  // Everything that reaches the reader is collected, and nothing of it is a reply to a request of its own.
  const listening = await tenants.loginAsReader();
  for (const subject of HEARD) {
    listening.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) heard.push(`${message.subject} ${message.string()}`);
      },
    });
  }
  const lines: string[] = [];
  tenants.owner.subscribe(`bioxen.feed.${OWNER}.>`, {
    callback: (_error, message) => void lines.push(`${message.subject} ${message.string()}`),
  });
  await Promise.all([listening.flush(), tenants.owner.flush()]);
  await tenants.done(tenants.owner, "cmd.vm.exec", { vmId: CELL, source: PROGRAM });
  await tenants.done(tenants.owner, "cmd.vm.pause", { vmId: CELL });
  await tenants.done(tenants.owner, "cmd.vm.resume", { vmId: CELL });
  const isHeard = (part: string) =>
    eventually(`the owner hears ${part}`, async () => lines.some((line) => line.includes(part)) || undefined);
  for (const part of [`.tel.${CELL}`, `.log.${CELL}`, "bioxen.vm.resumed"]) await isHeard(part);
  await listening.flush();
  expect(heard.filter((line) => line.includes(MARK))).toEqual([]);
  // The reader does hear the telemetry of its own VM.
  await eventually(
    "the reader hears its own feed",
    async () => heard.some((line) => line.startsWith(`bioxen.feed.${READER}.`)) || undefined,
  );
  await listening.close();
});
