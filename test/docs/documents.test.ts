import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { documents, inlineCodeOf, stepsIn, stepsOf, wordsOf } from './documents.js';
import { ranksScript, refusalOf, unknownIn } from './parsing.js';
import { type Planned, planOf, run, typeErrorsOf, yamlName } from './running.js';
import { copyOf, files, preparedFolder, rows } from './stand-ins.js';

const steps = documents.flatMap(stepsOf);
const planned = steps.map(planOf);
const toRun = planned.filter(({ not }) => not === undefined);

/** `place: text` of those of which `wrong` says something. */
const offences = <T extends { readonly place: string; readonly text: string }>(
  all: readonly T[],
  wrong: (step: T) => string | boolean | undefined,
): string[] => all.flatMap((step) => (wrong(step) ? [`${step.place}: ${step.text} (${wrong(step)})`] : []));

/** Whether a step of this kind can be run. */
function runnable({ language, text }: Planned): boolean {
  if (language === 'sh') return ['l2t-native', ranksScript].includes(wordsOf(text)[0] ?? '');
  return language === 'yaml' ? yamlName.test(text) : ['ts', 'js'].includes(language);
}

describe('the commands and snippets of the documents', () => {
  it('are run, or a row of the table says why not', () => {
    expect(offences(toRun, (step) => !runnable(step) && 'neither run nor in the table')).toEqual([]);
  });

  it('are what every row of the table, and every file, is for', () => {
    const idle = rows.filter(({ fits }) => !steps.some((step) => fits.test(step.text)));
    expect(idle.map(({ fits }) => String(fits))).toEqual([]);
    const unnamed = Object.keys(files).filter((name) => !steps.some(({ text }) => text.includes(name)));
    expect(unnamed).toEqual([]);
  });

  it('have options that there are, with values that they take', () => {
    const commands = planned.filter(({ language }) => language === 'sh');
    expect(offences(commands, ({ typed }) => refusalOf(typed))).toEqual([]);
  });

  it('in the running text, too', () => {
    const inline = documents.flatMap(inlineCodeOf).map(({ place, code }) => ({ place, text: code }));
    expect(offences(inline, ({ text }) => unknownIn(text))).toEqual([]);
  });

  it.each([
    ['l2t-native transfer --target vgg9_bn --no-such 1', /unknown option '--no-such'/],
    ['l2t-native transfer --target vgg9_bn --method l2t', /--method is l2t/],
    ['l2t-native data check photos --json --seed 1', /unknown option '--seed'/],
    ['npx l2t-native setup', /--from <zip\|dir\|url>' not specified/],
    ['npm run demo -- --quickly', /unknown option '--quickly'/],
    ['npm run lint -- --every', /\.ci\/lint\.ts has no flag --every/],
    ['npm run no-such', /no script no-such/],
    ['npx tsx tools/timing/layers.ts --cases x', /layers\.ts has no flag --cases/],
    ['npx tsx tools/no-such.ts', /no file tools/],
  ])('a wrong one is seen: %s', (command, message) => {
    expect(refusalOf(command)).toMatch(message);
  });

  it('a wrong one in the running text is seen', () => {
    expect(unknownIn('l2t-native eval RUN/best.safetensors --data … --spilt test')).toBe('--spilt');
    expect(unknownIn('--learning-rate auto')).toBe('--learning-rate');
    expect(unknownIn('l2t-native evaluate FILE')).toBe('there is no verb evaluate');
  });

  it('are read line by line, without comments', () => {
    const text = '```sh\na --b \\\n  c   # d\n# e\n\nf "#" g#h | i\n```\n```ts\nj\n```\n';
    expect(stepsIn(text, 'x.md').map(({ place, text: read }) => [place, read])).toEqual([
      ['x.md:2', 'a --b c'],
      ['x.md:6', 'f "#" g#h | i'],
      ['x.md:9', 'j'],
    ]);
    expect(wordsOf('f "#" g#h | i')).toEqual(['f', '#', 'g#h']);
  });
});

describe('as a person types them', { timeout: 900_000 }, () => {
  let prepared: string;
  const made: string[] = [];
  beforeAll(async () => {
    prepared = await preparedFolder();
    made.push(prepared);
  });
  afterAll(() => {
    for (const folder of made) rmSync(folder, { recursive: true, force: true });
  });

  it.concurrent.each(documents.filter((document) => toRun.some(({ place }) => place.startsWith(`${document}:`))))(
    'those of %s work, in their order',
    async (document) => {
      const folder = copyOf(prepared);
      made.push(folder);
      for (const step of toRun.filter(({ place }) => place.startsWith(`${document}:`))) {
        const failure = await run(step, folder);
        expect(failure === undefined ? '' : `${step.place}: ${step.text}\n${failure}`).toBe('');
      }
    },
  );

  it('snippets have the types of the package', () => {
    const types = join(packageRoot, 'node_modules/@types');
    const snippets = toRun.filter(({ language }) => language === 'ts');
    expect(typeErrorsOf(snippets, prepared, types)).toEqual([]);
    const text = "import { transfer } from 'l2t-native';\ntransfer({ target: 'vgg9_bn', data: 'photos', epoch: 1 });";
    const wrong = planOf({ place: 'x', language: 'ts', text });
    expect(typeErrorsOf([wrong], prepared, types)[0]).toMatch(/^x: .*'epoch'/s);
  });
});
