/**
 * The contract of every store of time courses; the store in memory and the one on JetStream run it.
 */
import { type CourseBatchName, type CourseStore, MAX_COURSE_BATCH_BYTES } from "@bioxen/kernel";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

export interface CoursesUnderTest {
  readonly store: CourseStore;
  readonly close: () => Promise<void>;
}

const ONE: CourseBatchName = {
  agentId: "a1",
  vmId: "vm-a",
  incarnation: 1,
  branch: 0,
  run: 1,
  firstMinute: 0,
};
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const inOrder = (names: readonly CourseBatchName[]) => names.map((name) => JSON.stringify(name)).toSorted();
const same = (a: readonly CourseBatchName[], b: readonly CourseBatchName[]) =>
  expect(inOrder(a)).toEqual(inOrder(b));

export function courseStoreContract(name: string, open: () => Promise<CoursesUnderTest>): void {
  describe(`courses ${name}`, () => {
    let under: CoursesUnderTest;
    let store: CourseStore;
    beforeAll(async () => {
      under = await open();
      store = under.store;
    });
    afterAll(() => under.close());

    it("is empty at first", async () => {
      expect(await store.courses()).toEqual([]);
      expect(await store.batches(ONE)).toEqual([]);
      expect(await store.get(ONE)).toBeUndefined();
      await store.delete(ONE);
    });

    it("stores a batch once, however often it is put", async () => {
      for (let i = 0; i < 3; i += 1) await store.put(ONE, bytesOf("rows"));
      expect(await store.get(ONE)).toEqual(bytesOf("rows"));
      same(await store.batches(ONE), [ONE]);
    });

    it("tells apart what differs in one part of the name", async () => {
      const others: CourseBatchName[] = [
        { ...ONE, agentId: "a2" },
        { ...ONE, branch: 1 },
        { ...ONE, run: 2 },
        { ...ONE, firstMinute: 10 },
      ];
      const elsewhere: CourseBatchName[] = [
        { ...ONE, vmId: "vm-ab" },
        { ...ONE, incarnation: 11 },
      ];
      for (const [i, batch] of [...others, ...elsewhere].entries()) await store.put(batch, bytesOf(`${i}`));
      for (const [i, batch] of [...others, ...elsewhere].entries()) {
        expect(await store.get(batch)).toEqual(bytesOf(`${i}`));
      }
      same(await store.batches(ONE), [ONE, ...others]);
      const courses = (await store.courses()).map(({ vmId, incarnation }) => `${vmId} ${incarnation}`);
      expect(courses.toSorted()).toEqual(["vm-a 1", "vm-a 11", "vm-ab 1"]);
    });

    it("deletes one course and no other", async () => {
      await store.delete({ vmId: "vm-a", incarnation: 1 });
      expect(await store.batches(ONE)).toEqual([]);
      expect(await store.get(ONE)).toBeUndefined();
      expect(await store.batches({ vmId: "vm-a", incarnation: 11 })).toHaveLength(1);
      expect(await store.batches({ vmId: "vm-ab", incarnation: 1 })).toHaveLength(1);
    });

    it("rejects a batch beyond the limit without storing it", async () => {
      const tooLarge = store.put(ONE, new Uint8Array(MAX_COURSE_BATCH_BYTES + 1));
      await expect(tooLarge).rejects.toMatchObject({ code: "TOO_LARGE", retryable: false });
      expect(await store.get(ONE)).toBeUndefined();
    });
  });
}
