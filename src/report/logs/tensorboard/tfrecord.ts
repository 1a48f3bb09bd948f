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
