import { expect, it } from 'vitest';
import { addon } from '../../src/native/addon.js';

it.each([0, -1, 1.5, 1025, 2 ** 32 + 1, Number.NaN, '1', undefined, Symbol('1'), 1n])(
  'a machine is not measured with %o threads',
  (threads) => {
    expect(() => addon().measureMachine(threads as number)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    );
  },
);
