import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { addon } from '../../src/native/addon.js';
import { toTensorMap } from '../../src/native/tensor.js';
import { writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { transferSchema } from '../../src/options/schemas.js';
import { yamlOptions } from '../../src/options/yaml.js';
import { writeClasses } from '../data/generate.js';
import { cli, main, newPath, temporaryFolder, tinyData, tinySource, write } from '../tiny.js';

let data: string;
let source: string;
beforeAll(async () => {
  data = tinyData();
  source = await tinySource();
});

const small = ['--width', '0.125', '--threads', '1'];
const named = ['--target', 'vgg9_bn', ...small];

describe('init', { timeout: 120_000 }, () => {
  it('with --yes writes what it prints, with comments, and transfer runs it as it is', async () => {
    const cwd = temporaryFolder();
    const written = await cli(['init', '--yes', '--data', data, '--source', source, ...named, '--json'], { cwd });
    expect(written).toMatchObject({ code: 0 });
    const { options, file } = JSON.parse(written.stdout);
    expect(options).toMatchObject({ method: 'l2t-ww', sourceNetwork: 'resnet20', size: 32, batch: 32, epochs: 200 });
    expect(file).toBe('l2t.yaml');
    const text = readFileSync(join(cwd, file), 'utf8');
    expect(await yamlOptions(transferSchema, join(cwd, file))).toEqual(options);
    expect(text).toMatch(/^# l2t-native transfer --config l2t\.yaml\n# .*3 classes, 36 training and 30 test images/);
    expect(text).toMatch(
      /# passes over the training images.*\n# Proposed: the default; .*: 400 steps of .*\.\nepochs: 200\n/,
    );
    expect(text).toMatch(/\n\n# CPU threads.*\nthreads: 1\n/);
    const run = await cli(['transfer', '--config', file, '--epochs', '1', '--lr', '0.01', '--out', 'run'], { cwd });
    expect(run).toMatchObject({ code: 0, stdout: expect.stringMatching(/^test accuracy/) });
  });

  it('does not overwrite a file', async () => {
    const out = write(temporaryFolder(), "a person's.yaml", 'epochs: 3\n');
    const outcome = await cli(['init', '--yes', '--data', data, '--source', source, '--out', out]);
    expect(outcome).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/it exists already: remove it/),
    });
    expect(readFileSync(out, 'utf8')).toBe('epochs: 3\n');
  });

  it.each([
    [[], /There is no terminal to ask at: give --data, --source, --max-ms \(or --yes/],
    [['--method', 'scratch', '--target', 'vgg9_bn'], /give --data\.\n/],
    [['--yes', '--method', 'finetune'], /no proposal for --data, --targetInit|no proposal for --data, --target-init/],
  ])('without a terminal names the flags that are missing: %j', async (args, message) => {
    expect(await cli(['init', ...args])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
  });

  it('says what is wrong with data, source and target, and writes nothing', async () => {
    const cwd = temporaryFolder();
    const one = temporaryFolder();
    await writeClasses(one, { only: 4 });
    const unknown = await tinySource({ name: 'resnet32', width: 0.5 });
    const wrong: readonly [args: readonly string[], code: number, message: RegExp][] = [
      [['--data', join(cwd, 'none'), '--source', source], 1, /INVALID_DATA.* does not exist/],
      [['--data', temporaryFolder(), '--source', source], 1, /INVALID_DATA.* is no data set/],
      [['--data', one, '--source', source], 1, /INVALID_DATA.* has one class, 'only'/],
      [['--data', data, '--source', join(cwd, 'none')], 1, /FILE_ACCESS.*none/],
      [['--data', data, '--source', write(one, 'junk', 'junk')], 1, /INVALID_WEIGHTS.*junk/],
      [['--data', data, '--source', unknown, '--source-network', 'resnet20'], 2, /holds a resnet32/],
      [['--data', data, '--source', source, '--size', '8', '--target', 'vgg9_bn'], 2, /Images of 8 pixels are too/],
      [['--data', data, '--source', source, '--pairs', '99-0'], 2, /INVALID_OPTION.*99/],
      [['--data', data, '--source', source, '--method', 'scratch'], 2, /Method scratch has no use for --source/],
    ];
    for (const [args, code, message] of wrong) {
      const outcome = await cli(['init', '--yes', ...args, ...small], { cwd });
      expect(outcome).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) });
    }
    expect(readdirSync(cwd)).toEqual([]);
  });
});

const python = spawnSync('python3', ['-c', 'import pty']).status === 0;

/** Runs init on a terminal, which types each answer once its question is there. Returns what it showed, and its exit code. */
async function onTerminal(cwd: string, answers: readonly (readonly [question: string, answer: string])[]) {
  const program = `
import json, os, pty, sys
answers = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[2], sys.argv[2:])
seen = b''
def read():
    global seen
    try: more = os.read(terminal, 4096)
    except OSError: more = b''
    seen += more
    return more
at = 0
for question, answer in answers:
    while question.encode() not in seen[at:]:
        if not read(): break
    at = len(seen)
    os.write(terminal, answer.encode())
while read(): pass
print(json.dumps([seen.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]))`;
  const command = [process.execPath, main, 'init', '--threads', '1'];
  const { stdout } = await promisify(execFile)('python3', ['-c', program, JSON.stringify(answers), ...command], {
    cwd,
  });
  const [shown, code] = JSON.parse(stdout) as [string, number];
  return { shown, code };
}

describe.skipIf(!python)('init on a terminal (skipped without python3)', { timeout: 120_000 }, () => {
  it('asks for images, source and budget, and again after a wrong answer', async () => {
    const cwd = temporaryFolder();
    const { shown, code } = await onTerminal(cwd, [
      ['Your images', 'no-such-folder\r'],
      ['Your images', `${data}\r`],
      ['The source', `${source}\r`],
      ['[any]', 'fast\r'],
      ['[any]', '0\r'],
      ['[any]', '\r'],
    ]);
    expect(shown).toMatch(/no-such-folder does not exist/);
    expect(shown).toMatch(/--max-ms is 'fast'.*--max-ms is '?0'?: /s);
    expect(code).toBe(0);
    const options = await yamlOptions(transferSchema, join(cwd, 'l2t.yaml'));
    expect(options).toMatchObject({ data, targetInit: source, target: 'resnet20', method: 'finetune' });
  });

  it('takes answers that were pasted together', async () => {
    const cwd = temporaryFolder();
    const { code } = await onTerminal(cwd, [['Your images', `${data}\r${source}\r\r`]]);
    expect(code).toBe(0);
    expect(await yamlOptions(transferSchema, join(cwd, 'l2t.yaml'))).toMatchObject({ targetInit: source });
  });

  it('asks again for a network that the source is not', async () => {
    const cwd = temporaryFolder();
    const file = newPath('foreign.safetensors');
    const half = { name: 'resnet32', classes: 3, width: 0.5 };
    await writeSafetensors(file, toTensorMap(addon().initialise(half, 0)));
    const { shown } = await onTerminal(cwd, [
      ['Your images', `${data}\r`],
      ['The source', `${file}\r`],
      ['Its network', 'resnet32\r'],
      ['Its network', '\x04'],
    ]);
    expect(shown).toMatch(/--source-network and --source-width/);
  });

  it('ends at Ctrl-D while no question is there', async () => {
    const { shown, code } = await onTerminal(temporaryFolder(), [['Your images', `${data}\r\x04`]]);
    expect(shown).toContain('The input ended');
    expect(code).toBe(130);
  });

  it.each([
    ['Ctrl-C', '\x03', 'interrupted: '],
    ['Ctrl-D', '\x04', 'The input ended'],
  ])('ends at %s with exit code 130, and writes nothing', async (_name, key, message) => {
    const cwd = temporaryFolder();
    const { shown, code } = await onTerminal(cwd, [
      ['Your images', `${data}\r`],
      ['The source', key],
    ]);
    expect(shown).toContain(message);
    expect(code).toBe(130);
    expect(existsSync(join(cwd, 'l2t.yaml'))).toBe(false);
  });
});
