/**
 * The map of the cells of a chassis: a square each, on a canvas, so that thousands of cells that change every second cost
 * a few milliseconds. It is drawn only while it is on the screen.
 *
 * With a keyboard the map is one stop: arrow keys move a frame over the cells, Enter opens the cell. The description of
 * the cell below the frame or pointer is a live region. The list of VMs has the same content as a table.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { fleet, samplesTick, viewsTick } from "../live.ts";
import type { VmView } from "../model/types.ts";
import { figure, percent } from "../model/words.ts";
import { go, to } from "../router.ts";
import { theme } from "../ui/theme.ts";
import { cellAt, type Grid, gridFor, moved } from "./grid.ts";
import { type ColourBy, colourOf, relativeGrowth } from "./palette.ts";

interface MapProps {
  readonly chassisId: string;
  readonly vms: readonly VmView[];
  readonly by: ColourBy;
  readonly zoom: number;
}

/** Cells as squares with round corners are slow by the thousand: the corners are only drawn on large squares. */
const ROUND_FROM_PX = 14;

function draw(
  canvas: HTMLCanvasElement,
  vms: readonly VmView[],
  by: ColourBy,
  grid: Grid,
  marked: number | undefined,
): void {
  const { columns, rows, pitch } = grid;
  const ratio = devicePixelRatio || 1;
  const width = columns * pitch;
  const height = rows * pitch;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const isDark = theme.value === "dark";
  const hollow = isDark ? "#75838f" : "#7d8b99";
  const side = pitch - (pitch > 10 ? 3 : 2);
  for (let at = 0; at < vms.length; at++) {
    const vm = vms[at] as VmView;
    const x = (at % columns) * pitch;
    const y = Math.floor(at / columns) * pitch;
    const colour = colourOf(by, vm, fleet.samples.get(vm.vmId));
    if (colour === undefined) {
      context.strokeStyle = hollow;
      context.lineWidth = 1.25;
      context.strokeRect(x + 1, y + 1, side - 1.5, side - 1.5);
      continue;
    }
    context.fillStyle = colour;
    if (pitch < ROUND_FROM_PX) context.fillRect(x, y, side, side);
    else {
      context.beginPath();
      context.roundRect(x, y, side, side, 3);
      context.fill();
    }
  }
  if (marked === undefined) return;
  context.strokeStyle = isDark ? "#ffffff" : "#10181f";
  context.lineWidth = 2;
  context.strokeRect((marked % columns) * pitch, Math.floor(marked / columns) * pitch, side, side);
}

function describe(vm: VmView | undefined): string {
  if (vm === undefined) return "";
  const sample = fleet.samples.get(vm.vmId);
  const growth = relativeGrowth(vm, sample);
  const doubling = sample?.doublingTimeMinutes;
  const parts = [vm.vmId, vm.state];
  if (growth !== undefined) parts.push(`growth ${percent(growth)} of reference`);
  if (doubling != null) parts.push(`doubles in ${figure(doubling)} min`);
  if (sample !== undefined) parts.push(`health ${Math.round(sample.health)}`);
  parts.push(`owner ${vm.owner}`);
  return parts.join(" · ");
}

export function CellMap({ chassisId, vms, by, zoom }: MapProps) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [marked, setMarked] = useState<number | undefined>();
  const [isVisible, setVisible] = useState(true);
  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const sizes = new ResizeObserver(() => setWidth(element.clientWidth));
    sizes.observe(element);
    const sights = new IntersectionObserver((entries) => {
      setVisible(entries.at(-1)?.isIntersecting ?? true);
    });
    sights.observe(element);
    return () => {
      sizes.disconnect();
      sights.disconnect();
    };
  }, []);
  const grid = gridFor(vms.length, width, zoom);
  const tick = samplesTick.value + viewsTick.value;
  useEffect(() => {
    if (canvas.current !== null && width > 0 && isVisible) draw(canvas.current, vms, by, grid, marked);
  }, [vms, by, width, zoom, marked, isVisible, tick, theme.value]);
  const at = marked === undefined ? undefined : vms[marked];
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter" && at !== undefined) return go(to(["vms", at.vmId]));
    const next = moved(grid, vms.length, marked ?? 0, event.key);
    if (next === undefined) return;
    event.preventDefault();
    setMarked(next);
  };
  const pointed = (event: MouseEvent) => cellAt(grid, vms.length, event.offsetX, event.offsetY);
  return (
    <div class="map" ref={frame}>
      <canvas
        ref={canvas}
        style={{ width: `${grid.columns * grid.pitch}px`, height: `${grid.rows * grid.pitch}px` }}
        tabIndex={0}
        role="img"
        aria-label={`Map of ${vms.length} cells on ${chassisId}. Arrow keys move, Enter opens the cell.`}
        aria-describedby={`cell-${chassisId}`}
        onKeyDown={onKey}
        onFocus={() => setMarked((last) => last ?? 0)}
        onBlur={() => setMarked(undefined)}
        onMouseMove={(event) => setMarked(pointed(event))}
        onMouseLeave={() => setMarked(undefined)}
        onClick={(event) => {
          const vm = vms[pointed(event) ?? -1];
          if (vm !== undefined) go(to(["vms", vm.vmId]));
        }}
      />
      <p class="small muted map-cell num" id={`cell-${chassisId}`} aria-live="polite">
        {at === undefined ? `${vms.length} cells` : describe(at)}
      </p>
    </div>
  );
}
