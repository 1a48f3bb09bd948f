import { bytes as latin1, little } from '../../networks/weights/pickle-writer.js';
import { byteMutators } from './bytes.js';
import { type Draw, extremes, hostileTexts, join, type Mutator, type Mutators, spliced } from './draw.js';

/** The argument of an opcode: `fixed` bytes, content after its length in `counted` bytes, or `lines`. */
const argumentsOf: Readonly<Record<number, { fixed?: number; counted?: number; lines?: number }>> = {
  ...Object.fromEntries([0x80, 0x4b, 0x68, 0x71].map((code) => [code, { fixed: 1 }])),
  ...Object.fromEntries([0x4d].map((code) => [code, { fixed: 2 }])),
  ...Object.fromEntries([0x4a, 0x6a, 0x72].map((code) => [code, { fixed: 4 }])),
  ...Object.fromEntries([0x47, 0x95].map((code) => [code, { fixed: 8 }])),
  ...Object.fromEntries([0x8a, 0x8c, 0x55, 0x43].map((code) => [code, { counted: 1 }])),
  ...Object.fromEntries([0x8b, 0x58, 0x54, 0x42].map((code) => [code, { counted: 4 }])),
  ...Object.fromEntries([0x8d, 0x8e, 0x96].map((code) => [code, { counted: 8 }])),
  99: { lines: 2 },
};

interface Opcode {
  readonly code: number;
  readonly at: number;
  /** Where its argument begins, and where it ends. */
  readonly argument: number;
  readonly end: number;
}

/** The opcodes of one pickle, up to STOP. */
export function opcodesOf(bytes: Uint8Array, start = 0): Opcode[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: Opcode[] = [];
  for (let at = start; at < bytes.length; ) {
    const code = bytes[at] as number;
    const { fixed = 0, counted = 0, lines = 0 } = argumentsOf[code] ?? {};
    let end = at + 1 + fixed + counted;
    if (counted > 0) end += view.readUIntLE(at + 1, Math.min(6, counted));
    for (let line = 0; line < lines; line++) end = view.indexOf(0x0a, end) + 1 || bytes.length;
    found.push({ code, at, argument: at + 1, end });
    if (code === 0x2e) break;
    at = end;
  }
  return found;
}

const known = [
  ...[0x28, 0x4e, 0x88, 0x89, 0x4a, 0x4b, 0x4d, 0x8a, 0x8b, 0x47, 0x8c, 0x58, 0x8d, 0x55, 0x54, 0x43, 0x42, 0x8e, 0x96],
  ...[0x5d, 0x61, 0x65, 0x29, 0x85, 0x86, 0x87, 0x74, 0x7d, 0x73, 0x75, 0x8f, 0x90, 0x91, 0x68, 0x6a, 0x71, 0x72, 0x94],
  ...[0x63, 0x93, 0x52, 0x62, 0x51, 0x80, 0x95, 0x2e],
];

const globals = [
  ...['os\nsystem', 'builtins\neval', 'posix\nsystem', 'torch\nload', 'torch._utils\n_rebuild_tensor_v2'],
  ...[
    'collections\nOrderedDict',
    'collections\nCounter',
    'builtins\nset',
    '__builtin__\nset',
    'torch\nSize',
    'numpy\ndtype',
  ],
  ...['torch\nFloatStorage', 'torch._utils\n_rebuild_parameter', '_codecs\nencode', '__proto__\ntoString', '\n'],
  ...['numpy.core.multiarray\nscalar', 'torch\nBoolStorage', 'x'.repeat(600), 'torch\nQUInt8Storage'],
];

/** An opcode with an argument that may be anything. */
function anyOpcode(draw: Draw): Uint8Array {
  const code = draw.once(6) ? draw.below(256) : draw.pick(known);
  const { fixed = 0, counted = 0, lines = 0 } = argumentsOf[code] ?? {};
  if (lines > 0) return join(Uint8Array.of(code), `${draw.pick(globals)}\n`);
  if (fixed > 0) return join(Uint8Array.of(code), little(draw.pick(extremes), 8).subarray(0, fixed));
  if (counted === 0) return Uint8Array.of(code);
  const content = draw.once(2) ? Buffer.from(draw.pick(hostileTexts)) : draw.bytes(draw.below(20));
  const length = draw.once(3) ? draw.pick(extremes) : BigInt(content.length);
  return join(Uint8Array.of(code), little(length, 8).subarray(0, counted), content);
}

const onOpcodes =
  (change: (bytes: Uint8Array, opcodes: Opcode[], draw: Draw) => Uint8Array): Mutator =>
  (bytes, draw) =>
    change(bytes, opcodesOf(bytes), draw);

/** Containers that are copied, shared or nested again and again. */
function bomb(draw: Draw): Uint8Array {
  const kind = draw.below(7);
  const count = draw.power(2 ** 14);
  const many = (text: string) => text.repeat(count);
  if (kind === 0) return latin1(many('('));
  if (kind === 1) return latin1(many(']'), many('a'));
  // A list within itself.
  if (kind === 2) return latin1(']q\x01', many('h\x01a'));
  // Each list twice in the next.
  if (kind === 3) return latin1(']', many('q\x02]h\x02ah\x02a'));
  // One set copied out of another, again and again.
  if (kind === 4) return latin1('](', many('K\x01'), 'eq\x03', many('cbuiltins\nset\nh\x03\x85R').slice(0, 60_000));
  if (kind === 5) return latin1(')', many('\x85'));
  return latin1('}q\x04', many('h\x04K\x01h\x04s').slice(0, 60_000));
}

export const pickleMutators: Mutators = {
  ...byteMutators,
  'opcode deleted': onOpcodes((bytes, opcodes, draw) => {
    const { at, end } = draw.pick(opcodes);
    return spliced(bytes, at, end);
  }),
  'opcode inserted': onOpcodes((bytes, opcodes, draw) => {
    const { at } = draw.pick(opcodes);
    return spliced(bytes, at, at, anyOpcode(draw));
  }),
  'opcode replaced': onOpcodes((bytes, opcodes, draw) => {
    const { at, end } = draw.pick(opcodes);
    return spliced(bytes, at, end, anyOpcode(draw));
  }),
  'opcodes replaced': onOpcodes((bytes, opcodes, draw) => {
    const [one, other] = [draw.below(opcodes.length), draw.below(opcodes.length)].sort((a, b) => a - b);
    const pieces = Array.from({ length: draw.between(1, 6) }, () => anyOpcode(draw));
    const last = Math.min(other as number, (one as number) + 5);
    return spliced(bytes, (opcodes[one as number] as Opcode).at, (opcodes[last] as Opcode).end, join(...pieces));
  }),
  'opcode twice': onOpcodes((bytes, opcodes, draw) => {
    const { at, end } = draw.pick(opcodes);
    return spliced(bytes, end, end, join(...Array<Uint8Array>(draw.power(64)).fill(bytes.slice(at, end))));
  }),
  'argument set': onOpcodes((bytes, opcodes, draw) => {
    const arguments_ = opcodes.filter(({ argument, end }) => end > argument);
    if (arguments_.length === 0) return bytes.slice(0, -1);
    const { code, argument, end } = draw.pick(arguments_);
    const { fixed, counted } = argumentsOf[code] ?? {};
    const size = fixed ?? counted ?? 0;
    if (size === 0) return spliced(bytes, argument, end, `${draw.pick(globals)}\n`);
    return spliced(bytes, argument, argument + size, little(draw.pick(extremes), 8).subarray(0, size));
  }),
  'deep or shared': onOpcodes((bytes, opcodes, draw) => {
    const { at } = draw.pick(opcodes);
    return spliced(bytes, at, at, bomb(draw));
  }),
};

/**
 * Mutators for the older format of torch.save: pickles one after another, for magic, version, system, object and keys.
 */
export const legacyMutators: Mutators = {
  ...byteMutators,
  ...Object.fromEntries(
    Object.entries(pickleMutators).map(([name, mutate]): [string, Mutator] => [
      `pickle in it: ${name}`,
      (bytes, draw) => {
        const ends = [0];
        for (let k = 0; k < 5; k++) ends.push(opcodesOf(bytes, ends.at(-1)).at(-1)?.end ?? bytes.length);
        const part = draw.pick([1, 2, 3, 3, 3, 4]);
        const [from, to] = [ends[part] as number, ends[part + 1] as number];
        return spliced(bytes, from, to, mutate(bytes.slice(from, to), draw, bytes));
      },
    ]),
  ),
};
