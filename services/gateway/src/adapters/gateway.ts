/**
 * Opens the gateway: settings, HTTP server, routes.
 */
import type { AddressInfo } from "node:net";
import { API_PREFIX } from "@bioxen/contracts";
import {
  ConfigError,
  type Environment,
  errorOfFault,
  type Gateway,
  type GatewayPorts,
  randomIds,
} from "@bioxen/service-host";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Api } from "../app/api.ts";
import { everyoneAnonymous } from "../app/callers.ts";
import { HttpError } from "../app/http-error.ts";
import { InFlight } from "../app/in-flight.ts";
import { KnownHosts } from "../domain/hosts.ts";
import { addApiRoutes } from "./api-routes.ts";
import { addConsole } from "./console-files.ts";
import { closeServer, makeHttpServer, sendReply } from "./http-server.ts";
import { type GatewaySettings, readSettings } from "./settings.ts";

export async function openGateway(
  { bus, logger, identities }: GatewayPorts,
  env: Environment,
): Promise<Gateway> {
  const settings = readSettings(env, identities === "mapped");
  let hosts = new KnownHosts(settings.port, settings.hosts);
  const server = makeHttpServer({ hosts: () => hosts, logger });
  const knowCaller = everyoneAnonymous;
  const callerOf = (request: FastifyRequest) => {
    const { origin, host, authorization } = request.headers;
    const site = request.headers["sec-fetch-site"];
    const isForeign = (origin !== undefined && !hosts.isOwnOrigin(origin, host)) || isOtherSite(site);
    if (isForeign) throw new HttpError("FORBIDDEN", "a page of another site sends this request");
    return knowCaller({ method: request.method, authorization });
  };
  const api = new Api({
    bus,
    inFlight: new InFlight(),
    newId: randomIds.next,
    errorOf: (thrown) => errorOfFault(thrown, logger),
  });
  server.get("/live", async (_request, reply) => sendReply(reply, 200, { live: true }));
  server.get("/ready", async (_request, reply) =>
    sendReply(reply, bus.connected ? 200 : 503, { ready: bus.connected }),
  );
  addApiRoutes(server, api, callerOf);
  await addConsole(server, settings.consoleDir);
  const port = await listen(server, settings);
  hosts = new KnownHosts(port, settings.hosts);
  const host = settings.host.includes(":") ? `[${settings.host}]` : settings.host;
  const url = `http://${host}:${port}`;
  logger.info({ url, api: `${url}${API_PREFIX}` }, "the gateway listens");
  return { url, close: () => closeServer(server) };
}

/** The browser says with each request whether a page of another site began it. */
function isOtherSite(site: string | readonly string[] | undefined): boolean {
  return site === "cross-site" || site === "same-site";
}

/** Listens, and returns the port. Throws {@link ConfigError} for an address that cannot be used. */
async function listen(
  server: FastifyInstance,
  { host, port, takesFreePort }: GatewaySettings,
): Promise<number> {
  try {
    await server.listen({ host, port });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== "EADDRINUSE" || !takesFreePort) {
      throw new ConfigError([`BIOXEN_GATEWAY_ADDRESS: cannot listen on ${host}:${port}: ${code ?? thrown}`]);
    }
    await server.listen({ host, port: 0 });
  }
  return (server.server.address() as AddressInfo).port;
}
