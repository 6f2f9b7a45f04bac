import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readHostConfig } from "../src/config.ts";
import { type HttpServer, openHttp } from "../src/http.ts";
import { ProcessMetrics } from "../src/metrics.ts";
import { type GrantMetrics, metricsAccess } from "../src/metrics-access.ts";

// Only what the routes read.
const VITALS = {
  reason: "agent a is run by another process",
  unreadable: { count: 1, first: [{ seq: 7, streamSubject: "bioxen.evt.vm.a", why: "no JSON" }] },
  now: () => ({ ready: false, appliedSeq: 6, lagEvents: 0 }),
} as never;

const open = (access: GrantMetrics) =>
  openHttp({
    host: "127.0.0.1",
    port: 0,
    vitals: VITALS,
    access,
    metrics: new ProcessMetrics("lifecycle", () => ({ ready: true, appliedSeq: 1, lagEvents: 0 })),
    measure: () => [
      {
        metric: "bioxen_quota_used",
        values: [{ value: 1, labels: { quota: "team=red", resource: "vcpus" } }],
      },
      { metric: "bioxen_vms", values: [{ value: 1, labels: { state: "running" } }] },
    ],
    measureVms: () => [
      {
        metric: "bioxen_vm_lag_seconds",
        values: [{ value: 1.5, labels: { vm: "a", type: "ecoli", chassis: "c" } }],
      },
    ],
  });

let server: HttpServer;
let guarded: HttpServer;
let dir: string;
let tokenFile: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-http-"));
  tokenFile = join(dir, "metrics.token");
  await writeFile(tokenFile, "first-token\n");
  server = await open(metricsAccess(undefined));
  guarded = await open(metricsAccess(tokenFile));
});
afterAll(async () => {
  await server.close();
  await guarded.close();
  await rm(dir, { recursive: true, force: true });
});

/** Sends the text, and returns everything until the server ends the connection. */
async function exchanged(text: string): Promise<string> {
  const { hostname, port } = new URL(server.url);
  const socket = connect({ host: hostname, port: Number(port) });
  let received = "";
  socket.on("data", (data) => {
    received += data.toString("latin1");
  });
  socket.write(text);
  await once(socket, "close");
  return received;
}

describe("the HTTP server of a service", () => {
  it.each(["POST", "DELETE", "CONNECT"])(
    "answers %s with 405 and the methods that are allowed",
    async (method) => {
      const answer = await exchanged(`${method} /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 405 Method Not Allowed\r\n/);
      expect(answer).toMatch(/^allow: GET, HEAD\r$/im);
    },
  );

  it.each([
    ["*/*", "text/plain; version=0.0.4; charset=utf-8", ""],
    [
      "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
      "application/openmetrics-text; version=1.0.0; charset=utf-8",
      "# EOF\n",
    ],
  ])("answers metrics to Accept: %s in that format", async (accept, contentType, end) => {
    const response = await fetch(`${server.url}/metrics/vms`, { headers: { accept } });
    expect(response.headers.get("content-type")).toBe(contentType);
    expect(await response.text()).toBe(
      "# HELP bioxen_vm_lag_seconds Simulated time by which the host is behind.\n" +
        "# TYPE bioxen_vm_lag_seconds gauge\n" +
        `bioxen_vm_lag_seconds{vm="a",type="ecoli",chassis="c"} 1.5\n${end}`,
    );
    const { headers } = await fetch(`${server.url}/metrics`, { headers: { accept } });
    expect(headers.get("content-type")).toBe(contentType);
  });

  it("ends a request that is not complete after 5 s", async () => {
    const beganAt = performance.now();
    const answer = await exchanged("GET /live HTTP/1.1\r\nHost: a\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(performance.now() - beganAt).toBeLessThan(20_000);
  });
});

describe("the HTTP server of a service with a token file", () => {
  const shown = async (path: string, token?: string, { url } = guarded) => {
    const response = await fetch(
      `${url}${path}`,
      token === undefined ? {} : { headers: { authorization: token } },
    );
    return {
      status: response.status,
      login: response.headers.get("www-authenticate"),
      text: await response.text(),
    };
  };

  it("shows a client without the token numbers only", async () => {
    expect(await shown("/live")).toMatchObject({ status: 200 });
    const { status, text } = await shown("/metrics");
    expect(status).toBe(200);
    expect(text).toContain('bioxen_vms{state="running"} 1');
    expect(text).toContain("process_cpu_seconds_total");
    expect(text).not.toContain("team=red");
    expect(await shown("/metrics/vms")).toMatchObject({ status: 401, login: "Bearer" });
    expect(JSON.parse((await shown("/ready")).text)).toEqual({
      ready: false,
      reason: expect.stringContaining("token of the metrics"),
      appliedSeq: 6,
      lagEvents: 0,
      unreadable: { count: 1 },
    });
  });

  it("shows everything to the token of the file as it is now, and nothing to another one", async () => {
    expect((await shown("/metrics", "Bearer first-token")).text).toContain("team=red");
    expect((await shown("/metrics/vms", "bearer first-token")).text).toContain('vm="a"');
    expect((await shown("/ready", "Bearer first-token")).text).toContain("bioxen.evt.vm.a");
    for (const wrong of ["Bearer", "Bearer first", "Basic first-token", "Bearer second-token"]) {
      for (const path of ["/ready", "/metrics", "/metrics/vms"]) {
        expect(await shown(path, wrong), `${wrong} ${path}`).toMatchObject({ status: 401, login: "Bearer" });
      }
    }
    await writeFile(tokenFile, "second-token");
    expect((await shown("/metrics", "Bearer second-token")).status).toBe(200);
    expect((await shown("/metrics", "Bearer first-token")).status).toBe(401);
    await writeFile(tokenFile, "\n");
    expect((await shown("/metrics", "Bearer ")).status, "a file without a token lets no client in").toBe(401);
    expect(readProblem(tokenFile)).toMatch(/BIOXEN_METRICS_TOKEN_FILE: must name a file with one token/);
    expect(readProblem(join(dir, "absent"))).toMatch(/BIOXEN_METRICS_TOKEN_FILE: cannot be read/);
  });

  it("shows everything without a token file", async () => {
    expect((await shown("/metrics", undefined, server)).text).toContain("team=red");
    expect((await shown("/ready", undefined, server)).text).toContain("agent a is run by another process");
  });
});

function readProblem(file: string): string {
  try {
    readHostConfig({ BIOXEN_METRICS_TOKEN_FILE: file });
    return "";
  } catch (thrown) {
    return String(thrown);
  }
}
