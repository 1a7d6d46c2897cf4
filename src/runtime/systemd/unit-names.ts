import { AgentError } from '../../domain/errors.ts';
import type { InstanceKey } from '../../domain/ids.ts';
import { unitName } from '../../domain/names.ts';

/** systemd's own limit (UNIT_NAME_MAX). */
const UNIT_NAME_LIMIT = 255;

/**
 * The unit of an instance, fit to become a path. Names were checked when the workload was applied; they are checked again
 * here because a store can be written by others, and a wrong name would write outside our folders.
 */
export function safeUnitName(key: InstanceKey): string {
  const unit = unitName(key);
  const isSafe =
    unit.length <= UNIT_NAME_LIMIT &&
    /^[A-Za-z0-9:_\\-][A-Za-z0-9:_.\\-]*(@[A-Za-z0-9:_.\\-]+)?\.(service|socket|timer|path|mount|automount)$/.test(
      unit,
    );
  if (isSafe) return unit;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use unit name "${unit.slice(0, UNIT_NAME_LIMIT)}": expected a name that systemd takes, of a type that muster manages`,
  );
}

/** `hello@.service` of `hello@1.service`; undefined for what is no instance of a template. */
export function templateOf(unit: string): string | undefined {
  const at = unit.indexOf('@');
  return at < 0 ? undefined : `${unit.slice(0, at + 1)}${unit.slice(unit.lastIndexOf('.'))}`;
}

/** `service`, `socket`, … */
export function unitType(unit: string): string {
  return unit.slice(unit.lastIndexOf('.') + 1);
}

/** Where systemd shows a unit on the bus: each byte but letters, digits (a leading one too) is written `_xx`. */
export function unitObjectPath(unit: string): string {
  const escaped = [...Buffer.from(unit)].map((byte, at) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z]/.test(char) || (at > 0 && /[0-9]/.test(char)) ? char : `_${byte.toString(16).padStart(2, '0')}`;
  });
  return `/org/freedesktop/systemd1/unit/${escaped.join('')}`;
}

/** The D-Bus interface of a unit's type. */
export function typeInterface(unit: string): string {
  const type = unitType(unit);
  return `org.freedesktop.systemd1.${type.charAt(0).toUpperCase()}${type.slice(1)}`;
}
