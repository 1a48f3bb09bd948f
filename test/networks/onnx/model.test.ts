import { truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { valueMessage } from '../../../src/networks/onnx/messages.js';
import { type OnnxOptions, readOnnx } from '../../../src/networks/onnx/model.js';
import { OnnxSession } from '../../../src/networks/onnx/session.js';
import { isOnnx } from '../../../src/options/sources.js';
import { cli, temporaryFolder, tinyData } from '../../tiny.js';
import { convNet, integers, type Model, mixedNet, modelBytes, node, tokenNet, weights, writeModel } from './models.js';

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

/** The network whose output something else follows, of which the output is a map, too. */
const withMap = ({ nodes, tensors = [] }: Model, map: object, name: string, ...more: object[]): Model => ({
  nodes: [...nodes, map],
  tensors: [...tensors, ...more],
  outputs: ['logits', name],
});

const refused = (code: string, message: RegExp) => ({ code, message: expect.stringMatching(message) });

describe('a refused ONNX file', () => {
  const condition = weights('condition');
  const grey = valueMessage('images', ['batch', 1, 16, 16]);
  const images = (...shape: (string | number)[]) => withInputs(valueMessage('images', ['batch', ...shape]));
  it.each<[RegExp, Model | Uint8Array]>([
    [/is no ONNX model, or is damaged/, Buffer.from('version https://git-lfs.github.com/spec/v1\n')],
    [/it has no graph/, new Uint8Array()],
    [/is no ONNX model, or is damaged/, modelBytes(convNet()).subarray(0, 900)],
    // Weights in another file: as an initializer, a constant, in a subgraph, in a function, and sparse.
    [/another file\. Merge them with `onnx\.save`/, convNet({ tensors: [outside] })],
    [/onnx\.save/, convNet({ nodes: [constant(outside), ...convNet().nodes] })],
    [/onnx\.save/, convNet({ nodes: [branch(constant(outside))] })],
    [/onnx\.save/, inFunction(constant(outside))],
    [/onnx\.save/, convNet({ graph: { sparseInitializer: [{ values: outside }] } })],
    [/more than 100,000 nodes/, { nodes: Array(100_001).fill(node('Relu', ['images'], 'x')) }],
    [
      /has a cycle/,
      { nodes: [node('Add', ['images', 'b'], 'a'), node('Relu', ['a'], 'b'), node('Relu', ['b'], 'logits')] },
    ],
    [
      /has a cycle/,
      { nodes: [branch(node('Relu', ['logits'], 'inner')), node('Relu', ['chosen'], 'logits')], tensors: [condition] },
    ],
    [/has a cycle/, inFunction(node('Relu', ['y'], 'z'), node('Relu', ['z'], 'y'))],
    // A function that calls itself.
    [/has a cycle/, inFunction(call('F', 'x', 'y'))],
    [/tensors that nothing makes: nowhere/, { nodes: [node('Add', ['images', 'nowhere'], 'logits')] }],
    [
      /nothing makes: nowhere/,
      { nodes: [branch(node('Relu', ['nowhere'], 'inner')), node('Relu', ['images'], 'logits')], tensors: [condition] },
    ],
    [/nothing makes: images/, inFunction(node('Relu', ['images'], 'y'))],
    [/nothing makes: images/, withInputs()],
    [/has several inputs.*mask \(float32, 1×16\)/, withInputs(grey, valueMessage('mask', [1, 16]))],
    [/takes no images.*images \(float32, \?×768\)/, images(768)],
    [/other than 3 channels/, withInputs(grey)],
    [/channels last/, images(16, 16, 3)],
    [/not square/, images(3, 16, 32)],
    [/does not take float32.*uint8/, withInputs({ name: 'images', type: { tensorType: { elemType: 2 } } })],
    [/does not depend on the images/, { nodes: [node('Relu', ['x'], 'logits')], tensors: [weights('x', 1, 5)] }],
    [/does not load .*Frobnicate/, ending(node('Frobnicate', ['second.relu'], 'logits'))],
    [/does not (load|run) /, ending(node('MatMul', ['second.relu', 'first.weight'], 'logits'))],
    [/'normalisation' is damaged/, convNet({ metadata: { normalise: 'outside', normalisation: '{"mean": [0]}' } })],
  ])('%s', async (message, model) => {
    await expect(readOnnx(writeModel(model), {})).rejects.toMatchObject(refused('INVALID_WEIGHTS', message));
  });

  it.each<[RegExp, (path: string) => unknown]>([
    [/2 GiB/, (path) => truncateSync(path, 2 ** 31)],
    [
      /preprocessor_config\.json is damaged/,
      (path) => writeFileSync(join(dirname(path), 'preprocessor_config.json'), '{"image_std": [0, 1, 1]}'),
    ],
  ])('%s', async (message, damage) => {
    const path = writeModel(convNet());
    damage(path);
    await expect(readOnnx(path, {})).rejects.toMatchObject(refused('INVALID_WEIGHTS', message));
  });

  it('is one that is not there', async () => {
    await expect(readOnnx('/nowhere/model.onnx', {})).rejects.toMatchObject({ code: 'FILE_ACCESS' });
  });

  const tokens = tokenNet();
  const wide = node('MaxPool', ['second'], 'wide', { kernel_shape: [1, 2], strides: [1, 2] });
  it.each<[RegExp, Model, OnnxOptions]>([
    [/takes images of 16×16, where 32 is given/, convNet(), { size: 32 }],
    [/no tensor blok that depends.*passes first, first\.relu, block/, convNet(), { maps: ['blok'] }],
    // It depends on nothing of the images.
    [/no tensor first\.weight/, convNet(), { maps: ['first.weight'] }],
    [/logits has 1×5: a feature map has four axes, tokens have three/, convNet(), { maps: ['logits'] }],
    [
      /turned has 17×1×8, whose first axis does not count/,
      withMap(tokens, node('Transpose', ['embedded'], 'turned', { perm: [1, 0, 2] }), 'turned'),
      { maps: ['turned'] },
    ],
    [/17 tokens are not a square of 3 /, tokens, { maps: ['embedded'], tokens: 3 }],
    [
      /no convolution cuts the images into patches/,
      withMap(mixedNet(), node('Reshape', ['second', 'three'], 'rows'), 'rows', integers('three', 0, 6, -1)),
      { maps: ['rows'] },
    ],
    [
      /whole is of int8/,
      withMap(convNet(), node('Cast', ['second'], 'whole', { to: 3 }), 'whole'),
      { maps: ['whole'] },
    ],
    [/wide has 1×6×8×4, which is not square/, withMap(convNet(), wide, 'wide'), { maps: ['wide'] }],
  ])('is one of which something is asked: %s', async (message, model, options) => {
    await expect(readOnnx(writeModel(model), options)).rejects.toMatchObject(refused('INVALID_OPTION', message));
  });

  it('names the option as a flag where the command line is asked', async () => {
    const source = ['--source', writeModel(convNet()), '--source-maps', 'blok'];
    const flags = [...source, '--target', 'vgg9_bn', '--data', tinyData(), '--out', join(temporaryFolder(), 'run')];
    const { stderr } = await cli(['transfer', ...flags]);
    expect(stderr).toMatch(/no tensor blok that depends on the images: correct --source-maps\./);
  });

  it('is one without feature maps, where some are needed: it lists what there is', async () => {
    const nodes = [node('GlobalAveragePool', ['images'], 'pooled'), node('Flatten', ['pooled'], 'logits', { axis: 1 })];
    const model = await readOnnx(writeModel({ nodes }), {});
    expect(model.maps).toEqual([]);
    await expect(OnnxSession.open(model, 1)).rejects.toThrow(/name some by .*ource.*aps.*pooled \(3@1×1\)/);
  });
});

describe('the input of an ONNX file', () => {
  const free = convNet({ shape: ['batch', 'channels', 'height', 'width'] });
  const normalisation = JSON.stringify({ mean: [0, 0, 0.5], std: [1, 1, 0.25] });
  const [outside, inside] = ['outside', 'inside'].map((normalise) =>
    convNet({ metadata: { normalise, normalisation } }),
  ) as [Model, Model];
  const preprocessor = {
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.25],
    rescale_factor: 1 / 255,
    crop_size: { height: 24, width: 24 },
    size: 32,
    unknown: 'x',
  };

  const normalised = (mean: readonly number[], std: readonly number[]) => ({ normalisation: { mean, std } });
  const clip = normalised([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]);
  const bytes = { image_mean: [0, 0, 0], image_std: [1, 1, 1], rescale_factor: 1 };
  it.each<[string, Model, OnnxOptions, object | undefined, object]>([
    ["the file's side", convNet(), { otherSize: 32 }, undefined, { size: 16 }],
    ['the option', free, { size: 20, otherSize: 32 }, preprocessor, { size: 20 }],
    [
      "preprocessor_config.json's side",
      free,
      { otherSize: 32 },
      preprocessor,
      { size: 24, normalisationFrom: 'preprocessor_config.json', ...normalised([0.5, 0.5, 0.5], [0.5, 0.5, 0.25]) },
    ],
    ["the target's side", free, { otherSize: 32 }, undefined, { size: 32 }],
    ['224 where the network refuses the target’s', tokenFixed(), { otherSize: 32 }, undefined, { size: 224 }],
    ['the option’s normalisation', outside, { normalisation: 'clip' }, preprocessor, clip],
    ['six numbers', convNet(), { normalisation: [1, 2, 3, 4, 5, 6] }, undefined, normalised([1, 2, 3], [4, 5, 6])],
    ["the metadata's normalisation", outside, {}, preprocessor, normalised([0, 0, 0.5], [1, 1, 0.25])],
    ['none where the graph normalises', inside, {}, preprocessor, normalised([0, 0, 0], [1, 1, 1])],
    ['bytes', convNet(), {}, bytes, normalised([0, 0, 0], [1 / 255, 1 / 255, 1 / 255])],
    ["ImageNet's", convNet(), {}, undefined, normalised([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])],
  ])('has %s', async (_, model, options, beside, expected) => {
    const path = writeModel(model);
    if (beside) writeFileSync(join(dirname(path), 'preprocessor_config.json'), JSON.stringify(beside));
    expect(await readOnnx(path, options)).toMatchObject(expected);
  });

  it('is known by the name of the file', () => {
    expect(['a.onnx', 'b.ONNX', 'onnx', 'c.onnx.pth'].map(isOnnx)).toEqual([true, true, false, false]);
  });
});

/** Its position embedding fits images of 224 pixels alone, which the file does not say. */
function tokenFixed(): Model {
  const { nodes, tensors = [] } = convNet();
  const flat = nodes.slice(0, 6);
  const rest = [node('Flatten', ['second.relu'], 'flat', { axis: 1 }), node('Reshape', ['flat', 'expected'], 'logits')];
  const expected = integers('expected', 1, 75264);
  return { shape: ['b', 3, 'h', 'w'], nodes: [...flat, ...rest], tensors: [...tensors, expected] };
}

describe('l2t-native inspect', () => {
  it('lists the maps, those that are taken, the input and the classes', async () => {
    const path = writeModel(tokenNet(8, { metadata: { class_names: JSON.stringify(['a', 'b', 'c', 'd', 'e']) } }));
    const { stdout, stderr } = await cli(['inspect', path]);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/input images: any number of images of 16×16\n/);
    expect(stdout).toMatch(/5 classes \(a, b, c, d, e\)/);
    expect(stdout).toMatch(/^block1 +8 +4×4 +tokens, without the first 1 +yes$/m);
    expect(stdout).toMatch(/^block2 +8 +4×4 +tokens, without the first 1$/m);
    const json = JSON.parse((await cli(['inspect', path, '--json'])).stdout);
    expect(json).toMatchObject({ size: 16, classes: 5, input: 'images', runtime: expect.stringMatching(/^1\.30\./) });
    expect(json.features.filter((each: { taken: boolean }) => each.taken)).toHaveLength(4);
  });

  it('refuses what only weights files need', async () => {
    const { stderr } = await cli(['inspect', writeModel(convNet()), '--network', 'resnet18']);
    expect(stderr).toMatch(/--network is for weights files/);
  });
});
