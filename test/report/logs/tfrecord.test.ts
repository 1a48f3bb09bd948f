import { describe, expect, it } from 'vitest';
import { crc32c, tfrecord } from '../../../src/report/logs/tensorboard.js';
import { records, slowCrc32c } from './events-reader.js';

const bytes = (value: (i: number) => number) => Uint8Array.from({ length: 32 }, (_, i) => value(i));

/** RFC 3720, B.4, and the check value of the catalogues of CRCs. */
const published: [string, Uint8Array, number][] = [
  ['32 bytes of zeros', bytes(() => 0), 0x8a9136aa],
  ['32 bytes of ones', bytes(() => 255), 0x62a8ab43],
  ['32 incrementing bytes', bytes((i) => i), 0x46dd794e],
  ['32 decrementing bytes', bytes((i) => 31 - i), 0x113fdb5c],
  [
    'an iSCSI command',
    Buffer.from(
      '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' + '0200000000000000',
      'hex',
    ),
    0xd9963a56,
  ],
  ['123456789', Buffer.from('123456789'), 0xe3069283],
  ['nothing', new Uint8Array(), 0],
];

describe('crc32c', () => {
  it.each(published)('of %s is as published', (_name, data, crc) => {
    expect(crc32c(data)).toBe(crc);
    expect(slowCrc32c(data)).toBe(crc);
  });
});

describe('a TFRecord', () => {
  it('is read as it was written, and no bit of it can change unseen', () => {
    const data = [Buffer.from('first'), Buffer.alloc(0), Buffer.from(bytes((i) => 7 * i))];
    const file = Buffer.concat(data.map((each) => tfrecord(each)));
    expect(records(file)).toEqual(data);
    for (let at = 8; at < file.length; at++) {
      const damaged = Buffer.from(file);
      damaged[at] = (damaged[at] as number) ^ 4;
      expect(() => records(damaged)).toThrow();
    }
  });
});
