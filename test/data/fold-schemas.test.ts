/**
 * A fold that gives other states than before must say so: its snapshots are taken over by schema.
 *
 * The pinned digests are of every state of the recorded log, event by event. When one differs, count up `schema` of that
 * fold, and pin the new digest beside the new number.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chassisFold, decodeEvent, ledgerFold, quotaFold, vmFold } from "@bioxen/contracts";
import { type Fold, ReadModel } from "@bioxen/kernel";
import { expect, it } from "vitest";

const LOG = fileURLToPath(new URL("log-v1.jsonl", import.meta.url));
const PINNED: Readonly<Record<string, { readonly schema: number; readonly digest: string }>> = {
  vm: { schema: 8, digest: "6d6bdfbcf7355b841044afd8a1d3523228b23bfce3eea1e3e37eeacc523fbaba" },
  ledger: { schema: 2, digest: "401c40bec74994c038f4928df4c1519ce60d6e91bfab9cabd0e47f673c77cbd8" },
  quota: { schema: 1, digest: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
  chassis: { schema: 3, digest: "babcef13b43cb9c876d0c0972d0381b7f93e70aa5202383e997dc4a3e68bcfde" },
};
const FOLDS: readonly [string, Fold<unknown>][] = [
  ["vm", vmFold],
  ["ledger", ledgerFold],
  ["chassis", chassisFold],
  ["quota", quotaFold],
];

const events = readFileSync(LOG, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as { seq: number; subject: string; payload: string })
  .map(({ seq, subject, payload }) => decodeEvent(new TextEncoder().encode(payload), seq, subject));

it.each(FOLDS)("states of %s are those that its schema number stands for", (kind, fold) => {
  const model = new ReadModel(kind, fold);
  const hash = createHash("sha256");
  for (const event of events) {
    const [aggregate, id = ""] = event.envelope.subject.split("/");
    if (aggregate !== kind) continue;
    model.apply(event);
    hash.update(JSON.stringify(model.get(id)));
  }
  expect({ schema: fold.schema, digest: hash.digest("hex") }).toEqual(PINNED[kind]);
});
