/**
 * `npm run test:asan`: builds the addon and the test programs with AddressSanitizer and UndefinedBehaviorSanitizer in
 * build-asan/, and runs on them the native tests, and those in which images and buffers go back and forth. Anything that
 * they find ends the process that it is found in.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { buildNative, packageRoot } from './build-native.mjs';
import { requireLibTorch } from './libtorch.mjs';

const folder = 'build-asan';

/** Loaded first, since Node itself is not built for it. */
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
      // Node and LibTorch keep to the end what they made at the start. V8 handles its own segmentation faults.
      ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0:allow_user_segv_handler=1',
      UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
    },
  });
  process.exitCode = child.status ?? 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
