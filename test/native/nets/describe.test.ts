import { describe, expect, it } from 'vitest';
import { addon, type NetworkDescription, type NetworkSpec } from '../../../src/native/addon.js';
import { networkNames } from '../../../src/options/networks.js';
import { refusal } from '../../outcomes.js';

const spec = (name: string, classes = 10, width = 1): NetworkSpec => ({ name, classes, width });
const count = ({ parameters }: NetworkDescription) =>
  parameters.reduce((sum, { shape }) => sum + shape.reduce((product, side) => product * side, 1), 0);
const shapes = ({ parameters, buffers }: NetworkDescription) =>
  Object.fromEntries([...parameters, ...buffers].map(({ name, shape }) => [name, shape]));
const features = ({ features }: NetworkDescription) =>
  features.map(({ index, channels, size, candidate }) => `${index}: ${channels}@${size}${candidate ? ' *' : ''}`);

describe('networks', () => {
  it('are those of the table of options', () => {
    expect(addon().networks()).toEqual(networkNames);
  });

  // Counts with 1,000 classes are torchvision's for its own networks; the others are sums by hand.
  it.each([
    ['resnet20', 10, 32, 272_490, 66, 42],
    ['resnet32', 200, 32, 479_272, 102, 66],
    ['resnet20_a', 10, 32, 269_722, 59, 38],
    ['resnet32_a', 10, 32, 464_154, 95, 62],
    ['vgg9_bn', 10, 32, 9_231_114, 34, 16],
    ['resnet18', 1000, 224, 11_689_512, 62, 40],
    ['resnet34', 1000, 224, 21_797_672, 110, 72],
    ['resnet50', 1000, 224, 25_557_032, 161, 106],
    ['resnet101', 1000, 224, 44_549_160, 314, 208],
    ['wide_resnet50_2', 1000, 224, 68_883_240, 161, 106],
    ['resnext50_32x4d', 1000, 224, 25_028_904, 161, 106],
    ['vgg11_bn', 1000, 224, 132_868_840, 38, 16],
    ['vgg16_bn', 1000, 224, 138_365_992, 58, 26],
    ['mobilenet_v2', 1000, 224, 3_504_872, 158, 104],
  ])('%s with %i classes', (name, classes, size, numbers, parameters, buffers) => {
    const description = addon().describe(spec(name, classes), size);
    expect(description.name).toBe(name);
    expect(count(description)).toBe(numbers);
    expect([description.parameters.length, description.buffers.length]).toEqual([parameters, buffers]);
  });

  // The released checkpoints' names, and those of a torch Sequential. test/networks has akamaster's and torchvision's.
  it.each<[NetworkSpec, has: object, lacks: RegExp]>([
    [
      spec('resnet32', 200),
      {
        'conv1.weight': [16, 3, 3, 3],
        'conv1.bias': [16],
        'bn1.running_var': [16],
        'block1.conv1.weight': [16, 16, 3, 3],
        'blocks2.3.bn2.bias': [16],
        'block3.downsample.0.weight': [32, 16, 1, 1],
        'block5.downsample.1.running_mean': [64],
        'blocks6.3.conv2.weight': [64, 64, 3, 3],
        'fc.weight': [200, 64],
      },
      /^block1\.downsample/,
    ],
    [
      spec('vgg9_bn'),
      {
        'features.0.weight': [64, 3, 3, 3],
        'features.0.bias': [64],
        'features.1.running_mean': [64],
        'features.4.weight': [128, 64, 3, 3],
        'features.11.weight': [256, 256, 3, 3],
        'features.25.weight': [512, 512, 3, 3],
        'classifier.weight': [10, 512],
      },
      /^$/,
    ],
  ])('$name names its entries as others do', (network, has, lacks) => {
    const entries = shapes(addon().describe(network, 32));
    expect(entries).toMatchObject(has);
    expect(Object.keys(entries).filter((name) => lacks.test(name))).toEqual([]);
  });

  // Features marked * can be paired: the last of each size, never a ResNet's stem, though it is the last of its size at
  // 224; the inputs of VGG-16's max-pools, and the last maps of each of MobileNetV2's sides.
  it.each([
    ['resnet20', 32, '0: 16@32, 1: 16@32, 2: 16@32 *, 3: 32@16, 4: 32@16, 5: 32@16 *, 6: 64@8, 7: 64@8, 8: 64@8 *'],
    ['vgg9_bn', 32, '0: 64@32 *, 1: 128@16 *, 2: 256@8 *, 3: 512@4 *, 4: 512@2 *'],
    ['vgg16_bn', 224, '0: 64@224 *, 1: 128@112 *, 2: 256@56 *, 3: 512@28 *, 4: 512@14 *'],
    ['mobilenet_v2', 224, '0: 16@112 *, 1: 24@56 *, 2: 32@28 *, 3: 96@14 *, 4: 1280@7 *'],
    ['resnet18', 224, '0: 64@112, 1: 64@56 *, 2: 128@28 *, 3: 256@14 *, 4: 512@7 *'],
    ['resnet34', 32, '0: 64@16, 1: 64@8 *, 2: 128@4 *, 3: 256@2 *, 4: 512@1 *'],
    ['wide_resnet50_2', 224, '0: 64@112, 1: 256@56 *, 2: 512@28 *, 3: 1024@14 *, 4: 2048@7 *'],
  ])('the features of %s at %i', (name, size, expected) => {
    expect(features(addon().describe(spec(name), size)).join(', ')).toBe(expected);
  });

  it('a width multiplies every channel count, rounded, at least 1', () => {
    const channels = (width: number) =>
      addon()
        .describe(spec('vgg9_bn', 10, width), 32)
        .features.map(({ channels }) => channels);
    expect(channels(0.25)).toEqual([16, 32, 64, 128, 128]);
    expect(channels(0.01)).toEqual([1, 1, 3, 5, 5]);
    expect(channels(1.5)).toEqual([96, 192, 384, 768, 768]);
    expect(shapes(addon().describe(spec('vgg9_bn', 7, 0.25), 32))).toMatchObject({ 'classifier.weight': [7, 128] });
    expect(shapes(addon().describe(spec('mobilenet_v2', 7, 0.1), 64))).toMatchObject({
      'features.0.0.weight': [3, 3, 3, 3],
      'features.3.conv.0.0.weight': [12, 2, 1, 1],
      'features.3.conv.1.0.weight': [12, 1, 3, 3],
      'classifier.1.weight': [7, 128],
    });
  });

  it.each([
    ['an unknown name', spec('resnet19'), 32, /'resnet19'.*resnet20, resnet32, vgg9_bn, resnet18, resnet34/],
    ['fewer classes than none', spec('resnet20', -1), 32, /classes/],
    ['width 0', spec('resnet20', 10, 0), 32, /width/],
    ['a width that is no number', spec('resnet20', 10, Number.NaN), 32, /width/],
    ['images too small for it', spec('vgg9_bn'), 16, /16 pixels are too small for vgg9_bn.*size: 32 or more/],
    ['size 0', spec('resnet20'), 0, /size/],
  ])('%s is refused', (_, network, size, message) => {
    expect(() => addon().describe(network, size)).toThrow(refusal('INVALID_OPTION', message));
  });
});
