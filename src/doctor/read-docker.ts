import { request } from 'node:http';
import type { DockerFacts } from './facts.ts';

/** What dockerd says of itself over its socket. Rejects when it doesn't. */
export async function readDocker(socketPath: string, limitMs: number, signal: AbortSignal): Promise<DockerFacts> {
  const ask = async (path: string) => getJson(socketPath, path, limitMs, signal);
  const [version, info] = await Promise.all([ask('/version'), ask('/info')]);
  const text = (value: unknown) => (typeof value === 'string' ? value : '?');
  return {
    version: text(version['Version']),
    apiVersion: text(version['ApiVersion']),
    rootFolder: text(info['DockerRootDir']),
    cgroupDriver: text(info['CgroupDriver']),
    isLiveRestored: info['LiveRestoreEnabled'] === true,
  };
}

const BODY_LIMIT = 1024 * 1024;

async function getJson(
  socketPath: string,
  path: string,
  limitMs: number,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    const sent = request({
      socketPath,
      path,
      signal,
      timeout: limitMs,
      headers: { host: 'docker', connection: 'close' },
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${limitMs} ms`)));
    sent.on('error', reject);
    sent.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > BODY_LIMIT) sent.destroy(new Error('its answer is too long'));
      });
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve(JSON.parse(body) as Readonly<Record<string, unknown>>);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
    sent.end();
  });
}
