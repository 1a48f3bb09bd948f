import { scrolling, table } from '../report/page/figures.js';
import { type Content, type Html, html } from '../report/page/html.js';
import { titleOf } from './plan.js';
import type { ExperimentRow } from './row.js';

/** A line of a dot plot. */
export interface Dots {
  readonly label: string;
  readonly values: readonly number[];
  readonly mean: number;
  readonly range?: readonly [low: number, high: number];
}

const [width, left, right, rowHeight, axisHeight] = [720, 170, 20, 34, 44];

/** Places values between the ends of an axis, and gives its ticks. */
function axisOf(values: readonly number[], from: number, to: number) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const spare = (most - least || 1) * 0.05;
  const floor = (value: number) => Math.floor(least >= 0 ? Math.max(0, value) : value);
  const step = niceStep((most - least + 2 * spare) / 6);
  const [low, high] = [floor((least - spare) / step) * step, Math.ceil((most + spare) / step) * step];
  const at = (value: number) => Math.round(10 * (from + ((to - from) * (value - low)) / (high - low))) / 10;
  const count = Math.round((high - low) / step) + 1;
  return { at, ticks: Array.from({ length: count }, (_, k) => Number((low + k * step).toPrecision(6))) };
}

/** The smallest of 1, 2, 5 × a power of ten that is at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= least) as number);
}

/** A row for each method: a dot for each value, a line at the mean, the range below. `zero`: a value to mark. */
export function dotPlot(title: string, rows: readonly Dots[], zero?: number): Html {
  const values = [
    ...rows.flatMap((row) => [...row.values, ...(row.range ?? [])]),
    ...(zero === undefined ? [] : [zero]),
  ];
  const { at, ticks } = axisOf(values, left, width - right);
  const height = rows.length * rowHeight + axisHeight;
  const bottom = rows.length * rowHeight;
  const lines = rows.map(({ label, values: each, mean, range }, k) => {
    const y = k * rowHeight + rowHeight / 2;
    const span =
      range && html`<line class="range" x1="${at(range[0])}" x2="${at(range[1])}" y1="${y + 9}" y2="${y + 9}"/>`;
    const dots = each.map((value) => html`<circle class="dot" cx="${at(value)}" cy="${y}" r="5"/>`);
    return html`<text x="0" y="${y + 4}">${label}</text>${span}${dots}<line class="mark" x1="${at(mean)}" x2="${at(mean)}" y1="${y - 10}" y2="${y + 10}"/>`;
  });
  const axis = ticks.map(
    (tick) =>
      html`<line class="axis" x1="${at(tick)}" x2="${at(tick)}" y1="0" y2="${bottom + 6}"/><text x="${at(tick)}" y="${bottom + 22}" text-anchor="middle">${tick}</text>`,
  );
  const mark =
    zero !== undefined &&
    html`<line class="mark" x1="${at(zero)}" x2="${at(zero)}" y1="0" y2="${bottom}" stroke-dasharray="3 3"/>`;
  return html`<figure><figcaption>${title}</figcaption>
<svg class="drawing" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}; the table has the numbers">${axis}${mark}${lines}</svg></figure>`;
}

/** Mean test accuracy against the time of a run, a point for each row. */
export function scatter(rows: readonly ExperimentRow[]): Content {
  const points = rows.flatMap(({ mean, seconds, ...row }) =>
    mean === null || seconds === null ? [] : [{ label: titleOf(row), x: seconds, y: 100 * mean }],
  );
  if (points.length < 2) return undefined;
  const [plotHeight, bottom] = [320, 280];
  const x = axisOf(
    points.map((point) => point.x),
    50,
    width - 150,
  );
  const y = axisOf(
    points.map((point) => point.y),
    bottom,
    10,
  );
  const title = 'Mean test accuracy, %, against the seconds of a run';
  const numbers = points.map((point) => [point.label, point.x.toFixed(1), point.y.toFixed(1)]);
  return html`<section><h2>Accuracy and training time</h2><figure><figcaption>${title}</figcaption>
<svg class="drawing" viewBox="0 0 ${width} ${plotHeight}" role="img" aria-label="${title}; the table has the numbers">
${x.ticks.map((tick) => html`<line class="axis" x1="${x.at(tick)}" x2="${x.at(tick)}" y1="10" y2="${bottom}"/><text x="${x.at(tick)}" y="${bottom + 20}" text-anchor="middle">${tick}</text>`)}
${y.ticks.map((tick) => html`<line class="axis" x1="50" x2="${width - 150}" y1="${y.at(tick)}" y2="${y.at(tick)}"/><text x="42" y="${y.at(tick) + 4}" text-anchor="end">${tick}</text>`)}
${points.map((point) => html`<circle class="dot" cx="${x.at(point.x)}" cy="${y.at(point.y)}" r="6"/><text x="${x.at(point.x) + 10}" y="${y.at(point.y) + 4}">${point.label}</text>`)}
</svg><details><summary>Table: ${title}</summary>${scrolling(title, table(['method', 'seconds', 'accuracy, %'], numbers))}</details></figure>
<p class="note">Training and validation, mean over the seeds. Runs side by side slow each other down.</p></section>`;
}
