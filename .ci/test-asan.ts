/**
 * `npx tsx .ci/test-asan.ts`: builds the addon and the test programs with AddressSanitizer and UndefinedBehaviorSanitizer in
 * build-asan/. With these it runs the native tests, and the tests that pass images and buffers between JavaScript and
 * C++. Any finding ends its process.
 */
import { execFileSync } from 'node:child_process';
import { buildNative } from '../setup/build.mjs';
import { requireLibTorch } from '../setup/libtorch.mjs';
import { runTests } from './levels.js';

const folder = 'build-asan';

/** The path of a sanitizer's library. It must be loaded first, since Node itself is not built with it. */
function runtime(name: string): string {
  return execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
}

try {
  const libtorch = requireLibTorch({ say: (line) => console.error(line) });
  buildNative({ libtorch, folder, programs: true, define: ['L2T_SANITIZE=address'] });
  const binding = ['addon', 'network', 'run', 'worker'].map((name) => `test/binding/${name}.test.ts`);
  const tests = ['test/native', ...binding, 'test/data/streaming.test.ts', 'test/inference/network.test.ts'];
  runTests(process.argv.length > 2 ? process.argv.slice(2) : tests, folder, {
    LD_PRELOAD: `${runtime('libasan.so')}:${runtime('libubsan.so')}`,
    // No leak detection: Node and LibTorch never free what they make at the start. V8 handles its own SIGSEGV.
    ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0:allow_user_segv_handler=1',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  });
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
