/** A plot of stacked bars. Its numbers stand in a table beside it, so that it may be a picture only. */

import { html } from "/js/core/dom.js";

export const COLOURS = 6;
const WIDTH = 1000;
const HEIGHT = 240;
const GAP = 0.22;

/** The least of 1, 2, 5 × 10ⁿ that is not below `value`, so that the scale is a round number. */
export function roundUp(value) {
  const step = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((times) => times * step).find((top) => top >= value);
}

function bar(values, at, wide, top) {
  let reached = 0;
  return values.map((value, series) => {
    const height = (Math.max(value, 0) / top) * HEIGHT;
    reached += height;
    return value > 0 && html`<rect class="series-${series % COLOURS}" x="${(at + GAP / 2) * wide}" y="${HEIGHT - reached}" width="${wide * (1 - GAP)}" height="${height}"/>`;
  });
}

/**
 * @param {{label:string, values:number[]}[]} bars their values are in the order of `names`
 * @param {string[]} names what each value of a bar is of; beyond `COLOURS` colours come again
 * @param {(value:number) => string} said how the top of the scale is written
 */
export function stackedBars(bars, names, { label, said }) {
  const highest = Math.max(1, ...bars.map(({ values }) => values.reduce((sum, value) => sum + Math.max(value, 0), 0)));
  const top = roundUp(highest);
  // Half of a unit that is not parted reads as the whole of it, or as nothing.
  const half = [said(top), said(0)].includes(said(top / 2)) ? "" : said(top / 2);
  const wide = WIDTH / Math.max(bars.length, 1);
  const lines = [0, 0.5, 1].map((share) => html`<line x1="0" x2="${WIDTH}" y1="${share * HEIGHT}" y2="${share * HEIGHT}"/>`);
  return html`<figure class="plot" data-testid="plot">
    <div class="plot-scale hint" aria-hidden="true"><span>${said(top)}</span><span>${half}</span><span>${said(0)}</span></div>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}">
      <g class="plot-lines">${lines}</g>${bars.map(({ label: day, values }, at) => html`<g><title>${day}</title>${bar(values, at, wide, top)}</g>`)}</svg>
    <div class="plot-days hint" aria-hidden="true"><span>${bars[0]?.label}</span><span>${bars.length > 1 && bars.at(-1).label}</span></div>
    ${names.length > 1 && html`<figcaption><ul class="plot-names">${names.map((name, series) => html`<li><svg class="swatch" viewBox="0 0 1 1" aria-hidden="true"><rect class="series-${series % COLOURS}" width="1" height="1"/></svg>${name}</li>`)}</ul></figcaption>`}</figure>`;
}
