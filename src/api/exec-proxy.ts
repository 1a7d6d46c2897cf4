import type { RawData } from 'ws';
import { AgentError } from '../domain/errors.ts';
import { type InstanceKey, type NodeId, splitInstanceKey } from '../domain/ids.ts';
import { type ExecStart, parseObject } from '../wire/exec-frames.ts';
import type { ApiDeps } from './api-deps.ts';
import type { Caller } from './caller.ts';
import { bytesOf, sendBytes } from './exec-messages.ts';
import { nodeExecPath } from './exec-routes.ts';
import type { ExecClient } from './exec-session.ts';
import type { PeerSocket } from './peers.ts';

/** Where a command is to run, and for whom. */
export interface RemoteExec {
  readonly key: InstanceKey;
  readonly node: NodeId;
  readonly caller: Caller;
}

/** Has another node run a command, and passes on what either side says; returns the exit code, if that node said it. */
export async function proxyExec(
  deps: ApiDeps,
  { key, node, caller }: RemoteExec,
  start: ExecStart,
  { client, inbox }: ExecClient,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (deps.peers === undefined) throw new AgentError('UNAVAILABLE', 'Cannot ask other nodes: there is no API over TCP');
  const { workload, slot } = splitInstanceKey(key);
  const peer = await deps.peers.connect(node, { path: nodeExecPath(workload, slot), onBehalfOf: caller }, signal);
  try {
    await sendBytes(peer, JSON.stringify({ start }));
    inbox.handle(
      async (message) => sendBytes(peer, 'data' in message ? message.data : message.text),
      () => peer.terminate(),
    );
    return await passOn(peer, client, signal);
  } finally {
    peer.terminate();
  }
}

/** Until the node has said the last; a connection that ends before has broken. */
function passOn(peer: PeerSocket, client: ExecClient['client'], signal: AbortSignal): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    let code: number | undefined;
    let isOver = false;
    let sent = Promise.resolve();
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    peer.on('error', () => {}); // 'close' follows
    peer.on('message', (data: RawData, isBinary: boolean) => {
      const bytes = bytesOf(data);
      if (!isBinary) {
        const { exit, problem } = parseObject(bytes.toString('utf8'));
        isOver ||= exit !== undefined || problem !== undefined;
        code = (exit as { readonly code?: number } | undefined)?.code;
      }
      peer.pause();
      sent = sent.then(async () => {
        await sendBytes(client, isBinary ? bytes : bytes.toString('utf8'));
        peer.resume();
      });
    });
    peer.on('close', () => {
      signal.removeEventListener('abort', onAbort);
      sent.then(() => {
        if (isOver) resolve(code);
        else
          reject(new AgentError('UNAVAILABLE', 'Cannot tell how the command ended: the connection to its node broke'));
      }, reject);
    });
  });
}
