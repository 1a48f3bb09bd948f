import { expect, test } from 'vitest';
import { outcome } from './program.js';

const iterate = (...words: string[]) => outcome('meta', ...words);

// On LibTorch's meta device no tensor has values, so an iteration that passes asks the host for none.
test.each([
  ['vgg9_bn', '32'],
  ['resnet20', '32'],
  ['resnet20_a', '32'],
  ['resnet18', '64'],
  ['resnet50', '64'],
  ['vgg11_bn', '64'],
])('an iteration on %s at %s pixels never reads a value on the host', (target, size) => {
  expect(iterate(target, size)).toMatchObject({ status: 0, stderr: '' });
});

test('a read of the loss would be seen', () => {
  const { status, stderr } = iterate('vgg9_bn', '32', 'read');
  expect(status).toBe(1);
  expect(stderr).toContain('_local_scalar_dense');
});
