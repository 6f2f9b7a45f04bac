/**
 * JSON as a tree that can hold what JavaScript values cannot: a key twice, a key `__proto__`, a number beyond the range
 * of a double, a piece of text that is no JSON.
 */
export type Node = string | number | boolean | null | Raw | Node[] | Fields;

/** A piece of text that is written as it is. */
export class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** An object: its fields in the order in which they are written. A name may occur twice. */
export class Fields {
  readonly all: [name: string, value: Node][];
  constructor(all: [name: string, value: Node][]) {
    this.all = all;
  }
}

export function treeOf(value: unknown): Node {
  if (Array.isArray(value)) return value.map(treeOf);
  if (typeof value === "object" && value !== null) {
    return new Fields(Object.entries(value).map(([name, inner]) => [name, treeOf(inner)]));
  }
  return value as Node;
}

export function textOf(node: Node): string {
  if (node instanceof Raw) return node.text;
  if (Array.isArray(node)) return `[${node.map(textOf).join()}]`;
  if (node instanceof Fields) {
    return `{${node.all.map(([name, value]) => `${JSON.stringify(name)}:${textOf(value)}`).join()}}`;
  }
  return JSON.stringify(node);
}

/** One place in a tree, with the function that puts another value there. */
export interface Place {
  readonly node: Node;
  readonly replace: (node: Node) => void;
}

/** Returns every place below `root`, without the root. */
export function placesOf(root: Node): Place[] {
  if (Array.isArray(root)) {
    return root.flatMap((node, i) => [
      { node, replace: (other: Node) => root.splice(i, 1, other) },
      ...placesOf(node),
    ]);
  }
  if (root instanceof Fields) {
    return root.all.flatMap((field) => [
      {
        node: field[1],
        replace: (other: Node) => {
          field[1] = other;
        },
      },
      ...placesOf(field[1]),
    ]);
  }
  return [];
}
