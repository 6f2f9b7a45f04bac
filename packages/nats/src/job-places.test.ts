import { expect, it } from "vitest";
import { JobPlaces } from "./job-places.ts";

/** Enters tries by the names of their principals. `seen` has those that have begun, in their order. */
class World {
  readonly seen: string[] = [];
  readonly #places = new JobPlaces();
  readonly #ends: (() => void)[] = [];
  readonly done: Promise<unknown>[] = [];

  enter(principal: string, count: number): void {
    for (let i = 0; i < count; i += 1) {
      const work = () => {
        this.seen.push(principal);
        return new Promise<void>((resolve) => this.#ends.push(resolve));
      };
      this.done.push(this.#places.run(principal, work));
    }
  }

  /** Ends the try that is in progress for the longest time. */
  async end(): Promise<void> {
    this.#ends.shift()?.();
    await settled();
  }

  get inProgress(): number {
    return this.#ends.length;
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

it("begins the job of another principal at once, behind a thousand jobs of which some never end", async () => {
  const world = new World();
  world.enter("alice", 1_000);
  await settled();
  expect(world.seen).toHaveLength(16);
  world.enter("bob", 2);
  world.enter("carol", 1);
  await settled();
  expect(world.seen.slice(16)).toEqual(["bob", "carol"]);
  for (let ended = 0; ended < 4; ended += 1) await world.end();
  // Two tries give the places back that bob and carol had on top; then alice and bob take turns.
  expect(world.seen.slice(18)).toEqual(["alice", "bob"]);
});

it("gives a lone principal all places, and begins every job once", async () => {
  const world = new World();
  world.enter("alice", 100);
  await settled();
  expect(world.inProgress).toBe(16);
  while (world.inProgress > 0) await world.end();
  await Promise.all(world.done);
  expect(world.seen).toHaveLength(100);
});

it("goes on after a try that throws, and passes on what it throws", async () => {
  const places = new JobPlaces();
  const failing = () => Promise.reject(new Error("the try failed"));
  const tries = Array.from({ length: 40 }, () => places.run("alice", failing));
  for (const one of tries) await expect(one).rejects.toThrow("the try failed");
  expect(await places.run("alice", async () => 7)).toBe(7);
});
