import { describe, expect, it } from 'vitest';
import { TensorRef } from '../../../src/networks/weights/pickle-values.js';
import { openPth, readPthValue } from '../../../src/networks/weights/pth.js';
import { bitFlips, itSurvivesDamage, readDamaged } from '../../damage.js';
import { call, dict, global, int, list, pickle, text, tuple } from './pickle-writer.js';
import { half, legacyPth, object, six, storages, tensor, zip, zipPth } from './pth-writer.js';

const invalid = (message: RegExp) =>
  expect.objectContaining({ code: 'INVALID_WEIGHTS', message: expect.stringMatching(message) });

/** Reads every tensor of the dict that a file holds. */
async function readAll(file: Uint8Array) {
  const pth = await openPth(file, 'x.pth');
  const entries = pth.value instanceof Map ? [...pth.value] : [];
  const tensors = new Map<string, { dtype: string; shape: readonly number[]; data: Uint8Array }>();
  for (const [name, value] of entries) {
    if (value instanceof TensorRef) tensors.set(String(name), await pth.readTensor(String(name), value));
  }
  return tensors;
}

const floats = (data: Uint8Array | undefined) => [...new Float32Array(data?.slice().buffer ?? new ArrayBuffer(0))];

const writers = {
  legacy: () => legacyPth(object, storages),
  'zip, stored': () => zipPth(object, storages),
  'zip, deflated': () => zipPth(object, storages, { deflate: true }),
  'zip64 without checksums': () => zipPth(object, storages, { zip64: true, checksums: false }),
};

describe.each(Object.entries(writers))('%s', (_name, write) => {
  it('gives every tensor row-major', async () => {
    const tensors = await readAll(write());
    const read = (key: string) => floats(tensors.get(key)?.data);
    expect(read('plain')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(read('transposed')).toEqual([1, 4, 2, 5, 3, 6]);
    expect(read('column')).toEqual([2, 5]);
    expect(read('expanded')).toEqual([5, 6, 5, 6]);
    expect(read('scalar')).toEqual([6]);
    expect(read('empty')).toEqual([]);
    expect(read('parameter')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(tensors.get('half')).toMatchObject({ dtype: 'float16', shape: [2], data: half.data });
    expect(tensors.get('transposed')?.shape).toEqual([3, 2]);
  });

  itSurvivesDamage(write, readAll);
});

it('a zip’s checksums leave no changed value unnoticed', async () => {
  const whole = zipPth(object, storages);
  const right = await readAll(whole);
  const { errors } = await readDamaged(bitFlips(whole, 1_000), async (file) =>
    expect(await readAll(file)).toEqual(right),
  );
  expect(errors).toBeGreaterThan(500);
});

describe('tensors that do not fit', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['reach beyond their storage', tensor(six, [7]), /element 7 of storage "0", which has 6/],
    ['begin beyond it', tensor(six, [1], { offset: 6 }), /element 7/],
    ['overflow', tensor(six, [2 ** 30, 2 ** 30, 2 ** 30], { strides: [2 ** 30, 2 ** 30, 2 ** 30] }), /reaches element/],
    ['are negative', tensor(six, [-1]), /a shape and strides/],
    ['go backwards', tensor(six, [2], { strides: [-1], offset: 1 }), /a shape and strides/],
    ['have too few strides', tensor(six, [2, 3], { strides: [1] }), /2 sizes and 1 strides/],
    [
      'have no storage',
      call(global('torch._utils', '_rebuild_tensor'), text('0'), int(0), tuple(), tuple()),
      /made of a storage/,
    ],
    ['name it with two sizes', tuple(tensor(six, [6]), tensor({ ...six, size: 5 }, [5])), /two types or sizes/],
    ['view outside it', tensor(six, [1], { view: [tuple(text('v'), int(4), int(3))] }), /view of storage/],
  ])('%s', async (_, wrong, message) => {
    await expect(openPth(legacyPth(dict([['a', wrong]]), [six]), 'x.pth')).rejects.toThrow(invalid(message));
    await expect(openPth(zipPth(dict([['a', wrong]]), [six]), 'x.pth')).rejects.toThrow(invalid(message));
  });

  it.each([
    ['one of 4 EiB', [['a', tensor(six, [2 ** 30, 2 ** 30], { strides: [0, 0] })]]],
    ['a hundred of 4 MiB', Array.from({ length: 100 }, (_, i) => [`${i}`, tensor(six, [2 ** 20], { strides: [0] })])],
  ] as [string, [string, Uint8Array][]][])('a storage expanded beyond reason: %s', async (_, entries) => {
    await expect(readAll(legacyPth(dict(entries), [six]))).rejects.toThrow(invalid(/"\w+" has shape .* beyond reason/));
  });

  it('a view of a storage, as PyTorch before 0.4 wrote it', async () => {
    const view = [tuple(text('v'), int(2), int(3))];
    const tensors = await readAll(legacyPth(dict([['a', tensor(six, [2], { view, offset: 1 })]]), [six]));
    expect(floats(tensors.get('a')?.data)).toEqual([4, 5]);
  });
});

describe('legacy files', () => {
  const plain = dict([['a', tensor(six, [6])]]);
  it.each<[string, Uint8Array, RegExp]>([
    ['written big-endian', legacyPth(plain, [six], Uint8Array.of(0x89)), /big-endian/],
    ['whose storage has another size', legacyPth(plain, [{ ...six, size: 2 ** 30 }]), /1073741824 elements where 6/],
    ['without the storage', legacyPth(plain, []), /storage of "a" is missing/],
    ['with a storage twice', legacyPth(plain, [six, six]), /list of storages/],
    ['that call os.system', legacyPth(call(global('os', 'system'), text('id')), []), /\(object\): .*"os.system"/],
  ])('%s', async (_, file, message) => {
    await expect(readAll(file)).rejects.toThrow(invalid(message));
  });
});

describe('zip files', () => {
  const zeros = { type: 'FloatStorage', key: '0', size: 2 ** 25, data: new Uint8Array(2 ** 27) };
  it.each<[string, () => Uint8Array, RegExp]>([
    ['written big-endian', () => zipPth(object, storages, { byteOrder: 'big' }), /byte order is "big"/],
    ['without the storage', () => zipPth(object, [six]), /no entry "archive\/data\/1"/],
    ['whose storage has another size', () => zipPth(object, [half, { ...half, key: '0' }]), /unexpected size of 4/],
    ['that is some other zip', () => zip([['word/document.xml', Buffer.from('<a/>')]]), /not one of torch.save/],
    [
      'of two archives',
      () => zip(['a', 'b'].map((name) => [`${name}/data.pkl`, pickle(2, 'N')])),
      /not one of torch.save/,
    ],
    ['with an entry twice', () => zip(['a', 'a'].map((name) => [`${name}/data.pkl`, pickle(2, 'N')])), /two entries/],
    [
      'deflated from 128 MiB',
      () => zipPth(dict([['a', tensor(zeros, [1])]]), [zeros], { deflate: true }),
      /beyond reason/,
    ],
    [
      'that inflates to more than it says',
      () =>
        zipPth(dict([['a', tensor(six, [6])]]), [{ ...six, data: new Uint8Array(2 ** 24) }], {
          deflate: true,
          claim: new Map([['archive/data/0', 24]]),
        }),
      /damaged/,
    ],
    [
      'with a pickle of 1 GiB',
      () => zip([['a/data.pkl', pickle(2, 'N')]], { deflate: true, claim: new Map([['a/data.pkl', 2 ** 30]]) }),
      /unexpected size/,
    ],
    [
      'that call os.system',
      () => zipPth(call(global('os', 'system'), text('id')), []),
      /archive\/data.pkl.*"os.system"/,
    ],
  ])('%s', async (_, write, message) => {
    await expect(readAll(write())).rejects.toThrow(invalid(message));
  });
});

describe('plain values', () => {
  it('a list of integers, in both formats', async () => {
    const numbers = list(int(3), int(1), int(2));
    expect(await readPthValue(legacyPth(numbers, []), 'split')).toEqual([3, 1, 2]);
    expect(await readPthValue(zipPth(numbers, []), 'split')).toEqual([3, 1, 2]);
  });

  it('a tensor is none', async () => {
    await expect(readPthValue(legacyPth(tensor(six, [6]), [six]), 'split')).rejects.toThrow(invalid(/holds a tensor/));
  });
});
