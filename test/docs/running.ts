import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import type { Step } from './documents.js';
import { rows } from './stand-ins.js';

/** A step as it is run here, or why it is not. */
export interface Planned extends Step {
  /** The command with its own options and values, before those of the table are added. */
  readonly typed: string;
  readonly not: string | undefined;
}

export function planOf(step: Step): Planned {
  const fitting = (text: string) => rows.filter(({ fits }) => fits.test(text));
  const typed = fitting(step.text).reduce((text, { fits, becomes }) => text.replace(fits, becomes ?? '$&'), step.text);
  const added = fitting(typed).flatMap(({ adds }) => adds ?? []);
  const text = added.reduce((so, more) => (step.language === 'sh' ? withFlags(so, more) : `${more}${so}`), typed);
  return { ...step, typed, text, not: fitting(step.text).find(({ not }) => not !== undefined)?.not };
}

/** The flags go before a pipe or a redirection. */
const withFlags = (command: string, flags: string): string => command.replace(/(?=\s+(?:\||&|\d?>)|$)/, ` ${flags}`);

/** The first line of YAML: the file that later commands find it in. */
export const yamlName = /^# ([\w.-]+\.yaml)/;

/** Runs a step in the folder. Returns what it printed if it failed. */
export async function run({ language, text }: Planned, folder: string): Promise<string | undefined> {
  makeWay(text, folder);
  if (language === 'yaml') {
    const [, file = ''] = yamlName.exec(text) ?? [];
    writeFileSync(join(folder, file), text);
    return undefined;
  }
  if (language === 'sh') return execute('bash', ['-c', text], folder);
  const module = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext };
  writeFileSync(join(folder, 'snippet.mjs'), ts.transpileModule(text, { compilerOptions: module }).outputText);
  return execute(process.execPath, ['snippet.mjs'], folder);
}

/** Removes the run folder that the step is to make: another document or snippet may have made it before. */
function makeWay(text: string, folder: string): void {
  for (const [, out = ''] of text.matchAll(/(?:--out |out: ')(runs\/[\w.-]+)/g)) {
    rmSync(join(folder, out), { recursive: true, force: true });
  }
}

function execute(command: string, args: readonly string[], cwd: string): Promise<string | undefined> {
  // One thread each: several documents' commands run side by side.
  const env = { ...process.env, PATH: `${cwd}/bin:${process.env.PATH}`, OMP_NUM_THREADS: '1' };
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env, timeout: 300_000 }, (error, stdout, stderr) => {
      resolve(error === null ? undefined : `${stdout}${stderr}exit code ${error.code ?? error.signal}`);
    });
  });
}

/** Returns the compiler's errors about the snippets, each in a file of its own in the folder. */
export function typeErrorsOf(snippets: readonly Planned[], folder: string, types: string): string[] {
  const placeOf = new Map(
    snippets.map(({ place, text }, k) => {
      const file = join(folder, `snippet-${k}.mts`);
      writeFileSync(file, `${text}\nexport {};\n`);
      return [file, place];
    }),
  );
  const program = ts.createProgram([...placeOf.keys()], {
    strict: true,
    noUncheckedIndexedAccess: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    typeRoots: [types],
    types: ['node'],
  });
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    const place = placeOf.get(file?.fileName ?? '') ?? 'the snippets';
    return `${place}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}
