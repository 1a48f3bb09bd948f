import { parseDocument } from 'yaml';

const tooDeep = 'it is nested too deeply';

/**
 * The value of a YAML text. Aliases are followed a hundred times at most, so that a short text stays a small value.
 * @throws Error with one line that says what is wrong and where.
 */
export function parseYaml(text: string): unknown {
  // Its warnings would go to stderr: what it cannot resolve is an error here.
  const document = parseDocument(text, { strict: true, uniqueKeys: true, logLevel: 'error' });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem?.code === 'MULTIPLE_DOCS') throw new Error('it holds several documents (---): keep one');
  if (problem?.message.startsWith('Maximum call stack')) throw new Error(tooDeep);
  if (problem !== undefined) {
    const advice = problem.code === 'TAG_RESOLVE_FAILED' ? '. Leave the tag out' : '';
    throw new Error(`${problem.message.split(/:?\n/)[0]}${advice}`);
  }
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    if (error instanceof RangeError) throw new Error(tooDeep);
    if (error instanceof ReferenceError) throw new Error('its aliases (*name) do not exist, or are too many');
    throw error;
  }
}
