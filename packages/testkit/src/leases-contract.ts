/**
 * What leases must do, whatever store holds their records; run against the twin in memory and the real one.
 */
import {
  type Clock,
  LEASE_LOOK_MS,
  LEASE_TTL_MS,
  type Lease,
  type LeaseStore,
  type Logger,
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
   * What `look` gives once it gives something, looked for as time goes by; throws with `what` after `withinMs` of
   * it.
   */
  readonly until: <T>(what: string, look: () => T | undefined, withinMs: number) => Promise<T>;
  /** Loses every record. */
  readonly forget: () => Promise<unknown> | unknown;
  readonly close: () => Promise<void>;
}

/** A takeover: the TTL, one look before it and one after, and a slow machine. */
const TAKEOVER_MS = LEASE_TTL_MS + 2 * LEASE_LOOK_MS + 1_500;
/** What takes no TTL: two looks, and a slow machine. */
const SOON_MS = 2 * LEASE_LOOK_MS + 1_000;
const LIMIT_MS = 30_000;

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

class Rival {
  readonly path: LeaseStorePath;
  readonly told: (number | "lost")[] = [];
  readonly lease: Lease;

  constructor(name: string, under: LeasesUnderTest, ids: ReturnType<typeof idsInOrder>) {
    this.path = new LeaseStorePath(under.store);
    const { clock, timers, monotonicMs } = under;
    const leases = new StoredLeases({ store: this.path, clock, timers, monotonicMs, ids, logger: SILENT });
    this.lease = leases.contend(name, {
      onHeld: (token) => void this.told.push(token),
      onLost: () => void this.told.push("lost"),
    });
  }
}

/** The contenders of one name, with the promise that no two of them hold it at any look. */
class Contest {
  readonly rivals: Rival[] = [];
  readonly #name: string;
  readonly #under: LeasesUnderTest;
  readonly #ids: ReturnType<typeof idsInOrder>;

  constructor(name: string, under: LeasesUnderTest) {
    this.#name = name;
    this.#under = under;
    this.#ids = idsInOrder(`${name}-rival`);
  }

  join(): Rival {
    const rival = new Rival(this.#name, this.#under, this.#ids);
    this.rivals.push(rival);
    return rival;
  }

  /** Who holds it, once somebody that `wanted` takes does. */
  holder(withinMs: number, wanted: (rival: Rival) => boolean = () => true) {
    return this.#under.until(
      `${this.#name} is held`,
      () => {
        const holders = this.rivals.filter((rival) => rival.lease.token() !== undefined);
        expect(holders.length, "two hold it at once").toBeLessThan(2);
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

    it("a record is written only on its last revision", async () => {
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

    it("of three contenders one holds, and goes on holding under one token", async () => {
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
      expect(contest.rivals.map((one) => one.told)).toEqual(
        contest.rivals.map((one) => (one === rival ? [token] : [])),
      );
    });

    it("what is given back is taken at once, under a greater token", async () => {
      begin(2);
      const first = await contest.holder(SOON_MS);
      await first.rival.lease.release();
      expect(first.rival.lease.token()).toBeUndefined();
      const second = await contest.holder(SOON_MS);
      expect(second.rival).not.toBe(first.rival);
      expect(second.token).toBeGreaterThan(first.token);
      expect(first.rival.told).toEqual([first.token]);
    });

    it("a holder that is cut off stops before another starts, and is no holder when it is back", async () => {
      begin(2);
      const first = await contest.holder(SOON_MS);
      first.rival.path.setCut(true);
      const second = await contest.holder(TAKEOVER_MS, (rival) => rival !== first.rival);
      expect(second.token).toBeGreaterThan(first.token);
      first.rival.path.setCut(false);
      const sinceMs = under.monotonicMs();
      await contest.holder(2 * LEASE_TTL_MS, () => under.monotonicMs() - sinceMs > LEASE_TTL_MS);
      expect(first.rival.told).toEqual([first.token, "lost"]);
      expect(second.rival.told).toEqual([second.token]);
    });

    it("a renewal whose acknowledgement got lost costs nothing", async () => {
      const [rival] = begin(2);
      const first = await contest.holder(SOON_MS);
      first.rival.path.loseAcks(1);
      const sinceMs = under.monotonicMs();
      const later = await contest.holder(
        2 * LEASE_TTL_MS,
        () => under.monotonicMs() - sinceMs > LEASE_TTL_MS,
      );
      expect(later).toEqual(first);
      expect(rival?.told.includes("lost")).toBe(false);
    });

    it("a holder that is told of a newer token comes back above it", async () => {
      const [rival] = begin(1);
      const first = await contest.holder(SOON_MS);
      const newer = first.token + 1_000_000;
      rival?.lease.surpass(first.token);
      expect(rival?.lease.token(), "its own token is no news").toBe(first.token);
      rival?.lease.surpass(newer);
      expect(rival?.lease.token()).toBeUndefined();
      expect((await contest.holder(SOON_MS + 1_000)).token).toBe(newer + 1);
      expect(rival?.told).toEqual([first.token, "lost", newer + 1]);
    });

    it("tokens do not come back with a store that was lost", async () => {
      begin(2);
      const first = await contest.holder(SOON_MS);
      await under.forget();
      const second = await contest.holder(TAKEOVER_MS, (one) => one.lease.token() !== first.token);
      expect(second.token).toBeGreaterThan(first.token);
    });
  });
}
