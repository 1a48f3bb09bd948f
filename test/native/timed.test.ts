import { expect, it } from 'vitest';
import { measured } from './program.js';

it('a stopwatch around the backend changes no bit of an iteration: it passes on all that a backend does', () => {
  expect(measured('timed')).toEqual({ equal: true });
});
