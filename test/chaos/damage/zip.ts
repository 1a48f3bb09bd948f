import { zip } from '../../networks/weights/pth-writer.js';
import { byteMutators } from './bytes.js';
import { type Draw, extremes, hostileTexts, type Mutator, type Mutators } from './draw.js';
import { pickleMutators } from './pickle.js';

type Member = readonly [name: string, content: Uint8Array];

/** The members of a zip file that stores them uncompressed, as PyTorch does. */
export function membersOf(bytes: Uint8Array): Member[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = view.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  let at = view.readUInt32LE(end + 16);
  return Array.from({ length: view.readUInt16LE(end + 10) }, (): Member => {
    const [size, name, extra, comment, local] = [
      ...[view.readUInt32LE(at + 20), view.readUInt16LE(at + 28), view.readUInt16LE(at + 30)],
      ...[view.readUInt16LE(at + 32), view.readUInt32LE(at + 42)],
    ] as [number, number, number, number, number];
    const start = local + 30 + view.readUInt16LE(local + 26) + view.readUInt16LE(local + 28);
    const member: Member = [view.toString('utf8', at + 46, at + 46 + name), bytes.slice(start, start + size)];
    at += 46 + name + extra + comment;
    return member;
  });
}

/** Changes members, and writes the file with their right checksums and sizes. */
const onMembers =
  (
    change: (members: Member[], draw: Draw) => void,
    written?: (draw: Draw, members: readonly Member[]) => Parameters<typeof zip>[1],
  ): Mutator =>
  (bytes, draw) => {
    const members = membersOf(bytes);
    change(members, draw);
    return zip(members, written?.(draw, members) ?? (draw.once(4) ? { deflate: true } : {}));
  };

const changed = (members: Member[], at: number, content: Uint8Array): void => {
  members[at] = [(members[at] as Member)[0], content];
};

const pickleOf = (members: readonly Member[]): number => members.findIndex(([name]) => name.endsWith('/data.pkl'));

/** The positions of central directory entries, of the record at the end, and of local headers. */
function recordsOf(bytes: Uint8Array): number[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return ['PK\x01\x02', 'PK\x05\x06', 'PK\x03\x04'].flatMap((sign) => {
    const found: number[] = [];
    for (let at = view.indexOf(sign, 0, 'latin1'); at >= 0; at = view.indexOf(sign, at + 4, 'latin1')) found.push(at);
    return found;
  });
}

const field: Mutator = (bytes, draw) => {
  const copy = new Uint8Array(bytes);
  const at =
    draw.pick(recordsOf(bytes)) + draw.pick([4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 38, 42]);
  const size = draw.pick([2, 4]);
  const value = draw.pick(extremes);
  for (let k = 0; k < size && at + k < copy.length; k++)
    copy[at + k] = Number(BigInt.asUintN(8, value >> BigInt(8 * k)));
  return copy;
};

/** Replaces a member by zeros, up to `largest` bytes, which deflate to a thousandth. */
const bombed = (largest: number): Mutator =>
  onMembers(
    (members, draw) => changed(members, draw.below(members.length), new Uint8Array(draw.power(largest))),
    () => ({ deflate: true }),
  );

export const zipMutators: Mutators = {
  ...byteMutators,
  ...Object.fromEntries(
    Object.entries(pickleMutators).map(([name, mutate]) => [
      `pickle in it: ${name}`,
      onMembers((members, draw) => {
        const at = pickleOf(members);
        const [, content] = members[at] as Member;
        changed(members, at, mutate(content, draw, content));
      }),
    ]),
  ),
  'member damaged': onMembers((members, draw) => {
    const at = draw.below(members.length);
    const [, content] = members[at] as Member;
    const other = draw.pick(members)[1];
    changed(members, at, byteMutators[draw.pick(Object.keys(byteMutators))]?.(content, draw, other) ?? content);
  }),
  'member renamed': onMembers((members, draw) => {
    const at = draw.below(members.length);
    members[at] = [draw.once(2) ? draw.pick(members)[0] : draw.pick(hostileTexts), (members[at] as Member)[1]];
  }),
  'member added': onMembers((members, draw) => {
    const name = draw.pick(['b/data.pkl', 'archive/data/', 'archive/x', '/data.pkl', 'archive/data/../data.pkl']);
    members.splice(draw.below(members.length + 1), 0, [name, draw.pick(members)[1]]);
  }),
  'member deleted': onMembers((members, draw) => void members.splice(draw.below(members.length), 1)),
  'many members': onMembers((members, draw) => {
    for (let k = draw.power(4096); k > 0; k--) members.push([`archive/data/x${k}`, new Uint8Array(0)]);
  }),
  'size claimed': onMembers(
    () => {},
    (draw, members) => ({
      deflate: draw.once(2),
      claim: new Map([[draw.pick(members)[0], Number(BigInt.asUintN(32, draw.pick(extremes)))]]),
    }),
  ),
  zip64: onMembers(
    () => {},
    () => ({ zip64: true }),
  ),
  'zip64 field': (bytes, draw, other) => field(zip(membersOf(bytes), { zip64: true }), draw, other),
  'directory field': field,
  'directory fields': (bytes, draw, other) => field(field(bytes, draw, other), draw, other),
  bomb: bombed(2 ** 23),
};
