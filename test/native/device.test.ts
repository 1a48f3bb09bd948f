import { describe, expect, it } from 'vitest';
import { addon } from '../../src/native/addon.js';

describe('device', () => {
  const { cuda } = addon().info();
  const refused = (code: string, message: RegExp) =>
    expect.objectContaining({ name: 'L2TError', code, message: expect.stringMatching(message) });

  it('auto says what it chose and why', () => {
    const { device, reason } = addon().device('auto');
    expect(device).toBe(cuda ? 'cuda:0' : 'cpu');
    expect(reason).toMatch(/CUDA/);
    expect(addon().device('cpu').device).toBe('cpu');
  });

  it('an unknown name is an option error', () => {
    for (const name of ['gpu', '', 'CPU', 'mps']) {
      expect(() => addon().device(name)).toThrow(
        refused('INVALID_OPTION', /Unknown device.*auto, cpu, cuda, or cuda:N/),
      );
    }
  });

  it('what is no text is an option error', () => {
    for (const name of [undefined, Symbol('cpu'), ['cpu'], new String('cpu'), Object.create(null)]) {
      expect(() => addon().device(name as never)).toThrow(refused('INVALID_OPTION', /^device must be a string/));
    }
  });

  it('a GPU that is not there is unavailable', () => {
    for (const name of ['cuda:999', 'cuda:', 'cuda:x', 'cuda:99999999999999999999']) {
      expect(() => addon().device(name)).toThrow(refused('DEVICE_UNAVAILABLE', new RegExp(`'${name}'`)));
    }
  });

  it.skipIf(cuda)('cuda without CUDA says why and what works (skipped where there is a GPU)', () => {
    expect(() => addon().device('cuda')).toThrow(
      refused('DEVICE_UNAVAILABLE', /'cuda' is not available: .*(without CUDA|GPU|driver).*device: 'cpu'/),
    );
  });
});
