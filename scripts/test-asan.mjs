/**
 * `npm run test:asan`: builds the addon and the test programs with AddressSanitizer and UndefinedBehaviorSanitizer in
 * build-asan/. With these it runs the native tests, and the tests that pass images and buffers between JavaScript and
 * C++. Any finding ends its process.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { buildNative, packageRoot } from './build-native.mjs';
import { requireLibTorch } from './libtorch.mjs';

const folder = 'build-asan';

/** The path of a sanitizer's library. It must be loaded first, since Node itself is not built with it. */
function runtime(name) {
  return execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
}

try {
  const libtorch = requireLibTorch({ say: (line) => console.error(line) });
  buildNative({ libtorch, folder, programs: true, define: ['L2T_SANITIZE=address'] });
  const tests =
    process.argv.length > 2
      ? process.argv.slice(2)
      : ['test/native', 'test/data/streaming.test.ts', 'test/inference/network.test.ts'];
  const child = spawnSync(process.execPath, [join(packageRoot, 'node_modules/vitest/vitest.mjs'), 'run', ...tests], {
    cwd: packageRoot,
    stdio: 'inherit',
    env: {
      ...process.env,
      L2T_NATIVE_BUILD: join(packageRoot, folder),
      LD_PRELOAD: `${runtime('libasan.so')}:${runtime('libubsan.so')}`,
      // No leak detection: Node and LibTorch never free what they make at the start. V8 handles its own SIGSEGV.
      ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0:allow_user_segv_handler=1',
      UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
    },
  });
  process.exitCode = child.status ?? 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
