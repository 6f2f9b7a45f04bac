import { describe, expect, it } from "vitest";
import { parseEvents, type ServerEvent } from "../app/api/sse.ts";

function parsed(text: string): { events: ServerEvent[]; rest: string } {
  const events: ServerEvent[] = [];
  const rest = parseEvents(text, (event) => events.push(event));
  return { events, rest };
}

describe("server-sent events", () => {
  it("reads id, name and data of each block, and leaves out comments", () => {
    const { events, rest } = parsed(': alive\n\nid: 7\ndata: {"a":1}\n\nevent: end\ndata: x\ndata: y\n\n');
    expect(events).toEqual([
      { id: "7", event: "message", data: '{"a":1}' },
      { id: "", event: "end", data: "x\ny" },
    ]);
    expect(rest).toBe("");
  });

  it("keeps an incomplete block for the next part of the stream", () => {
    const first = parsed("id: 1\ndata: a\n\nid: 2\nda");
    expect(first.events.map(({ id }) => id)).toEqual(["1"]);
    expect(parsed(`${first.rest}ta: b\n\n`).events).toEqual([{ id: "2", event: "message", data: "b" }]);
  });
});
