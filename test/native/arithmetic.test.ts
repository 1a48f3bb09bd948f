import { expect, it } from 'vitest';
import { arithmetic } from '../../tools/parity/observe.js';

// LibTorch holds its switches also where there is no GPU.
const exact = { tf32CuDnn: false, tf32CuBlas: false, bf16Sums: false };
const same = { deterministicCuDnn: true, benchmarkCuDnn: false, deterministic: true, warnsOnly: false };
const free = { deterministicCuDnn: false, benchmarkCuDnn: true, deterministic: false, warnsOnly: false };

it.each([
  ['float32', true, { ...exact, ...same }],
  ['tf32', true, { ...exact, ...same, tf32CuDnn: true, tf32CuBlas: true }],
  ['bf16', true, { ...exact, ...same }],
  ['float32', false, { ...exact, ...free }],
  ['float32', true, { ...exact, ...same }],
])('%s, deterministic: %s', (precision, deterministic, switches) => {
  expect(arithmetic(precision, deterministic)).toEqual({ ...switches, fillsNewTensors: false });
});

it('cuBLAS finds the workspace with which it is deterministic', () => {
  expect(process.env.CUBLAS_WORKSPACE_CONFIG).toBe(':4096:8');
});
