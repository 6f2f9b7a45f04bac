/**
 * `@bioxen/client/local`: a private BioXen for tests and scripts, in Node.
 *
 * It needs `@bioxen/local-stack`, which brings every service, the drivers and a nats-server. That package is an
 * optional peer, so that programs which only connect do not install it.
 */
import type { LocalStackOptions } from "@bioxen/local-stack";
import { type Bioxen, connectTo } from "./connection.ts";
import { asBioxenError, BioxenError } from "./errors.ts";
import { remembered } from "./latest.ts";

export type { LocalStackOptions } from "@bioxen/local-stack";

/**
 * Starts a nats-server and all services as processes, and connects; `close()` ends them. Like `connect`, it sets the
 * connection that the factories of the main module use.
 *
 * Throws {@link BioxenError}: UNAVAILABLE when `@bioxen/local-stack` is not installed or a process does not become
 * ready, CONFLICT when the data directory or the port is in use.
 */
export async function startLocalStack(options: LocalStackOptions = {}): Promise<Bioxen> {
  const { startLocalStack: start } = await localStack();
  try {
    const stack = await start(options);
    // Credentials in the environment are not used: they belong to another server, not to the new stack.
    const bioxen = remembered(await connectTo(stack.connection));
    bioxen.onClose(() => stack.stop());
    return bioxen;
  } catch (thrown) {
    throw asBioxenError(thrown);
  }
}

async function localStack(): Promise<typeof import("@bioxen/local-stack")> {
  try {
    return await import("@bioxen/local-stack");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== "ERR_MODULE_NOT_FOUND" || !message.includes("'@bioxen/local-stack'")) throw cause;
    const remedy =
      "startLocalStack needs the package @bioxen/local-stack: npm install --save-dev @bioxen/local-stack";
    throw new BioxenError({ code: "UNAVAILABLE", message: remedy, retryable: false }, { cause });
  }
}
