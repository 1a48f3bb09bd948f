import { printable } from '../../system/printable.js';

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
