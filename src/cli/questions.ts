import { homedir } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { L2TError } from '../errors.js';
import { throwIfAborted } from '../system/abort.js';
import { printable } from '../system/printable.js';
import { say } from './progress.js';

/** Checks whether a person can be asked. */
export const onTerminal = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** Asks on stderr, one question after the other. Close it after the last. */
export class Questions {
  readonly #lines = createInterface({ input: process.stdin, output: process.stderr });
  readonly #ended: Promise<never>;
  /** Lines that came before their question, for example because several were pasted. */
  readonly #early: string[] = [];

  constructor(private readonly signal: AbortSignal) {
    // The terminal gives Ctrl-C to readline as a key.
    this.#lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    this.#ended = new Promise((_, reject) => {
      this.#lines.once('close', () => reject(new L2TError('ABORTED', 'The input ended before the questions did.')));
    });
    this.#ended.catch(() => {});
    // While a question waits, its line does not come here.
    this.#lines.on('line', (line) => this.#early.push(line));
  }

  /**
   * Asks until `accept` takes the answer; its errors are shown, and the question comes again. Takes `usual` for an
   * empty answer.
   * @throws L2TError ABORTED after Ctrl-C or Ctrl-D.
   */
  async ask<T>(question: string, accept: (answer: string) => Promise<T>, usual = ''): Promise<T> {
    for (;;) {
      const answer = await this.#answer(usual === '' ? `${question}: ` : `${question} [${usual}]: `);
      try {
        return await accept(answer === '' ? usual : answer);
      } catch (error) {
        if (!(error instanceof L2TError) || error.code === 'ABORTED') throw error;
        say(error.message);
        // Lines that were pasted behind a refused one would answer other questions than they were meant for.
        this.#early.length = 0;
      }
    }
  }

  close(): void {
    this.#lines.close();
  }

  /** Reads a line; ~ is replaced, because no shell has read it. */
  async #answer(prompt: string): Promise<string> {
    let line = this.#early.shift();
    if (line !== undefined) say(`${prompt}${printable(line)}`);
    try {
      // After the end a question would be refused as a mistake of the program, so #ended comes first.
      line ??= await Promise.race([this.#ended, this.#lines.question(prompt, { signal: this.signal })]);
    } catch (error) {
      throwIfAborted('The command', this.signal);
      throw error;
    }
    return line.trim().replace(/^~(?=\/|$)/, homedir());
  }
}
