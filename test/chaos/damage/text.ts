import { parse, stringify } from 'yaml';
import { type Draw, hostileTexts, numberTexts } from '../draw.js';
import { join, type Kinds, type Mutators, on, piecewise, same, spliced } from './bytes.js';

/** A change of text, which may stand in a file of text or in the header of another file. */
export type Edit = (text: string, draw: Draw) => string;
const textOf = (bytes: Buffer): string => bytes.toString('utf8');
const linesOf = (bytes: Buffer): string[] => textOf(bytes).split('\n');
const onText = on(textOf, same);
const onLines = on(linesOf, (lines) => lines.join('\n'));
const onLine = (change: Edit) =>
  onLines((lines, draw) => {
    const at = draw.below(lines.length);
    return lines.with(at, change(lines[at] as string, draw));
  });

/** The text with something else in place of one match, or at its end if there is none. */
export function replaced(text: string, draw: Draw, pattern: RegExp, change: (found: string) => string): string {
  const { index, 0: found } = draw.pick([...text.matchAll(pattern), { index: text.length, 0: '' }]);
  return text.slice(0, index) + change(found) + text.slice(index + found.length);
}
export const otherNumber: Edit = (text, draw) =>
  replaced(text, draw, /-?\d+(\.\d+)?(e[+-]?\d+)?/g, () => draw.pick(numberTexts));
const otherWord: Edit = (text, draw) => replaced(text, draw, /\w+|\W/g, () => draw.pick(hostileTexts));

const inserted = (bytes: Buffer, draw: Draw, put: Uint8Array | string): Buffer =>
  spliced(bytes, draw.below(bytes.length + 1), undefined, put);
const notUtf8 = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5], [0x80]];

/** For lines of words and numbers: lists, class names, metrics. */
const anyText: Mutators = {
  'number in text': onText(otherNumber),
  ...piecewise('line', onLines, otherWord),
  'text inserted': (bytes, draw) => inserted(bytes, draw, draw.pick(hostileTexts)),
  'long line': (bytes, draw) => inserted(bytes, draw, draw.pick([...'a 0\t"\'', 'a/']).repeat(draw.power(2 ** 17))),
  'not UTF-8': (bytes, draw) => inserted(bytes, draw, Uint8Array.from(draw.pick(notUtf8))),
  'other line ends': onText((lines, draw) => lines.replaceAll('\n', draw.pick(['\r\n', '\r', '\n\n', '\u2028']))),
  'byte order mark': (bytes, draw) => join(draw.pick(['\ufeff', Uint8Array.of(0xff, 0xfe)]), bytes),
};

/** JSON whose depth exhausts the stack of what walks it. */
function deep(draw: Draw): string {
  const [open, close] = draw.pick(['[ ]', '{"a": }']).split(' ') as [string, string];
  const depth = draw.power(2 ** 17);
  return `${open.repeat(depth)}0${close.repeat(depth)}`;
}

const strange = (draw: Draw): string =>
  draw.either(
    () => deep(draw),
    () => JSON.stringify(draw.pick([[], {}, 'x'.repeat(draw.power(2 ** 18)), Array(draw.power(2 ** 12)).fill(0)])),
    () => JSON.stringify({ [draw.pick(hostileTexts)]: null }),
    () => JSON.stringify(draw.pick(hostileTexts)),
    () => draw.pick(numberTexts),
  );

const text = String.raw`"(?:\\.|[^"\\])*"`;
const leaf = String.raw`${text}(?!:)|-?\d[\d.eE+-]*|true|false|null`;
/** The leaves of JSON, its lists of leaves, and its objects without objects, each after its key, if it has one. */
const items = [leaf, String.raw`\[[^{}[\]]*\]`, String.raw`\{[^{}]*\}`].map(
  (value) => new RegExp(`(${text}:)?(${value})|${text}:`, 'g'),
);

type Item = readonly [item: string, key: string | undefined, value: string];
/** JSON with something else in place of an item. It mostly stays JSON, in which a key may come twice. */
function withOther(json: string, draw: Draw, change: (one: Item, another: Item) => string): string {
  const kinds = items.map((kind) => [...json.matchAll(kind)].filter(([, , value]) => value !== undefined));
  const all = draw.pick(kinds.filter(({ length }) => length > 0)) as unknown as (Item & { readonly index: number })[];
  const one = draw.pick(all);
  const [before, after] = [json.slice(0, one.index), json.slice(one.index + one[0].length)];
  const other = change(one, draw.pick(all));
  if (other !== '') return before + other + after;
  return after.startsWith(',') ? before + after.slice(1) : before.replace(/,$/, '') + after;
}

const editedOnce: Edit = (json, draw) =>
  withOther(json, draw, ([item, key = '', value], [, otherKey = '', otherValue]) => {
    const hostileKey = key && `${JSON.stringify(draw.pick(hostileTexts))}:`;
    const anyKey = key && (otherKey || hostileKey);
    return draw.either(
      () => '',
      () => key + strange(draw),
      () => key + otherValue,
      () => `${key}[${value}]`,
      () => hostileKey + value,
      () => anyKey + value,
      () => `${item},${anyKey}${otherValue}`,
      () => `${item},${hostileKey}${strange(draw)}`,
    );
  });
export const editedJson: Edit = (json, draw) =>
  Array.from({ length: draw.between(1, 3) }).reduce<string>((edited) => editedOnce(edited, draw), json);

/** Syntax that only YAML has. test/options/yaml.test.ts has what is nested too deep. */
const pieces = [
  ...'&a [*a]¦*a¦!!binary AAAA¦!!js/function x¦!!set {a, b}¦!!omap [a: 1]¦<<: {a: 1}¦? a\n: b¦---\n¦...\n'.split('¦'),
  ...'%YAML 9.9\n---\n¦%TAG ! tag:x,2000:\n---\n¦|\n  a\n b¦>-\n¦\t¦- - - -¦[,]¦{a¦? ¦!!int x¦!!float .'.split('¦'),
  ...'!<tag:yaml.org,2002:int> x¦0o17¦2001-12-14¦"\\x¦\'¦&a &b¦!!str¦~¦# a'.split('¦'),
];

/** Prints no warning: any output must come from the code under test. */
const quiet = { logLevel: 'error', maxAliasCount: 0, uniqueKeys: false } as const;
const editedYaml: Edit = (text, draw) => editedJson(JSON.stringify(parse(text, quiet)), draw);

export const kinds: Kinds = {
  '[.](txt|csv)$': anyText,
  '[.]json$': { ...anyText, 'JSON tree': onText(editedJson) },
  '[.]jsonl$': { ...anyText, 'JSON tree': onLine(editedJson) },
  '[.]yaml$': {
    ...anyText,
    'YAML tree': onText(editedYaml),
    'YAML tree in blocks': onText((yaml, draw) => stringify(parse(editedYaml(yaml, draw), quiet))),
    'YAML piece': onLine((line, draw) => {
      const piece = draw.pick(pieces);
      return line.replace(draw.pick([/(?<=:).*/, /$/]), () => draw.pick([` ${piece}`, `\n${piece}`]));
    }),
  },
};
