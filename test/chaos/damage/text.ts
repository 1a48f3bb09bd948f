import { parse as parseYaml, stringify } from 'yaml';
import { type Draw, hostileTexts, numberTexts } from '../draw.js';
import { join, type Mutator, type Mutators, onPieces, piecewise, spliced, times } from './bytes.js';

/** A change of text, which may stand in a file of text or in the header of another file. */
export type Edit = (text: string, draw: Draw) => string;
export const edits =
  (change: Edit): Mutator =>
  (bytes, draw) =>
    join(change(bytes.toString('utf8'), draw));

/** A few words of `texts` in place of a match. */
const replaced =
  (pattern: RegExp, texts: readonly string[]): Edit =>
  (text, draw) => {
    const { index, 0: found } = draw.pick([...text.matchAll(pattern), { index: text.length, 0: '' }]);
    return text.slice(0, index) + draw.pick(texts) + text.slice(index + found.length);
  };
export const otherNumber = replaced(/-?\d+(\.\d+)?(e[+-]?\d+)?/g, numberTexts);

const inserted =
  (any: (draw: Draw) => string | readonly number[]): Mutator =>
  (bytes, draw) => {
    const put = any(draw);
    return spliced(bytes, draw.below(bytes.length + 1), undefined, typeof put === 'string' ? put : Buffer.from(put));
  };

const onLines = onPieces(
  (bytes) => bytes.toString('utf8').split('\n'),
  (lines) => join(lines.join('\n')),
);

/** Mutators for lines of words and numbers: lists, class names, metrics. */
export const textMutators: Mutators = {
  'number in text': edits(otherNumber),
  ...piecewise('line', onLines, replaced(/\w+|\W/g, hostileTexts)),
  'text inserted': inserted((draw) => draw.pick(hostileTexts)),
  'long line': inserted((draw) => draw.pick(['a', ' ', '0', '\t', 'a/', '"', "'"]).repeat(draw.power(2 ** 17))),
  'other line ends': edits((text, draw) => text.replaceAll('\n', draw.pick(['\r\n', '\r', '\n\n', '\u2028']))),
  'not UTF-8': inserted((draw) => draw.pick([[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5], [0x80]])),
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
  const items = kind === 'leaf' ? [] : Object.entries(value as object).map(([name, item]) => toTree(item, name));
  return { key, kind, leaf: kind === 'leaf' ? JSON.stringify(value) : '', items };
}
export const leafOf = (leaf: string): Tree => ({ ...toTree(null), leaf });

export function fromTree({ kind, leaf, items }: Tree): string {
  if (kind === 'leaf') return leaf;
  return kind === 'list'
    ? `[${items.map(fromTree)}]`
    : `{${items.map((item) => `${JSON.stringify(item.key)}:${fromTree(item)}`)}}`;
}

/** All nodes but the root: each is an item of a list. */
const slotsOf = ({ items }: Tree): { readonly items: Tree[]; readonly item: Tree; readonly at: number }[] =>
  items.flatMap((item, at) => [{ items, item, at }, ...slotsOf(item)]);

function nested(draw: Draw, depth: number): Tree {
  const [open, close] = draw.pick(['[ ]', '{"a": }']).split(' ') as [string, string];
  return leafOf(`${open.repeat(depth)}0${close.repeat(depth)}`);
}

const strange = (draw: Draw): Tree =>
  draw.either(
    () => nested(draw, draw.power(2 ** 16)),
    () => toTree(draw.pick([[], {}, 'x'.repeat(draw.power(2 ** 18)), Array(draw.power(2 ** 12)).fill(0)])),
    () => toTree({ [draw.pick(hostileTexts)]: null }),
    () => toTree(draw.pick(hostileTexts)),
    () => leafOf(draw.pick(numberTexts)),
  );

/** Changes one place of the tree. */
export function editTree(tree: Tree, draw: Draw, other = strange): void {
  const slots = slotsOf(tree);
  if (slots.length === 0) return;
  const { items, item, at } = draw.pick(slots);
  const put = (value: Tree, over = 1) => items.splice(at, over, { ...value, key: item.key });
  draw.either<unknown>(
    () => put(other(draw)),
    // The key may be there twice.
    () => put(other(draw), 0),
    () => items.push({ ...other(draw), key: draw.pick(['more', ...hostileTexts]) }),
    ...(other !== strange
      ? []
      : [
          () => items.splice(at, 1),
          // A copy: a tree that contains itself could not be written.
          () => put(structuredClone(draw.pick(slots).item)),
          () => put({ ...toTree([]), items: [item] }),
          () => {
            item.key = draw.pick(hostileTexts);
          },
        ]),
  );
}

export const editedJson: Edit = (text, draw) => {
  const tree = toTree(JSON.parse(text));
  for (let edits = draw.between(1, 3); edits > 0; edits--) editTree(tree, draw);
  return fromTree(tree);
};

/** With a value whose depth exhausts the stack of what walks it. */
const deepJson: Edit = (text, draw) => {
  const tree = toTree(JSON.parse(text));
  editTree(tree, draw, () => nested(draw, 2 ** draw.between(13, 17)));
  return fromTree(tree);
};

export const jsonMutators: Mutators = {
  ...textMutators,
  'JSON tree': edits(editedJson),
  'JSON trees': times(2, 2, edits(editedJson)),
  'deep JSON': edits(deepJson),
};

const onLine = (change: Edit): Mutator =>
  onLines((lines, at, draw) => {
    lines[at] = change(lines[at] || '{}', draw);
  });

/** Mutators for lines of JSON. */
export const jsonLinesMutators: Mutators = {
  ...textMutators,
  'JSON tree': onLine(editedJson),
  'deep JSON': onLine(deepJson),
};

/** Syntax that only YAML has. */
const yamlPieces = [
  ...'&a [*a]¦*a¦!!binary AAAA¦!!js/function x¦!!set {a, b}¦!!omap [a: 1]¦<<: {a: 1}¦? a\n: b¦---\n¦...\n'.split('¦'),
  ...'%YAML 9.9\n---\n¦%TAG ! tag:x,2000:\n---\n¦|\n  a\n b¦>-\n¦\t¦- - - -¦[,]¦{a¦? ¦!!int x¦!!float .¦0o17'.split(
    '¦',
  ),
  ...'!<tag:yaml.org,2002:int> x¦2001-12-14¦"\\x¦\'¦&a &b¦!!str¦~¦# a'.split('¦'),
];

const aliases = (depth: number): string =>
  Array.from({ length: depth }, (_, k) => `a${k}: &a${k} [${k === 0 ? 'x' : Array(9).fill(`*a${k - 1}`)}]`).join('\n');

/** Prints no warning: any output must come from the code under test. */
const editedYaml: Edit = (text, draw) =>
  editedJson(JSON.stringify(parseYaml(text, { logLevel: 'error', maxAliasCount: 0 })), draw);

export const yamlMutators: Mutators = {
  ...textMutators,
  'YAML tree': edits(editedYaml),
  'YAML tree in blocks': edits((text, draw) => stringify(parseYaml(editedYaml(text, draw), { logLevel: 'error' }))),
  'YAML piece': onLines((lines, at, draw) => {
    const put = draw.pick(yamlPieces);
    lines[at] = (lines[at] as string).replace(draw.pick([/(?<=:).*/, /$/]), draw.pick([` ${put}`, `\n${put}`]));
  }),
  'YAML aliases': edits((text, draw) => `${aliases(draw.between(2, 30))}\n${text}`),
  'deep YAML': edits((text, draw) => {
    const [first, rest] = [draw.pick(['[', '{a: ', '- ', '? ', '!', '&', '"']), draw.pick(['[', '- ', '{a: ', '? '])];
    return `${text}\na: ${first}`.padEnd(text.length + draw.power(2 ** 15), rest);
  }),
};
