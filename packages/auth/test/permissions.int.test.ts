/**
 * Every user on every kind of subject, on a real server with the generated configuration, compared with a table that is
 * written by hand.
 */
import { eventually } from "@bioxen/testkit/eventually";
import type { NatsConnection } from "@nats-io/transport-node";
import { PermissionViolationError } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mayPublish, maySubscribe } from "./expected-permissions.ts";
import { KeyedServer, USERS } from "./keyed-server.ts";
import { PUBLISHED, SUBSCRIBED } from "./subjects.ts";

let keyed: KeyedServer;
beforeAll(async () => {
  keyed = await KeyedServer.start();
});
afterAll(() => keyed.stop());

/** Collects the subjects whose publication or subscription the server refuses on a connection. */
function refusals(connection: NatsConnection): ReadonlySet<string> {
  const refused = new Set<string>();
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type !== "error" || !(status.error instanceof PermissionViolationError)) continue;
      refused.add(`${status.error.operation} ${status.error.subject}`);
    }
  })();
  return refused;
}

/** A subject that no user may use. Its refusal is the last one, so that all others have arrived before. */
const LAST = "no.such.subject";

it("the lists of subjects are whole: a thousand to publish on, and hundreds to subscribe to", () => {
  expect(PUBLISHED.length).toBeGreaterThan(1_000);
  expect(SUBSCRIBED.length).toBeGreaterThan(300);
});

describe.each(USERS)("%s", (user) => {
  it("publishes where the table allows it, and nowhere else", async () => {
    const connection = await keyed.as(user);
    const refused = refusals(connection);
    for (const subject of [...PUBLISHED, LAST]) connection.publish(subject, "{");
    await eventually("all refusals", async () => refused.has(`publish ${LAST}`) || undefined);
    const differences = PUBLISHED.filter(
      (subject) => refused.has(`publish ${subject}`) === mayPublish(user, subject),
    );
    expect(
      differences.map((subject) => `${mayPublish(user, subject) ? "refused" : "allowed"}: ${subject}`),
    ).toEqual([]);
    await connection.close();
  });

  it("subscribes where the table allows it, and nowhere else", async () => {
    const connection = await keyed.as(user);
    const refused = refusals(connection);
    for (const subject of [...SUBSCRIBED, LAST]) connection.subscribe(subject, { callback: () => undefined });
    await eventually("all refusals", async () => refused.has(`subscription ${LAST}`) || undefined);
    const differences = SUBSCRIBED.filter(
      (subject) => refused.has(`subscription ${subject}`) === maySubscribe(user, subject),
    );
    expect(
      differences.map((subject) => `${maySubscribe(user, subject) ? "refused" : "allowed"}: ${subject}`),
    ).toEqual([]);
    await connection.close();
  });
});

it("a key of another server and a wrong password get no connection, the right password gets one", async () => {
  expect((await keyed.withPassword()).isClosed()).toBe(false);
  await expect(keyed.stranger()).rejects.toThrow(/Authorization/i);
  await expect(keyed.stranger({ user: "admin", pass: "wrong" })).rejects.toThrow(/Authorization/i);
});
