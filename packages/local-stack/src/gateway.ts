/**
 * The gateway of a local stack: the HTTP API and the web console, on the loopback interface.
 */
import { createRequire } from "node:module";

/** Name of the process. */
export const GATEWAY = "gateway";
/** Port of the console unless it is in use or another one is asked for. No registered service has it. */
export const DEFAULT_CONSOLE_PORT = 7480;

export interface GatewayOptions {
  /** Port on the loopback interface. Default: {@link DEFAULT_CONSOLE_PORT}, or a free one when it is in use. */
  readonly port?: number | undefined;
}

export function gatewayEntry(): string {
  return createRequire(import.meta.url).resolve("@bioxen/gateway/main");
}

/** Returns the environment variables of the gateway, beside those of every service. */
export function gatewayEnvironment({ port }: GatewayOptions): Readonly<Record<string, string>> {
  return {
    BIOXEN_GATEWAY_ADDRESS: `127.0.0.1:${port ?? DEFAULT_CONSOLE_PORT}`,
    BIOXEN_GATEWAY_PORT_IN_USE: port === undefined ? "free" : "fail",
  };
}
