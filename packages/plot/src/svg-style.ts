/**
 * Colours and strokes of plots as SVG.
 *
 * The colours of lines are those of Okabe and Ito (Color Universal Design, 2008), which readers with any form of colour
 * blindness can tell apart: the darker ones on white, the lighter ones on black. The purple on white is that of Tol's
 * bright scheme, because that of Okabe and Ito is too pale for text. Each has a contrast of at least 3:1.
 */
const LIGHT = ["#0072b2", "#d55e00", "#00835f", "#aa3377", "#1a1a1a"] as const;
const DARK = ["#56b4e9", "#e69f00", "#2dc49a", "#cc79a7", "#f0f0f0"] as const;
/** Dashes of lines beyond the number of colours, px; empty: a whole line. */
const STROKES = ["", "7 3", "2 3", "8 3 2 3"] as const;

/** Returns the class of the colour of a series, by its number. */
export function colourClass(series: number): string {
  return `c${series % LIGHT.length}`;
}

/** Returns the dashes of a series, by its number. */
export function dashesOf(series: number): string {
  return STROKES[Math.floor(series / LIGHT.length) % STROKES.length] ?? "";
}

const rules = (colours: readonly string[]) =>
  colours.map((colour, at) => `.bioxen-plot .c${at}{color:${colour}}`);

/** The style sheet. Its rules begin with the class of the picture, so that they hold for nothing else of a page. */
export const STYLE = [
  "",
  ".bioxen-plot{background:#ffffff}",
  ".bioxen-plot text{font:12px system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1a1a1a}",
  ".bioxen-plot .title{font-weight:600}",
  ".bioxen-plot .x{text-anchor:middle}",
  ".bioxen-plot .y{text-anchor:end}",
  ".bioxen-plot text.tick,.bioxen-plot text.note{fill:#555555}",
  ".bioxen-plot text.name{fill:currentColor}",
  ".bioxen-plot .background{fill:#ffffff}",
  ".bioxen-plot .grid{stroke:#e6e6e6}",
  ".bioxen-plot .axis{stroke:#777777}",
  ".bioxen-plot .line{fill:none;stroke:currentColor;stroke-width:1.75;stroke-linejoin:round;stroke-linecap:round}",
  ".bioxen-plot .mark{fill:currentColor}",
  ".bioxen-plot .band{fill:currentColor;fill-opacity:0.18}",
  ...rules(LIGHT),
  "@media (prefers-color-scheme:dark){",
  ".bioxen-plot{background:#161616}",
  ".bioxen-plot text{fill:#f0f0f0}",
  ".bioxen-plot text.tick,.bioxen-plot text.note{fill:#b0b0b0}",
  ".bioxen-plot .background{fill:#161616}",
  ".bioxen-plot .grid{stroke:#333333}",
  ".bioxen-plot .axis{stroke:#909090}",
  ...rules(DARK),
  "}",
  "",
].join("\n");
