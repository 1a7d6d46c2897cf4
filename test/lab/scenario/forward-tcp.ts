import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Listens on an address of the host and passes connections on to another, until closed: an etcd that comes and goes. */
export async function forwardTcp(options: {
  readonly address: string;
  readonly port: number;
  readonly target: URL;
}): Promise<{ close(): void }> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(options.target.port), options.target.hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(options.port, options.address);
  await once(server, 'listening');
  return {
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
