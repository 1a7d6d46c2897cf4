import { AgentError } from '../domain/errors.ts';
import type { Mount } from '../domain/spec.ts';

/** What {@link parseMountText} takes, for messages. */
export const MOUNT_FORM = 'a mount as "volume:/data", "/host/path:/path:ro", or a map of type, source, target';

/** A mount in Docker's short form: a host path is bound, a name is a volume. */
export function parseMountText(text: string): Mount {
  const [source, target, mode, more] = text.split(':');
  const modes: readonly (string | undefined)[] = [undefined, 'ro', 'rw'];
  if (source === undefined || source === '' || target === undefined || more !== undefined || !modes.includes(mode)) {
    throw new AgentError('INVALID_INPUT', `Cannot parse mount "${text.slice(0, 200)}": expected ${MOUNT_FORM}`);
  }
  const type = /^[./~]/.test(source) ? 'bind' : 'volume';
  return { type, source, target, readOnly: mode === 'ro' };
}
