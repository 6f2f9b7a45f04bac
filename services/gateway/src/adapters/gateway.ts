/**
 * Opens the gateway: settings, HTTP server, routes.
 */
import type { AddressInfo } from "node:net";
import { GatewayReader } from "@bioxen/auth/gateway";
import { API_PREFIX } from "@bioxen/contracts";
import {
  ConfigError,
  type Environment,
  errorOfFault,
  type Gateway,
  type GatewayPorts,
  randomIds,
  systemClock,
} from "@bioxen/service-host";
import fastifyCookie from "@fastify/cookie";
import type { FastifyInstance } from "fastify";
import { Api } from "../app/api.ts";
import { Callers } from "../app/callers.ts";
import { InFlight, REQUEST_BOUNDS, STREAM_BOUNDS } from "../app/in-flight.ts";
import { KnownHosts } from "../domain/hosts.ts";
import { addApiRoutes } from "./api-routes.ts";
import { addConsole } from "./console-files.ts";
import { closeServer, makeHttpServer, sendReply } from "./http-server.ts";
import { RequestCallers } from "./request-callers.ts";
import { addSessionRoutes } from "./session-routes.ts";
import { type GatewaySettings, readSettings } from "./settings.ts";
import { addStateRoute } from "./state-route.ts";
import { addStreamRoutes } from "./stream-routes.ts";

export async function openGateway(ports: GatewayPorts, env: Environment): Promise<Gateway> {
  const { logger, identities } = ports;
  const settings = readSettings(env, identities === "mapped");
  let hosts = new KnownHosts(settings.port, settings.hosts);
  const server = makeHttpServer({ hosts: () => hosts, logger });
  await server.register(fastifyCookie);
  await addRoutes(server, { ports, settings, hosts: () => hosts });
  const port = await listen(server, settings);
  hosts = new KnownHosts(port, settings.hosts);
  const host = settings.host.includes(":") ? `[${settings.host}]` : settings.host;
  const url = `http://${host}:${port}`;
  logger.info({ url, api: `${url}${API_PREFIX}` }, "the gateway listens");
  return { url, close: () => closeServer(server) };
}

interface Parts {
  readonly ports: GatewayPorts;
  readonly settings: GatewaySettings;
  readonly hosts: () => KnownHosts;
}

async function addRoutes(server: FastifyInstance, { ports, settings, hosts }: Parts): Promise<void> {
  const { bus, logger } = ports;
  const { keysDir } = settings;
  const principals = keysDir === undefined ? undefined : new GatewayReader(keysDir);
  const callers = new Callers(principals, systemClock.nowMs);
  const requestCallers = new RequestCallers(callers, hosts);
  const { callerOf } = requestCallers;
  const api = new Api({
    bus,
    inFlight: new InFlight(REQUEST_BOUNDS),
    newId: randomIds.next,
    errorOf: (thrown) => errorOfFault(thrown, logger),
  });
  server.get("/live", async (_request, reply) => sendReply(reply, 200, { live: true }));
  server.get("/ready", async (_request, reply) =>
    sendReply(reply, bus.connected ? 200 : 503, { ready: bus.connected }),
  );
  addSessionRoutes(server, {
    callers,
    requestCallers,
    clusterId: () => bus.clusterId().catch(() => null),
    lastSeq: ({ identity }) =>
      bus
        .followedLog(identity)
        .then((log) => log.lastSeq())
        .catch(() => null),
  });
  const sources = { log: bus.followedLog, subscribe: bus.subscribe };
  addStreamRoutes(server, { sources, streams: new InFlight(STREAM_BOUNDS), callerOf });
  addStateRoute(server, { log: bus.eventLog, callerOf });
  addApiRoutes(server, api, callerOf);
  await addConsole(server, logger, settings.consoleDir);
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
