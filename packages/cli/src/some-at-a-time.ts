/**
 * Work on many things, a few at once.
 */

/** VMs under way at once: so many starts are planned together, and one stack answers them in time. */
const AT_ONCE = 8;

/** `work` on each, begun in order; resolves once all are over. Rejects with the first rejection, and begins nothing after it. */
export async function someAtATime<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < all.length) {
      const one = all[next] as T;
      next += 1;
      await work(one).catch((thrown: unknown) => {
        next = all.length;
        throw thrown;
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, all.length) }, worker));
}
