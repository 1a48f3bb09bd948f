import { createHash } from 'node:crypto';
import { little } from '../../networks/weights/pickle-writer.js';
import { type Draw, extremes } from '../draw.js';
import { join, type Mutators } from './bytes.js';

/** An int32, an int64, a text, a list, or a struct by the numbers of its fields. */
type Thrift = number | bigint | string | readonly Thrift[] | { readonly [id: number]: Thrift | undefined };

const typeOf = (value: Thrift | undefined): number => {
  if (Array.isArray(value)) return 9;
  return { number: 5, bigint: 6, string: 8, object: 12 }[typeof value as 'number'] ?? 5;
};

const varint = (value: bigint): number[] =>
  value < 0x80n ? [Number(value)] : [Number(value & 0x7fn) | 0x80, ...varint(value >> 7n)];
const zigzag = (value: bigint): number[] => varint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));

/** Thrift's compact protocol, in which Parquet writes its headers. */
function thrift(value: Thrift): number[] {
  if (typeof value === 'number') return zigzag(BigInt(value));
  if (typeof value === 'bigint') return zigzag(BigInt.asIntN(64, value));
  if (typeof value === 'string') return [value.length, ...Buffer.from(value)];
  if (Array.isArray(value)) return [(value.length << 4) | typeOf(value[0]), ...value.flatMap(thrift)];
  const fields = Object.entries(value as Readonly<Record<string, Thrift>>).filter(([, field]) => field !== undefined);
  const before = (k: number) => Number(fields[k - 1]?.[0] ?? 0);
  return [
    ...fields.flatMap(([id, field], k) => [((Number(id) - before(k)) << 4) | typeOf(field), ...thrift(field)]),
    0,
  ];
}

const int64s = (values: readonly bigint[]): Buffer => join(...values.map((value) => little(value, 8)));
const encodings = { plain: 0, dictionary: 8, delta: 5 } as const;
const count = 16;

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

const int32 = (said: bigint | undefined, right = count): number =>
  said === undefined ? right : Number(BigInt.asIntN(32, said));

const page = (type: number, content: Uint8Array, header: Thrift): Buffer =>
  join(Uint8Array.from(thrift({ 1: type, 2: content.length, 3: content.length, ...(header as object) })), content);

function dataPage({ encoding, version, said }: Plan, content: Uint8Array): Buffer {
  const [values, rows, nulls] = [int32(said.page), int32(said.rows), int32(said.nulls, 0)];
  const code = encodings[encoding];
  if (version === 1) return page(0, content, { 5: { 1: values, 2: code, 3: 3, 4: 3 } });
  return page(3, content, { 8: { 1: values, 2: nulls, 3: rows, 4: code, 5: 0, 6: 0 } });
}

/** The pages of the labels: a dictionary, if there is one, and the data. */
function labelPages(plan: Plan): readonly [dictionary: Buffer, data: Buffer] {
  const { labels, encoding, said, withoutDictionary, beyond = 0 } = plan;
  const none = Buffer.alloc(0);
  if (encoding === 'plain') return [none, dataPage(plan, int64s(labels))];
  if (encoding === 'dictionary') {
    const distinct = [...new Set(labels)];
    const indices = labels.map((label, k) => distinct.indexOf(label) + (k === 0 ? beyond : 0));
    const dictionary = page(2, int64s(distinct), { 7: { 1: int32(said.dictionary, distinct.length), 2: 0 } });
    // Eight bits an index, packed by eights.
    const data = dataPage(plan, Uint8Array.of(8, ((count / 8) << 1) | 1, ...indices));
    return [withoutDictionary ? none : dictionary, data];
  }
  const differences = labels.slice(1).map((label, k) => label - (labels[k] as bigint));
  const head = [128n, 4n, BigInt.asUintN(32, BigInt(said.differences ?? count))].flatMap(varint);
  const start = Uint8Array.from([...head, ...zigzag(labels[0] as bigint), ...zigzag(0n), 64, 0, 0, 0]);
  return [none, dataPage(plan, join(start, int64s(differences), Buffer.alloc(8 * (32 - differences.length))))];
}

export function parquetOf(plan: Plan): Buffer {
  const image = join(little(4, 4), 'none');
  const all = Buffer.alloc(count * image.length, image);
  const images = dataPage({ ...plan, encoding: 'plain', version: 1, said: {} }, all);
  const [dictionary, data] = labelPages(plan);
  const column = (
    name: string,
    type: number,
    at: number,
    before: number,
    size: number,
    values = BigInt(count),
  ): Thrift => {
    const sizes = { 5: values, 6: BigInt(size), 7: BigInt(size) };
    const offsets = { 9: BigInt(at + before), 11: before > 0 ? BigInt(at) : undefined };
    return { 2: BigInt(at), 3: { 1: type, 2: [], 3: [name], 4: 0, ...sizes, ...offsets } };
  };
  const [imagesAt, labelsAt, size] = [4, 4 + images.length, dictionary.length + data.length];
  const columns = [
    column('image', 6, imagesAt, 0, images.length),
    column('label', 2, labelsAt, dictionary.length, size, plan.said.chunk),
  ];
  const schema = [{ 4: 'root', 5: 2 }, ...['image', 'label'].map((name, k) => ({ 1: k === 0 ? 6 : 2, 3: 0, 4: name }))];
  const group = { 1: columns, 2: BigInt(images.length + size), 3: BigInt(count) };
  const footer = Uint8Array.from(thrift({ 1: 1, 2: schema, 3: BigInt(count), 4: [group] }));
  return join('PAR1', images, dictionary, data, footer, little(footer.length, 4), 'PAR1');
}

/** A sound file. */
export const soundLabels: Plan = {
  labels: Array.from({ length: count }, (_, k) => BigInt(k % 3)),
  ...({ encoding: 'dictionary', version: 1, said: {} } as const),
};

/** What must be read of a file that was written here: the labels by row, or an error. By the hash of its bytes. */
const expected = new Map<string, string>();
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
/** The labels that must be read, or 'refused'; undefined of a file that was damaged in other ways. */
export const expectedLabels = (bytes: Uint8Array): string | undefined => expected.get(hash(bytes));

/** A file of labels that are drawn, but for what `plan` says. */
function drawn(draw: Draw, refused: (plan: Plan) => boolean, given: Partial<Plan> = {}): Buffer {
  const labels = Array.from({ length: count }, () => BigInt(draw.between(-2, 5)));
  const encoding = draw.pick(Object.keys(encodings) as Plan['encoding'][]);
  const plan: Plan = { labels, encoding, version: draw.pick([1, 2]), said: {}, ...given };
  const bytes = parquetOf(plan);
  expected.set(hash(bytes), refused(plan) ? 'refused' : String(plan.labels));
  return bytes;
}
const always = () => true;

export const parquetMutators: Mutators = {
  'Parquet labels': (_, draw) => {
    const values = [...extremes, 2n ** 53n + 1n, -(2n ** 53n), 1n - 2n ** 53n].map((value) => BigInt.asIntN(64, value));
    const labels = Array.from({ length: count }, () => draw.pick([draw.pick(values), 0n, 1n, 5n, -2n]));
    return drawn(draw, () => !labels.every((label) => Number.isSafeInteger(Number(label))), { labels });
  },
  // Another number of values, in a file that has this number.
  'Parquet announced': (_, draw) => {
    const what = draw.pick(announced);
    const value = draw.pick(extremes);
    const version = what === 'nulls' || what === 'rows' ? { version: 2 as const } : {};
    const encoding = { dictionary: 'dictionary', differences: 'delta' }[what as 'dictionary'] as Plan['encoding'];
    const right = ({ labels }: Plan) => (what === 'dictionary' ? new Set(labels).size : what === 'nulls' ? 0 : count);
    const refused = (plan: Plan) => BigInt.asIntN(what === 'chunk' ? 64 : 32, value) !== BigInt(right(plan));
    return drawn(draw, refused, { ...version, ...(encoding && { encoding }), said: { [what]: value } });
  },
  'Parquet without dictionary': (_, draw) => drawn(draw, always, { encoding: 'dictionary', withoutDictionary: true }),
  'Parquet index': (_, draw) => drawn(draw, always, { encoding: 'dictionary', beyond: draw.between(16, 239) }),
};
