import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadError, requireMatchingCuda } from '../../src/native/load-error.js';
import { temporaryFolder } from '../tiny.js';

const shared = 'cannot open shared object file: No such file or directory';

function builtAddon(): string {
  const path = join(temporaryFolder(), 'l2t_native.node');
  writeFileSync(path.replace(/node$/, 'json'), JSON.stringify({ libtorch: { version: '2.6.0', path: '/opt/torch' } }));
  return path;
}

test.each([
  [`libtorch_cuda.so.2.6: ${shared}`, 'LIBTORCH_NOT_FOUND', /this one has no CUDA: .*LIBTORCH set/],
  [`libc10_cuda.so: ${shared}`, 'LIBTORCH_NOT_FOUND', /this one has no CUDA: .*LIBTORCH set/],
  [`libtorch_cpu.so: ${shared}`, 'LIBTORCH_NOT_FOUND', /that it was built for is gone: .*LIBTORCH set/],
  [`libcudnn.so.9: ${shared}`, 'LIBTORCH_NOT_FOUND', /a CUDA library .* is missing: install it, .*LD_LIBRARY_PATH/],
  [`libnccl.so.2: ${shared}`, 'LIBTORCH_NOT_FOUND', /a CUDA library .* is missing/],
  [`libgfortran.so.5: ${shared}`, 'LIBTORCH_NOT_FOUND', /a library that LibTorch needs is missing/],
  ['l2t.node: undefined symbol: _ZN3c104cuda14ExchangeDeviceEa', 'ADDON_NOT_BUILT', /another CUDA LibTorch .*LIBTORCH/],
  ['l2t.node: undefined symbol: __cudaRegisterFatBinary', 'ADDON_NOT_BUILT', /another CUDA LibTorch .*LIBTORCH/],
  ['l2t.node: undefined symbol: _ZN2at4addmERKNS_6TensorE', 'ADDON_NOT_BUILT', /against another LibTorch .*LIBTORCH/],
])('%s: what it means, which LibTorch the addon is for, and what to do', (reason, code, meaning) => {
  const error = loadError(builtAddon(), new Error(reason));
  expect(error).toMatchObject({ name: 'L2TError', code, message: expect.stringMatching(meaning) });
  expect(error.message).toContain('built for LibTorch 2.6.0 in /opt/torch');
  expect(error.message).toContain(reason);
});

test('an addon of another major release of CUDA is refused, with both', () => {
  const check = (compiledFor: string, runtime: string, env = {}) =>
    requireMatchingCuda(builtAddon(), { compiledFor, runtime }, env);
  expect(() => check('13.0', '12.4')).toThrow(
    expect.objectContaining({
      code: 'ADDON_NOT_BUILT',
      message: expect.stringMatching(
        /built for LibTorch 2\.6\.0 .* compiled with CUDA 13\.0, but LibTorch brings CUDA 12\.4: set CUDA_HOME to a toolkit of CUDA 12/,
      ),
    }),
  );
  expect(() => check('13.0', '12.4', { L2T_CUDA_ANY_VERSION: '1' })).not.toThrow();
  expect(() => check('12.9', '12.4')).not.toThrow();
  expect(() => check('', '')).not.toThrow();
});
