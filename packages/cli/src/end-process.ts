/**
 * The end of the process after its command. A server that has stopped can keep a connection open; the process then ends
 * all the same, but never before its output is written: a pipe whose reader is slow takes what it gets only bit by bit.
 */

/** Time for which an ended command may wait for its connections to close, ms. */
const EXIT_GRACE_MS = 500;

/** Ends the process once its output is written, and its connections are closed or {@link EXIT_GRACE_MS} have passed. */
export async function endProcess(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map(written));
  // Without an open connection the process ends at once, because the timer does not keep it alive.
  setTimeout(() => process.exit(), EXIT_GRACE_MS).unref();
}

/** Resolves once the stream has written everything, or cannot write any more. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.writableLength === 0 || stream.destroyed) return resolve();
    stream.once("error", () => resolve());
    stream.once("close", () => resolve());
    stream.write("", () => resolve());
  });
}
