import { type Content, type Html, html } from './html.js';

/** A column of numbers. `exact`: each is in the page with all its digits, too, as the value of a `<data>` element. */
export interface Column {
  readonly name: string;
  readonly values: readonly (number | undefined)[];
  readonly exact?: boolean;
}

/** Six significant digits at most, without trailing zeros. */
export const short = (value: number): string => String(Number(value.toPrecision(6)));

/** A part that may be wider than a phone: it scrolls by itself, by the keyboard, too. */
export const scrolling = (label: string, content: Content): Html =>
  html`<div class="scroll" tabindex="0" role="region" aria-label="${label}">${content}</div>`;

function numberCell(value: number | undefined, exact: boolean | undefined): Content {
  if (value === undefined) return undefined;
  return exact ? html`<data value="${value}">${short(value)}</data>` : short(value);
}

/** Header cells, then rows of numbers or `words`: the first cell of each is its header. */
export function table(head: readonly Content[], rows: readonly (readonly Content[])[], align?: 'words'): Html {
  return html`<table${align && html` class="${align}"`}><thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([first, ...cells]) => html`<tr><th scope="row">${first}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>\n`,
  )}</tbody></table>`;
}

export interface Curves {
  readonly title: string;
  /** A sentence about what is drawn. */
  readonly note?: string | undefined;
  /** The x axis: epochs, images a class. */
  readonly x: { readonly name: string; readonly values: readonly number[] };
  readonly columns: readonly Column[];
}

/**
 * Curves over a common x, with their table. The page's script draws them from the table, so without scripts the numbers
 * are still there.
 */
export function curves({ title, note, x, columns }: Curves): Html {
  const known = columns.filter(({ values }) => values.some((value) => value !== undefined));
  const rows = x.values.map((at, row) => [at, ...known.map(({ values, exact }) => numberCell(values[row], exact))]);
  const numbers = table([x.name, ...known.map(({ name }) => name)], rows);
  return html`<figure class="curves"><figcaption>${title}</figcaption>${note !== undefined && html`<p class="note">${note}</p>`}
<div class="plot" aria-hidden="true"></div>
<details><summary>Table: ${title}</summary>${scrolling(title, numbers)}</details></figure>`;
}

/** Bytes of an image file as the address of an `<img>` or `<image>`. */
export const dataUrl = (type: 'png' | 'webp', bytes: Uint8Array): string =>
  `data:image/${type};base64,${Buffer.from(bytes).toString('base64')}`;
