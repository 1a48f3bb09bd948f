/**
 * `bench --nproc` runs this for each rank: `rank.js JOB` times iterations of the native engine, alone or with others,
 * and prints a RankTiming as JSON.
 */
import { addon } from '../native/addon.js';
import { benchJob, secondsIn } from './cases.js';
import type { RankJob, RankTiming } from './ranks.js';

const { name, settings, rounds, config } = JSON.parse(process.argv[2] as string) as RankJob;
const { Bench, Group } = addon();
const group = config && new Group(config);
await group?.join();
const subject = new Bench({ ...benchJob(name, 'native', settings), reducer: group });
await subject.iterate(); // warms up
let seconds = Number.POSITIVE_INFINITY;
const before = subject.traffic();
for (let round = 0; round < rounds; round++) {
  seconds = Math.min(seconds, secondsIn(await subject.iterate()));
}
const after = subject.traffic();
const timing: RankTiming = {
  seconds,
  calls: (after.calls - before.calls) / rounds,
  bytes: (after.bytes - before.bytes) / rounds,
};
group?.leave();
process.stdout.write(JSON.stringify(timing));
