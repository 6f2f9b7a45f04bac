/**
 * The files of the console. A path outside of their folder, and a file whose name begins with a dot, is not found.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { consoleFolder } from "@bioxen/console";
import type { Logger } from "@bioxen/kernel";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import { HttpError } from "../app/http-error.ts";

/** Files with a digest of their content in the name never change. */
const DIGEST_IN_NAME = /-[A-Za-z0-9_-]{8,}\.(?:js|css|woff2|svg|png)$/;
/** Time for which a browser keeps such a file, seconds: a year. */
const LONG_AGE_S = 31_536_000;

const WITHOUT_CONSOLE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>BioXen</title></head>
<body><h1>BioXen</h1>
<p>The HTTP API runs: <a href="/api/v1/openapi.json">openapi.json</a> describes it.</p>
<p>The files of the console are missing, and could not be built: the log of the gateway says why.</p></body></html>
`;

/**
 * Serves the console from `configured`, or from the folder of its package. In a checkout each request for the page asks
 * whether its sources have changed, so that a reload shows the present ones. Without files the page says so.
 */
export async function addConsole(
  server: FastifyInstance,
  logger: Pick<Logger, "error">,
  configured?: string,
): Promise<void> {
  // Each answer names its folder; this one is never served from.
  const root = configured ?? fileURLToPath(new URL(".", import.meta.url));
  await server.register(fastifyStatic, {
    root,
    serve: false,
    dotfiles: "deny",
    cacheControl: false,
    setHeaders(reply, path) {
      const age = DIGEST_IN_NAME.test(path) ? `public, max-age=${LONG_AGE_S}, immutable` : "no-cache";
      reply.header("cache-control", age);
    },
  });
  let folder = configured;
  const present = async (): Promise<string | undefined> => {
    try {
      folder = configured ?? (await consoleFolder());
    } catch (thrown) {
      logger.error({ err: thrown }, "the console could not be built");
    }
    return folder !== undefined && existsSync(join(folder, "index.html")) ? folder : undefined;
  };
  server.get("/", async (_request, reply) => {
    const found = await present();
    if (found !== undefined) return reply.sendFile("index.html", found);
    return reply.type("text/html; charset=utf-8").send(WITHOUT_CONSOLE);
  });
  server.get("/*", async (request, reply) => {
    const path = (request.params as { readonly "*": string })["*"];
    const found = folder ?? (await present());
    if (found !== undefined && path !== "") return reply.sendFile(path, found);
    throw notFound();
  });
  server.setNotFoundHandler(() => {
    throw notFound();
  });
}

function notFound(): HttpError {
  return new HttpError("BAD_REQUEST", "nothing has this path", { status: 404 });
}
