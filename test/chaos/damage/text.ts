import { byteMutators } from './bytes.js';
import { type Draw, hostileTexts, join, type Mutator, type Mutators, numberTexts, spliced } from './draw.js';

const toText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const toBytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

const onLines =
  (change: (lines: string[], draw: Draw) => void): Mutator =>
  (bytes, draw) => {
    const lines = toText(bytes).split('\n');
    change(lines, draw);
    return toBytes(lines.join('\n'));
  };

function replaceNumber(bytes: Uint8Array, draw: Draw): Uint8Array {
  const text = toText(bytes);
  const numbers = [...text.matchAll(/-?\d+(\.\d+)?(e[+-]?\d+)?/g)];
  if (numbers.length === 0) return toBytes(`${text}${draw.pick(numberTexts)}`);
  const { index, 0: found } = draw.pick(numbers);
  return toBytes(text.slice(0, index) + draw.pick(numberTexts) + text.slice(index + found.length));
}

/** Mutators for lines of words and numbers: lists, class names, metrics. */
export const textMutators: Mutators = {
  ...byteMutators,
  'number in text': replaceNumber,
  'line deleted': onLines((lines, draw) => void lines.splice(draw.below(lines.length), 1)),
  'line twice': onLines((lines, draw) => {
    const line = draw.pick(lines);
    lines.splice(draw.below(lines.length), 0, ...Array<string>(draw.power(1024)).fill(line));
  }),
  'lines swapped': onLines((lines, draw) => {
    const [a, b] = [draw.below(lines.length), draw.below(lines.length)];
    [lines[a], lines[b]] = [lines[b] as string, lines[a] as string];
  }),
  'word replaced': onLines((lines, draw) => {
    const at = draw.below(lines.length);
    const words = (lines[at] as string).split(/(\W)/);
    words[draw.below(words.length)] = draw.pick(hostileTexts);
    lines[at] = words.join('');
  }),
  'text inserted': (bytes, draw) => {
    const at = draw.below(bytes.length + 1);
    return spliced(bytes, at, at, draw.pick(hostileTexts));
  },
  'long line': (bytes, draw) => {
    const at = draw.below(bytes.length + 1);
    return spliced(bytes, at, at, draw.pick(['a', ' ', '0', '\t', 'a/', '"', "'"]).repeat(draw.power(2 ** 17)));
  },
  'other line ends': (bytes, draw) =>
    toBytes(toText(bytes).replaceAll('\n', draw.pick(['\r\n', '\r', '\n\n', '\u2028']))),
  'not UTF-8': (bytes, draw) => {
    const at = draw.below(bytes.length + 1);
    return spliced(
      bytes,
      at,
      at,
      Uint8Array.from(draw.pick([[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5], [0x80]])),
    );
  },
  'byte order mark': (bytes, draw) => join(draw.once(2) ? '\ufeff' : Uint8Array.of(0xff, 0xfe), bytes),
};
