/**
 * The map of the cells of a chassis: a square each, on a canvas, so that thousands of cells that change every second cost
 * a few milliseconds. The canvas is as high as what is in sight of the map, and only the cells there are drawn.
 *
 * With a keyboard the map is one stop: arrow keys move a frame over the cells, Enter opens the cell. The description of
 * the cell below the frame or pointer is a live region. The list of VMs has the same content as a table.
 */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { fleet, samplesTick, viewsTick } from "../live.ts";
import type { VmView } from "../model/types.ts";
import { figure, percent } from "../model/words.ts";
import { go, to } from "../router.ts";
import { theme } from "../ui/theme.ts";
import { cellAt, cellsBetween, type Grid, gridFor, moved, topFor } from "./grid.ts";
import { type ColourBy, colourOf, relativeGrowth } from "./palette.ts";

interface MapProps {
  readonly chassisId: string;
  readonly vms: readonly VmView[];
  readonly by: ColourBy;
  readonly zoom: number;
}

/** Cells as squares with round corners are slow by the thousand: the corners are only drawn on large squares. */
const ROUND_FROM_PX = 14;
/** Height of a map at most, px: the cards of several chassis stay on one screen. */
const MAX_HEIGHT_PX = 444;

interface Drawing {
  readonly vms: readonly VmView[];
  readonly by: ColourBy;
  readonly grid: Grid;
  /** The part in sight, px. */
  readonly top: number;
  readonly height: number;
  readonly marked: number | undefined;
}

function draw(canvas: HTMLCanvasElement, { vms, by, grid, top, height, marked }: Drawing): void {
  const { columns, pitch } = grid;
  const ratio = devicePixelRatio || 1;
  const width = columns * pitch;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const isDark = theme.value === "dark";
  const side = pitch - (pitch > 10 ? 3 : 2);
  const { first, last } = cellsBetween(grid, vms.length, top, height);
  context.strokeStyle = isDark ? "#75838f" : "#7d8b99";
  context.lineWidth = 1.25;
  for (let at = first; at < last; at++) {
    const vm = vms[at] as VmView;
    const x = (at % columns) * pitch;
    const y = Math.floor(at / columns) * pitch - top;
    const colour = colourOf(by, vm, fleet.samples.get(vm.vmId));
    if (colour === undefined) {
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
  context.strokeRect((marked % columns) * pitch, Math.floor(marked / columns) * pitch - top, side, side);
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

/** The width of an element, and whether it is on the screen. */
function useSight(ref: { readonly current: HTMLElement | null }) {
  const [width, setWidth] = useState(0);
  const [isVisible, setVisible] = useState(true);
  useEffect(() => {
    const element = ref.current;
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
  return { width, isVisible };
}

function Cells({ chassisId, vms, by, zoom }: MapProps) {
  const box = useRef<HTMLDivElement>(null);
  const space = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width, isVisible } = useSight(space);
  const [marked, setMarked] = useState<number | undefined>();
  const [scrolled, setScrolled] = useState(0);
  const grid = gridFor(vms.length, width, zoom);
  const whole = grid.rows * grid.pitch;
  const height = Math.min(whole, MAX_HEIGHT_PX);
  // Smaller cells can leave the map shorter than where it was scrolled to.
  const top = Math.min(scrolled, whole - height);
  const tick = samplesTick.value + viewsTick.value;
  useLayoutEffect(() => {
    if (canvas.current === null || width === 0 || !isVisible) return;
    draw(canvas.current, { vms, by, grid, top, height, marked });
  }, [vms, by, width, zoom, top, marked, isVisible, tick, theme.value]);
  const at = marked === undefined ? undefined : vms[marked];
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter" && at !== undefined) return go(to(["vms", at.vmId]));
    const next = moved(grid, vms.length, marked ?? 0, event.key);
    if (next === undefined) return;
    event.preventDefault();
    setMarked(next);
    if (box.current !== null) box.current.scrollTop = topFor(grid, next, top, height);
  };
  const pointed = (event: MouseEvent) => cellAt(grid, vms.length, event.offsetX, event.offsetY + top);
  return (
    <>
      <div class="map-scroll" ref={box} onScroll={(event) => setScrolled(event.currentTarget.scrollTop)}>
        <div class="map" ref={space} style={{ height: `${whole}px` }}>
          <canvas
            ref={canvas}
            style={{ width: `${grid.columns * grid.pitch}px`, height: `${height}px` }}
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
        </div>
      </div>
      <p class="small muted map-cell num" id={`cell-${chassisId}`} aria-live="polite">
        {at === undefined ? `${vms.length} cells` : describe(at)}
      </p>
    </>
  );
}

export function CellMap(props: MapProps) {
  if (props.vms.length > 0) return <Cells {...props} />;
  return (
    <div class="map-scroll">
      <p class="small muted">No cell lives here.</p>
    </div>
  );
}
