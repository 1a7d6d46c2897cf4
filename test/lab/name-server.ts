import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const headerBytes = 12;
const typeA = 1;
const answeredYes = 0x8580; // an answer, authoritative, recursion desired and available
const answeredNoSuchName = 0x8583;

/**
 * The lab's DNS: knows the nodes, for containers too, and refuses any other name at once. Without it each lookup of an
 * unknown name, which dockerd and others make by themselves, would wait for seconds.
 * @returns what closes it
 */
export async function openNameServer(address: string, hosts: Readonly<Record<string, string>>): Promise<() => void> {
  const socket = createSocket('udp4');
  socket.on('message', (query, peer) => {
    const reply = answer(query, hosts);
    if (reply !== undefined) socket.send(reply, peer.port, peer.address, () => undefined);
  });
  socket.bind(53, address);
  await once(socket, 'listening');
  socket.unref();
  return () => {
    socket.close();
  };
}

/** The reply to a query, which has one question; nothing for what is no query. */
function answer(query: Buffer, hosts: Readonly<Record<string, string>>): Buffer | undefined {
  const labels: string[] = [];
  let at = headerBytes;
  for (let length = query[at]; length !== undefined && length > 0; length = query[at]) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const questionEnd = at + 5;
  if (query.length < questionEnd) return undefined;
  const address = hosts[labels.join('.').toLowerCase()];
  const isKnown = address !== undefined;
  const records = isKnown && query.readUInt16BE(at + 1) === typeA ? [addressRecord(address)] : [];
  const header = Buffer.from(query.subarray(0, headerBytes));
  header.writeUInt16BE(isKnown ? answeredYes : answeredNoSuchName, 2);
  header.writeUInt16BE(records.length, 6);
  header.writeUInt32BE(0, 8);
  return Buffer.concat([header, query.subarray(headerBytes, questionEnd), ...records]);
}

/** Name (a pointer to the question's), type A, class IN, a minute to live, four bytes. */
function addressRecord(address: string): Buffer {
  const head = [0xc0, headerBytes, 0, typeA, 0, 1, 0, 0, 0, 60, 0, 4];
  return Buffer.from([...head, ...address.split('.').map(Number)]);
}
