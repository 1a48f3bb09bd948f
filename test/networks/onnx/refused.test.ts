import { truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { dataTypes, valueMessage } from '../../../src/networks/onnx/messages.js';
import { type OnnxOptions, readOnnx } from '../../../src/networks/onnx/model.js';
import { probe } from '../../../src/networks/onnx/probe.js';
import { OnnxSession } from '../../../src/networks/onnx/session.js';
import { cli, temporaryFolder, tinyData, tinySource, write } from '../../tiny.js';
import {
  convNet,
  type Model,
  mixedNet,
  modelBytes,
  node,
  someImages,
  tokenNet,
  weights,
  writeModel,
} from './models.js';

/** The network with some nodes after it, whose last makes the output. */
const ending = (...more: object[]): Model => {
  const { nodes, tensors = [] } = convNet();
  return { nodes: [...nodes.slice(0, 6), ...more], tensors };
};

const outside = { ...weights('first.weight', 4, 3, 3, 3), dataLocation: 1, rawData: undefined };
const constant = (value: object) => ({
  ...node('Constant', [], 'unused'),
  attribute: [{ name: 'value', type: 4, t: value }],
});
/** A node whose attribute is a graph with these nodes. */
const branch = (...nodes: object[]) => ({
  ...node('If', ['condition'], 'chosen'),
  attribute: ['then_branch', 'else_branch'].map((name) => ({
    name,
    type: 5,
    g: { node: nodes, output: [{ name: 'inner' }] },
  })),
});
const inFunction = (...nodes: object[]): Model =>
  convNet({ model: { functions: [{ name: 'F', domain: 'own', input: ['x'], output: ['y'], node: nodes }] } });
const call = (name: string, input: string, output: string) => ({ ...node(name, [input], output), domain: 'own' });
const withInputs = (...input: object[]): Model => convNet({ graph: { input } });

afterEach(() => vi.unstubAllEnvs());

describe('a refused ONNX file', () => {
  it.each<[string, Model | Uint8Array, RegExp]>([
    [
      'of another format',
      Buffer.from('version https://git-lfs.github.com/spec/v1\n'),
      /is no ONNX model, or is damaged/,
    ],
    ['that is empty', new Uint8Array(), /it has no graph/],
    ['that is cut off', modelBytes(convNet()).subarray(0, 900), /is no ONNX model, or is damaged/],
    ['with weights in another file', convNet({ tensors: [outside] }), /another file\. Merge them with `onnx\.save`/],
    ['with a constant in another file', convNet({ nodes: [constant(outside), ...convNet().nodes] }), /onnx\.save/],
    ['with one in a subgraph', convNet({ nodes: [branch(constant(outside))] }), /onnx\.save/],
    ['with one in a function', inFunction(constant(outside)), /onnx\.save/],
    ['with one among sparse weights', convNet({ graph: { sparseInitializer: [{ values: outside }] } }), /onnx\.save/],
    ['with too many nodes', { nodes: Array(100_001).fill(node('Relu', ['images'], 'x')) }, /more than 100,000 nodes/],
    [
      'with a cycle',
      { nodes: [node('Add', ['images', 'b'], 'a'), node('Relu', ['a'], 'b'), node('Relu', ['b'], 'logits')] },
      /has a cycle/,
    ],
    [
      'with a cycle through a subgraph',
      {
        nodes: [branch(node('Relu', ['logits'], 'inner')), node('Relu', ['chosen'], 'logits')],
        tensors: [weights('condition')],
      },
      /has a cycle/,
    ],
    ['with a cycle in a function', inFunction(node('Relu', ['y'], 'z'), node('Relu', ['z'], 'y')), /has a cycle/],
    ['with a function that calls itself', inFunction(call('F', 'x', 'y')), /has a cycle/],
    [
      'with a missing tensor',
      { nodes: [node('Add', ['images', 'nowhere'], 'logits')] },
      /tensors that nothing makes: nowhere/,
    ],
    [
      'with one in a subgraph',
      {
        nodes: [branch(node('Relu', ['nowhere'], 'inner')), node('Relu', ['images'], 'logits')],
        tensors: [weights('condition')],
      },
      /nothing makes: nowhere/,
    ],
    ['with one in a function', inFunction(node('Relu', ['images'], 'y')), /nothing makes: images/],
    ['without an input', withInputs(), /nothing makes: images/],
    [
      'with several inputs',
      withInputs(valueMessage('images', [1, 3, 16, 16]), valueMessage('mask', [1, 16])),
      /has several inputs.*mask \(float32, 1×16\)/,
    ],
    [
      'without images',
      withInputs(valueMessage('images', ['batch', 768])),
      /takes no images.*images \(float32, \?×768\)/,
    ],
    ['with grey images', withInputs(valueMessage('images', ['batch', 1, 16, 16])), /other than 3 channels/],
    ['with channels last', withInputs(valueMessage('images', ['batch', 16, 16, 3])), /channels last/],
    ['with long images', withInputs(valueMessage('images', ['batch', 3, 16, 32])), /not square/],
    [
      'of quantised images',
      withInputs({ name: 'images', type: { tensorType: { elemType: 2 } } }),
      /does not take float32.*uint8/,
    ],
    [
      'whose output has nothing of the images',
      { nodes: [node('Relu', ['x'], 'logits')], tensors: [weights('x', 1, 5)] },
      /does not depend on the images/,
    ],
    ['with an unknown operator', ending(node('Frobnicate', ['second.relu'], 'logits')), /does not load .*Frobnicate/],
    [
      'that does not fit its images',
      ending(node('MatMul', ['second.relu', 'first.weight'], 'logits')),
      /does not (load|run) /,
    ],
    [
      'with a damaged normalisation',
      convNet({ metadata: { normalise: 'outside', normalisation: '{"mean": [0]}' } }),
      /'normalisation' is damaged/,
    ],
  ])('is one %s', async (_, model, message) => {
    const path = writeModel(model);
    await expect(readOnnx(path, {})).rejects.toMatchObject({
      code: 'INVALID_WEIGHTS',
      message: expect.stringMatching(message),
    });
  });

  it('is one of more than 2 GiB', async () => {
    const path = writeModel(convNet());
    truncateSync(path, 2 ** 31);
    await expect(readOnnx(path, {})).rejects.toMatchObject({
      code: 'INVALID_WEIGHTS',
      message: expect.stringMatching(/2 GiB/),
    });
  });

  it('is one that is not there', async () => {
    await expect(readOnnx('/nowhere/model.onnx', {})).rejects.toMatchObject({ code: 'FILE_ACCESS' });
  });

  it('is one with a damaged preprocessor_config.json', async () => {
    const path = writeModel(convNet());
    writeFileSync(join(dirname(path), 'preprocessor_config.json'), '{"image_std": [0, 1, 1]}');
    await expect(readOnnx(path, {})).rejects.toMatchObject({
      code: 'INVALID_WEIGHTS',
      message: expect.stringMatching(/preprocessor_config\.json is damaged/),
    });
  });

  const tokens = tokenNet();
  it.each<[string, Model, OnnxOptions, RegExp]>([
    ['another side than the file’s', convNet(), { size: 32 }, /takes images of 16×16, where 32 is given/],
    [
      'a map that is not there',
      convNet(),
      { maps: ['blok'] },
      /no tensor blok that depends.*passes first, first\.relu, block/,
    ],
    ['a map that has nothing of the images', convNet(), { maps: ['first.weight'] }, /no tensor first\.weight/],
    [
      'logits as a map',
      convNet(),
      { maps: ['logits'] },
      /logits has 1×5: a feature map has four axes, tokens have three/,
    ],
    [
      'tokens before images',
      {
        ...tokens,
        nodes: [...tokens.nodes, node('Transpose', ['embedded'], 'turned', { perm: [1, 0, 2] })],
        outputs: ['logits', 'turned'],
      },
      { maps: ['turned'] },
      /turned has 17×1×8, whose first axis does not count/,
    ],
    ['tokens that are no square', tokens, { maps: ['embedded'], tokens: 3 }, /17 tokens are not a square of 3 /],
    [
      'tokens of a network without patches',
      {
        ...mixedNet(),
        nodes: [...mixedNet().nodes, node('Reshape', ['second', 'three'], 'rows')],
        tensors: [
          ...(mixedNet().tensors ?? []),
          {
            name: 'three',
            dims: [3],
            dataType: dataTypes.int64,
            rawData: new Uint8Array(BigInt64Array.from([0n, 6n, -1n]).buffer),
          },
        ],
        outputs: ['logits', 'rows'],
      },
      { maps: ['rows'] },
      /no convolution cuts the images into patches/,
    ],
    [
      'a quantised map',
      {
        ...convNet(),
        nodes: [...convNet().nodes, node('Cast', ['second'], 'whole', { to: 3 })],
        outputs: ['logits', 'whole'],
      },
      { maps: ['whole'] },
      /whole is of int8/,
    ],
    [
      'a map that is not square',
      {
        ...convNet(),
        nodes: [...convNet().nodes, node('MaxPool', ['second'], 'wide', { kernel_shape: [1, 2], strides: [1, 2] })],
        outputs: ['logits', 'wide'],
      },
      { maps: ['wide'] },
      /wide has 1×6×8×4, which is not square/,
    ],
  ])('is one asked for %s', async (_, model, options, message) => {
    await expect(readOnnx(writeModel(model), options)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(message),
    });
  });

  it('names the option as a flag where the command line is asked', async () => {
    const flags = [
      '--source',
      writeModel(convNet()),
      '--source-maps',
      'blok',
      '--target',
      'vgg9_bn',
      '--data',
      tinyData(),
    ];
    const { stderr } = await cli(['transfer', ...flags, '--out', join(temporaryFolder(), 'run')]);
    expect(stderr).toMatch(/no tensor blok that depends on the images: correct --source-maps\./);
  });

  it('is one without feature maps, where some are needed: it lists what there is', async () => {
    const nodes = [node('GlobalAveragePool', ['images'], 'pooled'), node('Flatten', ['pooled'], 'logits', { axis: 1 })];
    const model = await readOnnx(writeModel({ nodes }), {});
    expect(model.maps).toEqual([]);
    await expect(OnnxSession.open(model, 1)).rejects.toThrow(/name some by .*ource.*aps.*pooled \(3@1×1\)/);
  });

  it('is one whose graph fixes the number of images that its input leaves free', async () => {
    const fixed = {
      name: 'one',
      dims: [4],
      dataType: 7,
      rawData: new Uint8Array(BigInt64Array.from([1n, 6n, 8n, -1n]).buffer),
    };
    const { nodes, tensors = [] } = ending(
      node('Reshape', ['second.relu', 'one'], 'again'),
      node('GlobalAveragePool', ['again'], 'pooled'),
      node('Flatten', ['pooled'], 'logits', { axis: 1 }),
    );
    const model = await readOnnx(writeModel({ nodes, tensors: [...tensors, fixed] }), { maps: ['again'] });
    const session = await OnnxSession.open(model, 1);
    await expect(session.run(someImages(2), 2)).rejects.toMatchObject({ code: 'INVALID_WEIGHTS' });
    await session.close();
  });
});

describe('the process that reads a file', () => {
  const job = (path: string) => ({ path, sides: [16], maps: [] });
  /** Takes a second, and more than 64 MiB. */
  const slow = (): Model => {
    const steps = Array.from({ length: 60 }, (_, k) => node('Tanh', [k === 0 ? 'images' : `x${k - 1}`], `x${k}`));
    return { shape: [1, 3, 2048, 2048], nodes: [...steps, node('GlobalAveragePool', ['x59'], 'logits')] };
  };

  it('is ended after its time, and beyond its memory', async () => {
    const path = writeModel(slow());
    await expect(probe(job(path), 0, { spareMemory: 2 ** 33, maxTime: 300 })).rejects.toMatchObject({
      code: 'INVALID_WEIGHTS',
      message: expect.stringMatching(/took more than 0\.3 s: it is not used/),
    });
    await expect(probe(job(path), 0, { spareMemory: 2 ** 26, maxTime: 60_000 })).rejects.toMatchObject({
      code: 'INVALID_WEIGHTS',
      message: expect.stringMatching(/took more than 0\.1 GiB of memory: it is not used/),
    });
  });

  it('may crash', async () => {
    vi.stubEnv('NODE_OPTIONS', `--require=${write(temporaryFolder(), 'crash.cjs', 'process.abort()')}`);
    await expect(readOnnx(writeModel(convNet()), {})).rejects.toMatchObject({
      code: 'INVALID_WEIGHTS',
      message: expect.stringMatching(/ended the process by SIGABRT: it is not used/),
    });
  });
});

describe('without onnxruntime-node', () => {
  /** Node resolves everything but that package. */
  const hooks = `
    import { register } from 'node:module';
    const resolve = (name, context, next) => {
      if (name === 'onnxruntime-node') throw Object.assign(new Error(name), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(name, context);
    };
    register('data:text/javascript,' + encodeURIComponent('export const resolve = ' + resolve));`;

  it('one sentence names the command, and other files are inspected', async () => {
    vi.stubEnv('NODE_OPTIONS', `--import=${write(temporaryFolder(), 'hooks.mjs', hooks)}`);
    const { code, stderr } = await cli(['inspect', writeModel(convNet())]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/not installed: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@~1\.30\.0\n$/);
    expect((await cli(['inspect', await tinySource()])).code).toBe(0);
  });
});
