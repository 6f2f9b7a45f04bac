import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rowsOnScreen, screenColumns, shorten, width, wrapText } from "./screen.ts";

const RED = "\u001b[31m";
const END = "\u001b[0m";

const longLine = fc
  .array(fc.oneof(fc.stringMatching(/^[a-zäµ細胞]{1,90}$/), fc.constant("")), { maxLength: 12 })
  .map((words) => words.join(" "));

describe("a shortened text", () => {
  it("is unchanged when it fits", () => {
    expect(shorten("cell-1", 6)).toBe("cell-1");
    expect(shorten(`${RED}cell-1${END}`, 6)).toBe(`${RED}cell-1${END}`);
  });

  it("loses its end when it is a sentence, and its middle when it is one word", () => {
    expect(shorten("no chassis has room", 12)).toBe("no chassis…");
    expect(shorten("experiment-cell-0041", 11)).toBe("exper…-0041");
  });

  it("keeps its colour", () => {
    expect(shorten(`${RED}experiment-cell-0041${END}`, 11)).toBe(`${RED}exper…-0041${END}`);
  });

  it("never takes more columns than there are, whatever the characters", () => {
    fc.assert(
      fc.property(longLine, fc.integer({ min: 1, max: 100 }), (text, columns) => {
        expect(width(shorten(text, columns))).toBeLessThanOrEqual(columns);
      }),
    );
  });
});

describe("a wrapped text", () => {
  it("continues under the text of a labelled line", () => {
    const line = "  allocation  ribosomes 503, atp 13247, rnap 187, dna 543";
    expect(wrapText(line, 40)).toBe(
      ["  allocation  ribosomes 503, atp 13247,", "              rnap 187, dna 543"].join("\n"),
    );
  });

  it("continues other lines with a further indent, and keeps lines that fit", () => {
    expect(wrapText("one\n  two three four", 12)).toBe(["one", "  two", "    three", "    four"].join("\n"));
  });

  it("does not change what a file or a pipe gets", () => {
    const line = "x ".repeat(200);
    expect(wrapText(line, screenColumns({ columns: 80 } as NodeJS.WriteStream))).toBe(line);
  });

  it("never has a line that is wider than the terminal", () => {
    fc.assert(
      fc.property(
        longLine,
        fc.integer({ min: 20, max: 130 }),
        fc.nat({ max: 6 }),
        (text, columns, indent) => {
          for (const line of wrapText(`${" ".repeat(indent)}${text}`, columns).split("\n")) {
            expect(width(line)).toBeLessThanOrEqual(columns);
          }
        },
      ),
    );
  });

  it("keeps its colour on every line, which no other text has", () => {
    const wrapped = wrapText(`${RED}every word of this line is red${END} and this is not`, 20);
    expect(stripVTControlCharacters(wrapped)).not.toBe(wrapped);
    expect(wrapped.indexOf(RED)).toBe(0);
    for (const line of wrapped.split("\n")) expect(width(line)).toBeLessThanOrEqual(20);
  });
});

describe("the rows on a screen", () => {
  it("are more than the lines when the terminal wraps a line", () => {
    expect(rowsOnScreen("short\n", 10)).toBe(2);
    expect(rowsOnScreen("x".repeat(21), 10)).toBe(3);
    expect(rowsOnScreen(`${RED}${"x".repeat(10)}${END}`, 10)).toBe(1);
  });
});
