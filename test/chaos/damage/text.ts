import { parse, stringify } from 'yaml';
import { type Draw, hostileTexts, numberTexts } from '../draw.js';
import { join, type Kinds, type Mutators, on, piecewise, same, spliced } from './bytes.js';

/** A change of text, which may stand in a file of text or in the header of another file. */
export type Edit = (text: string, draw: Draw) => string;
const textOf = (bytes: Buffer): string => bytes.toString('utf8');
const linesOf = (bytes: Buffer): string[] => textOf(bytes).split('\n');
export const onText = on(textOf, same);
const onLines = on(linesOf, (lines) => lines.join('\n'));
const onLine = (change: Edit) =>
  onLines((lines, draw) => {
    const at = draw.below(lines.length);
    return lines.with(at, change(lines[at] as string, draw));
  });

const replaced = (text: string, draw: Draw, pattern: RegExp, texts: readonly string[]): string => {
  const { index, 0: found } = draw.pick([...text.matchAll(pattern), { index: text.length, 0: '' }]);
  return text.slice(0, index) + draw.pick(texts) + text.slice(index + found.length);
};
export const otherNumber: Edit = (text, draw) => replaced(text, draw, /-?\d+(\.\d+)?(e[+-]?\d+)?/g, numberTexts);
const otherWord: Edit = (text, draw) => replaced(text, draw, /\w+|\W/g, hostileTexts);

const inserted = (bytes: Buffer, draw: Draw, put: Uint8Array | string): Buffer =>
  spliced(bytes, draw.below(bytes.length + 1), undefined, put);
const notUtf8 = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5], [0x80]];

/** For lines of words and numbers: lists, class names, metrics. */
const text: Mutators = {
  'number in text': onText(otherNumber),
  ...piecewise('line', onLines, otherWord),
  'text inserted': (bytes, draw) => inserted(bytes, draw, draw.pick(hostileTexts)),
  'long line': (bytes, draw) => inserted(bytes, draw, draw.pick([...'a 0\t"\'', 'a/']).repeat(draw.power(2 ** 17))),
  'not UTF-8': (bytes, draw) => inserted(bytes, draw, Uint8Array.from(draw.pick(notUtf8))),
  'other line ends': onText((lines, draw) => lines.replaceAll('\n', draw.pick(['\r\n', '\r', '\n\n', '\u2028']))),
  'byte order mark': (bytes, draw) => join(draw.pick(['\ufeff', Uint8Array.of(0xff, 0xfe)]), bytes),
};

/** JSON as a tree, in which a key may come twice, and the text of a leaf may be invalid. */
export interface Tree {
  key: string;
  readonly kind: 'list' | 'object' | 'leaf';
  leaf: string;
  readonly items: Tree[];
}

export function toTree(value: unknown, key = ''): Tree {
  const kind = Array.isArray(value) ? 'list' : value instanceof Object ? 'object' : 'leaf';
  const items = Object.entries(kind === 'leaf' ? {} : Object(value)).map(([name, item]) => toTree(item, name));
  return { key, kind, leaf: kind === 'leaf' ? JSON.stringify(value) : '', items };
}
export const leafOf = (leaf: string): Tree => ({ ...toTree(null), leaf });

export function fromTree({ kind, leaf, items }: Tree): string {
  if (kind === 'list') return `[${items.map(fromTree)}]`;
  return kind === 'leaf' ? leaf : `{${items.map((item) => `${JSON.stringify(item.key)}:${fromTree(item)}`)}}`;
}

/** All nodes but the root: each is an item of a list. */
const slotsOf = ({ items }: Tree): { readonly items: Tree[]; readonly item: Tree; readonly at: number }[] =>
  items.flatMap((item, at) => [{ items, item, at }, ...slotsOf(item)]);

/** A value whose depth exhausts the stack of what walks it. */
function deep(draw: Draw): Tree {
  const [open, close] = draw.pick(['[ ]', '{"a": }']).split(' ') as [string, string];
  const depth = draw.power(2 ** 17);
  return leafOf(`${open.repeat(depth)}0${close.repeat(depth)}`);
}

const strange = (draw: Draw): Tree =>
  draw.either(
    () => deep(draw),
    () => toTree(draw.pick([[], {}, 'x'.repeat(draw.power(2 ** 18)), Array(draw.power(2 ** 12)).fill(0)])),
    () => toTree({ [draw.pick(hostileTexts)]: null }),
    () => toTree(draw.pick(hostileTexts)),
    () => leafOf(draw.pick(numberTexts)),
  );

function editTree(tree: Tree, draw: Draw, given?: Tree): void {
  const slots = slotsOf(tree);
  if (slots.length === 0) return;
  const { items, item, at } = draw.pick(slots);
  const other = given ?? strange(draw);
  const put = (value: Tree, over = 1) => items.splice(at, over, { ...value, key: item.key });
  const more = () => items.push({ ...other, key: draw.pick(hostileTexts) });
  // A key may be there twice. A copy: a tree that contains itself could not be written.
  const ways = [() => put(other), () => put(other, 0), more, () => put(structuredClone(draw.pick(slots).item))];
  const wrap = () => put({ ...toTree([]), items: [item] });
  const rename = () => Object.assign(item, { key: draw.pick(hostileTexts) });
  draw.pick<() => unknown>(given ? ways.slice(0, 3) : [...ways, wrap, rename, () => items.splice(at, 1)])();
}

const changed =
  (least: number, most: number, given?: (draw: Draw) => Tree): Edit =>
  (text, draw) => {
    const tree = toTree(JSON.parse(text || '{}'));
    for (let edits = draw.between(least, most); edits > 0; edits--) editTree(tree, draw, given?.(draw));
    return fromTree(tree);
  };
export const editedJson = changed(1, 3);
const deepJson = changed(1, 1, deep);

/** Syntax that only YAML has. */
const pieces = [
  ...'&a [*a]¦*a¦!!binary AAAA¦!!js/function x¦!!set {a, b}¦!!omap [a: 1]¦<<: {a: 1}¦? a\n: b¦---\n¦...\n'.split('¦'),
  ...'%YAML 9.9\n---\n¦%TAG ! tag:x,2000:\n---\n¦|\n  a\n b¦>-\n¦\t¦- - - -¦[,]¦{a¦? ¦!!int x¦!!float .'.split('¦'),
  ...'!<tag:yaml.org,2002:int> x¦0o17¦2001-12-14¦"\\x¦\'¦&a &b¦!!str¦~¦# a'.split('¦'),
];

const aliases = (depth: number): string =>
  Array.from({ length: depth }, (_, k) => `a${k}: &a${k} [${k === 0 ? 'x' : Array(9).fill(`*a${k - 1}`)}]`).join('\n');

/** Prints no warning: any output must come from the code under test. */
const quiet = { logLevel: 'error', maxAliasCount: 0, uniqueKeys: false } as const;
const editedYaml: Edit = (text, draw) => editedJson(JSON.stringify(parse(text, quiet)), draw);
const [trees, deepTree] = [onText(editedJson), onText(deepJson)];

export const kinds: Kinds = {
  '[.](txt|csv)$': text,
  '[.]json$': { ...text, 'JSON tree': onText(changed(1, 1)), 'JSON trees': trees, 'deep JSON': deepTree },
  '[.]jsonl$': { ...text, 'JSON tree': onLine(editedJson), 'deep JSON': onLine(deepJson) },
  '[.]yaml$': {
    ...text,
    'YAML tree': onText(editedYaml),
    'YAML tree in blocks': onText((yaml, draw) => stringify(parse(editedYaml(yaml, draw), quiet))),
    'YAML piece': onLine((line, draw) => {
      const piece = draw.pick(pieces);
      return line.replace(draw.pick([/(?<=:).*/, /$/]), () => draw.pick([` ${piece}`, `\n${piece}`]));
    }),
    'YAML aliases': onText((yaml, draw) => `${aliases(draw.between(2, 30))}\n${yaml}`),
    'deep YAML': onText((yaml, draw) => {
      const first = draw.pick(['[', '{a: ', '- ', '? ', '!', '&', '"']);
      const rest = draw.pick(['[', '- ', '{a: ', '? ']);
      return `${yaml}\na: ${first}`.padEnd(yaml.length + draw.power(2 ** 15), rest);
    }),
  },
};
