import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type HttpServer, openHttp } from "../src/http.ts";
import { ProcessMetrics } from "../src/metrics.ts";

let server: HttpServer;
beforeAll(async () => {
  // Only what the routes read.
  const vitals = { reason: undefined, unreadable: [], now: () => ({ ready: true }) } as never;
  server = await openHttp({
    host: "127.0.0.1",
    port: 0,
    vitals,
    metrics: new ProcessMetrics("lifecycle", () => ({ ready: true, appliedSeq: 1, lagEvents: 0 })),
    measure: () => [],
    measureVms: () => [
      {
        metric: "bioxen_vm_lag_seconds",
        values: [{ value: 1.5, labels: { vm: "a", type: "ecoli", chassis: "c" } }],
      },
    ],
  });
});
afterAll(() => server.close());

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
