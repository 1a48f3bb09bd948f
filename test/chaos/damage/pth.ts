import { bytes as latin1, little } from '../../networks/weights/pickle-writer.js';
import { zip } from '../../networks/weights/pth-writer.js';
import { type Draw, extremes, hostileTexts } from '../draw.js';
import {
  anyByte,
  byteMutators,
  join,
  type Mutator,
  type Mutators,
  number,
  onPieces,
  piecewise,
  spliced,
  times,
  within,
} from './bytes.js';

/** Opcodes by the size of their argument, or of the length before it; `c` has two lines. */
const sizes = (codes: Readonly<Record<number, string>>) =>
  new Map(Object.entries(codes).flatMap(([size, all]) => [...all].map((code) => [code.charCodeAt(0), Number(size)])));
const fixed = sizes({ 1: '\x80Khq', 2: 'M', 4: 'Jjr', 8: 'G\x95' });
const counted = sizes({ 1: '\x8a\x8cUC', 4: '\x8bXTB', 8: '\x8d\x8e\x96' });
const global = 0x63;

/** The opcodes of one pickle with their arguments, up to STOP. */
function opcodesOf(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length && found.at(-1)?.[0] !== 0x2e; at += (found.at(-1) as Buffer).length) {
    const code = bytes[at] as number;
    const length = counted.get(code) ?? 0;
    let end = at + 1 + (fixed.get(code) ?? length);
    if (length > 0) end += bytes.readUIntLE(at + 1, Math.min(6, length));
    if (code === global) end = bytes.indexOf('\n', bytes.indexOf('\n', at) + 1) + 1 || bytes.length;
    found.push(bytes.subarray(at, end));
  }
  return found;
}

const known = latin1(
  '(N\x88\x89JKM\x8a\x8bG\x8cX\x8dUTCB\x8e\x96]ae)\x85\x86\x87t}su\x8f\x90\x91hjqr\x94c\x93RbQ\x80\x95.',
);
const globals = [
  ...'os system,builtins eval,posix system,torch load,torch._utils _rebuild_tensor_v2,collections OrderedDict'.split(
    ',',
  ),
  ...'collections Counter,builtins set,__builtin__ set,torch Size,numpy dtype,torch FloatStorage, '.split(','),
  ...'torch._utils _rebuild_parameter,_codecs encode,__proto__ toString,numpy.core.multiarray scalar'.split(','),
  ...['torch BoolStorage', 'x'.repeat(600), 'torch QUInt8Storage'],
];

/** An opcode with an argument that may be anything. */
function anyOpcode(draw: Draw, code = draw.once(6) ? draw.below(256) : draw.pick([...known])): Buffer {
  const size = fixed.get(code) ?? counted.get(code) ?? 0;
  if (code === global) return join(Uint8Array.of(code), draw.pick(globals).replace(' ', '\n'), '\n');
  const content = counted.has(code)
    ? draw.pick([Buffer.from(draw.pick(hostileTexts)), draw.bytes(draw.below(20))])
    : '';
  const value = counted.has(code) && !draw.once(3) ? content.length : draw.pick(extremes);
  return join(Uint8Array.of(code), little(value, 8).subarray(0, size), content);
}

/** Containers that are copied, shared or nested again and again. */
function bomb(draw: Draw): Uint8Array {
  const many = (text: string, most = 2 ** 14) => text.repeat(Math.min(most, draw.power(2 ** 14)));
  return latin1(
    ...draw.either(
      () => [many('(')],
      () => [many(']'), many('a')],
      () => [many(')\x85')],
      // A list within itself; each list twice in the next; a set copied out of another; an entry set again and again.
      () => [']q\x01', many('h\x01a')],
      () => [']', many('q\x02]h\x02ah\x02a')],
      () => ['](', many('K\x01'), 'eq\x03', many('cbuiltins\nset\nh\x03\x85R', 2 ** 11)],
      () => ['}q\x04', many('h\x04K\x01h\x04s', 2 ** 13)],
    ),
  );
}

const onOpcodes = onPieces(opcodesOf, (opcodes) => join(...opcodes));

export const pickleMutators: Mutators = {
  ...byteMutators,
  ...piecewise(
    'opcode',
    onOpcodes,
    // Another argument, and what follows its length.
    (opcode, draw) => join(anyOpcode(draw, opcode[0]), draw.once(2) ? opcode.subarray(1) : ''),
    (draw) => anyOpcode(draw),
  ),
  'deep or shared': onOpcodes((opcodes, at, draw) => void opcodes.splice(at, 0, Buffer.from(bomb(draw)))),
};

/** Mutators for the older format of torch.save: pickles one after another, for magic, version, system, object and keys. */
export const legacyMutators: Mutators = within('pickle in it', pickleMutators, (bytes, draw) => {
  const ends = [0];
  for (let k = 0; k < 5; k++) ends.push((ends[k] as number) + join(...opcodesOf(bytes.subarray(ends[k]))).length);
  const part = draw.pick([1, 2, 3, 3, 3, 4]);
  return [
    bytes.subarray(ends[part], ends[part + 1]),
    (pickle) => spliced(bytes, ends[part] as number, ends[part + 1], pickle),
  ];
});

type Entry = readonly [name: string, content: Buffer];

/** The members of a zip file that stores them uncompressed, as PyTorch does. */
function membersOf(bytes: Buffer): Entry[] {
  const found: Entry[] = [];
  for (let at = 0; bytes.toString('latin1', at, at + 4) === 'PK\x03\x04'; ) {
    const [size, name, extra] = [bytes.readUInt32LE(at + 18), bytes.readUInt16LE(at + 26), bytes.readUInt16LE(at + 28)];
    const start = at + 30 + name + extra;
    found.push([bytes.toString('utf8', at + 30, at + 30 + name), bytes.subarray(start, start + size)]);
    at = start + size;
  }
  return found;
}

const onMembers = onPieces(membersOf, (members, draw) => join(zip(members, draw.once(4) ? { deflate: true } : {})));
/** Writes the members in another way. */
const rezipped =
  (options: (members: readonly Entry[], draw: Draw) => Parameters<typeof zip>[1]): Mutator =>
  (bytes, draw) => {
    const members = membersOf(bytes);
    return join(zip(members, options(members, draw)));
  };
const zip64 = rezipped(() => ({ zip64: true }));

/** A number in an entry of the directory, in the record at the end, or in a local header. */
const field: Mutator = (bytes, draw, other) => {
  const records = () => [...bytes.toString('latin1').matchAll(/PK(?=\W\W)/g)].map(({ index }) => index);
  const places = [4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 38, 42];
  return number(draw.pick(['2LE', '4LE']), records, extremes, places)(bytes, draw, other);
};

export const zipMutators: Mutators = {
  ...within('pickle in it', pickleMutators, (bytes) => {
    const members = membersOf(bytes);
    const at = members.findIndex(([name]) => name.endsWith('/data.pkl'));
    const [name, content] = members[at] as Entry;
    return [content, (pickle) => join(zip(members.with(at, [name, pickle])))];
  }),
  ...piecewise<Entry>(
    'member',
    onMembers,
    ([name, content], draw, all) => [name, anyByte(content, draw, draw.pick(all)[1])],
    (draw, all) => {
      const names = ['b/data.pkl', 'archive/data/', 'archive/x', '/data.pkl', 'archive/data/../data.pkl'];
      return [draw.pick(names), draw.pick(all)[1]];
    },
  ),
  'member renamed': onMembers((members, at, draw) => {
    const name = draw.either(
      () => draw.pick(members)[0],
      () => draw.pick(hostileTexts),
    );
    members[at] = [name, (members[at] as Entry)[1]];
  }),
  'many members': onMembers((members, _, draw) => {
    for (let k = draw.power(4096); k > 0; k--) members.push([`archive/data/x${k}`, Buffer.alloc(0)]);
  }),
  'size claimed': rezipped((members, draw) => {
    const claim = new Map([[draw.pick(members)[0], Number(BigInt.asUintN(32, draw.pick(extremes)))]]);
    return { deflate: draw.once(2), claim };
  }),
  zip64,
  'zip64 field': (bytes, draw, other) => field(zip64(bytes, draw, other), draw, other),
  'directory field': field,
  'directory fields': times(2, 2, field),
  // Zeros deflate to a thousandth.
  bomb: (bytes, draw) => {
    const members = membersOf(bytes);
    const at = draw.below(members.length);
    members[at] = [(members[at] as Entry)[0], Buffer.alloc(draw.power(2 ** 23))];
    return join(zip(members, { deflate: true }));
  },
};
