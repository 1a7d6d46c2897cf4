import { closeSync, openSync } from 'node:fs';
import { chown } from 'node:fs/promises';
import { ReadStream } from 'node:tty';
import { AgentError } from '../../domain/errors.ts';
import type { TerminalSize } from '../port.ts';

/** A pseudo-terminal: the side that a program sees, and the side that we read and write. */
export interface Pty {
  /** For the program's standard streams; to be closed with {@link closeSlave} once it has been started. */
  readonly slave: number;
  /** Reads and writes. A read fails with EIO once no program has the terminal any more. */
  readonly master: ReadStream;
  /** Programs see a SIGWINCH. */
  resize(size: TerminalSize): void;
  /** Gives the terminal to the user that the program runs as. */
  giveTo(uid: number, gid: number): Promise<void>;
  closeSlave(): void;
}

const O_RDWR = 2;
const O_NOCTTY = 0o400;
const O_CLOEXEC = 0o2000000;
const TIOCSWINSZ = 0x5414n;
const NAME_BYTES = 64;

/** Makes one. `UNAVAILABLE` where this machine gives none. */
export async function openPty(size: TerminalSize): Promise<Pty> {
  const libc = await loadLibc();
  const fd = libc.posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) throw unavailable();
  const name = Buffer.alloc(NAME_BYTES);
  const isReady =
    libc.grantpt(fd) === 0 && libc.unlockpt(fd) === 0 && libc.ptsname_r(fd, name, BigInt(NAME_BYTES)) === 0;
  if (!isReady) {
    closeSync(fd);
    throw unavailable();
  }
  const path = name.toString('latin1', 0, name.indexOf(0));
  const resize = ({ columns, rows }: TerminalSize) => {
    if (!isClosed()) libc.ioctl(fd, TIOCSWINSZ, Buffer.from(new Uint16Array([rows, columns, 0, 0]).buffer));
  };
  let slave: number;
  try {
    slave = openSync(path, O_RDWR | O_NOCTTY);
  } catch (cause) {
    closeSync(fd);
    throw unavailable(cause);
  }
  const master = new ReadStream(fd);
  const isClosed = () => master.destroyed;
  resize(size);
  return {
    slave,
    master,
    resize,
    giveTo: async (uid, gid) => chown(path, uid, gid),
    closeSlave: () => closeSync(slave),
  };
}

function unavailable(cause?: unknown): AgentError {
  const message = 'Cannot make a terminal: expected this machine to give one';
  return new AgentError('UNAVAILABLE', message, cause === undefined ? undefined : { cause });
}

async function loadLibc() {
  try {
    const { dlopen } = await import('node:ffi');
    return dlopen(null, {
      posix_openpt: { return: 'i32', arguments: ['i32'] },
      grantpt: { return: 'i32', arguments: ['i32'] },
      unlockpt: { return: 'i32', arguments: ['i32'] },
      ptsname_r: { return: 'i32', arguments: ['i32', 'buffer', 'u64'] },
      ioctl: { return: 'i32', arguments: ['i32', 'u64', 'buffer'] },
    }).functions;
  } catch (cause) {
    throw unavailable(cause);
  }
}
