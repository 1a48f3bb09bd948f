// The script of a page. It draws each figure from the table that stands in it, and loads a page that grows again.
import type Plot from 'uplot';

declare const uPlot: typeof Plot;

type Figure = { readonly plot: Plot; readonly frame: HTMLElement };

/** The number of colours in the style sheet, and the dashes: together they tell the columns of a figure apart. */
const colours = 8;
const dashes = [[], [7, 4], [2, 3], [10, 3, 2, 3], [14, 5], [2, 3, 2, 8]];
const height = 260;
/** Distances of ticks on an axis of epochs or images: they are whole. */
const wholeSteps = [1, 10, 100, 1000, 10_000].flatMap((power) => [power, 2 * power, 5 * power]);
let drawn: Figure[] = [];

const all = <E extends Element>(selector: string, within: ParentNode = document): E[] => [
  ...within.querySelectorAll<E>(selector),
];

const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** The number in a cell; null where it is empty. */
function numberOf(cell: Element | undefined): number | null {
  const text = cell?.querySelector('data')?.value ?? cell?.textContent ?? '';
  return text.trim() === '' ? null : Number(text);
}

const rounded = (value: number): string =>
  Number.isInteger(value) ? value.toLocaleString('en') : String(Number(value.toPrecision(4)));
const percent = (value: number): string => `${Number((100 * value).toFixed(2))} %`;

/** A table's columns of numbers. */
function columnsOf(table: HTMLTableElement): (number | null)[][] {
  const rows = [...(table.tBodies[0]?.rows ?? [])];
  const width = table.tHead?.rows[0]?.cells.length ?? 0;
  return Array.from({ length: width }, (_, column) => rows.map((row) => numberOf(row.cells[column])));
}

function drawCurves(): void {
  for (const { plot } of drawn) plot.destroy();
  drawn = all<HTMLElement>('figure.curves').flatMap((figure) => {
    const frame = figure.querySelector<HTMLElement>('.plot');
    const table = figure.querySelector<HTMLTableElement>('details table');
    return frame && table ? [{ frame, plot: draw(frame, table, figure.classList) }] : [];
  });
}

function draw(frame: HTMLElement, table: HTMLTableElement, kind: DOMTokenList): Plot {
  const heads = [...(table.tHead?.rows[0]?.cells ?? [])];
  const [x = [], ...others] = columnsOf(table);
  const values = others.flat().filter((value) => value !== null);
  const min = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const [parts, points] = [kind.contains('parts'), kind.contains('points')];
  const logarithmic = !parts && min > 0 && values.some((value) => value > 30 * min);
  const format = parts ? percent : rounded;
  const axis = { stroke: colour('ink'), grid: { stroke: colour('line'), width: 1 }, ticks: { stroke: colour('line') } };
  const name = heads[0]?.textContent ?? '';
  const series = heads.slice(1).map((head, k): Plot.Series => {
    const style = Number(head.querySelector<HTMLElement>('[data-style]')?.dataset.style);
    const stroke = colour(`c${style % colours}`);
    const dash = dashes[Math.floor(style / colours) % dashes.length] as number[];
    const fill = dash.length > 0 ? colour('paper') : stroke;
    const shown = points
      ? { paths: () => null, points: { show: true, size: 11, width: 2, stroke, fill } }
      : { dash, width: 2, points: { show: x.length < 2 } };
    const label = legendLabel(head.textContent ?? '', stroke, points ? 'dot' : dash);
    // Without a pointer, the legend shows the last value; epochs that are not validated lack one.
    const lastRow = others[k]?.findLastIndex((value) => value !== null) ?? 0;
    const value = (_: Plot, at: number | null, __: number, row: number | null): string => {
      const shownValue = row === null ? others[k]?.[lastRow] : at;
      return shownValue == null ? '' : `${format(shownValue)}${points ? ` at ${rounded(x[lastRow] ?? 0)}` : ''}`;
    };
    return { label, value, stroke, spanGaps: true, ...shown };
  });
  const where = { label: name, value: (_: Plot, at: number | null) => String(at ?? x.at(-1)) };
  const plot = new uPlot(
    {
      width: frame.clientWidth,
      height,
      scales: { x: { time: false, ...(points && { range: widened }) }, y: { distr: logarithmic ? 3 : 1 } },
      series: [where, ...series],
      axes: [
        { ...axis, label: name, ...(!points && { incrs: wholeSteps }) },
        { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : format(tick))) },
      ],
      cursor: { drag: { x: false, y: false } },
      legend: { markers: { show: false } },
    },
    [x as number[], ...others],
    frame,
  );
  plot.setLegend({ idxs: heads.map(() => null) });
  return plot;
}

/** Widens the range, so that points stand off the edges. */
function widened(_: Plot, min: number, max: number): Plot.Range.MinMax {
  const spare = 0.08 * (max - min || Math.abs(max) || 1);
  return [min - spare, max + spare];
}

/** The name of a column, with a piece of its line or a dot. */
function legendLabel(name: string, stroke: string, dash: readonly number[] | 'dot'): HTMLElement {
  const label = document.createElement('span');
  const line =
    dash === 'dot'
      ? '<circle cx="16" cy="5" r="4" fill="currentColor"/>'
      : `<path d="M1 5H31" stroke="currentColor" stroke-width="2" stroke-dasharray="${dash}"/>`;
  label.innerHTML = `<svg viewBox="0 0 32 10" aria-hidden="true" style="color:${stroke}">${line}</svg> `;
  label.append(name);
  return label;
}

/** The lines of metrics.jsonl in the page: for each epoch the pairs, with λ. */
type Epochs = readonly { readonly pairs: readonly { readonly lambdaMean?: number; readonly lambdaStart?: number }[] }[];

/** Fills the cells of a λ map with λ of one epoch, and λ at the start, from the metrics in the page. */
function showEpoch(figure: HTMLElement): void {
  const epoch = figure.querySelector<HTMLInputElement>('input[type=range]')?.value ?? '';
  const epochs: Epochs = JSON.parse(document.getElementById('metrics')?.textContent ?? '[]');
  figure.querySelector('output')?.replaceChildren(epoch);
  const max = Number(figure.dataset.max);
  for (const cell of all<HTMLElement>('[data-pair]', figure)) {
    const { lambdaStart = 0, lambdaMean = 0 } = epochs[Number(epoch) - 1]?.pairs[Number(cell.dataset.pair)] ?? {};
    cell.style.setProperty('--share', String(max > 0 ? lambdaMean / max : 0));
    cell.innerHTML = `<small>${lambdaStart.toFixed(2)} →</small>${lambdaMean.toFixed(2)}`;
  }
}

/** Shows the part that belongs to the chosen option. */
function choose(select: HTMLSelectElement): void {
  for (const part of all<HTMLElement>(`[data-choice="${select.id}"]`))
    part.hidden = part.dataset.value !== select.value;
}

document.addEventListener('input', ({ target }) => {
  if (target instanceof HTMLSelectElement) choose(target);
  const figure = target instanceof HTMLInputElement && target.closest<HTMLElement>('figure.where');
  if (figure) showEpoch(figure);
});

// A plot keeps the colours and the width with which it was drawn.
for (const query of ['print', '(prefers-color-scheme: dark)']) matchMedia(query).addEventListener('change', drawCurves);
new ResizeObserver(() => {
  for (const { plot, frame } of drawn) {
    if (frame.clientWidth > 0 && frame.clientWidth !== plot.width) plot.setSize({ width: frame.clientWidth, height });
  }
}).observe(document.body);

/** The reader's place: open parts, choices, focus, scroll position. The page's history entry keeps it on a reload. */
interface Place {
  readonly open: readonly string[];
  readonly chosen: readonly string[];
  /** The number of the control with the focus; -1: none. */
  readonly focus: number;
  /** The heading above the upper edge of the window, and how far above, pixels. */
  readonly heading: string;
  readonly above: number;
}

const details = () => all<HTMLDetailsElement>('details');
const nameOf = (each: HTMLDetailsElement): string => each.querySelector('summary')?.textContent ?? '';
const choices = () => all<HTMLInputElement | HTMLSelectElement>('input[type=range], select');
const controls = () => all<HTMLElement>('summary, input[type=range], select, button, [tabindex]');
const headings = () => all<HTMLElement>('h1, h2, figcaption');
const topOf = (each: HTMLElement): number => each.getBoundingClientRect().top;

function keepPlace(): void {
  const heading = headings().findLast((each) => topOf(each) <= 0);
  const open = details().flatMap((each) => (each.open ? [nameOf(each)] : []));
  // A slider at its end follows the newest epoch.
  const chosen = choices().map((each) => ('max' in each && each.value === each.max ? '' : each.value));
  const focus = controls().indexOf(document.activeElement as HTMLElement);
  const above = heading ? -topOf(heading) : scrollY;
  history.replaceState({ open, chosen, focus, heading: heading?.textContent ?? '', above } satisfies Place, '');
}

function findPlace({ open, chosen, focus, heading, above }: Place): void {
  for (const each of details()) each.open = open.includes(nameOf(each));
  for (const [k, each] of choices().entries()) if (chosen[k]) each.value = chosen[k];
  controls()[focus]?.focus({ preventScroll: true });
  const found = headings().find((each) => each.textContent === heading);
  // The figures have their heights by then.
  requestAnimationFrame(() => scrollTo(0, above + (found ? scrollY + topOf(found) : 0)));
}

/** Says how long ago the page was written, and loads it again, unless the reader is busy with it or wants it to stay. */
function follow(status: HTMLElement, time: HTMLTimeElement): void {
  const every = Number(status.dataset.every ?? Number.NaN);
  const began = Date.now();
  const age = () => Math.max(0, Math.round((Date.now() - Date.parse(time.dateTime)) / 1000));
  status.classList.toggle('silent', age() > 60 + 3 * every);
  const checkbox = document.createElement('input');
  checkbox.type = 'checkbox';
  checkbox.checked = true;
  const label = document.createElement('label');
  label.append(checkbox, ' load this page again as it grows');
  status.append(label);
  const look = () => {
    const ago = age() < 120 ? `${age()} s` : `${Math.round(age() / 60)} min`;
    time.textContent = `${new Date(time.dateTime).toLocaleTimeString()}, ${ago} ago`;
    const busy = document.hidden || getSelection()?.isCollapsed === false || document.querySelector('input:active');
    const shown = (Date.now() - began) / 1000;
    if (checkbox.checked && !busy && shown >= Math.min(60, Math.max(3, every || 0))) location.reload();
  };
  setInterval(look, 1000);
  look();
}

history.scrollRestoration = 'manual';
addEventListener('beforeunload', keepPlace);
drawCurves();
if (history.state !== null) findPlace(history.state);
for (const figure of all<HTMLElement>('figure.where')) showEpoch(figure);
for (const select of all<HTMLSelectElement>('select')) choose(select);
const status = document.querySelector<HTMLElement>('.status.running');
const time = status?.querySelector('time');
if (status && time) follow(status, time);
