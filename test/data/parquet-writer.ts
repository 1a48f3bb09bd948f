import { little } from '../networks/weights/pickle-writer.js';

/** A small Parquet file byte by byte, for files that no program would write. */

/** An int32, an int64, a text, a list, or a struct by the numbers of its fields. */
type Thrift = number | bigint | string | readonly Thrift[] | { readonly [id: number]: Thrift | undefined };

const varint = (value: bigint): number[] =>
  value < 0x80n ? [Number(value)] : [Number(value & 0x7fn) | 0x80, ...varint(value >> 7n)];
const zigzag = (value: bigint): number[] => varint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));

/** Thrift's compact protocol, in which Parquet writes its headers. */
function thrift(value: Thrift): [type: number, bytes: number[]] {
  if (typeof value === 'number') return [5, zigzag(BigInt(value))];
  if (typeof value === 'bigint') return [6, zigzag(BigInt.asIntN(64, value))];
  if (typeof value === 'string') return [8, [value.length, ...Buffer.from(value)]];
  const fields = Object.entries(value as Readonly<Record<string, Thrift | undefined>>).flatMap(([id, field]) =>
    field === undefined ? [] : [[Number(id), ...thrift(field)] as const],
  );
  const bytes = (head: (id: number, type: number, before: number) => number[]) =>
    fields.flatMap(([id, type, content], k) => [...head(id, type, fields[k - 1]?.[0] ?? 0), ...content]);
  if (Array.isArray(value)) return [9, [(value.length << 4) | (fields[0]?.[1] ?? 5), ...bytes(() => [])]];
  return [12, [...bytes((id, type, before) => [((id - before) << 4) | type]), 0]];
}
const encoded = (value: Thrift): Uint8Array => Uint8Array.from(thrift(value)[1]);

/** The encodings of labels, by Parquet's numbers. */
export const encodings = { plain: 0, dictionary: 8, delta: 5 } as const;
export const count = 16;

/** A file of sixteen rows: their labels, how they are encoded, and what the file announces, which may be wrong. */
export interface Plan {
  readonly labels: readonly bigint[];
  readonly encoding: keyof typeof encodings;
  readonly version: 1 | 2;
  /** Numbers of values, as the file says them; the right ones where they are absent. */
  readonly said: Readonly<Record<string, bigint>>;
  readonly hasDictionary: boolean;
  /** Added to the first index. */
  readonly beyond: number;
}

const int64s = (values: readonly bigint[]): Buffer => Buffer.concat(values.map((value) => little(value, 8)));
const int32 = (said: bigint | undefined, right: number) =>
  said === undefined ? right : Number(BigInt.asIntN(32, said));
const page = (type: number, content: Uint8Array, header: object): Buffer =>
  Buffer.concat([encoded({ 1: type, 2: content.length, 3: content.length, ...header }), content]);

function dataPage({ encoding, version, said }: Plan, content: Uint8Array): Buffer {
  const [values, nulls, rows] = [int32(said.page, count), int32(said.nulls, 0), int32(said.rows, count)];
  if (version === 1) return page(0, content, { 5: { 1: values, 2: encodings[encoding], 3: 3, 4: 3 } });
  return page(3, content, { 8: { 1: values, 2: nulls, 3: rows, 4: encodings[encoding], 5: 0, 6: 0 } });
}

/** The pages of the labels: a dictionary, if there is one, and the data. */
function labelPages(plan: Plan): readonly [dictionary: Buffer, data: Buffer] {
  const { labels, encoding, said: announced, hasDictionary, beyond } = plan;
  const none = Buffer.alloc(0);
  if (encoding === 'plain') return [none, dataPage(plan, int64s(labels))];
  if (encoding === 'dictionary') {
    const distinct = [...new Set(labels)];
    const indices = labels.map((label, k) => distinct.indexOf(label) + (k === 0 ? beyond : 0));
    const dictionary = page(2, int64s(distinct), { 7: { 1: int32(announced.dictionary, distinct.length), 2: 0 } });
    // Eight bits an index, packed by eights.
    return [hasDictionary ? dictionary : none, dataPage(plan, Uint8Array.of(8, (count >> 2) | 1, ...indices))];
  }
  const differences = labels.slice(1).map((label, k) => label - (labels[k] as bigint));
  const head = [128n, 4n, BigInt.asUintN(32, announced.differences ?? BigInt(count))].flatMap(varint);
  const start = Uint8Array.from([...head, ...zigzag(labels[0] as bigint), ...zigzag(0n), 64, 0, 0, 0]);
  const rest = Buffer.alloc(8 * (32 - differences.length));
  return [none, dataPage(plan, Buffer.concat([start, int64s(differences), rest]))];
}

/** A sound file: its labels are encoded with a dictionary. */
const sound: Plan = {
  labels: Array.from({ length: count }, (_, k) => BigInt(k % 3)),
  ...({ encoding: 'dictionary', version: 1, said: {}, hasDictionary: true, beyond: 0 } as const),
};

/** A file like the sound one, but for what `changes` say. */
export function parquetOf(changes: Partial<Plan>): Buffer {
  const plan = { ...sound, ...changes };
  const image = Buffer.from('\x04\0\0\0none');
  const plain: Plan = { ...plan, encoding: 'plain', version: 1, said: {} };
  const images = dataPage(plain, Buffer.alloc(count * image.length, image));
  const [dictionary, data] = labelPages(plan);
  const [labelsAt, size] = [4 + images.length, dictionary.length + data.length];
  const column = (name: string, type: number, at: number, before: number, size: number, values = BigInt(count)) => {
    const sizes = { 5: values, 6: BigInt(size), 7: BigInt(size), 9: BigInt(at + before) };
    const about = { 1: type, 2: [], 3: [name], 4: 0, ...sizes, 11: before > 0 ? BigInt(at) : undefined };
    return { 2: BigInt(at), 3: about };
  };
  const columns = [
    column('image', 6, 4, 0, images.length),
    column('label', 2, labelsAt, dictionary.length, size, plan.said.chunk),
  ];
  const schema = [
    { 4: 'root', 5: 2 },
    { 1: 6, 3: 0, 4: 'image' },
    { 1: 2, 3: 0, 4: 'label' },
  ];
  const group = { 1: columns, 2: BigInt(images.length + size), 3: BigInt(count) };
  const footer = encoded({ 1: 1, 2: schema, 3: BigInt(count), 4: [group] });
  const ends = Buffer.from('PAR1');
  return Buffer.concat([ends, images, dictionary, data, footer, little(footer.length, 4), ends]);
}
