import { parseDocument } from 'yaml';

/**
 * YAML as plain values. What the parser would only warn of on stderr, such as a tag that it does not know, is an error, too: nothing
 * of a file of options may be guessed. There are no aliases: a few lines of them unfold to gigabytes.
 * @throws Error where the text is no such YAML.
 */
export function parseYaml(text: string): unknown {
  const document = parseDocument(text, { strict: true, uniqueKeys: true, logLevel: 'error' });
  for (const problem of [...document.errors, ...document.warnings]) throw problem;
  return document.toJS({ maxAliasCount: 0 });
}
