/**
 * The settings file, in YAML: reads every setting, and changes one setting. A change keeps the comments, the order and
 * the layout of the other settings.
 */

import { suggestion } from "@bioxen/contracts";
import { type Document, isMap, isScalar, LineCounter, parseDocument } from "yaml";
import { usage } from "./outcome.ts";

function parsed(text: string, path: string, lines = new LineCounter()): Document {
  const document = parseDocument(text, { lineCounter: lines });
  const [error] = document.errors;
  if (error === undefined) return document;
  throw usage(`${path}:${error.linePos?.[0].line ?? 1}: ${error.message.split("\n")[0] ?? ""}`);
}

/**
 * Returns the values in the file as text, by key. The key `up.chassis` stands for `chassis` in the group `up`. `known`
 * lists the valid keys. Throws an error with exit code 2 for an unknown key, or for a key whose value is empty, a list
 * or a mapping. The error text lists every problem with its line number.
 */
export function settingsIn(
  text: string,
  path: string,
  known: readonly string[],
): ReadonlyMap<string, string> {
  const lines = new LineCounter();
  const { contents } = parsed(text, path, lines);
  const found = new Map<string, string>();
  const problems: string[] = [];
  const visit = (node: unknown, before: string) => {
    if (!isMap(node)) return;
    for (const { key: name, value } of node.items) {
      const key = `${before}${String(isScalar(name) ? name.value : name)}`;
      const line = isScalar(name) && name.range ? lines.linePos(name.range[0]).line : 1;
      const isGroup = known.some((one) => one.startsWith(`${key}.`));
      if (isGroup && isMap(value)) visit(value, `${key}.`);
      else if (!known.includes(key))
        problems.push(`${path}:${line}: unknown setting ${key}${suggestion(key, known)}`);
      else if (!isScalar(value) || value.value === null)
        problems.push(`${path}:${line}: ${key} must have a single value`);
      else found.set(key, String(value.value));
    }
  };
  if (contents !== null && !isMap(contents))
    problems.push(`${path}:1: must be a mapping of settings to values`);
  visit(contents, "");
  if (problems.length > 0) throw usage(problems.join("\n"));
  return found;
}

/** Returns the text of the settings file with `key` set to `value`, or without `key` when `value` is undefined. */
export function withSetting(text: string, path: string, key: string, value: unknown): string {
  const document = parsed(text, path);
  if (value === undefined) document.deleteIn(key.split("."));
  else document.setIn(key.split("."), value);
  return document.contents === null ? "" : document.toString();
}
