/**
 * Messages to the process that started this one, such as the local stack.
 */

/** Sends a message to the parent process, if there is a channel, and resolves once it is sent. */
export function tellParent(message: object): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}
