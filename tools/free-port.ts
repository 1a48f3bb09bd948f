import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { loopback, ownPorts } from '../src/ranks/environment.js';

/**
 * One of `ownPorts` that was free on the loopback interface a moment ago. The system gives it to no other program meanwhile.
 * @throws Error of Node, if none of many is free.
 */
export async function freePort(): Promise<number> {
  for (let left = 1000; ; left--) {
    const port = ownPorts.first + randomInt(ownPorts.count);
    try {
      await listenOnce(port);
      return port;
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

function listenOnce(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, loopback, () => server.close(() => resolve()));
  });
}
