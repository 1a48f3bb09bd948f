import { defineConfig } from 'vitest/config';

/** Rooms whose tests start few processes: `npm test -- --project quick` takes less than two minutes. */
const quick = [
  '{architecture,errors}',
  '{binding,data,options,store,setup,inference}/*',
  'data/{layouts,parquet}/*',
  'native/{,!(device|bilevel)/}*',
  'native/bilevel/!(engines)',
  'networks/weights/*',
  'networks/onnx/!(maps)',
].map((place) => `test/${place}.test.ts`);

export default defineConfig({
  test: {
    // The native engine uses every core, so test files that train must not compete.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'quick', include: quick } },
      { extends: true, test: { name: 'slow', include: ['test/**/*.test.ts'], exclude: quick } },
    ],
  },
});
