/**
 * XML-RPC, the protocol of older clients. It carries integers as strings and has separate types for instants and
 * floats.
 */
import type { Refusal } from "./refusal.ts";
import { SCHEMA } from "./schema.ts";

interface Element {
  readonly name: string;
  readonly children: Element[];
  text: string;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replaceAll(/&(?:#(\d+)|#x([0-9a-fA-F]+)|(\w+));/g, (whole, decimal, hex, name) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    return ENTITIES[name] ?? whole;
  });
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Parses the subset of XML that XML-RPC uses: no attributes, comments or CDATA sections. */
function parseXml(xml: string): Element {
  const root: Element = { name: "", children: [], text: "" };
  const stack = [root];
  for (const [, closing, name = "", single, text] of xml.matchAll(
    /<(\/?)([\w.]+)\s*(\/?)>|<\?[^>]*\?>|([^<]+)/g,
  )) {
    const top = stack.at(-1) ?? root;
    if (text !== undefined) top.text += text;
    else if (closing === "/") stack.pop();
    else if (name !== "") {
      const element: Element = { name, children: [], text: "" };
      top.children.push(element);
      if (single !== "/") stack.push(element);
    }
  }
  return root;
}

function decoded(value: Element): unknown {
  const [typed] = value.children;
  if (typed === undefined) return unescaped(value.text);
  const text = unescaped(typed.text);
  switch (typed.name) {
    case "int":
    case "i4":
    case "i8":
    case "double":
      return Number(text);
    case "boolean":
      return text.trim() === "1";
    case "nil":
      return null;
    case "array":
      return (typed.children[0]?.children ?? []).map(decoded);
    case "struct":
      return Object.fromEntries(
        typed.children.map(({ children }) => {
          const name = children.find((child) => child.name === "name");
          const inner = children.find((child) => child.name === "value");
          return [unescaped(name?.text ?? ""), inner === undefined ? "" : decoded(inner)];
        }),
      );
    default:
      return text;
  }
}

/** Returns the method and the arguments of an XML-RPC request; undefined when the XML is not a `methodCall`. */
export function parseCall(
  xml: string,
): { readonly method: string; readonly params: readonly unknown[] } | undefined {
  const call = parseXml(xml).children.find((child) => child.name === "methodCall");
  const name = call?.children.find((child) => child.name === "methodName");
  if (call === undefined || name === undefined) return undefined;
  const params = call.children.find((child) => child.name === "params")?.children ?? [];
  const values = params.map((param) => param.children.find((child) => child.name === "value"));
  return {
    method: name.text.trim(),
    params: values.map((value) => (value === undefined ? "" : decoded(value))),
  };
}

const struct = (members: Iterable<readonly [string, string]>): string => {
  const inner = [...members].map(
    ([name, value]) => `<member><name>${escaped(name)}</name><value>${value}</value></member>`,
  );
  return `<struct>${inner.join("")}</struct>`;
};
const array = (values: readonly string[]): string =>
  `<array><data>${values.map((value) => `<value>${value}</value>`).join("")}</data></array>`;

/** Encodes a value as XML-RPC; `type` is the type of the value in XAPI's datamodel. */
function encode(value: unknown, type: string): string {
  if (type === "float") return `<double>${Number(value).toFixed(6)}</double>`;
  if (type === "datetime") return `<dateTime.iso8601>${String(value)}</dateTime.iso8601>`;
  if (typeof value === "boolean") return `<boolean>${value ? 1 : 0}</boolean>`;
  if (Array.isArray(value)) return array(value.map((one) => encode(one, "string")));
  if (typeof value !== "object" || value === null) return `<string>${escaped(String(value ?? ""))}</string>`;
  const fields = Object.entries(value);
  const recordsOf = /^\(\w+ ref -> (\w+) record\) map$/.exec(type)?.[1];
  if (recordsOf !== undefined) return struct(fields.map(([k, v]) => [k, encode(v, `${recordsOf} record`)]));
  const schema = SCHEMA[/^(\w+) record$/.exec(type)?.[1] ?? ""] ?? {};
  return struct(fields.map(([k, v]) => [k, encode(v, schema[k] ?? "string")]));
}

function encodeBatch(value: unknown): string {
  const { events, token, valid_ref_counts } = value as {
    events: Readonly<Record<string, unknown>>[];
    token: string;
    valid_ref_counts: Readonly<Record<string, number>>;
  };
  const encoded = events.map((event) => {
    const name = Object.keys(SCHEMA).find((one) => one.toLowerCase() === event["class"]);
    return struct(
      Object.entries(event).map(([k, v]) => [k, encode(v, k === "snapshot" ? `${name} record` : "string")]),
    );
  });
  return struct([
    ["events", array(encoded)],
    ["token", encode(token, "string")],
    // These counts fit in 32 bits, so XML-RPC carries them as integers.
    ["valid_ref_counts", struct(Object.entries(valid_ref_counts).map(([k, v]) => [k, `<int>${v}</int>`]))],
  ]);
}

const response = (value: string): string =>
  `<?xml version="1.0"?><methodResponse><params><param><value>${value}</value></param></params></methodResponse>`;

export function encodeSuccess(result: unknown, type: string): string {
  const value = type === "an event batch" ? encodeBatch(result) : encode(result, type);
  return response(
    struct([
      ["Status", "<string>Success</string>"],
      ["Value", value],
    ]),
  );
}

export function encodeFailure(refusal: Refusal): string {
  return response(
    struct([
      ["Status", "<string>Failure</string>"],
      ["ErrorDescription", array(refusal.list().map((one) => encode(one, "string")))],
    ]),
  );
}
