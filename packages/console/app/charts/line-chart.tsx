/**
 * A chart of lines over time on uPlot. Its values are also in words: the last value of each line stands beside its name.
 */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { figure } from "../model/words.ts";
import { theme } from "../ui/theme.ts";
import { SERIES_COLOURS } from "./palette.ts";

export interface Line {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

interface ChartProps {
  readonly title: string;
  readonly unit: string;
  /** Values of the x axis, in order. */
  readonly x: readonly number[];
  readonly xUnit: string;
  readonly lines: readonly Line[];
  readonly height?: number;
}

const AXIS = {
  light: { text: "#51606e", grid: "#e3e8ed" },
  dark: { text: "#a1afbb", grid: "#26313a" },
} as const;

function optionsFor(
  { lines, xUnit, height = 180 }: ChartProps,
  width: number,
  mode: "light" | "dark",
): uPlot.Options {
  const { text, grid } = AXIS[mode];
  const axis = {
    stroke: text,
    grid: { stroke: grid, width: 1 },
    ticks: { stroke: grid, width: 1 },
    font: "12px system-ui",
  };
  const marks = (_: uPlot, splits: number[]) => splits.map((value) => String(Number(value.toPrecision(6))));
  return {
    width,
    height,
    scales: { x: { time: false } },
    legend: { show: false },
    cursor: { drag: { x: true, y: false }, points: { size: 6 } },
    axes: [
      { ...axis, size: 30, values: marks, label: xUnit, labelSize: 16, labelFont: "12px system-ui" },
      { ...axis, size: 66, values: marks },
    ],
    series: [
      {},
      ...lines.map((_, at) => ({
        stroke: SERIES_COLOURS[at % SERIES_COLOURS.length] ?? "",
        width: 1.75,
        spanGaps: false,
        points: { show: false },
      })),
    ],
  };
}

export function LineChart(props: ChartProps) {
  const { title, unit, x, xUnit, lines } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const names = lines.map(({ name }) => name).join("\n");
  const data = [x, ...lines.map(({ values }) => values)] as unknown as uPlot.AlignedData;
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const drawn = new uPlot(
      optionsFor(props, Math.max(200, element.clientWidth), theme.value),
      data,
      element,
    );
    plot.current = drawn;
    const sizes = new ResizeObserver(() =>
      drawn.setSize({ width: Math.max(200, element.clientWidth), height: drawn.height }),
    );
    sizes.observe(element);
    return () => {
      sizes.disconnect();
      drawn.destroy();
    };
  }, [names, theme.value]);
  useEffect(() => {
    plot.current?.setData(data);
  }, [x, lines]);
  return (
    <figure class="chart-box">
      <figcaption class="row between">
        <span class="chart-title">
          {title} {unit !== "1" && unit !== "" && `[${unit}]`}
        </span>
        <span class="legend num">
          {lines.map(({ name, values }, at) => (
            <span key={name}>
              <span class="swatch" style={{ background: SERIES_COLOURS[at % SERIES_COLOURS.length] ?? "" }} />
              {lines.length > 1 && `${name} `}
              {figure(values.findLast((value) => value !== null) ?? Number.NaN)}
            </span>
          ))}
        </span>
      </figcaption>
      <div class="chart" ref={box} role="img" aria-label={`${title} over ${xUnit}, ${x.length} points`} />
    </figure>
  );
}
