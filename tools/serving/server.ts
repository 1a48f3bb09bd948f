import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../../setup/files.mjs';

/** The line of the documented server that loads its network. */
export const loadsNetwork = /^const network = .*$/m;

/** The server of docs/serving.md, TypeScript. */
export function documentedServer(): string {
  const document = readFileSync(join(packageRoot, 'docs/serving.md'), 'utf8');
  const [, text = ''] = /```ts\n(\/\/ server\.ts\n[\s\S]*?)```/.exec(document) ?? [];
  if (!loadsNetwork.test(text)) throw new Error('docs/serving.md has no server that loads a network.');
  return text;
}

export interface Server {
  readonly child: ChildProcess;
  /** http://127.0.0.1:40123/classify */
  readonly url: string;
  /** The lines that it printed, so far. */
  readonly lines: readonly string[];
}

/** Starts a server, whose text is TypeScript, in a folder that has this package and what it imports. Resolves when it listens. */
export async function startServer(text: string, folder: string, imports: readonly string[] = []): Promise<Server> {
  const modules = join(folder, 'node_modules');
  mkdirSync(modules, { recursive: true });
  symlinkSync(packageRoot, join(modules, 'l2t-native'));
  for (const name of ['fastify', '@fastify', 'tsx', ...imports])
    symlinkSync(join(packageRoot, 'node_modules', name), join(modules, name));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'server.ts'), text);
  const args = ['--import', 'tsx', 'server.ts'];
  const env = { ...process.env, PORT: '0' };
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  const printed = createInterface({ input: child.stdout });
  printed.on('line', (line) => lines.push(line));
  await Promise.race([
    once(printed, 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error('The server ended before it listened.'))),
  ]);
  return { child, url: `${lines[0]}/classify`, lines };
}

/** Ends a server in good order. Returns its exit code. */
export async function stopServer({ child }: Server): Promise<number | null> {
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = await ended;
  return code as number | null;
}
