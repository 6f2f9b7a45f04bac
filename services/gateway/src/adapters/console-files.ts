/**
 * The files of the console. A path outside of their folder, and a file whose name begins with a dot, is not found.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import { HttpError } from "../app/http-error.ts";

/** The files as the build of the console's package leaves them. */
const BUILT = fileURLToPath(new URL("../../../../packages/console/dist", import.meta.url));
/** Files with a digest of their content in the name never change. */
const DIGEST_IN_NAME = /-[A-Za-z0-9_-]{8,}\.(?:js|css|woff2|svg|png)$/;
/** Time for which a browser keeps such a file, seconds: a year. */
const LONG_AGE_S = 31_536_000;

const WITHOUT_CONSOLE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>BioXen</title></head>
<body><h1>BioXen</h1>
<p>The HTTP API runs: <a href="/api/v1/openapi.json">openapi.json</a> describes it.</p>
<p>The console is not built. In a checkout, build it with <code>pnpm --filter @bioxen/console build</code>, and load this
page again.</p></body></html>
`;

/** Serves the console from `folder`, or a page that says how to build it. */
export async function addConsole(server: FastifyInstance, folder: string = BUILT): Promise<void> {
  await server.register(fastifyStatic, {
    root: folder,
    serve: false,
    dotfiles: "deny",
    cacheControl: false,
    setHeaders(reply, path) {
      const age = DIGEST_IN_NAME.test(path) ? `public, max-age=${LONG_AGE_S}, immutable` : "no-cache";
      reply.header("cache-control", age);
    },
  });
  const page = () => existsSync(join(folder, "index.html"));
  server.get("/", async (_request, reply) =>
    page() ? reply.sendFile("index.html") : reply.type("text/html; charset=utf-8").send(WITHOUT_CONSOLE),
  );
  server.get("/*", async (request, reply) => {
    const path = (request.params as { readonly "*": string })["*"];
    if (page() && path !== "") return reply.sendFile(path);
    throw notFound();
  });
  server.setNotFoundHandler(() => {
    throw notFound();
  });
}

function notFound(): HttpError {
  return new HttpError("BAD_REQUEST", "nothing has this path", { status: 404 });
}
