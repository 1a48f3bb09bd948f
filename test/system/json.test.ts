import { describe, expect, it } from 'vitest';
import { parseJson } from '../../src/system/json.js';

describe('the JSON of a file', () => {
  it.each([
    '["[", "{\\"[", {"a\\\\": [1e5, null]}, []]',
    '"[[["',
    `${'['.repeat(64)}${']'.repeat(64)}`,
    `[${'[],'.repeat(100)}{}]`,
  ])('is parsed as by JSON.parse: %s', (text) => {
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });

  it.each([65, 10_000, 1_000_000])('is refused with %i levels, closed or not', (levels) => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const deep = `[${open.repeat(levels - 1)}`;
      for (const text of [deep, `${deep}0${close.repeat(levels - 1)}]`]) {
        expect(() => parseJson(text)).toThrow(/^is JSON of more than 64 levels$/);
      }
    }
  });

  it('is refused where it is none', () => {
    for (const text of ['', '{', ']]', '"\\']) expect(() => parseJson(text)).toThrow(/^is no JSON$/);
  });
});
