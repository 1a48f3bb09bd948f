import { zip } from '../../networks/weights/pth-writer.js';
import { type Draw, hostileTexts } from '../draw.js';
import type { Kinds } from './bytes.js';
import { anyByte, byteKinds, join, on, pieces, piecewise, within } from './bytes.js';

/** Opcodes by the size of their argument, or of the length before it. GLOBAL has two lines. */
const sizes = (codes: Readonly<Record<number, string>>) =>
  new Map(Object.entries(codes).flatMap(([size, all]) => [...all].map((code) => [code.charCodeAt(0), Number(size)])));
const fixed = sizes({ 1: '\x80Khq', 2: 'M', 4: 'Jjr', 8: 'G\x95' });
const counted = sizes({ 1: '\x8a\x8cUC', 4: '\x8bXTB', 8: '\x8d\x8e\x96' });
const global = 0x63;

/** The opcodes of pickles with their arguments. torch.save's older format is five pickles and the data, one after another. */
const opcodesOf = (bytes: Buffer): Buffer[] =>
  pieces(bytes, 0, (rest) => {
    const [code, length] = [rest[0] as number, counted.get(rest[0] as number) ?? 0];
    if (code === global) return rest.indexOf('\n', rest.indexOf('\n') + 1) + 1 || rest.length;
    return 1 + (fixed.get(code) ?? length) + (length > 0 ? rest.readUIntLE(1, Math.min(6, length)) : 0);
  }).slice(1);
const onOpcodes = on(opcodesOf, (opcodes) => join(...opcodes));
const otherOpcode = (draw: Draw, all: readonly Buffer[]) => draw.pick(all);
const damagedOpcode = (opcode: Buffer, draw: Draw, all: readonly Buffer[]) => anyByte(opcode, draw, draw.pick(all));

/** pickle.test.ts has forbidden globals, and containers that are copied, shared or nested again and again. */
const pickle = { ...byteKinds, ...piecewise('opcode', onOpcodes, damagedOpcode, otherOpcode) };

type Entry = readonly [name: string, content: Buffer];

/** The members of a zip file that stores them uncompressed, as PyTorch does. */
function membersOf(bytes: Buffer): Entry[] {
  const contentAt = (member: Buffer) => 30 + member.readUInt16LE(26) + member.readUInt16LE(28);
  const isMember = (rest: Buffer) => rest.readUInt32LE(0) === 0x04034b50;
  const all = pieces(bytes, 0, (rest) => (isMember(rest) ? contentAt(rest) + rest.readUInt32LE(18) : 0)).slice(1, -1);
  const nameOf = (member: Buffer) => member.toString('utf8', 30, 30 + member.readUInt16LE(26));
  return all.map((member) => [nameOf(member), member.subarray(contentAt(member))]);
}

const onMembers = (change: (members: Entry[], draw: Draw) => Entry[]) =>
  on(membersOf, (members, draw) => zip(members, { deflate: draw.once(4) }))(change);

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
  '\\blegacy\\b': pickle,
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
  },
};
