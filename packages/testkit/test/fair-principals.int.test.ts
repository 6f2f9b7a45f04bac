/**
 * The fair shares of principals on a real server with accounts: a principal that sends a flood over many connections and
 * inboxes fills only its own share, and the audit hears of its refusals.
 */
import { ENDPOINTS, type Identity, serve } from "@bioxen/contracts";
import { type AuditedRefusal, type Bus, connectBus, type Inbox, openInbox, openOutcomes } from "@bioxen/nats";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { accountsOf, SERVICES, urlOf, userOf } from "../src/accounts.ts";
import { eventually, TestServer } from "../src/index.ts";

/** Requests under way, and waiting, before a lane refuses one. */
const UNDER_WAY = 16;
const WAITING = 2_048;
/** Less than the share of each of three principals. */
const OF_OTHERS = 300;
const TENANTS: readonly Identity[] = ["alice", "bob", "carol"].map((name) => ({ role: "tenant", name }));
const [ALICE, BOB, CAROL] = TENANTS as [Identity, Identity, Identity];

let server: TestServer;
let bus: Bus;
let inbox: Inbox;
let release: () => void = () => undefined;
const released = new Promise<void>((resolve) => {
  release = resolve;
});
const refusals: AuditedRefusal[] = [];
const open: NatsConnection[] = [];

beforeAll(async () => {
  server = await TestServer.start(accountsOf(TENANTS));
  bus = await connectBus({ servers: urlOf(server.port, SERVICES), name: "services", service: "lifecycle" });
  inbox = await openInbox({
    bus,
    identities: "mapped",
    name: "shared",
    version: "1.0.0",
    description: "an inbox of several principals",
    endpoints: [
      serve(ENDPOINTS.vmPause, async ({ vmId }) => {
        await released;
        return { ok: true, result: { changed: false, vm: { vmId } as never } };
      }),
    ],
    outcomes: await openOutcomes(bus),
    newId: () => crypto.randomUUID(),
    unavailable: () => undefined,
    onFault: (_subject, thrown) => {
      throw thrown;
    },
    onRefusal: (refusal) => void refusals.push(refusal),
  });
});
afterAll(async () => {
  await inbox.stop();
  await Promise.all([...open, bus].map((one) => one.close()));
  await server.stop();
});

/** Sends requests of one principal over a connection of its own, and collects the codes of the answers. */
async function send(caller: Identity, count: number): Promise<string[]> {
  const user = userOf(caller);
  const connection = await connect({ servers: server.url, user, pass: user });
  open.push(connection);
  const codes: string[] = [];
  // The connections of one principal hear all of its inboxes, so each has a name of its own in them.
  const inboxes = `_INBOX.${crypto.randomUUID()}`;
  connection.subscribe(`${inboxes}.>`, {
    callback: (_error, message) => {
      const { error } = message.json<{ error?: { code: string } }>();
      codes.push(error?.code ?? "OK");
    },
  });
  const payload = JSON.stringify({ vmId: `${caller.name}-1` });
  for (let i = 0; i < count; i += 1)
    connection.publish(ENDPOINTS.vmPause.subject, payload, {
      reply: `${inboxes}.${crypto.randomUUID()}.${i}`,
    });
  await connection.flush();
  return codes;
}

it("a principal with many connections and inboxes takes no place from others, and gets RATE_LIMITED", async () => {
  const ofAlice = [
    await send(ALICE, 1_000),
    await send(ALICE, 1_000),
    await send(ALICE, UNDER_WAY + WAITING - 2_000),
  ];
  await eventually("the room is full", () => {
    const [lane] = inbox.load().lanes;
    return lane?.waiting === WAITING || undefined;
  });
  const others = [await send(BOB, OF_OTHERS), await send(CAROL, OF_OTHERS)];
  const refused = () => ofAlice.flat().filter((code) => code === "RATE_LIMITED").length;
  // The first requests of the others may begin at once, in the places that are reserved for quiet callers.
  const expected = 2 * OF_OTHERS - 2;
  await eventually("the newest requests of alice have given way", () => refused() >= expected || undefined);
  expect(others.flat()).toEqual([]);
  release();
  await eventually("all are answered", () => others.every(({ length }) => length === OF_OTHERS) || undefined);
  expect(others.flat().filter((code) => code !== "OK")).toEqual([]);
  await eventually("alice is answered too", () => ofAlice.flat().length === UNDER_WAY + WAITING || undefined);
  expect(new Set(ofAlice.flat())).toEqual(new Set(["OK", "RATE_LIMITED"]));
  expect(new Set(refusals.map(({ principal, code }) => `${principal} ${code}`))).toEqual(
    new Set(["alice RATE_LIMITED"]),
  );
  expect(refusals).toHaveLength(refused());
});
