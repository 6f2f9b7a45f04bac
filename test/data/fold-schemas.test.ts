/**
 * Guards the `schema` number of each fold. A service starts from a stored snapshot only if its schema number is that of
 * the fold, so a fold that yields different states needs a new number.
 *
 * A pinned digest covers every state of the recorded logs, event by event. When a digest differs, increase `schema` of
 * that fold, and pin the new digest with the new number.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  alertFold,
  chassisFold,
  decodeEvent,
  drainFold,
  ledgerFold,
  quotaFold,
  vmFold,
} from "@bioxen/contracts";
import { type Fold, ReadModel } from "@bioxen/kernel";
import { expect, it } from "vitest";

const LOGS = ["log-v1.jsonl", "log-v2.jsonl"];
const PINNED: Readonly<Record<string, { readonly schema: number; readonly digest: string }>> = {
  vm: { schema: 8, digest: "dae13e0d21c67948e5980c99af7964b13812c07ee86a2aa4264881361aa72e16" },
  ledger: { schema: 3, digest: "17d084637e6c7c25edba389cb0c36ef647875813b3656a871dea813376b18bb7" },
  quota: { schema: 1, digest: "e1520be8fad46314093853f889c0a0a5d20965624c758d33a48dc501d1392e17" },
  chassis: { schema: 4, digest: "ae30188544db3085fe9908a7b67018252d025e8a8a2b9ae9d507b3f90e1c9a83" },
  drain: { schema: 2, digest: "a247ce9504909ed302f1556acebad1bec72a4b7eac882fd0c4458bd333be44ec" },
  alert: { schema: 1, digest: "5e517b8833b9423f156af854b2214c3cf606011f68d9ef085edc4df6378c1d76" },
};
const FOLDS: readonly [string, Fold<unknown>][] = [
  ["vm", vmFold],
  ["ledger", ledgerFold],
  ["chassis", chassisFold],
  ["quota", quotaFold],
  ["drain", drainFold],
  ["alert", alertFold],
];

const logs = LOGS.map((name) =>
  readFileSync(fileURLToPath(new URL(name, import.meta.url)), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { seq: number; subject: string; payload: string })
    .map(({ seq, subject, payload }) => decodeEvent(new TextEncoder().encode(payload), seq, subject)),
);

it.each(FOLDS)("the states of the %s fold match the digest pinned for its schema", (kind, fold) => {
  const hash = createHash("sha256");
  let states = 0;
  for (const events of logs) {
    const model = new ReadModel(kind, fold);
    for (const event of events) {
      const [aggregate, id = ""] = event.envelope.subject.split("/");
      if (aggregate !== kind) continue;
      model.apply(event);
      hash.update(JSON.stringify(model.get(id)));
      states += 1;
    }
  }
  expect(states, "the logs have events of this aggregate").toBeGreaterThan(0);
  expect({ schema: fold.schema, digest: hash.digest("hex") }).toEqual(PINNED[kind]);
});
