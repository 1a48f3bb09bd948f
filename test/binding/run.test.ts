import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { images, newRun, scratch } from '../native/tiny.js';

describe('step events behind a blocked event loop', () => {
  /**
   * Blocks this thread until the trainer's rests for a second: it waits for the epoch to be saved. On a busy machine, it
   * may get no time for a part of a second before.
   */
  function blockUntilIdle(): void {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    for (let slice = 0, idle = 0; slice < 600 && idle < 10; slice++) {
      const before = process.cpuUsage();
      Atomics.wait(cell, 0, 0, 100);
      const { user, system } = process.cpuUsage(before);
      idle = user + system < 20_000 && !othersWantTime() ? idle + 1 : 0;
    }
  }

  /** Whether another thread runs, or waits for a processor or a disk. */
  function othersWantTime(): boolean {
    const folder = '/proc/self/task';
    return readdirSync(folder).some((thread) => {
      if (Number(thread) === process.pid) return false;
      try {
        return /\) [RD] /.test(readFileSync(join(folder, thread, 'stat'), 'latin1'));
      } catch {
        return false; // it has ended
      }
    });
  }

  it('do not pile up: the newest stay', async () => {
    const steps: number[] = [];
    const job = scratch({ train: images(800), batch: 2, epochs: 1 });
    const run = newRun(job, (event) => {
      if (event.type !== 'step') return run.saved();
      steps.push(event.step);
      if (steps.length === 1) blockUntilIdle();
    });
    await run.start();
    expect(steps.length).toBeLessThan(300);
    const late = steps.slice(-256);
    expect(late).toEqual(Array.from({ length: 256 }, (_, k) => 400 - 255 + k));
  });
});
