/** A rank of engines.test.ts: computes the cases as the rank that its argument describes. */
import type { GroupConfig } from '../../../src/native/addon.js';
import { computeCases } from './cases.js';

await computeCases(JSON.parse(process.argv[2] as string) as GroupConfig);
