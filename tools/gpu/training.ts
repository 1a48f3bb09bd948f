import { join } from 'node:path';
import { addon } from '../../src/native/addon.js';
import { saveCheckpoint } from '../../src/networks/checkpoint.js';
import { imagenetNormalisation, type NetworkName } from '../../src/options/networks.js';
import { differences } from './bits.js';
import { command, type Ended, failure } from './command.js';

/** Training of L2T-ww on the images that the repository holds; the last batch of an epoch is smaller. */
export class Training {
  /** `folder`: an empty one, for the source and the runs. `small`: for a CPU. */
  constructor(
    readonly folder: string,
    readonly device: string,
    readonly small: boolean,
  ) {}

  /** Its weights are random: how well it helps does not matter here. */
  async makeSource(): Promise<void> {
    const name: NetworkName = this.small ? 'resnet20' : 'resnet32';
    const network = { name, classes: 10, width: 1 };
    const classNames = Array.from({ length: network.classes }, (_, k) => `class ${k}`);
    const weights = addon().initialise(network, 1);
    await saveCheckpoint(this.#source, {
      network,
      size: 32,
      classNames,
      normalisation: imagenetNormalisation,
      weights,
    });
  }

  /** Runs to the end, unless `onStderr` kills it. */
  run(name: string, epochs: number, flags: readonly string[] = [], onStderr?: Parameters<typeof command>[1]) {
    const { folder, device, small } = this;
    const size = small ? { width: 0.25, 'per-class': 21, batch: 40 } : { width: 1, 'per-class': 300, batch: 128 };
    const options = {
      data: 'data/fashion-mnist',
      source: this.#source,
      target: 'vgg9_bn',
      ...size,
      ...{ size: 32, epochs, lr: 0.01, device, 'save-every': 2, out: join(folder, name) },
    };
    const words = Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)]);
    return command([...program, 'transfer', ...words, '--no-report', '--json', ...flags], onStderr);
  }

  resume(name: string): Promise<Ended> {
    return command([...program, 'transfer', '--resume', join(this.folder, name), '--device', this.device, '--json']);
  }

  /** Describes, in words, the differences between two runs, down to a bit. */
  differences(one: string, other: string): Promise<string[]> {
    return differences(join(this.folder, one), join(this.folder, other));
  }

  get #source(): string {
    return join(this.folder, 'source.safetensors');
  }
}

const program = [process.execPath, 'dist/cli/l2t-native.cjs'] as const;

/** Returns the printed result of a run; throws if the run failed. */
export function resultOf(name: string, ended: Ended): { readonly seconds: number; readonly accuracy: number } {
  if (ended.code !== 0) throw new Error(`${name}: ${failure(ended)}`);
  return JSON.parse(ended.stdout) as { seconds: number; accuracy: number };
}
