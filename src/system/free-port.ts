import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** The address at which one host's processes find each other; others cannot reach it. */
export const loopback = '127.0.0.1';

/** Ports from 15000 to 29999: below those that the system gives away by itself. */
export const ownPorts = { first: 15_000, count: 15_000 };

/**
 * One of them that was free on the loopback interface a moment ago. The system gives it to no other program meanwhile.
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
