import { join } from 'node:path';
import sharp from 'sharp';
import type { PairMetrics } from '../../native/addon.js';
import { featuresOf } from '../../networks/describe.js';
import type { SavedEpoch } from '../../store/run-store.js';
import { appendToFile, listFolder } from '../../system/files.js';
import { type Log, type LogKind, numbersOf } from './log.js';

const form = /^events\.out\.tfevents\.(\d{10})\.l2t-native$/;

/** events.out.tfevents.…: what TensorBoard reads. A resume adds a file, which tells it what to drop of the older ones. */
export const tensorboard: LogKind = {
  async open(folder, done) {
    const older = (await listFolder(folder)).flatMap((name) => form.exec(name)?.[1] ?? []);
    // TensorBoard reads the files in the order of their names, whatever the clock says.
    const seconds = Math.max(Math.floor(Date.now() / 1000), ...older.map((each) => Number(each) + 1));
    const file = join(folder, `events.out.tfevents.${String(seconds).padStart(10, '0')}.l2t-native`);
    return beginEvents(file, older.length > 0 ? done.length : undefined);
  },
};

/** The fields that are written, by the names and numbers of TensorFlow's event.proto, summary.proto and tensor.proto. */
const fields = `
syntax = "proto3";

message Event {
  double wall_time = 1;  // Seconds since 1970.
  int64 step = 2;
  oneof what { string file_version = 3; Summary summary = 5; SessionLog session_log = 7; }
}
message SessionLog {
  enum SessionStatus { STATUS_UNSPECIFIED = 0; START = 1; }
  SessionStatus status = 1;
}
message Summary { repeated SummaryValue value = 1; }
message SummaryValue {
  string tag = 1;
  SummaryMetadata metadata = 9;
  oneof value { float simple_value = 2; Tensor tensor = 8; }
}
message SummaryMetadata {
  PluginData plugin_data = 1;
  string display_name = 2;
  string summary_description = 3;
}
message PluginData { string plugin_name = 1; }
message Tensor {
  enum Type { DT_INVALID = 0; DT_STRING = 7; }
  Type dtype = 1;
  Shape tensor_shape = 2;
  repeated bytes string_val = 8;
}
message Shape { repeated Dim dim = 2; }
message Dim { int64 size = 1; }
`;

/**
 * Begins an events file. `next`: the next epoch where there are older files, so it begins with the start of a session,
 * which makes TensorBoard drop what they have of that epoch and later ones.
 */
async function beginEvents(file: string, next: number | undefined): Promise<Log> {
  // Imported here, because the library takes a while to load and most runs have no such log.
  const { default: protobuf } = await import('protobufjs');
  const type = protobuf.parse(fields, { keepCase: true }).root.lookupType('Event');
  /** A record of what happened at a step. A step is an epoch, counted from 0 as in metrics.jsonl. */
  const event = (step: number, what: Readonly<Record<string, unknown>>): Buffer =>
    tfrecord(type.encode(type.fromObject({ wall_time: Date.now() / 1000, step, ...what })).finish());
  const start = next === undefined ? [] : [event(next, { session_log: { status: 'START' } })];
  await appendToFile(file, Buffer.concat([event(0, { file_version: 'brain.Event:2' }), ...start]));
  return {
    async epoch({ metrics }) {
      const value = [...[...numbersOf(metrics)].map(scalar), ...(await images(metrics))];
      await appendToFile(file, event(metrics.epoch, { summary: { value } }));
    },
    async end({ accuracy, best }) {
      if (accuracy === null) return;
      await appendToFile(file, event(best.epoch, { summary: { value: [scalar(['testAccuracy', accuracy])] } }));
    },
  };
}

const scalar = ([tag, simple_value]: readonly [string, number]) => ({ tag, simple_value });

/** A map of λ for each source whose λ is learned. */
async function images({ pairs }: SavedEpoch['metrics']) {
  const values: Record<string, unknown>[] = [];
  for (const source of new Set(pairs.map((pair) => pair.source))) {
    const map = await lambdaMap(pairs.filter((pair) => pair.source === source));
    if (map === undefined) continue;
    const { png, width, height, description } = map;
    values.push({
      tag: `lambda/${source}`,
      metadata: {
        plugin_data: { plugin_name: 'images' },
        display_name: `λ of source ${source}`,
        summary_description: description,
      },
      tensor: {
        dtype: 'DT_STRING',
        tensor_shape: { dim: [{ size: 3 }] },
        string_val: [Buffer.from(String(width)), Buffer.from(String(height)), png],
      },
    });
  }
  return values;
}

/** λ is the output of a ReLU6, so it lies in [0, 6]: all maps of all runs have this scale. */
const largest = 6;

/** Colours of λ = 0, 3 and 6, between which is interpolated; of pairs that are not matched; of the lines. */
const [low, middle, high, unmatched, line] = [
  [247, 251, 255],
  [66, 146, 198],
  [8, 48, 107],
  [150, 150, 150],
  [205, 205, 205],
] as const;

/** The side of a cell and the width of the lines around it, pixels. */
const [side, gap] = [40, 2];

/**
 * λ of one source's pairs as a PNG, with what its rows, columns and colours mean: source features down, target features
 * across. Undefined if the method learns no λ.
 */
async function lambdaMap(pairs: readonly PairMetrics[]) {
  const lambda = new Map(pairs.map(({ pair, lambdaMean }) => [pair.join('-'), lambdaMean]));
  if ([...lambda.values()].every((value) => value === undefined)) return undefined;
  const [rows, columns] = [featuresOf(pairs, 0), featuresOf(pairs, 1)];
  const [width, height] = [gap + columns.length * (side + gap), gap + rows.length * (side + gap)];
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [m, n] = [rows[cellAt(y)], columns[cellAt(x)]];
      const colour = isLine(x) || isLine(y) ? line : colourOf(lambda.get(`${m}-${n}`));
      pixels.set(colour, (y * width + x) * 3);
    }
  }
  const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  const description = `Mean λ. Rows: source features ${rows.join(', ')}, downwards. Columns: target features ${columns.join(', ')}. White is 0, dark blue 6; grey: not matched.`;
  return { png, width, height, description };
}

const isLine = (at: number): boolean => at % (side + gap) < gap;
const cellAt = (at: number): number => Math.floor(at / (side + gap));

function colourOf(lambda: number | undefined): readonly number[] {
  if (lambda === undefined) return unmatched;
  const part = (2 * Math.min(Math.max(lambda, 0), largest)) / largest;
  const [from, to, along] = part < 1 ? [low, middle, part] : [middle, high, part - 1];
  return from.map((value, channel) => Math.round(value + along * ((to[channel] as number) - value)));
}

/** CRC-32C (Castagnoli): the polynomial 0x1EDC6F41, its bits reversed. Node's zlib.crc32 has another polynomial. */
const polynomial = 0x82f63b78;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  return crc;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (table[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** TFRecord's: a checksum of data that holds checksums itself is rotated, and a constant added. */
function masked(bytes: Uint8Array): Buffer {
  const crc = crc32c(bytes);
  const field = Buffer.alloc(4);
  field.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return field;
}

/** A record of a TFRecord file: length (uint64, little-endian), its masked CRC-32C, the data, theirs. */
export function tfrecord(data: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, masked(length), data, masked(data)]);
}
