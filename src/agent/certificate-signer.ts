import type { CertificateSigner } from '../api/certificate-signer.ts';
import { AgentError, errorText } from '../domain/errors.ts';
import { formatDurationMs } from '../domain/quantity.ts';
import type { Self } from '../host/run-self.ts';
import { REQUEST_REFUSED } from '../pki/request.ts';

export interface SignerOptions {
  readonly self: Self;
  readonly ca: string;
  readonly caKey: string;
  readonly lifetimeMs: number;
}

/** Certificates that are being asked for at once; more than a cluster's worth of nodes that start together. */
const WAITING = 32;

/** Signs in a process of its own, one at a time: the library would take 20 MB of this one for good. */
export function openSigner(options: SignerOptions): CertificateSigner {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  return {
    sign: async (order, signal) => {
      if (waiting >= WAITING)
        throw new AgentError('UNAVAILABLE', `Cannot sign more certificates now: expected at most ${WAITING} at once`);
      waiting += 1;
      const mine = last.then(async () => signOne(options, order, signal));
      last = mine.catch(() => {});
      return mine.finally(() => {
        waiting -= 1;
      });
    },
  };
}

async function signOne(
  { self, ca, caKey, lifetimeMs }: SignerOptions,
  { node, addresses, request }: Parameters<CertificateSigner['sign']>[0],
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const args = ['pki', 'sign', '-', '--role', 'node', '--name', node, '--ca-cert', ca, '--ca-key', caKey];
  args.push('--lifetime', formatDurationMs(lifetimeMs), `--address=${addresses.join(',')}`);
  try {
    return `${await self.run(args, request, signal)}\n`;
  } catch (error) {
    throw refusalOf(error) ?? error;
  }
}

/** The process fails whoever is to blame; that it was the request is in what it said. */
function refusalOf(error: unknown): AgentError | undefined {
  const said = errorText(error);
  const at = said.indexOf(REQUEST_REFUSED);
  if (at === -1) return undefined;
  const [line = ''] = said.slice(at).split('\n');
  return new AgentError('INVALID_INPUT', line);
}
