import { expect, it } from "vitest";
import { type Manifest, manifestText, parseManifest } from "./manifest.ts";

const manifest: Manifest = {
  format: 1,
  version: "0.2.0",
  createdAtMs: 1,
  generation: 2,
  log: { clusterId: "0123456789abcdef", created: "2026-12-01T00:00:00Z", seq: 7 },
  streams: [
    {
      name: "BIOXEN_EVENTS",
      kind: "log",
      readTo: 7,
      files: [
        {
          path: "streams/a-000001.zst",
          sha256: "0".repeat(64),
          bytes: 9,
          messages: 7,
          firstSeq: 1,
          lastSeq: 7,
        },
      ],
    },
  ],
};

it("reads back what it writes", () => {
  expect(parseManifest(manifestText(manifest))).toEqual(manifest);
});

it("finds a changed bit in any byte", () => {
  const bytes = Buffer.from(manifestText(manifest));
  for (let at = 0; at < bytes.length; at += 1) {
    for (const bit of [1, 32]) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ bit;
      expect(parseManifest(changed.toString("utf8")), `byte ${at}`).toBeTypeOf("string");
    }
  }
});

it.each(["../../etc/passwd", "/etc/passwd", "streams/../x", "a/b/c"])("refuses the path %s", (path) => {
  const files = [{ path, sha256: "0".repeat(64), bytes: 9, messages: 7, firstSeq: 1, lastSeq: 7 }];
  const [part] = manifest.streams;
  if (part === undefined) throw new Error("no stream");
  expect(parseManifest(manifestText({ ...manifest, streams: [{ ...part, files }] }))).toContain("path");
});

it("names a newer format", () => {
  const newer = manifestText({ ...manifest, format: 2 } as unknown as Manifest);
  expect(parseManifest(newer)).toContain("newer BioXen");
});
