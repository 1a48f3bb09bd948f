import { printable } from '../../system/printable.js';
import { percent } from '../../system/statistics.js';

/** A piece of HTML, made by the tag `html`. */
export class Html {
  constructor(readonly text: string) {}
}

export type Content = Html | string | number | undefined | false | readonly Content[];

/** Template tag. Whatever is put into the template is text and escaped, unless it is a piece of HTML itself. */
export function html(parts: TemplateStringsArray, ...contents: readonly Content[]): Html {
  return new Html(parts.map((part, i) => part + render(contents[i])).join(''));
}

function render(content: Content): string {
  if (content === undefined || content === false) return '';
  if (content instanceof Html) return content.text;
  if (typeof content === 'object') return content.map(render).join('');
  return escaped(String(content));
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const escaped = (text: string): string => printable(text).replaceAll(/[&<>"']/g, (char) => entities[char] as string);

/** JSON for a `<script type="application/json">`: without `<`, no value of it can end the script. */
export const json = (value: unknown): Html => new Html(JSON.stringify(value).replaceAll('<', '\\u003c'));

/** A column of numbers. `exact`: each is in the page with all its digits, too, as the value of a `<data>` element. */
export interface Column {
  readonly name: string;
  readonly values: readonly (number | undefined)[];
  readonly exact?: boolean;
  /** Its colour and dashes (`styleOf`); by default its place among the columns that have values. */
  readonly style?: number;
}

/** The pages have this many colours. */
export const colours = 8;

/** Returns at most six significant digits, without trailing zeros. */
export const short = (value: number): string => String(Number(value.toPrecision(6)));

/** A part that may be wider than a phone: it scrolls by itself, by the keyboard, too. */
export const scrolling = (label: string, content: Content): Html =>
  html`<div class="scroll" tabindex="0" role="region" aria-label="${label}">${content}</div>`;

/**
 * Header cells, then rows of numbers or words: the first cell of each is its header. On a phone, `cards` have their cells
 * below each other.
 */
export function table(
  head: readonly Content[],
  rows: readonly (readonly Content[])[],
  kind?: 'words' | 'cards' | 'saliency',
): Html {
  const name = (column: number) => kind === 'cards' && html` data-name="${head[column]}"`;
  return html`<table${kind && html` class="${kind}"`}><thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([first, ...cells]) =>
      html`<tr><th scope="row">${first}</th>${cells.map((cell, k) => html`<td${name(k + 1)}>${cell}</td>`)}</tr>\n`,
  )}</tbody></table>`;
}

export interface Curves {
  readonly title: string;
  /** A sentence about what is drawn. */
  readonly note?: string | undefined;
  /** The x axis: epochs, images a class. */
  readonly x: { readonly name: string; readonly values: readonly number[] };
  readonly columns: readonly Column[];
  /** Values are parts of 1, shown in percent. */
  readonly parts?: boolean;
  /** A point for each value, without lines between them. */
  readonly points?: boolean;
}

/**
 * Curves over a common x, with their table. The page's script draws them from the table, so without scripts the numbers
 * are still there.
 */
export function curves({ title, note, x, columns, parts = false, points = false }: Curves): Html {
  const known = columns.filter(({ values }) => values.some((value) => value !== undefined));
  const shown = (value: number): string => (parts ? percent(value) : short(value));
  const cell = (value: number | undefined, exact: boolean): Content => {
    if (value === undefined) return undefined;
    return exact || parts ? html`<data value="${value}">${shown(value)}</data>` : shown(value);
  };
  const rows = x.values.map((at, row) => [
    short(at),
    ...known.map(({ values, exact = false }) => cell(values[row], exact)),
  ]);
  const names = known.map(({ name, style }, k) => html`<span data-style="${style ?? k}">${name}</span>`);
  const kind = [parts && ' parts', points && ' points'];
  return html`<figure class="curves${kind}"><figcaption>${title}</figcaption>${note !== undefined && html`<p class="note">${note}</p>`}
<div class="plot" aria-hidden="true"></div>
<details><summary>Table: ${title}</summary>${scrolling(title, table([x.name, ...names], rows))}</details></figure>`;
}

/** Bytes of an image file as the address of an `<img>` or `<image>`. */
export const dataUrl = (type: 'png' | 'webp', bytes: Uint8Array): string =>
  `data:image/${type};base64,${Buffer.from(bytes).toString('base64')}`;
