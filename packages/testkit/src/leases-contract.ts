/**
 * The tests that leases must pass on every lease store. The store in memory and the KV bucket both run them.
 */
import {
  type Clock,
  LEASE_LOOK_MS,
  LEASE_TTL_MS,
  type Lease,
  type LeaseStore,
  type Logger,
  MAX_LEASE_TOKEN,
  StoredLeases,
  type Timers,
} from "@bioxen/kernel";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { idsInOrder } from "./fake-clock.ts";
import { LeaseStorePath } from "./memory-leases.ts";

export interface LeasesUnderTest {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly monotonicMs: () => number;
  /**
   * Lets the time of `clock` pass and polls `look` until `look` returns a value; resolves with that value. Rejects
   * after `withinMs` with an error that names `what`.
   */
  readonly until: <T>(what: string, look: () => T | undefined, withinMs: number) => Promise<T>;
  /** Deletes every record, as if the store were lost. */
  readonly forget: () => Promise<unknown> | unknown;
  readonly close: () => Promise<void>;
}

/** Longest takeover, ms: the TTL, one poll before and one after it, and a margin for a slow machine. */
const TAKEOVER_MS = LEASE_TTL_MS + 2 * LEASE_LOOK_MS + 1_500;
/**
 * Longest time until a lease has a new holder when no TTL has to run out before, ms: two polls, and a margin for a slow
 * machine.
 */
const SOON_MS = 2 * LEASE_LOOK_MS + 1_000;
const LIMIT_MS = 30_000;

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

class Rival {
  readonly path: LeaseStorePath;
  /**
   * The contender's history, in order: the token of each lease that it acquired, and `lost` for each lease that it
   * lost.
   */
  readonly changes: (number | "lost")[] = [];
  /**
   * The other holders that this contender has seen, in order. The prefix `superseded by` marks a holder that took the
   * lease from this contender.
   */
  readonly others: string[] = [];
  readonly lease: Lease;

  constructor(
    name: string,
    under: LeasesUnderTest,
    ids: ReturnType<typeof idsInOrder>,
    { ttlMs, hasEnded }: RivalOptions,
  ) {
    this.path = new LeaseStorePath(under.store);
    const { clock, timers, monotonicMs } = under;
    const world = { store: this.path, clock, timers, monotonicMs, ids, logger: SILENT };
    const leases = new StoredLeases({ ...world, ...(hasEnded && { hasEnded }) });
    const listener = {
      onHeld: (token: number) => void this.changes.push(token),
      onLost: () => void this.changes.push("lost"),
      onOther: (holder: string) => void this.others.push(holder),
      onSuperseded: (holder: string | null) => void this.others.push(`superseded by ${holder}`),
    };
    this.lease = leases.contend(name, listener, ttlMs === undefined ? {} : { ttlMs });
  }
}

interface RivalOptions {
  readonly ttlMs?: number;
  readonly hasEnded?: (holder: string) => boolean;
}

/** The contenders for one lease. Each poll checks that at most one of them holds it. */
class Contest {
  readonly rivals: Rival[] = [];
  readonly name: string;
  readonly #under: LeasesUnderTest;
  readonly #ids: ReturnType<typeof idsInOrder>;

  constructor(name: string, under: LeasesUnderTest) {
    this.name = name;
    this.#under = under;
    this.#ids = idsInOrder(`${name}-rival`);
  }

  join(options: RivalOptions = {}): Rival {
    const rival = new Rival(this.name, this.#under, this.#ids, options);
    this.rivals.push(rival);
    return rival;
  }

  /**
   * Waits until a contender that `wanted` accepts holds the lease. Resolves with this contender and its token. Fails
   * after `withinMs`.
   */
  holder(withinMs: number, wanted: (rival: Rival) => boolean = () => true) {
    return this.#under.until(
      `${this.name} is held`,
      () => {
        const holders = this.rivals.filter((rival) => rival.lease.token() !== undefined);
        expect(holders.length, "two contenders hold the lease at once").toBeLessThan(2);
        const [rival] = holders;
        const token = rival?.lease.token();
        if (rival === undefined || token === undefined || !wanted(rival)) return undefined;
        return { rival, token };
      },
      withinMs,
    );
  }

  async end(): Promise<void> {
    await Promise.all(this.rivals.map((rival) => rival.lease.release()));
  }
}

export function leasesContract(name: string, open: () => Promise<LeasesUnderTest>): void {
  describe(`leases ${name}`, { timeout: LIMIT_MS }, () => {
    let under: LeasesUnderTest;
    let contest: Contest;
    let count = 0;
    const begin = (rivals: number) => {
      count += 1;
      contest = new Contest(`contest-${count}`, under);
      return Array.from({ length: rivals }, () => contest.join());
    };
    beforeAll(async () => {
      under = await open();
    });
    afterEach(() => contest.end());
    afterAll(() => under.close());

    it("writes a record only on its last revision", async () => {
      begin(0);
      const { store } = under;
      expect(await store.read("revisions")).toBeUndefined();
      const writes = [1, 2, 3].map((token) => store.write("revisions", { holder: `h${token}`, token }, 0));
      const first = (await Promise.all(writes)).filter((revision) => revision !== undefined);
      expect(first).toHaveLength(1);
      const [revision = 0] = first;
      expect(await store.read("revisions")).toMatchObject({ revision });
      const next = await store.write("revisions", { holder: null, token: 9 }, revision);
      expect(next).toBeGreaterThan(revision);
      expect(await store.write("revisions", { holder: "late", token: 10 }, revision)).toBeUndefined();
      expect(await store.read("revisions")).toEqual({ holder: null, token: 9, revision: next });
    });

    it("gives the lease to one of three contenders, which keeps it under one token", async () => {
      begin(3);
      const startedAtMs = under.clock.nowMs();
      const { rival, token } = await contest.holder(SOON_MS);
      expect(token).toBeGreaterThanOrEqual(startedAtMs);
      const sinceMs = under.monotonicMs();
      const longer = await contest.holder(
        2 * LEASE_TTL_MS,
        () => under.monotonicMs() - sinceMs > LEASE_TTL_MS + 500,
      );
      expect(longer).toEqual({ rival, token });
      expect(contest.rivals.map((one) => one.changes)).toEqual(
        contest.rivals.map((one) => (one === rival ? [token] : [])),
      );
    });

    it("gives a released lease to the next contender at once, under a greater token", async () => {
      begin(2);
      const first = await contest.holder(SOON_MS);
      await first.rival.lease.release();
      expect(first.rival.lease.token()).toBeUndefined();
      const second = await contest.holder(SOON_MS);
      expect(second.rival).not.toBe(first.rival);
      expect(second.token).toBeGreaterThan(first.token);
      expect(first.rival.changes).toEqual([first.token]);
    });

    it("ends a holder that is cut off before the next one starts, and does not return the lease to it", async () => {
      begin(2);
      const first = await contest.holder(SOON_MS);
      const holder = async () => (await under.store.read(contest.name))?.holder;
      const firstId = await holder();
      first.rival.path.setCut(true);
      const second = await contest.holder(TAKEOVER_MS, (rival) => rival !== first.rival);
      expect(second.token).toBeGreaterThan(first.token);
      first.rival.path.setCut(false);
      const sinceMs = under.monotonicMs();
      await contest.holder(2 * LEASE_TTL_MS, () => under.monotonicMs() - sinceMs > LEASE_TTL_MS);
      expect(first.rival.changes).toEqual([first.token, "lost"]);
      expect(second.rival.changes).toEqual([second.token]);
      const secondId = await holder();
      expect(first.rival.others, "the first learns that another came after it").toEqual([
        `superseded by ${secondId}`,
        secondId,
      ]);
      expect(second.rival.others, "the second knew the first").toEqual([firstId]);
    });

    it("survives a renewal whose acknowledgement is lost", async () => {
      const [rival] = begin(2);
      const first = await contest.holder(SOON_MS);
      first.rival.path.loseAcks(1);
      const sinceMs = under.monotonicMs();
      const later = await contest.holder(
        2 * LEASE_TTL_MS,
        () => under.monotonicMs() - sinceMs > LEASE_TTL_MS,
      );
      expect(later).toEqual(first);
      expect(rival?.changes.includes("lost")).toBe(false);
    });

    it("takes the lease again under a greater token when the holder learns of a newer one", async () => {
      const [rival] = begin(1);
      const first = await contest.holder(SOON_MS);
      const newer = first.token + 1_000_000;
      rival?.lease.surpass(first.token);
      expect(rival?.lease.token(), "its own token is not newer").toBe(first.token);
      rival?.lease.surpass(newer);
      expect(rival?.lease.token()).toBeUndefined();
      expect((await contest.holder(SOON_MS + 1_000)).token).toBe(newer + 1);
      expect(rival?.changes).toEqual([first.token, "lost", newer + 1]);
    });

    it("is not superseded by a term of its own that a cut has ended", async () => {
      begin(0);
      const ttlMs = LEASE_TTL_MS / 2;
      const rival = contest.join({ ttlMs });
      const first = await contest.holder(SOON_MS);
      rival.path.setCut(true);
      await under.until("the lease is lost", () => rival.changes[1], ttlMs + SOON_MS);
      rival.path.setCut(false);
      const second = await contest.holder(SOON_MS, (one) => one.lease.token() !== first.token);
      expect(second.token).toBeGreaterThan(first.token);
      expect(rival.others).toEqual([]);
    });

    it("takes the lease of a process that has ended at once, and that of a silent one after the given TTL", async () => {
      begin(0);
      await under.store.write(contest.name, { holder: "silent", token: 5 }, 0);
      const ttlMs = LEASE_TTL_MS / 2;
      const patient = contest.join({ ttlMs });
      await under.until("the holder is known", () => patient.others[0], SOON_MS);
      const sinceMs = under.monotonicMs();
      const { token } = await contest.holder(ttlMs + SOON_MS);
      expect(under.monotonicMs() - sinceMs).toBeGreaterThan(ttlMs - LEASE_LOOK_MS);
      await patient.lease.release();
      const revision = (await under.store.read(contest.name))?.revision ?? 0;
      await under.store.write(contest.name, { holder: "ended", token }, revision);
      const observant = contest.join({ hasEnded: (holder) => holder === "ended" });
      expect((await contest.holder(SOON_MS)).token).toBeGreaterThan(token);
      expect(observant.others).toEqual(["ended"]);
    });

    it("takes the lease back under a sound token when another client writes 2^53 - 1", async () => {
      const [rival] = begin(1);
      const first = await contest.holder(SOON_MS);
      const record = await under.store.read(contest.name);
      const stolen = { holder: "thief", token: 2 ** 53 - 1 };
      expect(await under.store.write(contest.name, stolen, record?.revision ?? 0)).toBeDefined();
      const second = await contest.holder(TAKEOVER_MS + 1_000, (one) => one.lease.token() !== first.token);
      expect(second.token).toBeGreaterThan(first.token);
      expect(second.token).toBeLessThan(first.token + 2 * TAKEOVER_MS);
      expect(rival?.changes).toEqual([first.token, "lost", second.token]);
      expect(await under.store.read(contest.name)).toMatchObject({ token: second.token });
    });

    it("keeps the lease when it learns of a token that cannot exist", async () => {
      const [rival] = begin(1);
      const first = await contest.holder(SOON_MS);
      for (const token of [2 ** 53 - 1, MAX_LEASE_TOKEN, Number.NaN]) rival?.lease.surpass(token);
      expect(rival?.lease.token()).toBe(first.token);
    });

    it("issues greater tokens even after the store is lost", async () => {
      begin(2);
      const first = await contest.holder(SOON_MS);
      // Two holders are possible when a contender first reads the store after its loss: see `leases.ts`.
      await under.until(
        "the other contender has seen the record",
        () => contest.rivals.some((rival) => rival.others.length > 0) || undefined,
        SOON_MS,
      );
      await under.forget();
      const second = await contest.holder(TAKEOVER_MS, (one) => one.lease.token() !== first.token);
      expect(second.token).toBeGreaterThan(first.token);
    });
  });
}
