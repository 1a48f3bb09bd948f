import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { methodNames } from '../../src/options/methods.js';
import { networkNames } from '../../src/options/networks.js';
import { cli, temporaryFolder, write } from '../tiny.js';

const zshOffers = fileURLToPath(new URL('./completion/offers.zsh', import.meta.url));

/** Calls a command's function as bash does: with the words so far (= and : are words) and the index of the last. */
const bashOffers = `
source "$1"
line=\${2//=/ = }
read -ra COMP_WORDS <<< "\${line//:/ : }"
[[ $2 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
$(complete -p l2t-native | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "\${COMPREPLY[@]}"`;

/** How each shell says what it offers at the end of a line: a word in each line. */
const shells: Readonly<Record<string, (script: string, line: string) => readonly string[]>> = {
  bash: (script, line) => ['-c', bashOffers, 'bash', script, line],
  zsh: (script, line) => ['-f', zshOffers, script, line],
  fish: (script, line) => ['--no-config', '-c', 'source $argv[1]; complete -C $argv[2]', script, line],
};

const isThere = (shell: string): boolean => spawnSync(shell, ['-c', 'exit 0']).status === 0;

// A busy machine starts a shell and the program for each word slowly.
describe.each(Object.keys(shells))('completion of %s', { timeout: 240_000 }, (shell) => {
  const installed = isThere(shell);
  const folder = temporaryFolder();
  let script: string;
  beforeAll(async () => {
    script = write(folder, 'script', (await cli(['completion', shell])).stdout);
    write(folder, 'a checkpoint.pth', '');
    write(`${folder}/photos`, '1.png', '');
  });

  async function offers(line: string): Promise<string[]> {
    const args = shells[shell]?.(script, `l2t-native ${line}`) ?? [];
    const { stdout } = await promisify(execFile)(shell, args, { cwd: folder, timeout: 60_000 });
    // fish adds help after a tab, and the flag to the value of --flag=value; it also offers words with these letters elsewhere.
    // zsh offers the last name of a list, the others the whole list.
    const words = stdout.split('\n').map((each) =>
      each
        .replace(/\t.*/, '')
        .replace(/^--[\w-]+=(?=.)/, '')
        .replace(/^.*,/, '')
        .replace(/[=/]$/, ''),
    );
    const begun = line.split(/[ =,]/).at(-1) as string;
    return [...new Set(words.filter((word) => word !== '' && word.startsWith(begun)))].sort();
  }

  it.skipIf(!installed)(`offers verbs, flags and values (skipped where ${shell} is not installed)`, async () => {
    expect(await offers('tra')).toEqual(['train', 'transfer']);
    expect(await offers('data ch')).toEqual(['check']);
    expect(await offers('source ge')).toEqual(['get']);
    expect(await offers('source li')).toEqual(['list']);
    expect(await offers('source get resnet32-')).toEqual(['resnet32-tinyimagenet']);
    expect(await offers('source get --fr')).toEqual(['--from']);
    expect(await offers('transfer --meth')).toEqual(['--method']);
    expect(await offers('transfer --no-rep')).toEqual(['--no-report']);
    expect(await offers('data check --lay')).toEqual(['--layout']);
    expect(await offers('transfer --method ')).toEqual([...methodNames].sort());
    expect(await offers('transfer --target=')).toEqual([...networkNames].sort());
    expect(await offers('export --to onn')).toEqual(['onnx']);
    expect(await offers('transfer --source-network=')).toEqual([...networkNames, 'onnx'].sort());
    expect(await offers('reproduce stl10-t')).toEqual(['stl10-three-sources']);
    expect(await offers('completion ')).toEqual(['bash', 'fish', 'zsh']);
    expect(await offers('transfer --epochs ')).toEqual([]);
    expect(await offers('transfer --log ')).toEqual(['csv', 'tensorboard']);
    expect(await offers('compare --methods scratch,l2')).toEqual(['l2-sp', 'l2t-w', 'l2t-ww']);
    expect(await offers('compare --methods=l2t-w,fm,l2')).toEqual(['l2-sp', 'l2t-ww']);
    expect(await offers('compare --methods fm:one-to-one,l2')).toEqual(['l2-sp', 'l2t-w', 'l2t-ww']);
  });

  it.skipIf(!installed)(`offers files and folders (skipped where ${shell} is not installed)`, async () => {
    expect(await offers('transfer --cache ')).toEqual(['photos']);
    expect((await offers('transfer --source ')).map((file) => file.replaceAll(/\\/g, ''))).toEqual([
      ...['a checkpoint.pth', 'photos', 'script'],
    ]);
    expect(await offers('eval scr')).toEqual(['script']);
  });

  it.skipIf(!installed || shell === 'fish')(
    `offers a flag again only if it repeats (skipped where ${shell} is not installed; fish offers all)`,
    async () => {
      expect(await offers('transfer --target vgg9_bn --tar')).toEqual(['--target-init']);
      expect(await offers('transfer --source a.pth --sourc')).toContain('--source');
    },
  );
});

it('completion of an unknown shell names those that there are', async () => {
  expect(await cli(['completion', 'tcsh'])).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/bash, zsh, fish/),
  });
});
