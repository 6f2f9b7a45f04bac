/**
 * Listings of folded states with writes between their pages: every page shows the state at the first page's sequence,
 * at whichever instance, and nothing is missing or listed twice.
 */
import {
  type ChassisState,
  chassisFold,
  FROZEN_FOR_MS,
  FrozenPages,
  type Handled,
  MAX_REFOLDS_PER_PAGE,
  merged,
  type Page,
  type PageShape,
  StatePages,
} from "@bioxen/contracts";
import { Aggregates, EventFeed } from "@bioxen/kernel";
import { beforeEach, describe, expect, it } from "vitest";
import { appendNext, FakeClock, idsInOrder, MemoryEventLog, registeredChassis } from "../src/index.ts";

const SHAPE: PageShape = { chassis: "items" };
type Listing = { chassis: { chassisId: string; cordoned: boolean }[] } & Page;

let log: MemoryEventLog;
/** The feed of every instance of the test. */
let feeds: EventFeed[];
beforeEach(() => {
  log = new MemoryEventLog();
  feeds = [];
});

/** One instance of a service that lists the registered chassis. */
class Instance {
  readonly clock = new FakeClock();
  readonly states: Aggregates<ChassisState>;
  readonly pages: StatePages<ChassisState>;
  refolds = 0;

  constructor() {
    const { clock } = this;
    this.states = new Aggregates({
      kind: "chassis",
      fold: chassisFold,
      log,
      clock,
      ids: idsInOrder(),
      source: "/bioxen/test",
    });
    const feed = new EventFeed(log, [this.states], clock);
    feeds.push(feed);
    void feed.start();
    const { states } = this;
    this.pages = new StatePages({
      states: {
        get: (id) => states.get(id),
        sortedIds: () => states.sortedIds(),
        get newestSeq() {
          return states.newestSeq;
        },
        stateAt: (id, seq) => {
          this.refolds += 1;
          return states.stateAt(id, seq);
        },
      },
      log,
      appliedSeq: () => feed.appliedSeq,
      applied: (seq) => feed.applied(seq),
    });
  }

  async page(request: { limit?: number; cursor?: string }, maxBytes = 100_000): Promise<Listing> {
    const page = await this.pages.many<Listing>(request, maxBytes, {
      shape: SHAPE,
      empty: { chassis: [], cursor: null },
      fragment: (chassisId, state) =>
        state.registered ? { chassis: [{ chassisId, cordoned: state.cordoned }], cursor: null } : undefined,
    });
    if (!page.ok) throw new Error(page.rejection.message);
    return page.result;
  }
}

const register = (id: string) => appendNext(log, "chassis", id, registeredChassis());
const cordon = (id: string) =>
  appendNext(log, "chassis", id, { type: "bioxen.chassis.cordoned.v1", data: {} });
const idOf = (i: number) => `c${String(i).padStart(4, "0")}`;
/** Resolves once every instance has applied what the log holds now. */
const settled = async () => {
  const lastSeq = await log.lastSeq();
  await Promise.all(feeds.map((feed) => feed.applied(lastSeq)));
};

/** The listing of version 0.1.0: the things whose ids are above the cursor, in the present state. */
function pageOfVersion010(ids: readonly string[], limit: number, cursor?: string): Listing {
  const rest = [...ids].sort().filter((id) => cursor === undefined || id > cursor);
  const chassis = rest.slice(0, limit).map((chassisId) => ({ chassisId, cordoned: false }));
  return { chassis, cursor: rest.length > limit ? (chassis.at(-1)?.chassisId ?? null) : null };
}

describe("pages of states", () => {
  it("go on at the right place at an instance of version 0.1.0, and come back from it", async () => {
    // The comma of a cursor must be below every character of an id: these ids begin with one another.
    const ids = ["a", "a-0", "a-b", "a0", "a1", "ab", "b", "b-1", "b0", "c", "0", "0-a", "9"];
    for (const id of ids) await register(id);
    const instance = new Instance();
    await settled();
    for (const isNewFirst of [true, false]) {
      let cursor: string | undefined;
      const listed: string[] = [];
      for (let isNew = isNewFirst; ; isNew = !isNew) {
        const request = { limit: 1, ...(cursor === undefined ? {} : { cursor }) };
        const page = isNew ? await instance.page(request) : pageOfVersion010(ids, 1, cursor);
        listed.push(...page.chassis.map(({ chassisId }) => chassisId));
        if (page.cursor === null || listed.length > ids.length) break;
        cursor = page.cursor;
      }
      expect(listed).toEqual([...ids].sort());
    }
  });

  it("show one sequence, at any instance, although everything changes between them", async () => {
    for (let i = 0; i < 20; i += 1) await register(idOf(i));
    const instances = [new Instance(), new Instance()];
    await settled();
    let cursor: string | undefined;
    const listed: Listing["chassis"] = [];
    for (let pages = 0; ; pages += 1) {
      const instance = instances[pages % 2] as Instance;
      const page = await instance.page({ limit: 3, ...(cursor === undefined ? {} : { cursor }) });
      listed.push(...page.chassis);
      if (page.cursor === null) break;
      cursor = page.cursor;
      // Each of these must not show: a change before and after the position, and new chassis on both sides of it.
      await cordon(idOf(pages));
      await cordon(idOf(19 - pages));
      await register(`b${pages}`);
      await register(`d${pages}`);
      await appendNext(log, "chassis", idOf(10 + pages), { type: "bioxen.chassis.removed.v1", data: {} });
      await settled();
    }
    expect(listed).toEqual(Array.from({ length: 20 }, (_, i) => ({ chassisId: idOf(i), cordoned: false })));
    const fresh = await (instances[0] as Instance).page({});
    expect(fresh.chassis).not.toEqual(listed);
  });

  it("show what this instance has just written, although its feed is behind", async () => {
    const instance = new Instance();
    await settled();
    await instance.states.execute("c1", { causeId: "x", correlationId: "x", deduplicate: false }, () => ({
      ok: true,
      event: registeredChassis() as never,
    }));
    expect((await instance.page({})).chassis.map(({ chassisId }) => chassisId)).toEqual(["c1"]);
  });

  it("fold only what changed since, and end early when that is much", async () => {
    const many = MAX_REFOLDS_PER_PAGE + 10;
    for (let i = 0; i < many; i += 1) await register(idOf(i));
    const instance = new Instance();
    await settled();
    const { cursor } = await instance.page({ limit: 1 });
    await cordon(idOf(5));
    await settled();
    expect((await instance.page({ cursor: cursor ?? "" })).cursor).toBeNull();
    expect(instance.refolds).toBe(1);
    for (let i = 0; i < many; i += 1) if (i !== 5) await cordon(idOf(i));
    await settled();
    const second = await instance.page({ cursor: cursor ?? "" });
    expect(second.chassis).toHaveLength(MAX_REFOLDS_PER_PAGE);
    const third = await instance.page({ cursor: second.cursor ?? "" });
    expect(third.cursor).toBeNull();
    const all = [...second.chassis, ...third.chassis];
    expect(all.map(({ chassisId }) => chassisId)).toEqual(
      Array.from({ length: many - 1 }, (_, i) => idOf(i + 1)),
    );
    expect(all.filter(({ cordoned }) => cordoned)).toEqual([]);
  });

  it("go on after an id, as earlier versions gave it, and refuse a cursor beyond the log or of no form", async () => {
    for (let i = 0; i < 4; i += 1) await register(idOf(i));
    const instance = new Instance();
    await settled();
    expect((await instance.page({ cursor: idOf(1) })).chassis.map(({ chassisId }) => chassisId)).toEqual([
      idOf(2),
      idOf(3),
    ]);
    await expect(instance.page({ cursor: "99:c0001:0" })).rejects.toThrow("the log ends at 4");
    await expect(instance.page({ cursor: "?" })).rejects.toThrow("is not a cursor");
  });

  it("of a past sequence show that sequence on each page", async () => {
    await register("a");
    for (let i = 0; i < 3; i += 1) await cordon("a");
    const instance = new Instance();
    await settled();
    const page = await instance.pages.within({}, 1_000, {
      shape: SHAPE,
      name: "a",
      ids: ["a"],
      atSeq: 1,
      result: ([state]) => ({ ok: true, result: { chassis: [state?.registered && state.cordoned] } }),
    });
    expect(page).toMatchObject({ result: { chassis: [false], cursor: null } });
  });
});

describe("pages of a computed result", () => {
  const clock = new FakeClock();
  const pages = new FrozenPages({ clock, timers: clock, ids: idsInOrder("f"), appliedSeq: () => 7 });
  const resultOf = (items: number) => ({
    chassis: Array.from({ length: items }, (_, i) => ({ i, text: "x".repeat(90) })),
  });
  const page = (request: { cursor?: string; limit?: number }, items = 30, subject = "s") =>
    pages.page<Record<string, unknown>>(subject, request, 1_000, SHAPE, () => ({
      ok: true,
      result: resultOf(items),
    }));

  it("are of the first page's result, whatever it would be now", async () => {
    let next = await page({});
    let whole: Record<string, unknown> = {};
    for (;;) {
      if (!next.ok) throw new Error(next.rejection.message);
      whole = Object.keys(whole).length === 0 ? next.result : merged(whole, next.result, SHAPE);
      if (next.result.cursor === null) break;
      next = await page({ cursor: next.result.cursor }, 1);
    }
    expect(whole).toEqual({ ...resultOf(30), cursor: null });
  });

  it("are kept for a minute after the last one, and not at all when one page is enough", async () => {
    const before = pages.size;
    expect(await page({}, 2)).toMatchObject({ ok: true, result: { cursor: null } });
    expect(pages.size).toBe(before);
    const first = (await page({})) as Handled<Page> & { result: Page };
    const { cursor } = first.result as { cursor: string };
    await clock.advance(FROZEN_FOR_MS - 1);
    expect(await page({ cursor })).toMatchObject({ ok: true });
    await clock.advance(FROZEN_FOR_MS - 1);
    expect(await page({ cursor })).toMatchObject({ ok: true });
    await clock.advance(FROZEN_FOR_MS);
    expect(await page({ cursor })).toMatchObject({
      ok: false,
      rejection: { code: "CONFLICT", retryable: true, details: { cursor: "gone" } },
    });
    await clock.advance(FROZEN_FOR_MS);
    expect(pages.size).toBe(0);
  });

  it("refuse the cursor of another listing", async () => {
    const first = (await page({})) as Handled<Page> & { result: Page };
    const { cursor } = first.result as { cursor: string };
    expect(await page({ cursor }, 1, "other")).toMatchObject({
      ok: false,
      rejection: { code: "BAD_REQUEST" },
    });
  });
});
