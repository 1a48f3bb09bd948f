import { describe, expect, test } from 'vitest';
import { measured } from './program.js';

const kernels = measured('kernels') as {
  loops: ({
    set: string;
    type: 'float32' | 'float64';
    adjoint: number;
    difference: number;
    samePast: boolean;
  } | null)[];
  gemm: ({ library: string; type: 'float32' | 'float64'; error: number; emptySum: boolean } | null)[];
};

const rounding = { float32: 1e-5, float64: 1e-13 };

describe('the loops of every instruction set that this machine runs', () => {
  const loops = kernels.loops.filter((entry) => entry !== null);

  test('there are some for any machine, in both types', () => {
    expect(loops.filter(({ set }) => set === 'baseline').map(({ type }) => type)).toEqual(['float32', 'float64']);
  });

  test.each(loops)('$set, $type: each adjoint is the transpose of its transform', ({ type, adjoint }) => {
    expect(adjoint).toBeLessThan(rounding[type]);
  });

  test.each(loops)('$set, $type: what each loop writes is what the plain set writes', ({ type, difference }) => {
    expect(difference).toBeLessThan(rounding[type]);
  });

  test.each(loops)('$set, $type: maps that are written past the caches are the same', ({ samePast }) => {
    expect(samePast).toBe(true);
  });
});

describe('matrix products of every library that is loaded, and our own', () => {
  const gemm = kernels.gemm.filter((entry) => entry !== null);

  test("LibTorch's own is always there", () => {
    expect(gemm.filter(({ library }) => library === 'LibTorch')).toHaveLength(2);
  });

  test.each(gemm)('$library, $type: operands as they are or transposed, added up or not', ({ type, error }) => {
    expect(error).toBeLessThan(rounding[type]);
  });

  test.each(gemm)('$library, $type: a product over nothing is zero', ({ emptySum }) => {
    expect(emptySum).toBe(true);
  });
});
