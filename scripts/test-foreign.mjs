/**
 * `npm run test:foreign`: the tests with other programs (test/foreign). Installs these programs, which are Debian's,
 * and fails if one of the tests is skipped, or none is run.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aptInstall } from './apt.mjs';
import { packageRoot } from './build-native.mjs';
import { readJson } from './stamps.mjs';

const packages = ['chromium', 'python3-onnx', 'python3-onnxruntime', 'python3-torchvision', 'python3-safetensors'];

const isInstalled = (name) =>
  spawnSync('dpkg', ['--status', name], { encoding: 'utf8' }).stdout?.includes('install ok installed') ?? false;

/** Why something could not be installed, or undefined. */
function installMissing() {
  const missing = packages.filter((name) => !isInstalled(name));
  return missing.length === 0 ? undefined : aptInstall(missing, (line) => console.error(`[foreign] ${line}`));
}

/** Runs the tests. Returns vitest's exit status, and its report if it wrote one. */
function runTests() {
  const folder = mkdtempSync(join(tmpdir(), 'l2t-foreign-'));
  const file = join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const vitest = join(packageRoot, 'node_modules/vitest/vitest.mjs');
  const child = spawnSync(process.execPath, [vitest, 'run', 'test/foreign', ...reporters], {
    cwd: packageRoot,
    stdio: 'inherit',
  });
  const report = readJson(file);
  rmSync(folder, { recursive: true });
  return { status: child.status ?? 1, report };
}

/** What is wrong, one sentence each. */
function problemsOf({ status, report }) {
  const tests = (report?.testResults ?? []).flatMap(({ assertionResults }) => assertionResults);
  const notPassed = tests.filter((test) => test.status !== 'passed');
  return [
    ...(tests.length === 0 ? ['no test was run'] : []),
    ...notPassed.map((test) => `${test.status}: ${test.fullName}`),
    ...(status === 0 || notPassed.some((test) => test.status === 'failed') ? [] : ['vitest failed (see above)']),
  ];
}

const reason = installMissing();
if (reason === undefined) {
  const problems = problemsOf(runTests());
  for (const problem of problems) console.error(`[foreign] ${problem}`);
  console.error(problems.length === 0 ? '[foreign] passed' : '[foreign] failed');
  process.exitCode = problems.length === 0 ? 0 : 1;
} else {
  console.error(`[foreign] not installed: ${reason}. Needed: apt-get install ${packages.join(' ')}`);
  process.exitCode = 1;
}
