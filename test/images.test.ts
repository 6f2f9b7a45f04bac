/** The public images that BioXen builds on have the versions that the tests run, and a release checks their digests. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { differencesIn, imagesIn, publishedImage, readTexts } from "../deploy/images.ts";

const texts = readTexts(fileURLToPath(new URL("..", import.meta.url)));

describe("versions of images", () => {
  it("are those of the tests, in every file", () => {
    expect(imagesIn(texts).map((image) => image.split(":")[0])).toEqual([
      "grafana/grafana",
      "nats",
      "node",
      "prom/prometheus",
    ]);
    expect(differencesIn(texts)).toEqual([]);
  });

  it("that differ are named, with the version of the tests", () => {
    const older = {
      ...texts,
      Dockerfile: (texts["Dockerfile"] ?? "")
        .replace(/node:[\d.]+/, "node:24.0.0")
        .replace(/version="[^"]+"/, 'version="0.0.1"'),
      "docker-compose.yml": (texts["docker-compose.yml"] ?? "").replace(/nats:[\d.]+-alpine/, "nats:latest"),
    };
    const problems = differencesIn(older).join("\n");
    expect(problems).toMatch(/node:24\.0\.0-bookworm-slim: the tests run node:\d+\.\d+\.\d+-bookworm-slim/);
    expect(problems).toMatch(/nats:latest: the tests run nats:\d+\.\d+\.\d+-alpine/);
    expect(problems).toContain("nats:latest: name an exact tag");
    expect(problems).toContain('Dockerfile: image.version="0.0.1"');
  });
});

describe("published images", () => {
  const servers: ReturnType<typeof createServer>[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** Starts a registry that asks for a token and has one image, as the OCI Distribution Specification describes it. */
  async function registry(): Promise<string> {
    const server = createServer((request, response) => {
      const { host, authorization } = request.headers;
      if (request.url?.startsWith("/token")) {
        response.end(
          JSON.stringify({ token: `for ${new URL(request.url, "http://x").searchParams.get("scope")}` }),
        );
      } else if (authorization !== "Bearer for repository:library/nats:pull") {
        const challenge = `Bearer realm="http://${host}/token",service="registry",scope="repository:library/nats:pull"`;
        response.writeHead(401, { "www-authenticate": challenge }).end();
      } else if (request.url !== "/v2/library/nats/manifests/2.14.0-alpine") {
        response.writeHead(404).end();
      } else {
        const platform = { os: "linux", architecture: "arm64" };
        response.writeHead(200, { "docker-content-digest": "sha256:abc" });
        response.end(JSON.stringify({ manifests: [{ platform }] }));
      }
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it("have a digest and platforms", async () => {
    expect(await publishedImage("nats:2.14.0-alpine", await registry())).toEqual({
      pinned: "nats:2.14.0-alpine@sha256:abc",
      platforms: ["linux/arm64"],
    });
  });

  it("that are missing are named", async () => {
    await expect(publishedImage("nats:0.0.0", await registry())).rejects.toThrow(
      "nats:0.0.0: the registry answers 404",
    );
  });
});
