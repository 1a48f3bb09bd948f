import { describe, expect, it } from 'vitest';
import { addon } from '../../../src/native/addon.js';
import { refusal } from '../../outcomes.js';

const pairs = (source: string, target: string, size: number, configuration: string, sourceSize = size) => {
  const spec = (name: string) => ({ name, classes: 10, width: 1 });
  return addon()
    .pairs(spec(source), sourceSize, spec(target), size, configuration)
    .map(([m, n]) => `${m}-${n}`)
    .join(' ');
};
const small = (configuration: string) => pairs('resnet32', 'vgg9_bn', 32, configuration);
const large = (configuration: string) => pairs('resnet34', 'resnet18', 224, configuration);

describe('matching configurations', () => {
  it('ResNet-32 → VGG-9 at 32', () => {
    expect(small('single')).toBe('14-2');
    expect(small('one-to-one')).toBe('4-0 9-1 14-2');
    expect(small('all-to-all')).toBe([4, 9, 14].flatMap((m) => [0, 1, 2, 3, 4].map((n) => `${m}-${n}`)).join(' '));
  });

  it('ResNet-34 → ResNet-18 at 224, without the stem', () => {
    expect(large('single')).toBe('4-4');
    expect(large('one-to-one')).toBe('1-1 2-2 3-3 4-4');
    expect(large('all-to-all')).toBe([1, 2, 3, 4].flatMap((m) => [1, 2, 3, 4].map((n) => `${m}-${n}`)).join(' '));
  });

  it("sizes are each network's own: a source at 64 has other equals", () => {
    expect(pairs('resnet32', 'vgg9_bn', 32, 'one-to-one', 64)).toBe('9-0 14-1');
  });

  it('a list may name any feature, also one that is no candidate, with spaces', () => {
    expect(small('4-0,9-1')).toBe('4-0 9-1');
    expect(small(' 0-4 , 13-0')).toBe('0-4 13-0');
    expect(large('0-0')).toBe('0-0');
  });

  it("an empty one-to-one names both networks' candidates", () => {
    expect(() => pairs('resnet34', 'resnet20', 32, 'one-to-one', 24)).toThrow(
      refusal(
        'INVALID_OPTION',
        /no one-to-one pair.*resnet34 at 24 pixels: 1 \(64 channels, 6x6\).* 4 \(512 channels, 1x1\).*resnet20 at 32 pixels: 2 \(16 channels, 32x32\) 5 .* 8 \(64 channels, 8x8\)/,
      ),
    );
  });

  it.each([
    ['15-0', /Feature 15 .*resnet32 has features 0 to 14/],
    ['0-5', /Feature 5 .*vgg9_bn has features 0 to 4/],
    ['99999999999999999999-0', /Feature 99999999999999999999 does not exist/],
    ['4-0,9-1,4-0', /Pair 4-0 is listed twice/],
    ['all', /all-to-all, one-to-one, single, or a list such as 4-0,9-1, not 'all'/],
    ['4-0,', /not '4-0,'/],
    ['4--0', /not '4--0'/],
    ['', /not ''/],
  ])('%j is refused', (configuration, message) => {
    expect(() => small(configuration)).toThrow(refusal('INVALID_OPTION', message));
  });

  it('what is no text is refused, and a hostile list neither hangs nor crashes', () => {
    const noText = [undefined, Symbol('single'), ['single'], Object.create(null)] as never[];
    for (const list of [...noText, '1'.repeat(1e6), '1-1,'.repeat(2400), ' '.repeat(9999), '-'.repeat(9999)])
      expect(() => small(list)).toThrow(refusal('INVALID_OPTION', ''));
  });
});
