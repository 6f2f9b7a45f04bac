/**
 * Runs a function on each item of a list, with a limited number of items in progress at once: until all have ended, or
 * for results in the order of the items.
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

/**
 * Yields the results of `work` in the order of the items, while the work on the next items is in progress. Throws the
 * error of the first item that failed, once no work is in progress any more.
 */
export async function* resultsInOrder<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const inProgress: Promise<R>[] = [];
  const begin = (item: T) => {
    const result = work(item);
    // A failure is thrown in its turn, and not before.
    result.catch(() => undefined);
    inProgress.push(result);
  };
  try {
    for (const item of items) {
      begin(item);
      if (inProgress.length === AT_ONCE) yield await (inProgress.shift() as Promise<R>);
    }
    while (inProgress.length > 0) yield await (inProgress.shift() as Promise<R>);
  } finally {
    await Promise.allSettled(inProgress);
  }
}
