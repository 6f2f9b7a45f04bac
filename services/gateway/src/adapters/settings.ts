/**
 * The settings of the gateway: environment variables beside those of every service.
 */
import { ConfigError, type Environment, readConfig } from "@bioxen/service-host";
import * as z from "zod";
import { isHostName, isLoopback } from "../domain/hosts.ts";

const settings = z.object({
  /** Address of the HTTP API and the console: `host:port`; port 0 picks a free one. */
  BIOXEN_GATEWAY_ADDRESS: z
    .string()
    .regex(/^(?:\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, "must be host:port")
    .default("127.0.0.1:7480"),
  /** `free`: takes a free port when the port of the address is in use. Default: the gateway then ends. */
  BIOXEN_GATEWAY_PORT_IN_USE: z.enum(["fail", "free"]).default("fail"),
  /** Further names by which browsers reach the gateway, such as `console.example:8443`, separated by commas. */
  BIOXEN_GATEWAY_HOSTS: z
    .string()
    .transform((text) => text.split(",").map((name) => name.trim().toLowerCase()))
    .refine(
      (names) => names.every(isHostName),
      "must be names such as console.example or console.example:8443",
    )
    .default([]),
  /** On a server with keys: the folder `gateway` of the keys, by which the gateway knows its callers. */
  BIOXEN_GATEWAY_KEYS: z.string().optional(),
  /** Folder of the files of the console. Default: that of the package of the console. */
  BIOXEN_CONSOLE_DIR: z.string().optional(),
});

export interface GatewaySettings {
  readonly host: string;
  readonly port: number;
  readonly takesFreePort: boolean;
  readonly hosts: readonly string[];
  readonly keysDir: string | undefined;
  readonly consoleDir: string | undefined;
}

/**
 * Reads the settings of the gateway. Without keys every caller has all rights, so such a gateway listens on the loopback
 * interface only. Throws {@link ConfigError}.
 */
export function readSettings(env: Environment, hasKeys: boolean): GatewaySettings {
  const read = readConfig(settings, env);
  const address = read.BIOXEN_GATEWAY_ADDRESS;
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replaceAll(/[[\]]/g, "");
  if (!hasKeys && !isLoopback(host)) {
    throw new ConfigError([
      `BIOXEN_GATEWAY_ADDRESS: ${host} is no address of the loopback interface, and without keys every caller may do everything: use 127.0.0.1, or keys`,
    ]);
  }
  const keysDir = read.BIOXEN_GATEWAY_KEYS;
  if (hasKeys !== (keysDir !== undefined)) {
    throw new ConfigError([
      hasKeys
        ? "BIOXEN_GATEWAY_KEYS: is required with BIOXEN_IDENTITIES=mapped: name the folder gateway of the keys"
        : "BIOXEN_GATEWAY_KEYS: is for a server with keys: set BIOXEN_IDENTITIES=mapped too",
    ]);
  }
  return {
    host,
    keysDir,
    port: Number(address.slice(colon + 1)),
    takesFreePort: read.BIOXEN_GATEWAY_PORT_IN_USE === "free",
    hosts: read.BIOXEN_GATEWAY_HOSTS,
    consoleDir: read.BIOXEN_CONSOLE_DIR,
  };
}
