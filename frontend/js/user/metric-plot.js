/** One plot of a measure over time. What it shows is also in a table: a canvas says nothing to who cannot see. */

import uPlot from "/vendor/uplot/uPlot.esm.js";
import { currentLanguage } from "/js/core/i18n.js";

const HEIGHT = 200;
const POWERS = Array.from({ length: 50 }, (_, power) => 2 ** power);
const COLOURS = ["--sea", "--signal", "--ok", "--bad", "--muted", "--ink"];

/** As a canvas understands it: what a variable holds may be one colour for light and another for dark. */
function colour(name) {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const day = (options) => new Intl.DateTimeFormat(currentLanguage(), options);

function axisTimes(seconds) {
  const short = seconds <= 24 * 3600;
  const format = day(short ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" });
  return (_, splits) => splits.map((at) => format.format(new Date(at * 1000)));
}

/** Dashed lines where a limit lies, and upright ones where something happened. */
const marks = (limit, events) => ({
  hooks: {
    draw: [
      (plot) => {
        const { ctx, bbox } = plot;
        ctx.save();
        ctx.setLineDash([6, 4]);
        ctx.lineWidth = devicePixelRatio;
        const line = (style, from, to) => {
          ctx.strokeStyle = style;
          ctx.beginPath();
          ctx.moveTo(...from);
          ctx.lineTo(...to);
          ctx.stroke();
        };
        if (limit) {
          const y = plot.valToPos(limit, "y", true);
          if (y >= bbox.top) line(colour("--bad"), [bbox.left, y], [bbox.left + bbox.width, y]);
        }
        for (const at of events) {
          const x = plot.valToPos(at, "x", true);
          if (x >= bbox.left && x <= bbox.left + bbox.width) line(colour("--bad"), [x, bbox.top], [x, bbox.top + bbox.height]);
        }
        ctx.restore();
      },
    ],
  },
});

/**
 * @param {HTMLElement} holder
 * @param {{at:number[], lines:{label:string, values:(number|null)[]}[], limit?:number, events?:number[], binary?:boolean, said:(value:number)=>string}} what
 */
export function metricPlot(holder, what, signal) {
  let end = drawn(holder, what);
  // A canvas keeps the colours that it was drawn with.
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const again = () => {
    end();
    end = drawn(holder, what);
  };
  scheme.addEventListener("change", again);
  const theme = new MutationObserver(again);
  theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const leave = () => {
    scheme.removeEventListener("change", again);
    theme.disconnect();
    end();
  };
  signal.addEventListener("abort", leave, { once: true });
  return leave;
}

function drawn(holder, { at, lines, limit, events = [], said, binary }) {
  const ink = colour("--muted");
  const grid = { stroke: colour("--line"), width: 1 };
  const highest = Math.max(1, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  // A limit far above what is used would press the line to the floor: then only its number is told.
  const top = limit && limit < highest * 4 ? Math.max(limit, highest) : highest;
  const size = () => ({ width: Math.max(200, holder.clientWidth), height: HEIGHT });
  const axis = { stroke: ink, grid, ticks: grid, font: "12px system-ui, sans-serif" };
  const plot = new uPlot(
    {
      ...size(),
      padding: [12, 8, 0, 0],
      scales: { y: { range: [0, top * 1.08] } },
      axes: [
        { ...axis, values: axisTimes(at.at(-1) - at[0]), space: 70 },
        { ...axis, size: 84, ...(binary && { incrs: POWERS }), values: (_, splits) => splits.map((value) => said(value)), space: 36 },
      ],
      series: [
        { value: (_, time) => (time === null ? "—" : day({ dateStyle: "short", timeStyle: "short" }).format(new Date(time * 1000))), label: "" },
        ...lines.map(({ label }, place) => ({
          label,
          stroke: colour(COLOURS[place % COLOURS.length]),
          width: 1.5,
          points: { show: false },
          spanGaps: false,
          value: (_, value) => (value === null ? "—" : said(value)),
        })),
      ],
      plugins: [marks(limit, events)],
    },
    [at, ...lines.map(({ values }) => values)],
    holder,
  );
  const fit = new ResizeObserver(() => plot.setSize(size()));
  fit.observe(holder);
  return () => {
    fit.disconnect();
    plot.destroy();
  };
}
