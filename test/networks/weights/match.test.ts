import { describe, expect, it } from 'vitest';
import { type DType, elementCount, itemSize, type TensorMap } from '../../../src/native/tensor.js';
import { checkpointNames } from '../../../src/networks/checkpoint.js';
import { classesOf, matchWeights, refuseTimm } from '../../../src/networks/weights/match.js';

const zeros = (shape: number[], dtype: DType = 'float32') => ({
  dtype,
  shape,
  data: new Uint8Array(elementCount(shape) * itemSize(dtype)),
});
const tensors: TensorMap = new Map([
  ['fc.bias', zeros([2])],
  ['bn.num_batches_tracked', zeros([], 'int64')],
  ['fc.weight', zeros([2, 3], 'float16')],
]);
const expected = [
  { name: 'fc.weight', shape: [2, 3] },
  { name: 'fc.bias', shape: [2] },
];
const match = (wanted: { name: string; shape: number[] }[], strict = false) =>
  matchWeights(tensors, wanted, { file: 'x.pth', network: 'net', names: checkpointNames, strict });
const mismatch = (message: RegExp) =>
  expect.objectContaining({ code: 'WEIGHTS_MISMATCH', message: expect.stringMatching(message) });

describe('matchWeights', () => {
  it('gives the network’s order, keeps float types, and counts num_batches_tracked as nothing', () => {
    const { weights, extra } = match(expected, true);
    expect(weights.map(({ name, dtype }) => [name, dtype])).toEqual([
      ['fc.weight', 'float16'],
      ['fc.bias', 'float32'],
    ]);
    expect(extra).toEqual([]);
  });

  it('names extra entries; strict makes them an error', () => {
    expect(match(expected.slice(0, 1)).extra).toEqual(['fc.bias']);
    expect(() => match(expected.slice(0, 1), true)).toThrow(mismatch(/x\.pth has "fc.bias".*leave out strict /));
  });

  it('names the first missing entries and how many more', () => {
    const many = Array.from({ length: 9 }, (_, i) => ({ name: `conv${i}`, shape: [1] }));
    expect(() => match(many)).toThrow(
      mismatch(
        /lacks "conv0", .*"conv4" and 4 more of a net, and has "fc.bias", "fc.weight" instead: correct network or/,
      ),
    );
  });

  it('names both shapes, and a type that is no float', () => {
    expect(() => match([{ name: 'fc.bias', shape: [5] }])).toThrow(
      mismatch(/"fc.bias" has shape \[2\] .* \[5\]: check network and width/),
    );
    expect(() => match([{ name: 'bn.num_batches_tracked', shape: [] }])).toThrow(mismatch(/dtype int64/));
  });
});

describe('classesOf', () => {
  const heads = ['fc.weight', 'classifier.weight'];

  it('counts the rows of the last linear layer', () => {
    expect(classesOf(tensors, 'x', heads)).toBe(2);
    expect(classesOf(new Map([['classifier.weight', zeros([10, 512])]]), 'x', heads)).toBe(10);
  });

  it('says where there is none', () => {
    expect(() => classesOf(new Map([['fc.weight', zeros([10, 512, 1, 1])]]), 'x.pth', heads)).toThrow(
      mismatch(/x\.pth has no fc\.weight or classifier\.weight/),
    );
  });
});

it.each([
  ['mobilenet_v2', 'conv_stem.weight'],
  ['vgg16_bn', 'pre_logits.fc1.weight'],
] as const)("timm's names of the tensors of a %s are refused, and what to use is said", (network, name) => {
  const message = new RegExp(`timm's names .* ${name}.* torchvision\\.models\\.${network}\\(`);
  expect(() => refuseTimm(new Map([[name, zeros([8, 3, 3, 3])]]), 'x.pth', network)).toThrow(mismatch(message));
});
