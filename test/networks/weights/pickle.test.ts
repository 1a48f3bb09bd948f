import { describe, expect, it } from 'vitest';
import { unpickle } from '../../../src/networks/weights/pickle.js';
import { OpaqueValue, type PickleValue } from '../../../src/networks/weights/pickle-values.js';
import { itSurvivesDamage } from '../../damage.js';
import { bytes, call, dict, global, int, list, little, pickle, stateDict, text, tuple } from './pickle-writer.js';

const read = (stream: Uint8Array): PickleValue => unpickle(stream, 0, { where: 'x.pth' }).value;
const fromBase64 = (encoded: string): Uint8Array => new Uint8Array(Buffer.from(encoded, 'base64'));

/** The result of Python's pickle.dumps for one object in each protocol. */
const dumps: Record<string, string> = {
  2:
    'gAJ9cQAoWAQAAABpbnRzcQFdcQIoSwBK/////0v/Tf//SgAAAICKBwAAAAAAACCKCwAAAAAAAAAAAAABigsAAAAAAAAAAAAA/2VY' +
    'BQAAAGZsb2F0cQNHP7mZmZmZmZpYBQAAAGZsYWdzcQSIiU6HcQVYBAAAAHRleHRxBlgDAAAAw6kKcQdYBQAAAGJ5dGVzcQhjX2Nv' +
    'ZGVjcwplbmNvZGUKcQlYAwAAAADDv3EKWAYAAABsYXRpbjFxC4ZxDFJxDVgDAAAAc2V0cQ5jX19idWlsdGluX18Kc2V0CnEPXXEQ' +
    'SwFhhXERUnESWAYAAAB0dXBsZXNxEygpSwGFcRRLAUsChnEVSwFLAksDh3EWKEsBSwJLA0sEdHEXdHEYdS4=',
  3:
    'gAN9cQAoWAQAAABpbnRzcQFdcQIoSwBK/////0v/Tf//SgAAAICKBwAAAAAAACCKCwAAAAAAAAAAAAABigsAAAAAAAAAAAAA/2VY' +
    'BQAAAGZsb2F0cQNHP7mZmZmZmZpYBQAAAGZsYWdzcQSIiU6HcQVYBAAAAHRleHRxBlgDAAAAw6kKcQdYBQAAAGJ5dGVzcQhDAgD/' +
    'cQlYAwAAAHNldHEKY2J1aWx0aW5zCnNldApxC11xDEsBYYVxDVJxDlgGAAAAdHVwbGVzcQ8oKUsBhXEQSwFLAoZxEUsBSwJLA4dx' +
    'EihLAUsCSwNLBHRxE3RxFHUu',
  4:
    'gASVsgAAAAAAAAB9lCiMBGludHOUXZQoSwBK/////0v/Tf//SgAAAICKBwAAAAAAACCKCwAAAAAAAAAAAAABigsAAAAAAAAAAAAA' +
    '/2WMBWZsb2F0lEc/uZmZmZmZmowFZmxhZ3OUiIlOh5SMBHRleHSUjAPDqQqUjAVieXRlc5RDAgD/lIwDc2V0lI+UKEsBkIwGdHVw' +
    'bGVzlCgpSwGFlEsBSwKGlEsBSwJLA4eUKEsBSwJLA0sEdJR0lHUu',
  5:
    'gAWVsgAAAAAAAAB9lCiMBGludHOUXZQoSwBK/////0v/Tf//SgAAAICKBwAAAAAAACCKCwAAAAAAAAAAAAABigsAAAAAAAAAAAAA' +
    '/2WMBWZsb2F0lEc/uZmZmZmZmowFZmxhZ3OUiIlOh5SMBHRleHSUjAPDqQqUjAVieXRlc5RDAgD/lIwDc2V0lI+UKEsBkIwGdHVw' +
    'bGVzlCgpSwGFlEsBSwKGlEsBSwJLA4eUKEsBSwJLA0sEdJR0lHUu',
};

describe('what Python writes', () => {
  it.each(Object.entries(dumps))('protocol %s', (_, encoded) => {
    const value = read(fromBase64(encoded)) as Map<PickleValue, PickleValue>;
    expect(value).toBeInstanceOf(Map);
    expect(value.get('ints')).toEqual([0, -1, 255, 65535, -(2 ** 31), 2n ** 53n, 2n ** 80n, -(2n ** 80n)]);
    expect(value.get('float')).toBe(0.1);
    expect(value.get('flags')).toEqual([true, false, null]);
    expect(value.get('text')).toBe('é\n');
    expect(value.get('set')).toEqual(new Set([1]));
    expect(value.get('tuples')).toEqual([[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]);
    expect([new OpaqueValue('bytes'), Uint8Array.of(0, 255)]).toContainEqual(value.get('bytes'));
  });

  it('collections and NumPy scalars, as checkpoints keep them', () => {
    const collections =
      'gAJdcQAoY2NvbGxlY3Rpb25zCk9yZGVyZWREaWN0CnEBKVJxAlgBAAAAYXEDSwFzY2NvbGxlY3Rpb25zCkNvdW50ZXIKcQR9cQVL' +
      'A0sCc4VxBlJxB2Uu';
    const [ordered, counter] = read(fromBase64(collections)) as Map<PickleValue, PickleValue>[];
    expect([...(ordered ?? [])]).toEqual([['a', 1]]);
    expect([...(counter ?? [])]).toEqual([[3, 2]]);
    const protocol2 =
      'gAJ9cQBYBAAAAGJlc3RxAWNudW1weS5fY29yZS5tdWx0aWFycmF5CnNjYWxhcgpxAmNudW1weQpkdHlwZQpxA1gCAAAAZjhxBImI' +
      'h3EFUnEGKEsDWAEAAAA8cQdOTk5K/////0r/////SwB0cQhiY19jb2RlY3MKZW5jb2RlCnEJWAkAAAAAAAAAAADDuD9xClgGAAAA' +
      'bGF0aW4xcQuGcQxScQ2GcQ5ScQ9zLg==';
    const protocol4 =
      'gASVdAAAAAAAAAB9lIwEYmVzdJSMFm51bXB5Ll9jb3JlLm11bHRpYXJyYXmUjAZzY2FsYXKUk5SMBW51bXB5lIwFZHR5cGWUk5SM' +
      'AmY4lImIh5RSlChLA4wBPJROTk5K/////0r/////SwB0lGJDCAAAAAAAAPg/lIaUUpRzLg==';
    for (const encoded of [protocol2, protocol4]) {
      expect(read(fromBase64(encoded))).toEqual(new Map([['best', new OpaqueValue('numpy scalar')]]));
    }
  });

  it('keys from the file never become properties', () => {
    const value = read(pickle(2, dict([['__proto__', dict([['polluted', int(1)]])]]))) as Map<PickleValue, PickleValue>;
    expect([...value.keys()]).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

const shell = tuple(text('touch /tmp/owned'));

describe('hostile streams are refused, naming what and where', () => {
  it.each<[string, Uint8Array, string]>([
    ['os.system by GLOBAL', pickle(2, global('os', 'system'), shell, 'R'), '"os.system".*offset 2\\b'],
    ['posix.system by GLOBAL', pickle(2, int(1), global('posix', 'system'), shell, 'R'), '"posix.system".*offset 7\\b'],
    [
      'eval by STACK_GLOBAL',
      pickle(4, text('builtins'), text('eval'), [0x93], shell, 'R'),
      '"builtins.eval".*offset 24\\b',
    ],
    ['os.system by INST', pickle(2, '(', text('id'), 'ios\nsystem\n'), 'INST.*"os.system".*offset 10\\b'],
    ['the extension registry', pickle(2, [0x82, 1], shell, 'R'), 'EXT1.*offset 2\\b'],
    ['EXT4', pickle(2, [0x84, 1, 0, 0, 0], shell, 'R'), 'EXT4.*offset 2\\b'],
    ['OBJ', pickle(2, '(', text('os.system'), 'o'), 'OBJ.*offset 17\\b'],
    ['NEWOBJ', pickle(2, global('collections', 'OrderedDict'), ')', [0x81]), 'NEWOBJ'],
    ['NEWOBJ_EX', pickle(4, global('collections', 'OrderedDict'), ')}', [0x92]), 'NEWOBJ_EX'],
    ['getattr', pickle(2, global('builtins', 'getattr')), '"builtins.getattr"'],
    ['a dotted name', pickle(4, text('collections'), text('OrderedDict.__init__'), [0x93]), 'OrderedDict.__init__'],
    ['an object property', pickle(2, global('constructor', 'prototype')), '"constructor.prototype"'],
    ['REDUCE of a storage type', pickle(2, global('torch', 'FloatStorage'), shell, 'R'), 'REDUCE'],
    ['REDUCE of a text', pickle(2, text('os.system'), shell, 'R'), 'REDUCE'],
    ['BUILD on a dict', pickle(2, dict([]), dict([['__setstate__', int(1)]]), 'b'), 'BUILD'],
    ['a persistent id', pickle(2, text('id'), 'Q'), 'BINPERSID'],
    ['protocol 0', bytes('I1\n.'), 'INT\\b.*offset 0\\b'],
    ['protocol 77', pickle(77, 'N'), 'protocol 77'],
    ['an unknown byte', pickle(2, [0xff]), '0xff'],
    ['a terminal escape', pickle(2, global('\x1b[31mos', 'system')), '"\\\\u001b\\[31mos.system"'],
  ])('%s', (_, stream, message) => {
    expect(() => read(stream)).toThrow(
      expect.objectContaining({ code: 'INVALID_WEIGHTS', message: expect.stringMatching(new RegExp(message)) }),
    );
  });
});

describe('damage is bounded', () => {
  const manyItems = bytes(list(...Array.from({ length: 2_000 }, (_, i) => int(i))), 'q', [0]);
  const copyItems = bytes(global('builtins', 'set'), 'h', [0, 0x85], 'R');
  const huge = [2n ** 63n, 2n ** 63n - 1n, 2n ** 64n - 1n].map((length) => little(length, 8));
  it.each<[string, Uint8Array]>([
    ...huge.flatMap((length, i): [string, Uint8Array][] =>
      [0x8d, 0x8e, 0x96].map((opcode) => [`a length near 2^63 (${opcode}, ${i})`, pickle(4, [opcode], length, 'x')]),
    ),
    [
      'sets of a long list of equal items, again and again',
      pickle(
        2,
        bytes(list(...Array.from({ length: 2_000 }, () => int(7))), 'q', [0]),
        ...Array.from({ length: 1_000 }, () => copyItems),
      ),
    ],
    ['a text of 4 GiB', pickle(2, 'X', little(2 ** 32 - 1, 4), 'x')],
    ['a negative text', pickle(2, 'T', little(-1, 4), 'x')],
    ['a negative integer', pickle(2, [0x8b], little(-1, 4), 'x')],
    ['an integer of 2 GiB', pickle(2, [0x8b], little(2 ** 31 - 1, 4), 'x')],
    ['text that is not UTF-8', pickle(2, 'X', little(1, 4), [0xff])],
    ['an empty stack', pickle(2)],
    ['a pop through a mark', pickle(2, 'N(', [0x85])],
    ['TUPLE without a mark', pickle(2, 'Nt')],
    ['a memo that is empty', pickle(2, 'h', [7])],
    ['a key without a value', pickle(2, '}(', text('a'), 'u')],
    ['APPEND to a tuple', pickle(2, ')', 'N', 'a')],
    ['APPEND to a number', pickle(2, int(1), 'N', 'a')],
    ['two values', pickle(2, 'NN')],
    ['a global without end', bytes([0x80, 2], 'c', 'a'.repeat(10_000))],
  ])('%s', (_, stream) => {
    expect(() => read(stream)).toThrow(expect.objectContaining({ code: 'INVALID_WEIGHTS' }));
  });

  it('a list in itself, and depth 500,000, are only values', () => {
    const cyclic = read(fromBase64('gASVCQAAAAAAAABdlChLAWgAZS4=')) as PickleValue[];
    expect(cyclic[1]).toBe(cyclic);
    expect(read(pickle(2, ']'.repeat(500_000), 'a'.repeat(499_999)))).toHaveLength(1);
  });

  it('doubling through the memo makes references, not copies', () => {
    // Level n is a list of twice level n − 1: 2^60 leaves in 60 objects.
    const levels = Array.from({ length: 60 }, (_, n) => bytes('](h', [n], 'h', [n], 'e', 'q', [n + 1]));
    expect(read(pickle(2, '(]q', [0], ...levels, 't'))).toHaveLength(61);
  });

  it.each([
    ['opcodes', pickle(2, Buffer.alloc(5_000_000, 'N')), /opcodes/],
    ['dicts', pickle(2, Buffer.alloc(1_100_000, '}')), /objects/],
    [
      'copies of one list',
      pickle(2, '(', manyItems, ...Array.from({ length: 1_000 }, () => copyItems), 't'),
      /objects/,
    ],
  ])('a bomb of %s ends early', (_, stream, message) => {
    expect(() => read(stream)).toThrow(message);
  });
});

describe('damaged streams', () => {
  const whole = pickle(
    2,
    dict([
      ['epoch', int(104)],
      ['best', bytes('G', [0x3f, 0xb9, 0, 0, 0, 0, 0, 0])],
      ['state_dict', stateDict([['fc.weight', list(int(1), text('é'), tuple(int(2), int(3)))]])],
      ['more', call(global('torch', 'Size'), tuple(int(7)))],
    ]),
  );

  itSurvivesDamage(() => whole, read);
});
