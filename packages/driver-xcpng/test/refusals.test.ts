/**
 * The meaning of each error code of XAPI: complete, unambiguous, and as the document says.
 */
import { readFileSync } from "node:fs";
import { DriverError } from "@bioxen/vm-driver";
import { describe, expect, it } from "vitest";
import { asDriverError } from "../src/driver/failures.ts";
import { refusalDocument } from "../src/driver/refusal-document.ts";
import { REFUSAL_ROWS, refusalMeaning, UNKNOWN } from "../src/driver/refusal-table.ts";
import { KNOWN_CODES, XapiError } from "../src/xapi/errors.ts";
import { METHODS } from "../src/xapi/methods.ts";
import { xapiReference } from "./reference.ts";

const reference = xapiReference();
const LISTED = REFUSAL_ROWS.flatMap(({ codes }) => codes);

/** Families of codes that are about the objects which the driver handles, or about the call itself. */
const FAMILIES =
  /^(VM|VMS|VBD|VDI|VIF|SR|HOST|MEMORY|MESSAGE|SESSION|TASK|TOO|VCPU|OPERATION|HA|DEVICE|LICEN[CS]E|DOMAIN|EVENT|EVENTS)_/;
/** Codes of these families that only other calls return: calls that the driver never makes. */
const OF_OTHER_CALLS = [
  /^HA_(ABORT|CANNOT|FAILED|HEARTBEAT|HOST|IS_|LOST|NOT_|POOL|SHOULD|TOO)/,
  /^HOST_(CANNOT_DESTROY_SELF|DRIVER_NO_HARDWARE|EVACUATE_VM|HAS_RESIDENT|IN_USE|IS_LIVE|ITS_OWN|NAME_INVALID)/,
  /^HOST_(NOT_DISABLED|PENDING_MANDATORY|POWER_ON|XAPI_VERSION)/,
  /^LICENSE_(CANNOT|DOES_NOT|FILE|HOST_POOL)/,
  /^SR_(ATTACHED|DOES_NOT_SUPPORT_MIGRATION|HAS_MULTIPLE|HAS_PBD|INDESTRUCTIBLE|NOT_EMPTY|NOT_SHARABLE|UUID_EXISTS)/,
  /^TOO_MANY_(GROUPS|VUSBS)$/,
  /^VBD_(NOT_REMOVABLE|NOT_UNPLUGGABLE|TRAY_LOCKED)/,
  /^VDI_(CBT_ENABLED|NEEDS_VM_FOR_MIGRATE|NOT_SPARSE|NO_CBT)/,
  /^VM_(BIOS_STRINGS|CALL_PLUGIN|HOST_INCOMPATIBLE_VERSION_MIGRATE|MIGRATE|NO_CRASHDUMP|NO_EMPTY_CD|PV_DRIVERS_IN_USE)/,
  /^VM_(SNAPSHOT_WITH_QUIESCE|TO_IMPORT)/,
  /^DEVICE_ALREADY_EXISTS$/,
];

describe("the table", () => {
  it("has each code once, with a cause and a remedy", () => {
    expect(new Set(LISTED).size).toBe(LISTED.length);
    for (const { why, remedy } of [...REFUSAL_ROWS, UNKNOWN]) {
      expect(why).toMatch(/^[^A-Z][^.]*$/);
      expect(remedy).toMatch(/^[A-Z].*\.$/);
    }
  });

  it("has every code that the driver handles individually", () => {
    expect(KNOWN_CODES.filter((code) => !LISTED.includes(code))).toEqual([]);
  });

  it.skipIf(reference === undefined)("has only codes of XAPI; a storage driver's code has a number", () => {
    const general = (code: string) => code.replace(/^(SR_BACKEND_FAILURE)_\d+$/, "$1");
    expect(LISTED.filter((code) => reference?.codes.has(general(code)) !== true)).toEqual([]);
  });

  it.skipIf(reference === undefined)("has every code that XAPI declares for a method of the driver", () => {
    const declared = Object.keys(METHODS).flatMap((method) => {
      const [className = "", name = ""] = method.split(".");
      const found = reference?.classes.get(className)?.messages.find((one) => one.name === name);
      return (found?.errors ?? []).map((error) => error.name);
    });
    expect(declared.length).toBeGreaterThan(50);
    expect(declared.filter((code) => !LISTED.includes(code))).toEqual([]);
  });

  it.skipIf(reference === undefined)(
    "leaves out a code of its families only if other calls return it",
    () => {
      const related = [...(reference?.codes ?? [])].filter((code) => FAMILIES.test(code));
      expect(related.length).toBeGreaterThan(150);
      const isOther = (code: string) => OF_OTHER_CALLS.some((pattern) => pattern.test(code));
      expect(related.filter((code) => !LISTED.includes(code) && !isOther(code))).toEqual([]);
      expect(LISTED.filter(isOther)).toEqual([]);
    },
  );

  it("is the document", () => {
    const url = new URL("../../../docs/how-to/xcpng-errors.md", import.meta.url);
    expect(readFileSync(url, "utf8")).toBe(refusalDocument());
  });
});

describe("an error of the pool", () => {
  it.each([
    ["VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE", "BAD_REQUEST", false],
    ["VM_REQUIRES_SR", "UNSUPPORTED", false],
    ["VM_HVM_REQUIRED", "UNSUPPORTED", false],
    ["SR_BACKEND_FAILURE_46", "UNSUPPORTED", false],
    ["SR_BACKEND_FAILURE_44", "CAPACITY_EXCEEDED", false],
    ["NO_HOSTS_AVAILABLE", "CAPACITY_EXCEEDED", false],
    ["SR_BACKEND_FAILURE_999", "UNAVAILABLE", true],
    ["A_CODE_OF_A_LATER_RELEASE", "UNAVAILABLE", true],
  ])("%s is %s", (code, expected, retryable) => {
    const error = asDriverError(new XapiError(code, ["x"], "VM.start"), "starting x1") as DriverError;
    expect(error).toBeInstanceOf(DriverError);
    expect(error).toMatchObject({ code: expected, retryable, hostCode: code });
    expect(error.message).toContain(`VM.start: ${code} (x)`);
    expect(error.message).toContain(refusalMeaning(code).remedy);
  });

  it("that is about the connection is no refusal of the host, so that it is retried without a limit", () => {
    const error = asDriverError(new XapiError("SESSION_INVALID", [], "VM.start"), "starting x1");
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true, hostCode: undefined });
  });
});
