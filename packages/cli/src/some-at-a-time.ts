/**
 * Runs a function on each item of a list, with a limited number of items in progress at once.
 */

/**
 * Maximum number of items in progress at once. When eight VMs are started together, one placement plan places them all,
 * and a local stack answers every start before its deadline.
 */
const AT_ONCE = 8;

/**
 * Runs `work` on each item, and starts the items in order. Resolves when `work` has ended for all items. When `work`
 * rejects for an item, no further item is started, and the function rejects.
 */
export async function someAtATime<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const item = items[next] as T;
      next += 1;
      await work(item).catch((thrown: unknown) => {
        next = items.length;
        throw thrown;
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
}
