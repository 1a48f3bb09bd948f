// The script of a page. It draws each figure from the table that stands in it, and follows a live page's events.
import type Plot from 'uplot';

declare const uPlot: typeof Plot;

type Figure = { readonly plot: Plot; readonly place: HTMLElement };

const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
const height = 260;
/** Distances of ticks on an x axis: epochs and images are whole. */
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

const rounded = (value: number | null): string => (value === null ? '' : String(Number(value.toPrecision(4))));

/** A table's columns of numbers. */
function columnsOf(table: HTMLTableElement): (number | null)[][] {
  const rows = [...(table.tBodies[0]?.rows ?? [])];
  const width = table.tHead?.rows[0]?.cells.length ?? 0;
  return Array.from({ length: width }, (_, column) => rows.map((row) => numberOf(row.cells[column])));
}

function drawCurves(): void {
  for (const { plot } of drawn) plot.destroy();
  drawn = all<HTMLElement>('figure.curves').flatMap((figure) => {
    const place = figure.querySelector<HTMLElement>('.plot');
    const table = figure.querySelector<HTMLTableElement>('details table');
    return place && table ? [{ place, plot: draw(place, table) }] : [];
  });
}

function draw(place: HTMLElement, table: HTMLTableElement): Plot {
  const names = [...(table.tHead?.rows[0]?.cells ?? [])].map((cell) => cell.textContent ?? '');
  const [x = [], ...others] = columnsOf(table);
  const values = others.flat().filter((value) => value !== null);
  const least = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const spread = least > 0 && values.some((value) => value > 30 * least);
  const colours = colour('series').split(' ');
  const axis = { stroke: colour('ink'), grid: { stroke: colour('line'), width: 1 }, ticks: { stroke: colour('line') } };
  const series = names.slice(1).map((label, i) => ({
    label,
    stroke: colours[i % colours.length] as string,
    dash: dashes[Math.floor(i / colours.length) % dashes.length] as number[],
    width: 2,
    points: { show: x.length < 2 },
    spanGaps: true, // epochs that are not validated
    value: (_: Plot, value: number | null) => rounded(value),
  }));
  const options: Plot.Options = {
    width: place.clientWidth,
    height,
    scales: { x: { time: false }, y: { distr: spread ? 3 : 1 } },
    series: [{ label: names[0] ?? '' }, ...series],
    axes: [
      { ...axis, label: names[0] ?? '', incrs: wholeSteps },
      { ...axis, size: 64, values: (_, ticks) => ticks.map(rounded) },
    ],
    legend: { live: names.length < 12 },
  };
  return new uPlot(options, [x as number[], ...others], place);
}

/** The cells of a λ map take the values of one row of the table beside it. */
function showEpoch(figure: HTMLElement): void {
  const slider = figure.querySelector<HTMLInputElement>('input[type=range]');
  const rows = figure.closest('section')?.querySelector('figure.curves details tbody')?.children;
  const row = rows?.[Number(slider?.value) - 1] as HTMLTableRowElement | undefined;
  if (!slider || !row) return;
  figure.querySelector('output')?.replaceChildren(row.cells[0]?.textContent ?? '');
  const most = Number(figure.dataset.most);
  for (const cell of all<SVGGElement>('[data-column]', figure)) {
    const value = numberOf(row.cells[Number(cell.dataset.column)]) ?? 0;
    cell.style.setProperty('--share', String(most > 0 ? value / most : 0));
    cell.querySelector('text')?.replaceChildren(value.toFixed(2));
  }
}

/** Shows the part that belongs to the chosen option. */
function choose(select: HTMLSelectElement): void {
  for (const part of all<HTMLElement>(`[data-choice="${select.id}"]`))
    part.hidden = part.dataset.value !== select.value;
}

function redraw(): void {
  drawCurves();
  for (const figure of all<HTMLElement>('figure.where')) showEpoch(figure);
  for (const select of all<HTMLSelectElement>('select')) choose(select);
}

document.addEventListener('input', ({ target }) => {
  if (target instanceof HTMLSelectElement) choose(target);
  const figure = target instanceof HTMLInputElement && target.closest<HTMLElement>('figure.where');
  if (figure) showEpoch(figure);
});

// A plot has the colours and the width with which it was drawn.
for (const query of ['print', '(prefers-color-scheme: dark)']) matchMedia(query).addEventListener('change', drawCurves);
new ResizeObserver(() => {
  for (const { plot, place } of drawn) {
    if (place.clientWidth > 0 && place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height });
  }
}).observe(document.body);

/** Keeps what the reader opened and chose while a section is replaced. */
function replaceMain(text: string): void {
  const main = document.querySelector('main');
  if (!main) return;
  const details = () => all<HTMLDetailsElement>('details', main);
  const sliders = () => all<HTMLInputElement>('input[type=range]', main);
  const open = details().map((each) => each.open);
  const chosen = sliders().map(({ value, max }) => (value === max ? '' : value));
  main.innerHTML = text;
  for (const [i, each] of details().entries()) each.open = open[i] ?? false;
  for (const [i, each] of sliders().entries()) if (chosen[i]) each.value = chosen[i];
  redraw();
}

const { events } = document.body.dataset;
if (events !== undefined) {
  const source = new EventSource(events);
  source.addEventListener('page', ({ data }) => replaceMain(JSON.parse(data)));
  source.addEventListener('end', () => source.close());
}
redraw();
