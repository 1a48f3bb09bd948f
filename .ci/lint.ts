/**
 * `npm run lint`: Biome, the TypeScript compiler, typedoc (is every export documented?), clang-format on all C++,
 * clang-tidy on the C++ files that changed since the main branch (`--all`: on every one). `--fix`:
 * Biome and clang-format fix the files.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { onPath } from '../setup/apt.mjs';
import { filesBelow, readJson, packageRoot as root } from '../setup/files.mjs';

const fix = process.argv.includes('--fix');
const all = process.argv.includes('--all');
const failed: string[] = [];

function note(name: string, ok: boolean): void {
  console.log(`[lint] ${name}: ${ok ? 'ok' : 'FAILED'}`);
  if (!ok) failed.push(name);
}

function run(name: string, command: string, args: readonly string[]): Promise<void> {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', (error) => console.error(`[lint] ${error.message}`));
    child.on('close', (status) => {
      note(name, status === 0);
      done();
    });
  });
}

/** Is the tool installed? Its name has the version, because versions differ in what they find and how they format. */
function present(tool: string, packages: string): boolean {
  if (onPath(tool)) return true;
  console.error(`[lint] ${tool} is missing: sudo apt-get update && sudo apt-get install -y ${packages}`);
  note(tool, false);
  return false;
}

const cppFiles = ['native', 'binding', 'test/native', 'tools']
  .flatMap((folder) => filesBelow(join(root, folder), ['build']))
  .map((path) => relative(root, path))
  .filter((path) => /\.(cc|cu|cuh|h|inc)$/.test(path));

function git(...args: string[]): string | undefined {
  const child = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  return child.status === 0 ? child.stdout.trim() : undefined;
}

/** The commit to compare with: where the branch left origin's main; on main itself, the commit before. */
function base(): string | undefined {
  const head = git('rev-parse', 'HEAD');
  const fork = git('merge-base', 'HEAD', 'origin/main');
  return fork !== undefined && fork !== head ? fork : git('rev-parse', 'HEAD~1');
}

/** Sources to look at: the changed ones, and those that include a changed header; all without a base. */
function sourcesToTidy(): string[] {
  const sources = cppFiles.filter((path) => path.endsWith('.cc'));
  const from = all ? undefined : base();
  if (from === undefined) return sources;
  const changed = new Set(
    `${git('diff', '--name-only', from)}\n${git('ls-files', '--others', '--exclude-standard')}`.split('\n'),
  );
  if (changed.has('.clang-tidy')) return sources;
  const headers = cppFiles.filter((path) => /\.(h|inc)$/.test(path) && changed.has(path));
  const includesChanged = (path: string): boolean => {
    const text = readFileSync(join(root, path), 'utf8');
    return headers.some((header) => text.includes(`#include "${header}"`));
  };
  return sources.filter((path) => changed.has(path) || includesChanged(path));
}

function tidyOne(path: string): Promise<boolean> {
  return new Promise((done) => {
    const child = spawn('clang-tidy-19', ['-p', 'build/tidy', '--quiet', path], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let findings = '';
    let complaints = '';
    child.stdout.on('data', (text) => {
      findings += text;
    });
    child.stderr.on('data', (text) => {
      complaints += text;
    });
    child.on('close', (status) => {
      // stderr has the count of suppressed warnings: it is printed only if clang-tidy failed without a finding.
      if (status !== 0) process.stdout.write(findings || complaints);
      done(status === 0);
    });
  });
}

/** Makes CMake write how to compile each file by itself: in build/, the files of a room are compiled as one. */
function configure(): boolean {
  const cache = join(root, 'build/CMakeCache.txt');
  if (!existsSync(cache)) return false;
  const cached = [...readFileSync(cache, 'utf8').matchAll(/^(CMAKE_JS_INC|L2T_LIBTORCH):\w+=(.*)$/gm)];
  const args = [
    '-S',
    '.',
    '-B',
    'build/tidy',
    '-DL2T_UNITY=OFF',
    // With a CUDA toolkit, so that its sources are looked at, too.
    '-DL2T_CUDA_COMPILE_ONLY=ON',
    ...cached.map(([, name, value]) => `-D${name}=${value}`),
  ];
  return spawnSync('cmake', args, { cwd: root }).status === 0;
}

async function tidy(): Promise<void> {
  if (!present('clang-tidy-19', 'clang-tidy-19 libomp-19-dev')) return;
  if (!configure()) {
    console.error('[lint] clang-tidy needs a build: node setup/bootstrap.mjs');
    note('clang-tidy', false);
    return;
  }
  // A build compiles the sources with CUDA, or those without, and clang-tidy must know how.
  const commands: { file: string }[] = readJson(join(root, 'build/tidy/compile_commands.json'));
  const compiled = new Set(commands.map(({ file }) => relative(root, file)));
  const queue = sourcesToTidy().filter((path) => compiled.has(path));
  const count = queue.length;
  let ok = true;
  const worker = async (): Promise<void> => {
    for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
      ok = (await tidyOne(path)) && ok;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  note(`clang-tidy (${count} of ${cppFiles.filter((path) => path.endsWith('.cc')).length} sources)`, ok);
}

await run('biome', join(root, 'node_modules/.bin/biome'), [
  'check',
  '--error-on-warnings',
  ...(fix ? ['--write'] : []),
]);
if (present('clang-format-19', 'clang-format-19')) {
  await run('clang-format', 'clang-format-19', [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...cppFiles]);
}
if (!fix) {
  const tsc = join(root, 'node_modules/.bin/tsc');
  // Each takes one core.
  await Promise.all([
    run('tsc', tsc, ['--noEmit']),
    run('tsc, the page in the browser', tsc, ['--noEmit', '-p', 'tsconfig.browser.json']),
    // It fails on an export, or a member of an exported type, without a doc comment.
    run('typedoc', join(root, 'node_modules/.bin/typedoc'), ['--emit', 'none', '--logLevel', 'Warn']),
  ]);
  await tidy();
}
process.exitCode = failed.length === 0 ? 0 : 1;
