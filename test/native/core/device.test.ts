import { describe, expect, it } from 'vitest';
import { addon } from '../../../src/native/addon.js';
import { refusal } from '../../outcomes.js';

describe('device', () => {
  const { cuda } = addon().info();

  it('auto says what it chose and why', () => {
    const { device, reason } = addon().device('auto');
    expect(device).toBe(cuda ? 'cuda:0' : 'cpu');
    expect(reason).toMatch(/CUDA/);
    expect(addon().device('cpu').device).toBe('cpu');
  });

  const noText = [undefined, Symbol('cpu'), ['cpu'], new String('cpu'), Object.create(null)];
  const nowhere = ['cuda:999', 'cuda:', 'cuda:x', 'cuda:99999999999999999999'];
  it.each<[what: string, code: string, message: (name: unknown) => RegExp, names: readonly unknown[]]>([
    [
      'an unknown name',
      'INVALID_OPTION',
      () => /Unknown device.*auto, cpu, cuda, or cuda:N/,
      ['gpu', '', 'CPU', 'mps'],
    ],
    ['what is no text', 'INVALID_OPTION', () => /^device must be a string/, noText],
    ['a GPU that is not there', 'DEVICE_UNAVAILABLE', (name) => new RegExp(`'${name}'`), nowhere],
  ])('%s is refused: %s', (_, code, message, names) => {
    for (const name of names) expect(() => addon().device(name as never)).toThrow(refusal(code, message(name)));
  });

  it.skipIf(cuda)('cuda without CUDA says why and what works (skipped where there is a GPU)', () => {
    expect(() => addon().device('cuda')).toThrow(
      refusal('DEVICE_UNAVAILABLE', /'cuda' is not available: .*(without CUDA|GPU|driver).*device: 'cpu'/),
    );
  });
});
