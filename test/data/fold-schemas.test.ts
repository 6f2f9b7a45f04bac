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
  vm: { schema: 20, digest: "4df1c2a886219dacf00463c3b148af8e14406d06e2d9bf9c0b45414755021769" },
  ledger: { schema: 4, digest: "17d084637e6c7c25edba389cb0c36ef647875813b3656a871dea813376b18bb7" },
  quota: { schema: 3, digest: "ae1e8cf3ac3f3061a13f1559dc958463885b06591b3f0b54181e0361e66c5743" },
  chassis: { schema: 7, digest: "ae30188544db3085fe9908a7b67018252d025e8a8a2b9ae9d507b3f90e1c9a83" },
  drain: { schema: 3, digest: "a247ce9504909ed302f1556acebad1bec72a4b7eac882fd0c4458bd333be44ec" },
  alert: { schema: 3, digest: "5bd3c764987c6a452ffc86139c93d76dc10f30d050905772bbdc974c257a4bbf" },
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
