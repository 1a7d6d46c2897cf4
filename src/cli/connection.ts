import { type Client, openClient } from '../wire/client.ts';

/** Opens the API of the agent that listens at a socket; nothing is sent yet. */
export function connect(target: { readonly socketPath: string }): Client {
  return openClient(target);
}
