import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileAccess } from '../system/failures.js';
import { absolutePath } from './check.js';
import type { NetworkName } from './networks.js';

/** A published weight file. */
export interface PublishedFile {
  readonly network: NetworkName;
  /** The images that it was trained on. */
  readonly trainedOn: string;
  readonly url: string;
  /** Its size to three decimals. */
  readonly mebibytes: number;
  /** The first digits of its SHA-256, or all of them. */
  readonly sha256: string;
  readonly licence: string;
}

/** Makes the row of a file whose name ends in the first eight digits of its SHA-256. */
const torchvision = (network: NetworkName, file: string, mebibytes: number): PublishedFile => ({
  network,
  trainedOn: 'ImageNet-1K',
  url: `https://download.pytorch.org/models/${file}.pth`,
  mebibytes,
  sha256: file.slice(-8),
  licence: "code BSD-3-Clause, weights under ImageNet's terms",
});

/**
 * The weight files that `source get` fetches. torchvision's are those of its version 0.21: IMAGENET1K_V1, and V2 where a
 * name ends in -v2. The ResNet-32 is that of the paper's authors.
 */
const rows = {
  resnet18: torchvision('resnet18', 'resnet18-f37072fd', 44.661),
  resnet34: torchvision('resnet34', 'resnet34-b627a593', 83.275),
  resnet50: torchvision('resnet50', 'resnet50-0676ba61', 97.781),
  'resnet50-v2': torchvision('resnet50', 'resnet50-11ad3fa6', 97.79),
  resnet101: torchvision('resnet101', 'resnet101-63fe2227', 170.511),
  'resnet101-v2': torchvision('resnet101', 'resnet101-cd907fc2', 170.53),
  wide_resnet50_2: torchvision('wide_resnet50_2', 'wide_resnet50_2-95faca4d', 131.82),
  'wide_resnet50_2-v2': torchvision('wide_resnet50_2', 'wide_resnet50_2-9ba9bcbe', 263.124),
  resnext50_32x4d: torchvision('resnext50_32x4d', 'resnext50_32x4d-7cdf4587', 95.789),
  'resnext50_32x4d-v2': torchvision('resnext50_32x4d', 'resnext50_32x4d-1a0047aa', 95.833),
  vgg11_bn: torchvision('vgg11_bn', 'vgg11_bn-6002323d', 506.881),
  vgg16_bn: torchvision('vgg16_bn', 'vgg16_bn-6c64b313', 527.866),
  mobilenet_v2: torchvision('mobilenet_v2', 'mobilenet_v2-b0353104', 13.555),
  'mobilenet_v2-v2': torchvision('mobilenet_v2', 'mobilenet_v2-7ebf99e0', 13.598),
  'resnet32-tinyimagenet': {
    network: 'resnet32',
    trainedOn: 'TinyImageNet',
    url: 'https://raw.githubusercontent.com/alinlab/L2T-ww/d5e77516e6f41b7e75102fc195ce57d9160be7cd/logs/tinyimagenet-200-resnet32/0/model_best.pth.tar',
    mebibytes: 1.871,
    sha256: '049f81f8bea8504e90818d6c614f15c485ac2d891348330b433110e161f66d68',
    licence: 'MIT',
  },
} as const satisfies Readonly<Record<string, PublishedFile>>;

type PublishedName = keyof typeof rows;
export const published: Readonly<Record<PublishedName, PublishedFile>> = rows;
export const publishedNames = Object.keys(rows) as readonly PublishedName[];

const folder = (): string => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'l2t-native', 'sources');

/** Returns the path at which `source get` puts the file. */
export const pathOfSource = (name: PublishedName): string => join(folder(), `${name}.pth`);

/** Returns the row of the file at this path, if `source get` put it there. */
export function sourceAt(path: string): PublishedFile | undefined {
  const name = publishedNames.find((each) => `${each}.pth` === basename(path));
  return name !== undefined && resolve(path) === resolve(pathOfSource(name)) ? published[name] : undefined;
}

/**
 * Makes a caller's path of a checkpoint absolute, as `absolutePath` does. If it is the name of a source, and there is
 * no file of that name, returns that source's path.
 * @throws L2TError FILE_ACCESS if the source is not there.
 */
export function checkpointPath(path: string): string {
  const name = publishedNames.find((each) => each === path);
  if (name === undefined || existsSync(path)) return absolutePath(path);
  const file = pathOfSource(name);
  if (existsSync(file)) return file;
  throw fileAccess(
    `There is no file ${path} here, and the source of that name is not fetched yet: l2t-native source get ${name} does it (${published[name].mebibytes} MiB).`,
  );
}

export const isOnnx = (path: string): boolean => /\.onnx$/i.test(path);
