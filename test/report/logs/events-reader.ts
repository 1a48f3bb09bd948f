import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Reads events files by the published formats, with nothing of what writes them: no protobuf library, another CRC. */

/** CRC-32C bit by bit, most significant bit first, on mirrored bytes (the writer's is by bytes, from a table). */
export function slowCrc32c(bytes: Uint8Array): number {
  const mirrored = (value: number, bits: number): number => {
    let result = 0;
    for (let bit = 0; bit < bits; bit++) result += ((value >>> bit) & 1) * 2 ** (bits - 1 - bit);
    return result;
  };
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc = (crc ^ (mirrored(byte, 8) << 24)) >>> 0;
    for (let bit = 0; bit < 8; bit++) crc = (crc >= 2 ** 31 ? (crc << 1) ^ 0x1edc6f41 : crc << 1) >>> 0;
  }
  return mirrored((crc ^ 0xffffffff) >>> 0, 32);
}

const isMaskOf = (field: number, bytes: Uint8Array): boolean => {
  const rotated = (field - 0xa282ead8 + 2 ** 32) % 2 ** 32;
  return ((rotated << 15) | (rotated >>> 17)) >>> 0 === slowCrc32c(bytes);
};

/** The records of a TFRecord file. Throws if a checksum is wrong or a record is cut off. */
export function records(file: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const head = file.subarray(at, at + 8);
    const data = file.subarray(at + 12, at + 12 + Number(head.readBigUInt64LE()));
    if (!isMaskOf(file.readUInt32LE(at + 8), head)) throw new Error(`the length at ${at} has a wrong checksum`);
    at += 12 + data.length;
    if (!isMaskOf(file.readUInt32LE(at), data)) throw new Error(`the data before ${at} has a wrong checksum`);
    at += 4;
    found.push(data);
  }
  return found;
}

type Wire = number | Buffer;

/** A message's fields: number → values in order; varints as numbers, everything else as bytes. */
class Message {
  readonly #fields = new Map<number, Wire[]>();

  constructor(bytes: Buffer) {
    let at = 0;
    const varint = (): number => {
      let value = 0;
      for (let shift = 1; ; shift *= 128) {
        const byte = bytes[at++] as number;
        value += (byte & 127) * shift;
        if (byte < 128) return value;
      }
    };
    const take = (length: number): Buffer => {
      at += length;
      if (at > bytes.length) throw new Error('a field is cut off');
      return bytes.subarray(at - length, at);
    };
    while (at < bytes.length) {
      const key = varint();
      const [field, type] = [Math.floor(key / 8), key % 8];
      if (![0, 1, 2, 5].includes(type)) throw new Error(`field ${field} has wire type ${type}`);
      const value = type === 0 ? varint() : take(type === 1 ? 8 : type === 5 ? 4 : varint());
      this.#fields.set(field, [...(this.#fields.get(field) ?? []), value]);
    }
  }

  has = (field: number): boolean => this.#fields.has(field);
  #last = (field: number): Wire | undefined => this.#fields.get(field)?.at(-1);
  #bytes = (field: number): Buffer => (this.#last(field) as Buffer | undefined) ?? Buffer.alloc(0);
  integer = (field: number): number => (this.#last(field) as number | undefined) ?? 0;
  text = (field: number): string => this.#bytes(field).toString('utf8');
  double = (field: number): number => (this.has(field) ? this.#bytes(field).readDoubleLE() : 0);
  float = (field: number): number => this.#bytes(field).readFloatLE();
  message = (field: number): Message => new Message(this.#bytes(field));
  messages = (field: number): Message[] => this.blobs(field).map((bytes) => new Message(bytes));
  blobs = (field: number): Buffer[] => (this.#fields.get(field) ?? []) as Buffer[];
}

export interface Image {
  readonly width: number;
  readonly height: number;
  readonly png: Buffer;
  readonly description: string;
}

/** A record's fields, by the names of its kind; `step` and `time` are always present. */
export interface ReadEvent {
  readonly step: number;
  /** Seconds since 1970. */
  readonly time: number;
  readonly version?: string;
  readonly session?: number;
  readonly scalars: ReadonlyMap<string, number>;
  readonly images: ReadonlyMap<string, Image>;
}

function read(record: Buffer): ReadEvent {
  const event = new Message(record);
  const values = event.message(5).messages(1);
  const pluginOf = (value: Message) => value.message(9).message(1).text(1);
  const tagged = <T>(chosen: Message[], of: (value: Message) => T) =>
    new Map(chosen.map((value) => [value.text(1), of(value)]));
  const image = (value: Message): Image => {
    const [width, height, png] = value.message(8).blobs(8) as [Buffer, Buffer, Buffer];
    return { width: Number(width), height: Number(height), png, description: value.message(9).text(3) };
  };
  return {
    step: event.integer(2),
    time: event.double(1),
    ...(event.has(3) && { version: event.text(3) }),
    ...(event.has(7) && { session: event.message(7).integer(1) }),
    scalars: tagged(
      values.filter((value) => value.has(2)),
      (value) => value.float(2),
    ),
    images: tagged(
      values.filter((value) => pluginOf(value) === 'images'),
      image,
    ),
  };
}

/** The events of each events file of a run folder, in the order of their names. */
export const eventFiles = (run: string): ReadEvent[][] =>
  readdirSync(run)
    .filter((name) => name.includes('tfevents'))
    .sort()
    .map((name) => records(readFileSync(join(run, name))).map(read));

/** Returns the scalars that TensorBoard shows, by tag and step: a session's start drops its step and later ones. */
export function shownScalars(run: string): Map<string, Map<number, number>> {
  const shown = new Map<string, Map<number, number>>();
  for (const { step, session, scalars } of eventFiles(run).flat()) {
    if (session === 1)
      for (const points of shown.values()) for (const at of [...points.keys()]) if (at >= step) points.delete(at);
    for (const [tag, value] of scalars) shown.set(tag, (shown.get(tag) ?? new Map()).set(step, value));
  }
  return shown;
}
