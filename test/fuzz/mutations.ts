/**
 * Changes of one place of a well-formed payload. Each is a mistake that a client makes, or an attack that is known from
 * other systems; most leave a payload that is nearly right, so that the check of one field has to notice it.
 */
import type { Random } from "./random.ts";
import { Fields, type Node, type Place, placesOf, Raw } from "./tree.ts";

/** Numbers at which integers of 32 and 64 bits and doubles change their behaviour, as JSON text. */
const NUMBERS = [
  "0",
  "-0",
  "-1",
  "1.5",
  "1e-7",
  "2147483647",
  "2147483648",
  "4294967295",
  "4294967296",
  "9007199254740991",
  "9007199254740992",
  "9007199254740993",
  "-9007199254740992",
  "9223372036854775808",
  "1e21",
  "1e308",
  "1e400",
  "-1e400",
  "0.1e1",
  "1000000000001",
  "NaN",
  "Infinity",
  "01",
  "0x10",
];
const LONE_SURROGATE = "\ud800";
const STRINGS = [
  "",
  " ",
  "A",
  "-a",
  "a-",
  "a.b",
  "a b",
  "*",
  ">",
  "a.>",
  "$SRV",
  "../../etc",
  "a\u0000b",
  "a\nb",
  "\r\n",
  "\u001b[2J",
  "\u202e",
  LONE_SURROGATE,
  `a${LONE_SURROGATE}`,
  "ä",
  "😀",
  "101%",
  "-1%",
  "1e3",
  "null",
  "__proto__",
  "constructor",
  "0:a:0",
  "9007199254740993:a:0",
  "x".repeat(64),
  "x".repeat(128),
  "x".repeat(501),
  "x".repeat(4_097),
  "x".repeat(65_537),
];
const EXTRA_NAMES = [
  "extra",
  "__proto__",
  "constructor",
  "toString",
  "vmid",
  "VMID",
  "vm_id",
  "ok",
  "",
  "\u0000",
];
const MANY = 10_000;
/** Depths around the limit of 64 levels, and some that overflow a recursion without it. */
const DEPTHS = [61, 62, 63, 64, 65, 100, 2_000, 5_000, 20_000];

const OTHER_TYPES: readonly (() => Node)[] = [
  () => null,
  () => true,
  () => 0,
  () => -1,
  () => "",
  () => "text",
  () => [],
  () => new Fields([]),
  () => [null],
  () => new Fields([["a", 1]]),
];

/** Returns arrays or objects in each other. */
export function nested(random: Random): Node {
  const depth = random.pick(DEPTHS);
  return random.chance(0.5)
    ? new Raw("[".repeat(depth) + "]".repeat(depth))
    : new Raw(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`);
}

function longArray(random: Random, node: Node): Node {
  const item = Array.isArray(node) ? (node[0] ?? "a") : random.pick(["a", 1, null]);
  return Array.from({ length: MANY }, () => item);
}

/** Changes one letter of a name, as a typing mistake does. */
function misspelt(random: Random, name: string): string {
  const at = random.between(0, Math.max(0, name.length - 1));
  const letter = name[at] ?? "x";
  const other = random.pick([letter.toUpperCase(), letter + letter, "", "_"]);
  return name.slice(0, at) + other + name.slice(at + 1);
}

function changedFields(random: Random, { all }: Fields): Node {
  const fields = [...all];
  const at = random.between(0, Math.max(0, fields.length - 1));
  const field = fields[at];
  switch (random.pick(["remove", "misspell", "extra", "twice", "many"] as const)) {
    case "remove":
      fields.splice(at, 1);
      break;
    case "misspell":
      if (field !== undefined) fields[at] = [misspelt(random, field[0]), field[1]];
      break;
    case "extra":
      fields.splice(at, 0, [random.pick(EXTRA_NAMES), random.pick(OTHER_TYPES)()]);
      break;
    case "twice":
      if (field !== undefined) fields.push([field[0], random.pick(OTHER_TYPES)()]);
      break;
    case "many":
      // Ten thousand fields cost the receiver more than the other changes, and are therefore rare.
      for (let i = 0; i < (random.chance(0.05) ? MANY : 33); i += 1) fields.push([`f${i}`, i]);
  }
  return new Fields(fields);
}

function changed(random: Random, node: Node): Node {
  if (random.chance(0.03)) return nested(random);
  if (random.chance(0.01)) return longArray(random, node);
  if (random.chance(0.25)) return random.pick(OTHER_TYPES)();
  if (random.chance(0.05)) return random.chance(0.5) ? [node] : new Fields([["value", node]]);
  if (node instanceof Fields) return changedFields(random, node);
  if (Array.isArray(node)) return random.chance(0.5) ? [] : [...node, random.pick(OTHER_TYPES)()];
  if (typeof node === "number") return new Raw(random.pick(NUMBERS));
  if (typeof node === "string") return random.pick(STRINGS);
  return random.pick(OTHER_TYPES)();
}

/** Returns the tree with one more change at a random place. The tree may be changed in place. */
export function mutated(random: Random, root: Node): Node {
  let next = root;
  const places: Place[] = [
    {
      node: root,
      replace: (node) => {
        next = node;
      },
    },
    ...placesOf(root),
  ];
  // The root is changed more often than another place: it has the fields of the command.
  const place = random.chance(0.3) ? places[0] : random.pick(places);
  if (place !== undefined) place.replace(changed(random, place.node));
  return next;
}
