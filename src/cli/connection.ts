import { type Client, openClient } from '../wire/client.ts';
import type { ClientTarget } from '../wire/target.ts';

/** Opens the API of an agent; nothing is sent yet. */
export function connect(target: ClientTarget): Client {
  return openClient(target);
}
