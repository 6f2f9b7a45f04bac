import { describe, expect, it } from "vitest";
import { pemOf } from "../src/xapi/trust.ts";

describe("a certificate in PEM", () => {
  it.each([1, 47, 48, 49, 95, 96, 97])(
    "of %i bytes has no empty line and decodes to the same bytes",
    (bytes) => {
      const der = Buffer.from(Array.from({ length: bytes }, (_, i) => i));
      const lines = pemOf(der).trimEnd().split("\n");
      expect(lines.at(0)).toBe("-----BEGIN CERTIFICATE-----");
      expect(lines.at(-1)).toBe("-----END CERTIFICATE-----");
      for (const line of lines.slice(1, -1)) expect(line).toMatch(/^.{1,64}$/);
      expect(Buffer.from(lines.slice(1, -1).join(""), "base64")).toEqual(der);
    },
  );
});
