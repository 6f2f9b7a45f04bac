/**
 * Known defects: mistakes that careful programmers have made in similar systems, each as a text change to this tree.
 */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Defect {
  readonly name: string;
  readonly changes: readonly Change[];
  /** Folders of the unit tests that should find the defect. */
  readonly units: readonly string[];
}

export const DEFECTS: readonly Defect[] = [
  {
    name: "no expected-version check",
    changes: [
      {
        file: "packages/testkit/src/memory-event-log.ts",
        from: 'if (last !== expectedSeq) return { kind: "conflict" };',
        to: "",
      },
      {
        file: "test/sim/log.ts",
        from: "if ((last?.seq ?? 0) !== expectedSeq) {",
        to: "if (expectedSeq < 0) {",
      },
    ],
    units: ["packages/testkit"],
  },
  {
    name: "placement not idempotent",
    changes: [
      {
        file: "packages/contracts/src/fold/vm-placement.ts",
        from: `    vm.state === "pending" &&
    vm.pendingSinceSeq !== null &&
    entry.incarnation === vm.incarnation &&
    entry.fence > vm.pendingSinceSeq`,
        to: "    entry.incarnation === vm.incarnation",
      },
      {
        file: "services/lifecycle/src/app/vm-process.ts",
        from: '    if (!state.exists || state.state !== "pending") return undefined;\n',
        to: "",
      },
    ],
    units: ["services/lifecycle"],
  },
  {
    name: "fencing token ignored",
    changes: [
      {
        file: "services/lifecycle/src/domain/vm-report.ts",
        from: "  if (state.fence !== fence) return UNCHANGED;\n",
        to: "",
      },
    ],
    units: ["services/lifecycle"],
  },
  {
    name: "capacity off by one",
    changes: [
      {
        file: "packages/kernel/src/amounts.ts",
        from: "s.requested > s.free)",
        to: "s.requested > s.free + 1)",
      },
    ],
    units: ["packages/kernel", "packages/contracts", "services/allocator"],
  },
  {
    name: "evolve mutates",
    changes: [
      {
        file: "packages/contracts/src/fold/vm-run.ts",
        from: '    : { ...vm, state: "paused", reason };',
        to: '    : Object.assign(vm, { state: "paused" as const, reason });',
      },
    ],
    units: ["packages/contracts", "services/lifecycle"],
  },
  {
    name: "acknowledged before it is appended",
    changes: [
      {
        file: "packages/kernel/src/aggregates.ts",
        from: "const appended = await this.#options.log.append(streamSubject, envelope, before.lastSeq);",
        to: `void this.#options.log.append(streamSubject, envelope, before.lastSeq).catch(() => undefined);
      const appended = { kind: "appended" as "appended" | "conflict", seq: before.lastSeq + 1, digest: "" };`,
      },
      {
        file: "packages/kernel/src/aggregates.ts",
        from: 'if (appended.kind === "appended") {',
        to: 'if (appended.kind !== "conflict") {',
      },
    ],
    units: ["packages/testkit"],
  },
  {
    name: "a process forgets its timeout",
    changes: [
      {
        file: "services/allocator/src/domain/settlement.ts",
        from: "return Number.isFinite(next) ? next : undefined;",
        to: "return Number.isFinite(next) ? undefined : undefined;",
      },
    ],
    units: ["services/allocator"],
  },
  {
    name: "an agent ignores its claim",
    changes: [
      {
        file: "services/chassis-agent/src/app/claim.ts",
        from: "return !this.#isSuperseded && this.#lease?.token() !== undefined;",
        to: "return true;",
      },
    ],
    units: ["services/chassis-agent"],
  },
  {
    name: "a flood shuts quiet callers out",
    changes: [
      {
        file: "packages/nats/src/admission.ts",
        from: 'return this.#largestCost > share ? undefined : "full";',
        to: 'return "full";',
      },
    ],
    units: ["packages/nats"],
  },
  {
    name: "internal requests have no lane of their own",
    changes: [
      {
        file: "packages/nats/src/lane-rules.ts",
        from: 'if (internal) return "internal";',
        to: 'if (internal) return "commands";',
      },
    ],
    units: ["packages/nats"],
  },
  {
    name: "a running service ignores a lost log",
    changes: [
      {
        file: "packages/nats/src/log-guard.ts",
        from: "if (this.#suspicions < CONFIRM_LOOKS || this.#ended) return;",
        to: "if (this.#suspicions > 0) return;",
      },
    ],
    units: ["packages/nats"],
  },
];

/**
 * Returns why the change cannot be applied, or undefined. The text to replace must occur once; when the code changes,
 * the defect must follow.
 */
export function problemWith({ file, from }: Change, text: string): string | undefined {
  return text.split(from).length === 2 ? undefined : `${file} does not have once: ${from}`;
}
