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

/** Command line, and what stderr must say. */
type Misuse = readonly [args: readonly string[], message: RegExp];
/** They exit with 2. */
const refused: readonly Misuse[] = [
  [['transfr'], /unknown command 'transfr'.*\n.*Did you mean transfer\?/],
  [['transfer', '--epoch', '3'], /unknown option '--epoch'.*\n.*Did you mean .*--epochs/],
  [['transfer', '--epochs'], /argument missing/],
  [['transfer', 'surplus'], /too many arguments/],
  [['eval'], /missing required argument 'checkpoint'/],
  [[...transfer, '--data', data], /error\[INVALID_OPTION\]: --source is missing/],
  [['pretrain', '--network', 'vgg9_bn'], /--data is missing\.\n.*\nAs in: l2t-native pretrain .*--data photos/],
  [['transfer', '--epochs', 'many'], /--epochs is 'many': it must be a whole number from 1/],
  [['transfer', '--epochs', '1.5'], /--epochs is 1\.5: it must be a whole number/],
  [['transfer', '--batch', '1'], /--batch is 1: it must be a whole number from 2/],
  [['transfer', '--lr', '-1'], /--lr is -1: it must be auto, or a number above 0/],
  [['transfer', '--lr', '1e999'], /--lr is Infinity: it must be auto, or a number above 0/],
  [['transfer', '--momentum', '1'], /--momentum is 1: it must be a number from 0 and below 1/],
  [['transfer', '--seed', '1e3x'], /--seed is '1e3x'/],
  [['transfer', '--target', 'vgg9'], /--target is 'vgg9': it must be one of .* Did you mean 'vgg9_bn'\?/],
  [['transfer', '--method', 'l2tww'], /--method is 'l2tww'.* Did you mean 'l2t-ww'\?/],
  [['transfer', '--engine', 'warp'], /--engine is 'warp': it must be one of/],
  [['transfer', '--convolution', 'fft'], /--convolution is 'fft': it must be one of auto, winograd, direct/],
  [[...trained, '--engine', 'autograd', '--convolution', 'winograd'], /--convolution winograd .*use --engine native/],
  [[...trained, '--device', 'cpu', '--precision', 'tf32'], /--precision tf32 is a GPU's/],
  [['transfer', '--augment', 'trivial'], /--augment is 'trivial': it must be one of crop-flip, none\./],
  [['transfer', '--patience', '0'], /--patience is 0: it must be a whole number from 1/],
  [
    [...trained, '--patience', '3'],
    /--patience needs validation images, and this run has none: hold some out with --validation/,
  ],
  [
    [...trained, '--patience', '3', '--validation', '0.1'],
    /--patience needs validation images, and --validation 0\.1 holds out no image.*such as --validation 1/,
  ],
  [[...trained, '--eval-every', '2', '--validation', '0'], /--eval-every needs validation images/],
  [
    ['eval', join(pretrained, 'best.safetensors'), '--data', data, '--top', '3'],
    /--top 3 counts every image as right, because the network has 3 classes/,
  ],
  [['bench', '--case', 'all'], /--case is 'all': it must be one of resnet32-vgg9/],
  [['bench', '--engines', 'native,native'], /it must be native, autograd, or native,autograd/],
  [['bench', '--rounds', '0'], /it must be a whole number from 1/],
  [['bench', '--device', 'tpu'], /^error\[INVALID_OPTION\]: Unknown --device 'tpu'/m],
  [['bench', '--case', 'fm', '--inner-steps', '2'], /--case fm has no use for --inner-steps/],
  [['transfer', '--config', yaml('epocs: 3')], /\.yaml: epocs is unknown: .*\. Did you mean 'epochs'\?/],
  [['transfer', '--config', yaml('data: gone/photos'), '--data', data], /--source and --target are missing/],
  // YAML's lists and aliases are read.
  [
    [
      'compare',
      '--config',
      yaml(`methods: [scratch, scratch]\nclasses: [left, 2]\ndata: &there ${data}\ncache: *there\ntarget: vgg9_bn`),
    ],
    /--methods: scratch is listed twice/,
  ],
  [
    ['compare', '--config', yaml(`methods: [scratch]\nclasses: [left, rihgt]\ndata: ${data}\ntarget: vgg9_bn`)],
    /'rihgt' is no class.*'right'/,
  ],
  [['transfer', '--config', yaml('epochs: x')], /\.yaml: epochs is 'x': it must be a whole number/],
  [['transfer', '--config', yaml('- 1')], /must be a map of options/],
  [
    ['transfer', '--config', yaml('data: !!python/object:os.system x')],
    /^error.*\.yaml is no valid YAML: Unresolved tag: .*python\/object:os\.system at line 1, column 7\. Leave the tag out\.\n$/,
  ],
  [['compare', '--methods', 'scratch,fm:'], /^error.*--methods: 'fm:' names no pairs: leave out the colon\.\n$/],
  [['transfer', '--resume', ''], /^error.*--resume is '': it must be the folder of what was interrupted\.\n$/],
  [['compare', '--resume', ''], /^error.*--resume is '': it must be the folder of what was interrupted\.\n$/],
  [['reproduce', '--list', '--data', data], /^error.*--list only shows what there is: leave out --data\.\n$/],
  [['transfer', '--resume', run, '--epochs', '3'], /--epochs cannot accompany --resume/],
  [['pretrain', '--resume', run, '--lr', '0.1'], /--lr cannot accompany --resume/],
  [['build', '--with-cuda', 'maybe'], /error\[INVALID_OPTION\]: --with-cuda is 'maybe': it must be auto, on or off/],
  [[...trained, '--classes', 'left,rihgt'], /'rihgt' is no class.*'right'/],
  [[...trained, '--classes', 'left,0'], /'left' is given twice: leave one out/],
  // Before the images are decoded, which would end it as well.
  [[...scratch, damaged, '--size', '8'], /Images of 8 pixels are too small for vgg9_bn/],
  [['inspect', pretrained, '--width', '1'], /--width is for weights files, and .* is a folder: leave it out/],
  [['demo', '--seeds', 'x'], /--seeds is 'x': it must be a whole number from 1/],
  [['demo', '--seeds', '0'], /--seeds is 0: it must be a whole number from 1/],
];

/** They exit with 1. Each has a process of its own, which must end: it may have begun something. */
const failing: readonly Misuse[] = [
  [
    ['transfer', '--config', yaml('data: gone/photos')],
    /\.yaml: data is gone\/photos, which is not in \/.*: correct it/,
  ],
  [['compare', '--config', pretrained], /^error.*FILE_ACCESS.*: it is a folder: name a YAML file\.\n$/],
  [['transfer', '--config', join(folder, 'none.yaml')], /error\[FILE_ACCESS\]: Cannot read .*none\.yaml/],
  [['transfer', '--resume', folder], /error\[INVALID_RUN\]: .* holds no run/],
  [['transfer', '--resume', pretrained], /was begun by pretrain: l2t-native pretrain --resume/],
  [['eval', data, '--data', data], /is a folder that holds no run: name a weights file/],
  [[...scratch, join(folder, 'none')], /error\[INVALID_DATA\]: .*does not exist/],
  [[...scratch, folder], /error\[INVALID_DATA\]/],
  [[...trained, '--per-class', '5'], /error\[INVALID_DATA\]: .*class 'left' has 4/],
  [[...trained, '--device', 'cuda:9'], /error\[DEVICE_UNAVAILABLE\]/],
  [[...scratch, damaged], /[12]\.png is not a PNG/],
  [[...transfer, '--data', data, '--source', join(folder, 'none')], /error\[FILE_ACCESS\]: Cannot read .*none/],
  [['eval', write(folder, 'junk', 'junk'), '--data', data], /error\[INVALID_WEIGHTS\]: .*junk/],
  [['inspect', join(folder, 'none')], /error\[FILE_ACCESS\]/],
  [['inspect', folder], /error\[INVALID_RUN\]: .*holds no run/],
  [['compare', '--resume', folder], /error\[INVALID_RUN\]: .* holds no experiment: there is no .*plan\.yaml/],
  [['demo', '--out', folder], /error\[INVALID_RUN\]: .*is not empty/],
];

/** Runs command lines one after the other in one process, because a process for each takes half a second. */
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

const outcomes = inOneProcess(refused.map(([args]) => args));

describe('misuse', () => {
  it.each([...refused, ...failing].map(([args, message], k) => ({ args, message, refusal: outcomes[k] })))(
    '$args',
    async ({ args, message, refusal }) => {
      const { code, stdout, stderr } = refusal ?? (await cli(args));
      expect(stderr).toMatch(message);
      expect([code, stdout]).toEqual([refusal ? 2 : 1, '']);
      expect(stderr).not.toMatch(/\n\s+at .*:\d+/);
    },
  );

  it('shows a stack where it is asked for', async () => {
    process.env.L2T_DEBUG = '1';
    const outcome = await cli(['inspect', join(folder, 'none')]).finally(() => delete process.env.L2T_DEBUG);
    expect(outcome.stderr).toMatch(/\n\s+at .*:\d+/);
  });
});
