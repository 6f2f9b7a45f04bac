/**
 * A timer for an answer of another thread. The event loop runs timers before it takes messages, so a timer that this
 * thread's own work delayed would fire although the answer has arrived.
 */
export interface MessageTimer {
  cancel(): void;
}

/** Calls `body` after `ms`, and after the messages that had arrived by then were taken. */
export function startMessageTimer(ms: number, body: () => void): MessageTimer {
  let due: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    due = setImmediate(body);
  }, ms);
  return {
    cancel: () => {
      clearTimeout(timer);
      if (due !== undefined) clearImmediate(due);
    },
  };
}
