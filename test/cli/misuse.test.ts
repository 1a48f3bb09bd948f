import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { pretrain } from '../../src/index.js';
import { cli, type Outcome, temporaryFolder, tinyData, write } from '../tiny.js';

const folder = temporaryFolder();
const data = tinyData(4);
const run = join(folder, 'run');
const pretrained = join(folder, 'pretrained');
await pretrain({ network: 'vgg9_bn', width: 0.0625, data, epochs: 1, batch: 6, threads: 1, out: pretrained }).result;
const damaged = temporaryFolder();
for (const name of ['a', 'b']) for (const k of [1, 2]) write(join(damaged, name), `${k}.png`, 'junk');
const yaml = (text: string) => write(folder, `${text.length}-${text.charCodeAt(0)}.yaml`, text);
const transfer = ['transfer', '--target', 'vgg9_bn', '--out', run];
const scratch = [...transfer, '--method', 'scratch', '--data'];
const trained = [...scratch, data];

/** Command line, exit code, what stderr must say. */
const misuses: readonly [args: readonly string[], code: number, message: RegExp][] = [
  [['transfr'], 2, /unknown command 'transfr'.*\n.*Did you mean transfer\?/],
  [['transfer', '--epoch', '3'], 2, /unknown option '--epoch'.*\n.*Did you mean .*--epochs/],
  [['transfer', '--epochs'], 2, /argument missing/],
  [['transfer', 'surplus'], 2, /too many arguments/],
  [['eval'], 2, /missing required argument 'checkpoint'/],
  [[...transfer, '--data', data], 2, /error\[INVALID_OPTION\]: --source is missing/],
  [['pretrain', '--network', 'vgg9_bn'], 2, /--data is missing\.\n.*\nAs in: l2t-native pretrain .*--data photos/],
  [['transfer', '--epochs', 'many'], 2, /--epochs is 'many': it must be a whole number from 1/],
  [['transfer', '--epochs', '1.5'], 2, /--epochs is 1\.5: it must be a whole number/],
  [['transfer', '--batch', '1'], 2, /--batch is 1: it must be a whole number from 2/],
  [['transfer', '--lr', '-1'], 2, /--lr is -1: it must be auto, or a number above 0/],
  [['transfer', '--lr', '1e999'], 2, /--lr is Infinity: it must be auto, or a number above 0/],
  [['transfer', '--momentum', '1'], 2, /--momentum is 1: it must be a number from 0 and below 1/],
  [['transfer', '--seed', '1e3x'], 2, /--seed is '1e3x'/],
  [['transfer', '--target', 'vgg9'], 2, /--target is 'vgg9': it must be one of .* Did you mean 'vgg9_bn'\?/],
  [['transfer', '--method', 'l2tww'], 2, /--method is 'l2tww'.* Did you mean 'l2t-ww'\?/],
  [['transfer', '--engine', 'warp'], 2, /--engine is 'warp': it must be one of/],
  [['transfer', '--convolution', 'fft'], 2, /--convolution is 'fft': it must be one of auto, winograd, direct/],
  [
    [...trained, '--engine', 'autograd', '--convolution', 'winograd'],
    2,
    /--convolution winograd .*use --engine native/,
  ],
  [[...trained, '--device', 'cpu', '--precision', 'tf32'], 2, /--precision tf32 is a GPU's/],
  [['transfer', '--augment', 'trivial'], 2, /--augment is 'trivial': it must be one of crop-flip, none\./],
  [['transfer', '--patience', '0'], 2, /--patience is 0: it must be a whole number from 1/],
  [
    [...trained, '--patience', '3'],
    2,
    /--patience needs validation images, and this run has none: hold some out with --validation/,
  ],
  [
    [...trained, '--patience', '3', '--validation', '0.1'],
    2,
    /--patience needs validation images, and --validation 0\.1 holds out no image.*such as --validation 1/,
  ],
  [[...trained, '--eval-every', '2', '--validation', '0'], 2, /--eval-every needs validation images/],
  [
    ['eval', join(pretrained, 'best.safetensors'), '--data', data, '--top', '3'],
    2,
    /--top 3 counts every image as right, because the network has 3 classes/,
  ],
  [['bench', '--case', 'all'], 2, /--case is 'all': it must be one of resnet32-vgg9/],
  [['bench', '--engines', 'native,native'], 2, /it must be native, autograd, or native,autograd/],
  [['bench', '--rounds', '0'], 2, /it must be a whole number from 1/],
  [['bench', '--device', 'tpu'], 2, /^error\[INVALID_OPTION\]: Unknown --device 'tpu'/m],
  [['bench', '--case', 'fm', '--inner-steps', '2'], 2, /--case fm has no use for --inner-steps/],
  [['transfer', '--config', yaml('epocs: 3')], 2, /\.yaml: epocs is unknown: .*\. Did you mean 'epochs'\?/],
  [
    ['transfer', '--config', yaml('data: gone/photos')],
    1,
    /\.yaml: data is gone\/photos, which is not in \/.*: correct it/,
  ],
  [['transfer', '--config', yaml('data: gone/photos'), '--data', data], 2, /--source and --target are missing/],
  // What a person writes in YAML instead of a list in one string, or of a value twice, is read.
  [
    [
      'compare',
      '--config',
      yaml(`methods: [scratch, scratch]\nclasses: [left, 2]\ndata: &there ${data}\ncache: *there\ntarget: vgg9_bn`),
    ],
    2,
    /--methods: scratch is listed twice/,
  ],
  [
    ['compare', '--config', yaml(`methods: [scratch]\nclasses: [left, rihgt]\ndata: ${data}\ntarget: vgg9_bn`)],
    2,
    /'rihgt' is no class.*'right'/,
  ],
  [['transfer', '--config', yaml('epochs: x')], 2, /\.yaml: epochs is 'x': it must be a whole number/],
  [['transfer', '--config', yaml('- 1')], 2, /must be a map of options/],
  [
    ['transfer', '--config', yaml('data: !!python/object:os.system x')],
    2,
    /^error.*\.yaml is no valid YAML: Unresolved tag: .*python\/object:os\.system at line 1, column 7\. Leave the tag out\.\n$/,
  ],
  [['compare', '--config', pretrained], 1, /^error.*FILE_ACCESS.*: it is a folder: name a YAML file\.\n$/],
  [['compare', '--methods', 'scratch,fm:'], 2, /^error.*--methods: 'fm:' names no pairs: leave out the colon\.\n$/],
  [['transfer', '--resume', ''], 2, /^error.*--resume is '': it must be the folder of what was interrupted\.\n$/],
  [['compare', '--resume', ''], 2, /^error.*--resume is '': it must be the folder of what was interrupted\.\n$/],
  [['reproduce', '--list', '--data', data], 2, /^error.*--list only shows what there is: leave out --data\.\n$/],
  [['transfer', '--config', join(folder, 'none.yaml')], 1, /error\[FILE_ACCESS\]: Cannot read .*none\.yaml/],
  [['transfer', '--resume', folder], 1, /error\[INVALID_RUN\]: .* holds no run/],
  [['transfer', '--resume', run, '--epochs', '3'], 2, /--epochs cannot accompany --resume/],
  [['pretrain', '--resume', run, '--lr', '0.1'], 2, /--lr cannot accompany --resume/],
  [['transfer', '--resume', pretrained], 1, /was begun by pretrain: l2t-native pretrain --resume/],
  [['build', '--with-cuda', 'maybe'], 2, /error\[INVALID_OPTION\]: --with-cuda is 'maybe': it must be auto, on or off/],
  [['eval', data, '--data', data], 1, /it is a folder: name a file/],
  [[...scratch, join(folder, 'none')], 1, /error\[INVALID_DATA\]: .*does not exist/],
  [[...scratch, folder], 1, /error\[INVALID_DATA\]/],
  [[...trained, '--per-class', '5'], 1, /error\[INVALID_DATA\]: .*class 'left' has 4/],
  [[...trained, '--classes', 'left,rihgt'], 2, /'rihgt' is no class.*'right'/],
  [[...trained, '--device', 'cuda:9'], 1, /error\[DEVICE_UNAVAILABLE\]/],
  [[...trained, '--classes', 'left,0'], 2, /'left' is given twice: leave one out/],
  // Before the images are decoded, which would end it as well.
  [[...scratch, damaged, '--size', '8'], 2, /Images of 8 pixels are too small for vgg9_bn/],
  [[...scratch, damaged], 1, /[12]\.png is not a PNG/],
  [[...transfer, '--data', data, '--source', join(folder, 'none')], 1, /error\[FILE_ACCESS\]: Cannot read .*none/],
  [['eval', write(folder, 'junk', 'junk'), '--data', data], 1, /error\[INVALID_WEIGHTS\]: .*junk/],
  [['inspect', join(folder, 'none')], 1, /error\[FILE_ACCESS\]/],
  [['inspect', folder], 1, /error\[INVALID_RUN\]: .*holds no run/],
  [['inspect', pretrained, '--width', '1'], 2, /--width is for weights files, and .* is a folder: leave it out/],
  [['compare', '--resume', folder], 1, /error\[INVALID_RUN\]: .* holds no experiment: there is no .*plan\.yaml/],
  [['demo', '--seeds', 'x'], 2, /--seeds is 'x': it must be a whole number from 1/],
  [['demo', '--seeds', '0'], 2, /--seeds is 0: it must be a whole number from 1/],
  [['demo', '--out', folder], 1, /error\[INVALID_RUN\]: .*is not empty/],
];

/** What becomes of command lines in one process, one after the other: a process for each takes half a second. */
function inOneProcess(lines: readonly (readonly string[])[]): Partial<Outcome>[] {
  const script = `
    const { main } = await import(${JSON.stringify(join(packageRoot, 'dist/cli/verbs.js'))});
    const print = process.stdout.write.bind(process.stdout);
    const outcomes = [];
    for (const each of [process, process.stdout, process.stderr]) each.setMaxListeners(0);
    for (const args of ${JSON.stringify(lines)}) {
      const printed = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr']) process[name].write = (text) => !!(printed[name] += text);
      process.argv.splice(2, Infinity, ...args);
      process.exitCode = 0;
      await main();
      outcomes.push({ code: process.exitCode, ...printed });
    }
    process.exitCode = 0;
    print(JSON.stringify(outcomes));`;
  const words = ['--input-type=module', '--eval', script, '--', 'l2t-native'];
  return JSON.parse(execFileSync(process.execPath, words, { encoding: 'utf8' }));
}

// What fails by itself may have begun something, and its process must end, so it has one.
const refusals = misuses.filter(([, code]) => code === 2);
const outcomes = inOneProcess(refusals.map(([args]) => args));

describe('misuse', () => {
  it.each(misuses)('%j exits with %i', async (args, code, message) => {
    const outcome = outcomes[refusals.findIndex((refusal) => refusal[0] === args)] ?? (await cli(args));
    expect(outcome.stderr).toMatch(message);
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).not.toMatch(/\n\s+at .*:\d+/);
  });

  it('shows a stack where it is asked for', async () => {
    process.env.L2T_DEBUG = '1';
    const outcome = await cli(['inspect', join(folder, 'none')]).finally(() => delete process.env.L2T_DEBUG);
    expect(outcome.stderr).toMatch(/\n\s+at .*:\d+/);
  });
});
