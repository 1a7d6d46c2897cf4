import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { CertificateSigner } from '../api/certificate-signer.ts';
import type { TlsMaterial } from '../api/open-tls.ts';
import { errorText } from '../domain/errors.ts';
import type { Self } from '../host/run-self.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { ReconcileLoop } from '../loop/reconcile-loop.ts';
import { ReportOnce } from '../loop/report-once.ts';
import { renewalTime } from '../pki/describe-certificate.ts';
import {
  type CertificateHolder,
  type CertificatePaths,
  type NodeCertificate,
  nextKeyPath,
  readNodeCertificate,
  replaceCertificate,
} from './node-certificate.ts';

export interface KeeperOptions {
  readonly paths: CertificatePaths;
  readonly holder: CertificateHolder;
  readonly self: Self;
  /** Where this node has the CA's key: signs this node's own certificates too, also the first one. */
  readonly signer?: CertificateSigner;
  /** This machine's addresses and names, for certificates that it signs itself. */
  readonly addresses: () => Promise<readonly string[]>;
  /** Asks other nodes to sign a request, showing them the present certificate. */
  readonly askOthers: (request: string, material: TlsMaterial, signal: AbortSignal) => Promise<string>;
  /** There is a certificate, or another one than before. What it throws has the pass repeated later. */
  readonly onCertificate: (material: TlsMaterial) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

/** Files are looked at so often also when nothing tells that they have changed. */
const LOOK_EVERY_MS = 60_000;
const RETRY = { firstMs: 1_000, maxMs: 300_000, jitter: 0.2 } as const;

/** Keeps this node's certificate: takes what is put into its place, and renews it when two thirds of its life are over. */
export class CertificateKeeper {
  readonly #options: KeeperOptions;
  readonly #loop: ReconcileLoop;
  readonly #said: ReportOnce;
  #current: NodeCertificate | undefined;

  constructor(options: KeeperOptions) {
    const { clock, log, random } = options;
    this.#options = options;
    this.#said = new ReportOnce(clock);
    this.#loop = new ReconcileLoop({
      clock,
      intervalMs: LOOK_EVERY_MS,
      backoffMs: (failures) => backoffMs(failures, { ...RETRY, random }),
      pass: (signal) => this.#pass(signal),
      onFailure: (err) =>
        this.#said.report('certificate', errorText(err), () => log.warn({ err }, 'certificate not as it should be')),
    });
  }

  /** What connections are made with; undefined while there is none. */
  get material(): TlsMaterial | undefined {
    return this.#current?.material;
  }

  /** What is in use, for whoever asks until when it's good; undefined while there is none. */
  get certificate(): NodeCertificate | undefined {
    return this.#current;
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const watchers = this.#watchFolders();
    try {
      await this.#loop.run(signal);
    } finally {
      for (const each of watchers) each.close();
    }
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { paths, holder, signer, clock, log } = this.#options;
    const found = await readNodeCertificate(paths, holder);
    if (found === undefined && signer === undefined) {
      this.#said.report('certificate', 'missing', () =>
        log.warn({ ...paths }, 'API over TCP waits for its certificate'),
      );
      return;
    }
    if (found === undefined) {
      await this.#renew(undefined, signal);
      this.#loop.nudge();
      return;
    }
    await this.#take(found);
    if (found.certificate.validToDate.getTime() >= found.issuer.validToDate.getTime()) {
      const until = found.issuer.validToDate.toISOString();
      this.#said.report('ca', until, () =>
        log.warn({ until }, 'certificate can not be renewed beyond the end of its CA'),
      );
      return;
    }
    const leftMs = renewalTime(found.certificate).getTime() - clock.wallTime().getTime();
    if (leftMs > 0) {
      this.#loop.nudgeWithin(leftMs);
      return;
    }
    await this.#renew(found.material, signal);
    this.#loop.nudge();
  }

  async #take(found: NodeCertificate): Promise<void> {
    const { material, certificate } = found;
    const old = this.#current?.material;
    const isNew = old?.cert !== material.cert || old.key !== material.key || old.ca !== material.ca;
    this.#current = found;
    await this.#options.onCertificate(material);
    if (!isNew) return;
    const until = certificate.validToDate.toISOString();
    this.#said.report('certificate', until, () => this.#options.log.info({ until }, 'certificate in use'));
  }

  /** A new key and a certificate for it. The key goes nowhere. */
  async #renew(present: TlsMaterial | undefined, signal: AbortSignal): Promise<void> {
    const { paths, holder, self, signer, addresses, askOthers } = this.#options;
    const request = await self.run(['pki', 'request', '--key', nextKeyPath(paths), '--force'], '', signal);
    let cert: string;
    if (signer !== undefined) {
      cert = await signer.sign({ node: holder.node, addresses: await addresses(), request }, signal);
    } else if (present !== undefined) cert = await askOthers(request, present, signal);
    else return;
    await replaceCertificate(paths, cert);
  }

  /** A change of a folder is looked at at once. */
  #watchFolders(): FSWatcher[] {
    const { ca, cert, key } = this.#options.paths;
    const folders = [...new Set([ca, cert, key].map((path) => dirname(path)))];
    return folders.flatMap((folder) => {
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#loop.nudge());
        watcher.on('error', () => watcher.close()); // looked at all the same, now and then
        return [watcher];
      } catch {
        return []; // not there yet
      }
    });
  }
}
