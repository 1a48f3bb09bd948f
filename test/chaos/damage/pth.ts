import { bytes as latin1, little } from '../../networks/weights/pickle-writer.js';
import { zip } from '../../networks/weights/pth-writer.js';
import { type Draw, extremes, hostileTexts } from '../draw.js';
import type { Kinds, Mutator } from './bytes.js';
import { anyByte, byteKinds, join, number, on, pieces, piecewise, times, within } from './bytes.js';

/** Opcodes by the size of their argument, or of the length before it. GLOBAL has two lines. */
const sizes = (codes: Readonly<Record<number, string>>) =>
  new Map(Object.entries(codes).flatMap(([size, all]) => [...all].map((code) => [code.charCodeAt(0), Number(size)])));
const fixed = sizes({ 1: '\x80Khq', 2: 'M', 4: 'Jjr', 8: 'G\x95' });
const counted = sizes({ 1: '\x8a\x8cUC', 4: '\x8bXTB', 8: '\x8d\x8e\x96' });
const [global, stop] = [0x63, 0x2e];

/** The opcodes of a pickle with their arguments, and what follows STOP. */
function opcodesOf(bytes: Buffer): Buffer[] {
  let last: number | undefined;
  const lengthOf = (rest: Buffer): number => {
    const [before, code, length] = [last, rest[0] as number, counted.get(rest[0] as number) ?? 0];
    last = code;
    if (before === stop) return 0;
    if (code === global) return rest.indexOf('\n', rest.indexOf('\n') + 1) + 1 || rest.length;
    return 1 + (fixed.get(code) ?? length) + (length > 0 ? rest.readUIntLE(1, Math.min(6, length)) : 0);
  };
  return pieces(bytes, 0, lengthOf).slice(1);
}

const known = '(N\x88\x89JKM\x8a\x8bG\x8cX\x8dUTCB\x8e\x96]ae)\x85\x86\x87t}su\x8f\x90\x91hjqr\x94c\x93RbQ\x80\x95.';
const globals = [
  ...'os system¦builtins eval¦posix system¦torch load¦torch._utils _rebuild_tensor_v2¦numpy dtype'.split('¦'),
  ...'collections OrderedDict¦collections Counter¦builtins set¦__builtin__ set¦torch Size¦ '.split('¦'),
  ...'torch._utils _rebuild_parameter¦_codecs encode¦__proto__ toString¦numpy.core.multiarray scalar'.split('¦'),
  ...['torch FloatStorage', 'torch BoolStorage', 'torch QUInt8Storage', 'x'.repeat(600)],
];

function opcode(draw: Draw, code = draw.once(6) ? draw.below(256) : draw.pick([...latin1(known)])): Buffer {
  if (code === global) return join('c', draw.pick(globals).replace(' ', '\n'), '\n');
  const size = fixed.get(code) ?? counted.get(code) ?? 0;
  const any = draw.pick([Buffer.from(draw.pick(hostileTexts)), draw.bytes(draw.below(20))]);
  const content = counted.has(code) ? any : '';
  const value = counted.has(code) && !draw.once(3) ? content.length : draw.pick(extremes);
  return join(Uint8Array.of(code), little(value, 8).subarray(0, size), content);
}

const onOpcodes = on(opcodesOf, (opcodes) => join(...opcodes));
/** Another argument, which may be before the old one. */
const otherArgument = (old: Buffer, draw: Draw) => join(opcode(draw, old[0]), draw.once(2) ? old.subarray(1) : '');
// test/networks/weights/pickle.test.ts has containers that are copied, shared or nested again and again.
const pickle = {
  ...byteKinds,
  ...piecewise('opcode', onOpcodes, otherArgument, (draw) => opcode(draw)),
};

/** The older format of torch.save: pickles of magic, version, system, object and keys one after another, and the data. */
function picklesOf(bytes: Buffer): Buffer[] {
  let count = 0;
  const lengthOf = (rest: Buffer) => (count++ < 5 ? rest.length - (opcodesOf(rest).at(-1) as Buffer).length : 0);
  return pieces(bytes, 0, lengthOf).slice(1);
}
const onPickles = on(picklesOf, (pickles) => join(...pickles));
const legacy = within('pickle in it', pickle, (mutate) =>
  onPickles((all, draw) => {
    const at = draw.pick([1, 2, 3, 3, 3, 4]);
    const content = all[at] as Buffer;
    return all.with(at, mutate(content, draw, content));
  }),
);

type Entry = readonly [name: string, content: Buffer];

/** The members of a zip file that stores them uncompressed, as PyTorch does. */
function membersOf(bytes: Buffer): Entry[] {
  const contentAt = (member: Buffer) => 30 + member.readUInt16LE(26) + member.readUInt16LE(28);
  const isMember = (rest: Buffer) => rest.readUInt32LE(0) === 0x04034b50;
  const all = pieces(bytes, 0, (rest) => (isMember(rest) ? contentAt(rest) + rest.readUInt32LE(18) : 0)).slice(1, -1);
  const nameOf = (member: Buffer) => member.toString('utf8', 30, 30 + member.readUInt16LE(26));
  return all.map((member) => [nameOf(member), member.subarray(contentAt(member))]);
}

type Change = (members: Entry[], draw: Draw) => Entry[];
type Options = Parameters<typeof zip>[1];
const zipped = (options: (draw: Draw, members: readonly Entry[]) => Options, change: Change = (members) => members) =>
  on(membersOf, (members, draw) => zip(members, options(draw, members)))(change);
const onMembers = (change: Change) => zipped((draw) => ({ deflate: draw.once(4) }), change);
/** A number in an entry of the directory, in the record at the end, or in a local header. */
const field: Mutator = (bytes, draw, other) => {
  const records = [...bytes.toString('latin1').matchAll(/PK(?=\W\W)/g)].map(({ index }) => index);
  const distance = draw.pick([4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 38, 42]);
  return number(draw.pick([2, 4]), 'LE', [draw.pick(records) + distance])(bytes, draw, other);
};
const zip64 = zipped(() => ({ zip64: true }));

const names = ['b/data.pkl', 'archive/data/', 'archive/x', '/data.pkl', 'archive/data/../data.pkl'];
/** Another name and another member's content, or zeros, which deflate to a thousandth. */
const otherMember = (draw: Draw, all: readonly Entry[]): Entry => [
  draw.pick([draw.pick(names), draw.pick(all)[0], draw.pick(hostileTexts)]),
  draw.once(4) ? Buffer.alloc(draw.power(2 ** 23)) : draw.pick(all)[1],
];
const damagedMember = ([name, content]: Entry, draw: Draw, all: readonly Entry[]): Entry => {
  return [name, anyByte(content, draw, draw.pick(all)[1])];
};

export const kinds: Kinds = {
  '\\blegacy\\b': legacy,
  '\\bzip\\b': {
    ...within('pickle in it', pickle, (mutate) =>
      onMembers((all, draw) =>
        all.map(([name, old]) => [name, name.endsWith('/data.pkl') ? mutate(old, draw, old) : old]),
      ),
    ),
    ...piecewise('member', onMembers, damagedMember, otherMember),
    'many members': onMembers((all, draw) => {
      const more = Array.from({ length: draw.power(4096) }, (_, k) => `archive/data/x${k}`);
      return [...all, ...more.map((name): Entry => [name, Buffer.alloc(0)])];
    }),
    zip64,
    'zip64 field': (bytes, draw, other) => field(zip64(bytes, draw, other), draw, other),
    'directory field': field,
    'directory fields': times(2, 2, field),
  },
};
