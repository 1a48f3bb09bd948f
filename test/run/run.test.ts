import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { L2TError, type Run, type RunEvent, type RunResult } from '../../src/index.js';
import { EventQueue } from '../../src/run/event-queue.js';
import { Run as RunClass } from '../../src/run/run.js';
import { newPath, tinyData, tinyOptions } from '../tiny.js';

const warning = (message: string): RunEvent => ({ type: 'warning', message });

/** A run whose events and end the test decides. */
function controlled() {
  let emit: (event: RunEvent) => void = () => {};
  let finish: (result: RunResult) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const run = new RunClass((push) => {
    emit = push;
    return new Promise<RunResult>((resolve, reject) => {
      finish = resolve;
      fail = reject;
    });
  });
  return { run, emit, finish, fail };
}

const result = {} as RunResult;

async function messages(run: Run, until = Number.POSITIVE_INFINITY): Promise<string[]> {
  const taken: string[] = [];
  for await (const event of run) {
    if (event.type === 'warning') taken.push(event.message);
    if (taken.length === until) break;
  }
  return taken;
}

describe('iterating over a run', () => {
  const refusal = { code: 'INVALID_OPTION', message: expect.stringMatching(/iterated over once/) };

  it('is refused a second time while the first loop goes on, which gets every event', async () => {
    const { run, emit, finish } = controlled();
    const first = messages(run);
    await expect(messages(run)).rejects.toMatchObject(refusal);
    emit(warning('a'));
    emit(warning('b'));
    finish(result);
    expect(await first).toEqual(['a', 'b']);
    await expect(messages(run)).rejects.toMatchObject(refusal);
  });

  it('may be left: the run goes on, its result is given, and a second loop is refused', async () => {
    const { run, emit, finish } = controlled();
    emit(warning('a'));
    expect(await messages(run, 1)).toEqual(['a']);
    await expect(messages(run)).rejects.toMatchObject(refusal);
    emit(warning('b'));
    finish(result);
    expect(await run.result).toBe(result);
  });

  it('ends a next() that waits when it is left', async () => {
    const { run } = controlled();
    const events = run[Symbol.asyncIterator]();
    const waiting = events.next();
    await events.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it('gives next() calls that wait their events in order, then the failure once', async () => {
    const { run, emit, fail } = controlled();
    const events = run[Symbol.asyncIterator]();
    const asked = [events.next(), events.next(), events.next(), events.next()];
    emit(warning('a'));
    emit(warning('b'));
    fail(new L2TError('FILE_ACCESS', 'no'));
    expect(await Promise.allSettled(asked)).toMatchObject([
      { value: { value: { message: 'a' } } },
      { value: { value: { message: 'b' } } },
      { reason: { code: 'FILE_ACCESS' } },
      { value: { done: true } },
    ]);
  });
});

describe('EventQueue', () => {
  it('drops the oldest of what may be dropped, and nothing else', async () => {
    const queue = new EventQueue<number>((value) => value % 2 === 0, undefined, 30);
    for (let value = 0; value < 40; value++) queue.push(value);
    queue.end();
    const taken: number[] = [];
    for await (const value of queue) taken.push(value);
    expect(taken.filter((value) => value % 2 === 1)).toEqual(Array.from({ length: 20 }, (_, i) => 2 * i + 1));
    expect(taken.length).toBeLessThanOrEqual(31);
    expect(taken).toContain(38);
  });
});

const built = (module: string): string => JSON.stringify(new URL(`../../dist/${module}`, import.meta.url).href);

/** Each with a run that fails with a code after 10 ms, and what becomes an unhandled rejection. */
const failures: readonly (readonly [name: string, program: string, unhandled: readonly string[]])[] = [
  ['nobody looks', `failing('FILE_ACCESS');`, ['FILE_ACCESS']],
  ['nobody looks at an aborted one', `failing('ABORTED');`, []],
  ['the result is taken, not awaited', `failing('FILE_ACCESS').result;`, ['FILE_ACCESS']],
  ['the loop was left before', `for await (const event of failing('FILE_ACCESS')) break;`, ['FILE_ACCESS']],
  [
    'the loop is left after',
    `for await (const event of failing('FILE_ACCESS')) { await turn(); break; }`,
    ['FILE_ACCESS'],
  ],
  [
    'left, and awaited',
    `const run = failing('FILE_ACCESS');
    for await (const event of run) { await turn(); break; }
    await run.result.catch(() => {});`,
    [],
  ],
  ['awaited', `await failing('FILE_ACCESS').result.catch(() => {});`, []],
  ['thrown by the loop', `try { for await (const event of failing('FILE_ACCESS')) await turn(); } catch {}`, []],
  ['ended by an abort', `for await (const event of failing('ABORTED'));`, []],
  [
    'a training is aborted, and nobody looks',
    `const stop = new AbortController();
    const run = transfer({ ...training, signal: stop.signal });
    const underWay = async () => { for await (const { type } of run) if (type === 'step') stop.abort(); };
    await underWay().catch(() => {});`,
    [],
  ],
  [
    'in a comparison',
    `await compare({ target: 'vgg9_bn', methods: 'scratch', data: '/nowhere' }).catch(() => {});`,
    [],
  ],
];

describe('a run that fails', () => {
  it('is an unhandled rejection exactly where nobody could learn of it', () => {
    const cases = failures.map(([name, program]) => `[${JSON.stringify(name)}, async () => { ${program} }]`);
    const training = { ...tinyOptions, method: 'scratch', pairs: undefined, data: tinyData(4), out: newPath() };
    const program = `
      import { compare, L2TError, transfer } from ${built('index.js')};
      import { Run } from ${built('run/run.js')};
      const turn = () => new Promise((resolve) => setTimeout(resolve, 50));
      const failing = (code) => new Run(async (emit) => {
        emit({ type: 'warning', message: '' });
        await new Promise((resolve) => setTimeout(resolve, 10));
        throw new L2TError(code, '');
      });
      const training = ${JSON.stringify(training)};
      let unhandled;
      process.on('unhandledRejection', ({ code }) => unhandled.push(code));
      for (const [name, body] of [${cases}]) {
        unhandled = [];
        await body();
        await turn();
        await turn();
        console.log(JSON.stringify([name, unhandled]));
      }`;
    const args = ['--input-type=module', '--eval', program];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 });
    expect(stderr).toBe('');
    const seen = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(seen).toEqual(failures.map(([name, , unhandled]) => [name, unhandled]));
  });
});
