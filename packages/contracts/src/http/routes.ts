/**
 * The HTTP form of the catalogue: one route for each public command and query, and one for each durable command.
 *
 * | subject | route |
 * |---|---|
 * | `bioxen.cmd.vm.create` | `POST /api/v1/vm/create` |
 * | `bioxen.qry.vm.get` | `GET /api/v1/vm/get` |
 * | `bioxen.job.vm.create` | `POST /api/v1/job/vm/create` |
 *
 * The routes are derived, so a new endpoint has its route at once.
 */
import { ENDPOINTS, type EndpointName } from "../endpoints/catalogue.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import { isJobCommand } from "../jobs.ts";
import { COMMAND_PREFIX, QUERY_PREFIX } from "../subjects.ts";

/** Begins the path of every route. */
export const API_PREFIX = "/api/v1";

export interface HttpRoute {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly name: EndpointName;
  readonly endpoint: Endpoint;
  /** True for the route that stores the command as a job. */
  readonly durable: boolean;
}

function routeOf(name: EndpointName, endpoint: Endpoint): HttpRoute {
  const isQuery = endpoint.subject.startsWith(QUERY_PREFIX);
  const tail = endpoint.subject.slice((isQuery ? QUERY_PREFIX : COMMAND_PREFIX).length);
  const path = `${API_PREFIX}/${tail.replaceAll(".", "/")}`;
  return { method: isQuery ? "GET" : "POST", path, name, endpoint, durable: false };
}

function jobRouteOf({ path, ...route }: HttpRoute): HttpRoute {
  return { ...route, path: path.replace(API_PREFIX, `${API_PREFIX}/job`), durable: true };
}

function publicRoutes(): HttpRoute[] {
  const endpoints = Object.entries(ENDPOINTS) as [EndpointName, Endpoint][];
  const routes = endpoints
    .filter(([, { internal }]) => !internal)
    .map(([name, endpoint]) => routeOf(name, endpoint));
  const jobs = routes.filter(({ endpoint }) => isJobCommand(endpoint.subject)).map(jobRouteOf);
  return [...routes, ...jobs];
}

/** All routes of the catalogue. */
export const HTTP_ROUTES: readonly HttpRoute[] = publicRoutes();
