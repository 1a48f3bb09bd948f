import { describe, expect, test } from 'vitest';
import { outcome } from '../program.js';
import { evaluate, images, type Trained, targets, train } from './cases.js';
import { excess, readRecord } from './recorded.js';

// A device whose memory the host cannot touch (fake_device.h): what passes on it reads no value on the host, and
// leaves no tensor behind on another device.

/** Each trains a learner several times. */
const timeout = 300_000;

/**
 * Of numbers of float64, relative to the largest of their kind. Only the order of sums may differ from the CPU's, which
 * gives some 1e-14; a mistake gives far more.
 */
const rounding = 1e-10;

const recorded = readRecord();

function expectRight(results: readonly Trained[], tolerance = rounding) {
  expect(new Set(results.map(({ engine }) => engine))).toEqual(new Set(['native', 'autograd']));
  for (const { engine, backend, difference, tensor, ...result } of results) {
    const of = `${engine} ${backend}`;
    expect({ of, ...result }).toMatchObject({ of, start: [], elsewhere: [], resumed: [], counts: { strays: 0 } });
    expect(difference, `${of}: ${tensor}`).toBeLessThan(tolerance);
  }
}

describe.each(targets)('$target at $size pixels', (target) => {
  test.each(target.methods)(
    '%s: begins, trains and resumes as on the CPU, and asks no more of the device than recorded',
    (method) => {
      const results = train(target, method);
      expectRight(results);
      expect(
        results.flatMap(({ engine, backend, counts }) => {
          const name = `${target.target} ${method} ${engine} ${backend}`;
          return excess(name, counts, recorded[name]);
        }),
      ).toEqual([]);
    },
    timeout,
  );

  test('an evaluation gives the results of the CPU, and asks no more of the device than recorded', () => {
    const { host, device, onDevice, logits, counts } = evaluate(target);
    expect({ ...device, onDevice }).toEqual({ ...host, loss: expect.closeTo(host.loss, 5), onDevice: true });
    expect(logits).toBeLessThan(1e-5);
    expect(counts.strays).toBe(0);
    const name = `${target.target} evaluate`;
    expect(excess(name, counts, recorded[name])).toEqual([]);
  });
});

test(
  'l2t-ww with smoothed labels and weights of classes, and another batch that judges φ',
  () => expectRight(train(targets[0], 'l2t-ww', { labelSmoothing: 0.1, metaClip: 0.5, wLrRatio: 0.5 })),
  timeout,
);

test(
  'l2t-ww with two sources, the second of larger images',
  () => expectRight(train(targets[0], 'l2t-ww', { sources: 2 })),
  timeout,
);

// A float32 step rounds to some 1e-7; three iterations let that grow.
test(
  'l2t-ww in float32, as runs are',
  () => expectRight(train(targets[0], 'l2t-ww', { type: 'float32' }), 1e-3),
  timeout,
);

// bfloat16 has 8 bits: more than rounding of float32, and far from a mistake.
test(
  'l2t-ww with products of bfloat16',
  () => {
    const results = train(targets[0], 'l2t-ww', { type: 'bf16' });
    expectRight(results, 0.5);
    expect(results.find(({ backend }) => backend === 'cuda')?.difference).toBeGreaterThan(1e-3);
  },
  timeout,
);

test('an iteration of VGG-9 with four pairs takes at most 500 operations', () => {
  expect(recorded['vgg9_bn l2t-ww native cuda']?.operations).toBeLessThanOrEqual(500);
});

test('images of another size are evaluated as on the CPU, but for the rounding of a few pixels', () => {
  const { host, device, logits } = evaluate(targets[0], 40);
  expect(device.loss).toBeCloseTo(host.loss, 2);
  expect(logits).toBeLessThan(0.05);
});

test('images are cropped, mirrored and put into batches as on the CPU, byte for byte', () => {
  const { counts, input, reduced, enlarged, ...equal } = images(32);
  expect(equal).toEqual({ crops: true, mirror: true, batches: true });
  expect(input).toBeLessThan(1e-5);
  // A pixel may be rounded the other way; then it is divided by 255, and by a standard deviation of at least 0.22.
  for (const difference of [reduced, enlarged]) expect(difference).toBeLessThan(1.01 / 255 / 0.22);
  expect(counts.strays).toBe(0);
  expect(counts.downloads).toBe(0);
  expect(excess('input', counts, recorded.input)).toEqual([]);
});

describe('an offence is seen:', () => {
  const none = { uploads: 0, downloads: 0, waits: 0, strays: 0 };
  const offend = (kind: string) => outcome('device', 'offend', kind);

  test.each([
    ['read-value', { ...none, downloads: 1, waits: 1 }],
    ['upload', { ...none, uploads: 1, waits: 1 }],
    ['first-device', { ...none, strays: 1 }],
  ])('%s is counted', (kind, counts) => {
    const { stdout, status } = offend(kind);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject(counts);
  });

  test('read-memory: the host may not touch the memory of a tensor', () => {
    expect(offend('read-memory').signal).toBe('SIGSEGV');
  });

  test.each([
    ['host-tensor', /fake:1 and cpu/],
    ['two-devices', /fake:1 and fake:0/],
    ['kernel', /starts on fake:0/],
  ])('%s is refused', (kind, message) => {
    expect(offend(kind)).toMatchObject({ status: 1, stderr: expect.stringMatching(message) });
  });

  test('counts above the record', () => {
    const counts = { operations: 100, copies: 10, uploads: 2, downloads: 0, waits: 2 };
    expect(excess('x', { ...counts, operations: 110, copies: 11 }, counts)).toEqual([]);
    const more = { operations: 111, copies: 12, uploads: 3, downloads: 1, waits: 3 };
    expect(excess('x', more, counts)).toEqual([
      expect.stringMatching(/^x: 111 operations, but 100 .*npm run operations$/),
      ...['12 copies', '3 uploads', '1 downloads', '3 waits'].map((what) => expect.stringContaining(what)),
    ]);
    expect(excess('y', counts, undefined)).toEqual([expect.stringMatching(/^y is not in .*npm run operations$/)]);
  });
});
