import { FleetRefusal } from './answers.ts';

/** What fleet has on a page. */
const PAGE_SIZE = 100;

/** One page of a listing, and the token of the next, if there's one. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextPageToken?: string;
}

/** The page that a client asks for by `nextPageToken`: the first without one. Throws 400 for a token that is none of ours. */
export function pageOf<T>(all: readonly T[], tokens: readonly string[]): Page<T> {
  if (tokens.length > 1) throw new FleetRefusal(400, 'too many values for page token');
  const [token] = tokens;
  const page = token === undefined ? 1 : decodeToken(token);
  const items = all.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE);
  return page * PAGE_SIZE < all.length ? { items, nextPageToken: encodeToken(page + 1) } : { items };
}

/** fleet's: base64url of two little-endian 16-bit numbers, a page's size and its number. */
function encodeToken(page: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(PAGE_SIZE, 0);
  bytes.writeUInt16LE(page, 2);
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

function decodeToken(token: string): number {
  const bytes = /^[A-Za-z0-9_-]{6}==$/.test(token) ? Buffer.from(token, 'base64url') : Buffer.alloc(0);
  if (bytes.length !== 4) throw new FleetRefusal(400, 'page token is not valid');
  if (bytes.readUInt16LE(0) !== PAGE_SIZE) throw new FleetRefusal(400, `token limit must be ${PAGE_SIZE}`);
  const page = bytes.readUInt16LE(2);
  if (page === 0) throw new FleetRefusal(400, 'token page must be greater than zero');
  return page;
}
