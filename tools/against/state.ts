import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { L2TError } from '../../src/errors.js';

/** A checkout of the program with its own build. */
export interface State {
  readonly folder: string;
  /** The commit, or where there is none the folder's name. */
  readonly title: string;
  /** Runs the checkout's command line and returns what it prints. */
  readonly run: (...words: string[]) => Promise<string>;
}

/** @throws L2TError INVALID_OPTION for a folder that is no built checkout. */
export async function stateIn(path: string): Promise<State> {
  const folder = resolve(path);
  const script = commandOf(folder);
  // A build that the environment names would be that of both.
  const { L2T_NATIVE_BUILD: _, ...env } = process.env;
  const run = async (...words: string[]) => {
    const options = { cwd: folder, env, maxBuffer: 2 ** 26 };
    const { stdout } = await promisify(execFile)(process.execPath, [script, ...words], options);
    return stdout;
  };
  return { folder, title: await titleOf(folder), run };
}

/** The script behind the command l2t-native. */
function commandOf(folder: string): string {
  const description = join(folder, 'package.json');
  const { bin } = (existsSync(description) ? JSON.parse(readFileSync(description, 'utf8')) : {}) as {
    readonly bin?: Readonly<Record<string, string>>;
  };
  const script = join(folder, bin?.['l2t-native'] ?? '');
  if (bin?.['l2t-native'] !== undefined && existsSync(script)) return script;
  const advice = 'give a checkout in which `npm run bootstrap` has run';
  throw new L2TError('INVALID_OPTION', `${folder} holds no build of l2t-native: ${advice}.`);
}

async function titleOf(folder: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('git', ['-C', folder, 'describe', '--always', '--dirty']);
    return stdout.trim();
  } catch {
    return basename(folder);
  }
}
