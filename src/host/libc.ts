/** The few calls of the C library that Node has no way to make. None blocks. */
export interface Libc {
  /** LOCK_EX | LOCK_NB; false when another process holds the lock. */
  lockFile(fd: number): boolean;
  /** One datagram to a unix socket; `@` begins an abstract name. False when it could not be sent. */
  sendDatagram(path: string, text: string): boolean;
}

/** malloc_trim(3), which only the GNU C library has: it keeps what was freed between what is in use until asked for it. */
export async function loadTrim(): Promise<(() => void) | undefined> {
  try {
    const { dlopen } = await import('node:ffi');
    const { functions } = dlopen(null, { malloc_trim: { return: 'i32', arguments: ['u64'] } });
    return () => {
      functions.malloc_trim(0n);
    };
  } catch {
    return undefined;
  }
}

/** madvise(2) with MADV_DONTNEED: the range is mapped as before, and read anew when it's used. Undefined where Node can't call it. */
export async function loadUnmap(): Promise<((address: bigint, bytes: bigint) => void) | undefined> {
  try {
    const { dlopen } = await import('node:ffi');
    const { functions } = dlopen(null, { madvise: { return: 'i32', arguments: ['u64', 'u64', 'i32'] } });
    return (address, bytes) => {
      functions.madvise(address, bytes, MADV_DONTNEED);
    };
  } catch {
    return undefined;
  }
}

/** What the kernel says of its clock. */
export interface KernelClock {
  /** Something (NTP, PTP, the hypervisor) keeps it right. */
  readonly isSynchronized: boolean;
  /** How far off it may be, by the kernel's own reckoning. */
  readonly maxErrorMs: number;
}

/** adjtimex(2), which changes nothing here; undefined where Node can't call it. */
export async function readKernelClock(): Promise<KernelClock | undefined> {
  try {
    const { dlopen } = await import('node:ffi');
    const { functions } = dlopen(null, { adjtimex: { return: 'i32', arguments: ['buffer'] } });
    const timex = Buffer.alloc(256); // struct timex of 64-bit machines: modes 0 asks only
    const state = functions.adjtimex(timex);
    if (state < 0) return undefined;
    return {
      isSynchronized: state !== TIME_ERROR && (timex.readInt32LE(40) & STA_UNSYNC) === 0,
      maxErrorMs: Number(timex.readBigInt64LE(24)) / 1_000,
    };
  } catch {
    return undefined;
  }
}

const TIME_ERROR = 5;
const STA_UNSYNC = 0x40;
const MADV_DONTNEED = 4;
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** Binds them; undefined where this Node can't (then a helper program does the work). */
export async function loadLibc(): Promise<Libc | undefined> {
  try {
    const { dlopen } = await import('node:ffi');
    const { functions } = dlopen(null, {
      socket: { return: 'i32', arguments: ['i32', 'i32', 'i32'] },
      sendto: { return: 'i64', arguments: ['i32', 'buffer', 'u64', 'i32', 'buffer', 'u32'] },
      flock: { return: 'i32', arguments: ['i32', 'i32'] },
    });
    let socket = -1; // kept: a sign of life must get through also when no file descriptor is left
    return {
      lockFile: (fd) => functions.flock(fd, LOCK_EX | LOCK_NB) === 0,
      sendDatagram: (path, text) => {
        const address = unixAddress(path);
        const data = Buffer.from(text);
        if (socket < 0) socket = functions.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (socket < 0) return false;
        const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
        const sent = functions.sendto(socket, data, BigInt(data.length), flags, address, address.length);
        return Number(sent) === data.length;
      },
    };
  } catch {
    return undefined;
  }
}

/** struct sockaddr_un; a path ends with a zero, an abstract name begins with one. */
function unixAddress(path: string): Buffer {
  const isAbstract = path.startsWith('@');
  const name = Buffer.from(isAbstract ? `\0${path.slice(1)}` : `${path}\0`);
  const family = Buffer.alloc(2);
  if (new Uint8Array(new Uint16Array([AF_UNIX]).buffer)[0] === AF_UNIX) family.writeUInt16LE(AF_UNIX);
  else family.writeUInt16BE(AF_UNIX);
  return Buffer.concat([family, name]);
}
