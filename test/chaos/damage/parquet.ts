import { createHash } from 'node:crypto';
import { byteMutators } from './bytes.js';
import { type Draw, extremes, join, type Mutator, type Mutators } from './draw.js';

/** Parquet's and Thrift's names for what is written here. */
const types = { int32: 5, int64: 6, text: 8, list: 9, struct: 12 } as const;
const encodings = { plain: 0n, dictionary: 8n, delta: 5n } as const;
const [int64Column, bytesColumn] = [2n, 6n];

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80n; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80);
  return Uint8Array.from([...bytes, Number(left)]);
}
const zigzag = (value: bigint): Uint8Array => varint(value < 0n ? -2n * value - 1n : 2n * value);

type Field = readonly [id: number, type: keyof typeof types, value: Uint8Array];
const int32 = (id: number, value: bigint): Field => [id, 'int32', zigzag(BigInt.asIntN(32, value))];
const int64 = (id: number, value: bigint): Field => [id, 'int64', zigzag(BigInt.asIntN(64, value))];
const text = (value: string): Uint8Array => join(varint(BigInt(value.length)), value);
const list = (id: number, of: keyof typeof types, items: readonly Uint8Array[]): Field => [
  id,
  'list',
  join(Uint8Array.of((items.length << 4) | types[of]), ...items),
];

/** A struct of Thrift's compact protocol. */
function struct(...fields: readonly Field[]): Uint8Array {
  let before = 0;
  const parts = fields.map(([id, type, value]) => {
    const head = Uint8Array.of(((id - before) << 4) | types[type]);
    before = id;
    return join(head, value);
  });
  return join(...parts, Uint8Array.of(0));
}

const int64s = (values: readonly bigint[]): Uint8Array => {
  const bytes = Buffer.alloc(8 * values.length);
  values.forEach((value, k) => void bytes.writeBigInt64LE(BigInt.asIntN(64, value), 8 * k));
  return bytes;
};

/** A file of sixteen rows: their labels, how they are encoded, and what the file announces, which may be wrong. */
interface Plan {
  readonly labels: readonly bigint[];
  readonly encoding: keyof typeof encodings;
  readonly version: 1 | 2;
  /** Numbers of values, as the file says them; the right ones where they are absent. */
  readonly said: Partial<Record<Announced, bigint>>;
  readonly withoutDictionary?: boolean;
  /** Added to the first index. */
  readonly beyond?: number;
}
const announced = ['page', 'rows', 'nulls', 'dictionary', 'differences', 'chunk'] as const;
type Announced = (typeof announced)[number];

const count = 16;

function page(type: bigint, content: Uint8Array, header: Field): Uint8Array {
  const size = BigInt(content.length);
  return join(struct(int32(1, type), int32(2, size), int32(3, size), header), content);
}

function dataPage({ encoding, version, said }: Plan, content: Uint8Array): Uint8Array {
  const values = int32(1, said.page ?? BigInt(count));
  const first = struct(values, int32(2, encodings[encoding]), int32(3, 3n), int32(4, 3n));
  if (version === 1) return page(0n, content, [5, 'struct', first]);
  const others = [int32(2, said.nulls ?? 0n), int32(3, said.rows ?? BigInt(count)), int32(4, encodings[encoding])];
  return page(3n, content, [8, 'struct', struct(values, ...others, int32(5, 0n), int32(6, 0n))]);
}

/** The pages of the labels: a dictionary, if there is one, and the data. */
function labelPages(plan: Plan): readonly [dictionary: Uint8Array, data: Uint8Array] {
  const { labels, encoding, said, withoutDictionary, beyond = 0 } = plan;
  const none = new Uint8Array(0);
  if (encoding === 'plain') return [none, dataPage(plan, int64s(labels))];
  if (encoding === 'dictionary') {
    const distinct = [...new Set(labels)];
    const indices = labels.map((label, k) => distinct.indexOf(label) + (k === 0 ? beyond : 0));
    const header = struct(int32(1, said.dictionary ?? BigInt(distinct.length)), int32(2, 0n));
    const dictionary = withoutDictionary ? none : page(2n, int64s(distinct), [7, 'struct', header]);
    // Eight bits an index, packed by eights.
    return [dictionary, dataPage(plan, Uint8Array.from([8, ((count / 8) << 1) | 1, ...indices]))];
  }
  const differences = labels.slice(1).map((label, k) => label - (labels[k] as bigint));
  const padding = Array<bigint>(32 - differences.length).fill(0n);
  const head = [128n, 4n, BigInt.asUintN(32, said.differences ?? BigInt(count))].map(varint);
  const block = [zigzag(0n), Uint8Array.of(64, 0, 0, 0), int64s([...differences, ...padding])];
  return [none, dataPage(plan, join(...head, zigzag(labels[0] as bigint), ...block))];
}

export function parquetOf(plan: Plan): Uint8Array {
  const image = Uint8Array.of(4, 0, 0, 0, ...Buffer.from('none'));
  const images = dataPage({ ...plan, encoding: 'plain', version: 1, said: {} }, join(...Array(count).fill(image)));
  const [dictionary, data] = labelPages(plan);
  const chunk = (name: string, type: bigint, at: number, size: number, dictionaryBytes: number, values: bigint) => {
    const sizes = [int64(5, values), int64(6, BigInt(size)), int64(7, BigInt(size))];
    const offsets = [int64(9, BigInt(at + dictionaryBytes)), ...(dictionaryBytes > 0 ? [int64(11, BigInt(at))] : [])];
    const path = list(3, 'text', [text(name)]);
    const about = struct(int32(1, type), list(2, 'int32', []), path, int32(4, 0n), ...sizes, ...offsets);
    return struct(int64(2, BigInt(at)), [3, 'struct', about]);
  };
  const element = (name: string, type: bigint): Uint8Array =>
    struct(int32(1, type), int32(3, 0n), [4, 'text', text(name)]);
  const root = struct([4, 'text', text('root')], int32(5, 2n));
  const size = dictionary.length + data.length;
  const said = plan.said.chunk ?? BigInt(count);
  const columns = [
    chunk('image', bytesColumn, 4, images.length, 0, BigInt(count)),
    chunk('label', int64Column, 4 + images.length, size, dictionary.length, said),
  ];
  const group = struct(list(1, 'struct', columns), int64(2, BigInt(images.length + size)), int64(3, BigInt(count)));
  const schema = list(2, 'struct', [root, element('image', bytesColumn), element('label', int64Column)]);
  const footer = struct(int32(1, 1n), schema, int64(3, BigInt(count)), list(4, 'struct', [group]));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return join('PAR1', images, dictionary, data, footer, length, 'PAR1');
}

/** A sound file. */
export const soundLabels: Plan = {
  labels: Array.from({ length: count }, (_, k) => BigInt(k % 3)),
  encoding: 'dictionary',
  version: 1,
  said: {},
};

/** What must be read of a file that was written here: the labels by row, or an error. By the hash of its bytes. */
const expected = new Map<string, readonly string[] | 'refused'>();
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Undefined: of a file that was damaged in other ways, nothing is known. */
export const expectedLabels = (bytes: Uint8Array) => expected.get(hash(bytes));

function written(plan: Plan, refused: boolean): Uint8Array {
  const bytes = parquetOf(plan);
  expected.set(hash(bytes), refused ? 'refused' : plan.labels.map(String));
  return bytes;
}

function drawn(draw: Draw, encoding?: Plan['encoding']): Plan {
  const labels = Array.from({ length: count }, () => BigInt(draw.between(-2, 5)));
  const all = Object.keys(encodings) as Plan['encoding'][];
  return { labels, encoding: encoding ?? draw.pick(all), version: draw.pick([1, 2]), said: {} };
}

/** Announces another number of values, in a file that has this number. */
const misannounced: Mutator = (_bytes, draw) => {
  const what = draw.pick(announced);
  const needs = { dictionary: 'dictionary', differences: 'delta' } as const;
  const plan = drawn(draw, needs[what as keyof typeof needs]);
  const right = what === 'dictionary' ? new Set(plan.labels).size : what === 'nulls' ? 0 : count;
  const value = draw.pick(extremes);
  const version = what === 'nulls' || what === 'rows' ? 2 : plan.version;
  const bits = what === 'chunk' ? 64 : 32;
  const refused = BigInt.asIntN(bits, value) !== BigInt(right);
  return written({ ...plan, version, said: { [what]: value } }, refused);
};

export const parquetMutators: Mutators = {
  ...byteMutators,
  'Parquet labels': (_bytes, draw) => {
    const plan = drawn(draw);
    const values = [...extremes, 2n ** 53n + 1n, -(2n ** 53n), 1n - 2n ** 53n].map((value) => BigInt.asIntN(64, value));
    const labels = plan.labels.map((label) => (draw.once(4) ? draw.pick(values) : label));
    const exact = labels.every((label) => Number.isSafeInteger(Number(label)));
    return written({ ...plan, labels }, !exact);
  },
  'Parquet announced': misannounced,
  'Parquet without dictionary': (_bytes, draw) =>
    written({ ...drawn(draw, 'dictionary'), withoutDictionary: true }, true),
  'Parquet index': (_bytes, draw) => written({ ...drawn(draw, 'dictionary'), beyond: draw.between(16, 239) }, true),
};
