/**
 * entries-child.ts FOLDER: calls the addon with wrong arguments. Each job is a seed, which determines the whole try.
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addon, type NativeAddon } from '../../src/native/addon.js';
import { answer } from './children.js';
import { isKnownCode } from './codes.js';
import { Draw } from './damage/draw.js';
import { damageArguments, Thrown } from './damage/values.js';
import { calls } from './entries-calls.js';

export interface EntriesJob {
  readonly seed: number;
}

export interface EntriesAnswer {
  readonly name: string;
  readonly what: string;
  readonly outcome: string;
  readonly find?: string;
}

const [, , folder] = process.argv as [string, string, string];
addon();
const build = process.env.L2T_NATIVE_BUILD ?? fileURLToPath(new URL('../../build', import.meta.url));
const raw = createRequire(import.meta.url)(join(build, 'Release/l2t_native.node')) as NativeAddon;

/**
 * Describes a thrown error that must not occur; undefined for our errors, and for those that hostile code threw itself.
 */
function wrong(error: unknown, isMisuse: boolean): string | undefined {
  if (error instanceof Thrown) return undefined;
  const { code, stack } = Object(error) as { code?: unknown; stack?: string };
  if (isKnownCode(code)) return undefined;
  // JavaScript itself refuses a wrong `this`, a constructor without `new`, and a revoked proxy.
  if (isMisuse && error instanceof TypeError) return undefined;
  if (error instanceof TypeError && /revoked/.test(error.message)) return undefined;
  return `${typeof code === 'string' ? code : 'no code'}: ${stack ?? String(error)}`.slice(0, 1500);
}

type Any = (...args: unknown[]) => unknown;

/** Uses a class or method wrongly: without `new`, on another object, as the base of another class. */
function misuse(draw: Draw, args: unknown[]): unknown {
  const Class = draw.pick([raw.Run, raw.Network, raw.Bench]) as unknown as {
    new (...given: unknown[]): object;
    prototype: object;
  };
  const methods = Object.getOwnPropertyNames(Class.prototype).filter((key) => key !== 'constructor');
  const method = (Class.prototype as Record<string, Any>)[draw.pick(methods)] as Any;
  const kind = draw.below(6);
  if (kind === 0) return (Class as unknown as Any)(...args);
  if (kind === 1)
    return method.call(
      draw.pick<unknown>([undefined, null, {}, 1, Class, Class.prototype, new Proxy({}, {})]),
      ...args,
    );
  if (kind === 2) return method.call(Object.create(Class.prototype), ...args);
  if (kind === 3) return Reflect.construct(Class, args, draw.pick([Object, Array, class Other {}, Class]));
  if (kind === 4) return new (class Other extends Class {})(...args);
  const whole = calls(draw, () => {}).Network?.args() ?? [];
  const other = new (raw.Network as unknown as new (...given: unknown[]) => object)(...whole);
  return method.call(draw.pick([other, new Proxy(other, {})]), ...args);
}

async function attempt({ seed }: EntriesJob): Promise<EntriesAnswer> {
  const draw = new Draw(seed);
  let find: string | undefined;
  let outcome = 'returned';
  const judge = (error: unknown, isMisuse = false): void => {
    outcome = String((Object(error) as { code?: unknown }).code ?? (Object(error) as { name?: unknown }).name);
    find ??= wrong(error, isMisuse);
  };
  const all = calls(draw, (call) => {
    try {
      call();
    } catch (error) {
      judge(error);
    }
  });
  const name = draw.weighted(Object.fromEntries(Object.entries(all).map(([key, { weight }]) => [key, weight])));
  const call = all[name] as (typeof all)[string];
  const doing = join(folder, 'doing');
  writeFileSync(doing, `${name}: to be changed`);
  // A copy, so that changes stay within this try.
  const args = structuredClone(call.args());
  // Some calls stay valid: a run's methods in a wrong order are enough.
  const done = draw.once(12) ? ['nothing'] : damageArguments(args, draw);
  const isMisuse = draw.once(25);
  const native = draw.once(2) ? raw : addon();
  const what = `${name}${isMisuse ? ', misused' : ''}: ${done.join('; ')}`;
  writeFileSync(doing, what);
  try {
    await (isMisuse ? misuse(draw, args) : call.use(native, args, draw));
  } catch (error) {
    judge(error, isMisuse);
  }
  // Objects that are not referenced any more are collected here, and not in a later try.
  if (draw.once(20)) (globalThis as { gc?: () => void }).gc?.();
  await new Promise(setImmediate);
  return { name, what, outcome, ...(find !== undefined && { find }) };
}

/** Unhandled rejections come from stray calls, which are judged where they are made. */
process.on('unhandledRejection', () => {});
answer(attempt);
