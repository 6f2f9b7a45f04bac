import { describe, expect, it } from "vitest";
import { prefixOf, ReplySubjects, verdictOf } from "./reply-subjects.ts";

describe("the form of a reply subject", () => {
  it.each([
    ["", "accepted"],
    ["_INBOX.AbC.1", "accepted"],
    ["_INBOX_alice.AbC.1", "accepted"],
    ["_R_.Xyz.AbC", "accepted"],
    ["bioxen.evt.vm.a", "refused"],
    ["bioxen.job.vm.create", "refused"],
    ["bioxen", "refused"],
    ["$JS.API.STREAM.PURGE.BIOXEN_EVENTS", "refused"],
    ["$KV.bioxen-leases.evil", "refused"],
    ["$O.store.x", "refused"],
    ["$SYS.REQ.SERVER.PING", "refused"],
    ["$SRV.PING", "refused"],
    ["_INBOX.>", "refused"],
    ["a.*", "refused"],
    ["_INBOXES.a", "ask"],
    ["bioxenophobia.a", "ask"],
    ["alice.inbox.AbC.1", "ask"],
  ])("%s is %s", (reply, verdict) => {
    expect(verdictOf(reply)).toBe(verdict);
  });

  it("has a prefix without the token of the request", () => {
    expect(["_INBOX.AbC.1", "_INBOX.AbC", "one"].map(prefixOf)).toEqual(["_INBOX.AbC", "_INBOX", "one"]);
  });
});

describe("a reply subject of another form", () => {
  const asked: string[] = [];
  let nowMs = 0;
  const world = (streams: readonly string[] | Error) =>
    new ReplySubjects(
      async (filter) => {
        asked.push(filter);
        if (streams instanceof Error) throw streams;
        return streams;
      },
      () => nowMs,
    );

  it("is accepted when no stream stores it, and the server is asked once per prefix", async () => {
    asked.length = 0;
    const replies = world([]);
    expect(replies.verdict("alice.inbox.1")).toBe("ask");
    const both = [replies.isAccepted("alice.inbox.1"), replies.isAccepted("alice.inbox.2")];
    expect(await Promise.all(both)).toEqual([true, true]);
    expect(replies.verdict("alice.inbox.3")).toBe("accepted");
    expect(asked).toEqual(["alice.inbox.>"]);
  });

  it("is refused when a stream stores it, and asked about again after a while", async () => {
    asked.length = 0;
    const replies = world(["ORDERS"]);
    expect(await replies.isAccepted("orders.new")).toBe(false);
    expect(replies.verdict("orders.new")).toBe("refused");
    nowMs += 30_001;
    expect(replies.verdict("orders.new")).toBe("ask");
    expect(await replies.isAccepted("orders")).toBe(false);
    expect(asked).toEqual(["orders.>", "orders"]);
  });

  it("is refused, and not remembered, when the server does not tell", async () => {
    const replies = world(new Error("no answer"));
    expect(await replies.isAccepted("alice.inbox.1")).toBe(false);
    expect(replies.verdict("alice.inbox.1")).toBe("ask");
  });

  it("does not grow the memory of verdicts without end", async () => {
    const replies = world([]);
    for (let i = 0; i <= 1_000; i += 1) await replies.isAccepted(`own-${i}.x`);
    expect(replies.verdict("own-0.x")).toBe("ask");
    expect(replies.verdict("own-1000.x")).toBe("accepted");
  });
});
