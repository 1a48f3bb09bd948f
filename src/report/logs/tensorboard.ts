import sharp from 'sharp';
import type { PairMetrics } from '../../native/addon.js';
import { featuresOf } from '../../networks/describe.js';

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

/** Returns a function that makes the record of a step. A step is an epoch, counted from 0 as in metrics.jsonl. */
export async function events() {
  // Imported here, because the library takes a while to load and most runs have no such log.
  const { default: protobuf } = await import('protobufjs');
  const type = protobuf.parse(fields, { keepCase: true }).root.lookupType('Event');
  return (step: number, what: Readonly<Record<string, unknown>>): Buffer =>
    tfrecord(type.encode(type.fromObject({ wall_time: Date.now() / 1000, step, ...what })).finish());
}

export const scalar = ([tag, simple_value]: readonly [string, number]) => ({ tag, simple_value });

/** The picture of λ for each source whose λ is learned. */
export async function lambdaMaps(pairs: readonly PairMetrics[]) {
  const values: Record<string, unknown>[] = [];
  for (const source of new Set(pairs.map((pair) => pair.source))) {
    const map = lambdaMap(pairs.filter((pair) => pair.source === source));
    if (map === undefined) continue;
    const { svg, width, height, description } = map;
    const png = await sharp(Buffer.from(svg)).removeAlpha().png().toBuffer();
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

/** The side of a cell and the width of the lines around it, pixels. */
const [side, gap] = [40, 2];

/**
 * Draws λ of one source's pairs, with what its rows, columns and colours mean: source features down, target features
 * across. Undefined if the method learns no λ.
 */
function lambdaMap(pairs: readonly PairMetrics[]) {
  const lambda = new Map(pairs.map(({ pair, lambdaMean }) => [pair.join('-'), lambdaMean]));
  if ([...lambda.values()].every((value) => value === undefined)) return undefined;
  const [rows, columns] = [featuresOf(pairs, 0), featuresOf(pairs, 1)];
  const [width, height] = [gap + columns.length * (side + gap), gap + rows.length * (side + gap)];
  const at = (k: number) => gap + k * (side + gap);
  const cells = rows.flatMap((m, y) =>
    columns.map((n, x) => {
      const colour = colourOf(lambda.get(`${m}-${n}`));
      return `<rect x="${at(x)}" y="${at(y)}" width="${side}" height="${side}" fill="rgb(${colour})"/>`;
    }),
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="#cdcdcd"/>${cells.join('')}</svg>`;
  const description = `Mean λ. Rows: source features ${rows.join(', ')}, downwards. Columns: target features ${columns.join(', ')}. White is 0, dark blue 6; grey: not matched.`;
  return { svg, width, height, description };
}

/** λ is the output of a ReLU6, so it lies in [0, 6]: all maps of all runs have this scale. */
const largest = 6;

/** Colours of λ = 0, 3 and 6, with interpolation between them; and of pairs that are not matched. */
const [low, middle, high, unmatched] = [
  [247, 251, 255],
  [66, 146, 198],
  [8, 48, 107],
  [150, 150, 150],
] as const;

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

/** Returns TFRecord's checksum, rotated and with a constant added, since the data may hold checksums itself. */
function masked(bytes: Uint8Array): Buffer {
  const crc = crc32c(bytes);
  const field = Buffer.alloc(4);
  field.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return field;
}

/** Makes a record of a TFRecord file: length (uint64, little-endian) and data, each followed by its masked CRC-32C. */
export function tfrecord(data: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, masked(length), data, masked(data)]);
}
