/** The files that are read have fewer than ten levels. A few thousand would exhaust the stack of what walks the value. */
const maxDepth = 64;

/**
 * Parses the JSON of a file. Throws an Error whose message goes on with a sentence about the text: "is no JSON", or "is
 * JSON of more than 64 levels".
 */
export function parseJson(text: string): unknown {
  // Before it is parsed, because each level takes memory.
  if (isDeeper(text, maxDepth)) throw new Error(`is JSON of more than ${maxDepth} levels`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error('is no JSON', { cause });
  }
}

/** Checks whether brackets outside of strings open more than `most` levels. */
function isDeeper(text: string, maxDepth: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') inString = !inString;
    else if (inString) {
      if (char === '\\') at++;
    } else if (char === '[' || char === '{') {
      if (++depth > maxDepth) return true;
    } else if (char === ']' || char === '}') depth--;
  }
  return false;
}
