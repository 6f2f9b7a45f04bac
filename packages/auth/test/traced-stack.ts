/**
 * A real stack on a nats-server that traces every protocol message, and the subjects that each process used.
 */
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findServerBinary } from "@bioxen/local-stack";
import { vi } from "vitest";
import { World } from "../../../test/e2e/world.ts";

export interface Traffic {
  readonly published: ReadonlySet<string>;
  readonly subscribed: ReadonlySet<string>;
}

export interface TracedStack {
  readonly world: World;
  /** Returns the traffic by the name of the process, such as `lifecycle`. The stack must have ended. */
  readonly traffic: () => Promise<ReadonlyMap<string, Traffic>>;
  readonly remove: () => Promise<void>;
}

export async function startTracedStack(options: Parameters<typeof World.open>[0]): Promise<TracedStack> {
  const dir = await mkdtemp(join(tmpdir(), "bioxen-trace-"));
  const { path } = await findServerBinary();
  const trace = join(dir, "trace.log");
  const wrapper = join(dir, "nats-server");
  // The stack asks the binary for its version first, and then starts it with a configuration.
  const script = `#!/bin/sh\ncase "$1" in --version) exec ${path} --version;; esac\nexec ${path} -V -l ${trace} "$@"\n`;
  await writeFile(wrapper, script);
  await chmod(wrapper, 0o755);
  vi.stubEnv("NATS_SERVER_BIN", wrapper);
  const world = await World.open(options);
  return {
    world,
    traffic: async () => trafficOf(await readFile(trace, "utf8")),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

/** A line of the trace: the name of the client and what it sent. A service has several connections. */
const LINE =
  /"v[^":]*:[^":]*:bioxen-([\w-]+?)(?:-(?:commands|queries|internal))?" - <<- \[(PUB|HPUB|SUB) (\S+)/gm;

function trafficOf(trace: string): Map<string, Traffic> {
  const found = new Map<string, { published: Set<string>; subscribed: Set<string> }>();
  for (const [, client = "", verb, rawSubject = ""] of trace.matchAll(LINE)) {
    const subject = rawSubject.replace(/\]$/, "");
    const own = found.get(client) ?? { published: new Set(), subscribed: new Set() };
    found.set(client, own);
    (verb === "SUB" ? own.subscribed : own.published).add(subject);
  }
  return found;
}
