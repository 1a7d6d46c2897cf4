import { checkContainer } from './check-container.ts';
import type { WorkloadDocument } from './document.ts';
import { AgentError } from './errors.ts';
import { matchesGlob } from './glob.ts';
import { isTemplateName, isUnitName } from './ids.ts';
import { LIMITS } from './limits.ts';
import { checkPolicies } from './policies.ts';
import { refuseReservedName } from './reserved-names.ts';
import type { Placement } from './spec.ts';

/**
 * What types can't say of a document: names, combinations and limits. Throws `INVALID_INPUT`, or `LIMIT` with the number.
 * Whoever submits checks, to say where in which file; whoever accepts checks again.
 */
export function checkDocument(document: WorkloadDocument): void {
  const { name, run, scale } = document;
  refuseReservedName(name);
  if (isUnitName(name) !== (run.kind === 'unit')) {
    throw refuse(
      name,
      run.kind === 'unit' ? 'a name ending in a unit\'s type, as ".service"' : 'a name that is no unit name',
    );
  }
  if (run.kind === 'unit') checkUnitText(name, run.text);
  else checkContainer(run);
  if (run.kind !== 'unit' && document.launch === false)
    throw refuse(name, 'a launch of a container: only units can be loaded');
  checkScale(document);
  checkPlacement(document.placement, scale.kind === 'global');
  checkPolicies(document);
}

function checkUnitText(name: string, text: string): void {
  const bytes = utf8Length(text);
  if (bytes > LIMITS.unitTextBytes) {
    throw new AgentError(
      'LIMIT',
      `Cannot apply unit "${name}" of ${bytes} bytes: expected at most ${LIMITS.unitTextBytes}`,
    );
  }
  if (text.includes('\0')) throw refuse(name, 'a unit text without NUL');
  if (text.trim() === '') throw refuse(name, 'a unit text that is not empty');
}

function checkScale({ name, scale }: WorkloadDocument): void {
  if (scale.kind === 'global') {
    if (isTemplateName(name)) throw refuse(name, 'a template to have replicas: only a plain unit can be global');
    return;
  }
  if (scale.replicas > LIMITS.replicas) {
    const message = `Cannot apply "${name}" with ${scale.replicas} replicas: expected at most ${LIMITS.replicas}`;
    throw new AgentError('LIMIT', message);
  }
  if (isUnitName(name) && !isTemplateName(name) && scale.replicas > 1) {
    throw refuse(name, `at most 1 replica of a plain unit: a template, as "${name.replace('.', '@.')}", can have more`);
  }
}

/** The combinations that fleet refuses, for the reasons that it has: one option makes the other meaningless. */
export function checkPlacement(placement: Placement, global: boolean): void {
  const { machineIds, machineOf, conflicts, replaces } = placement;
  const has = {
    MachineID: machineIds.length > 0,
    MachineOf: machineOf.length > 0,
    Conflicts: conflicts.length > 0,
    Replaces: replaces.length > 0,
    Global: global,
  };
  const pairs: readonly (readonly [keyof typeof has, keyof typeof has])[] = [
    ['MachineID', 'MachineOf'],
    ['MachineID', 'Conflicts'],
    ['MachineID', 'Global'],
    ['MachineID', 'Replaces'],
    ['MachineOf', 'Global'],
    ['Conflicts', 'Replaces'],
    ['Replaces', 'Global'],
  ];
  refuseEmpty('MachineID', machineIds);
  refuseEmpty('MachineOf', machineOf);
  refuseEmpty('Conflicts', conflicts);
  refuseEmpty('Replaces', replaces);
  refuseEmpty(
    'MachineMetadata',
    placement.labels.map(({ key }) => key),
  );
  for (const [a, b] of pairs) {
    if (has[a] && has[b]) throw new AgentError('INVALID_INPUT', `Cannot use ${a} with ${b}: expected one of them`);
  }
  for (const name of machineOf) {
    const clash = [...conflicts, ...replaces].find((glob) => matchesGlob(glob, name));
    if (clash === undefined) continue;
    const message = `Cannot use "${name}" in MachineOf with "${clash}" in Conflicts or Replaces: expected one of them`;
    throw new AgentError('INVALID_INPUT', message);
  }
}

function refuseEmpty(option: string, texts: readonly string[]): void {
  const bad = texts.find((text) => text.trim() === '' || text.length > 512);
  if (bad === undefined) return;
  throw new AgentError('INVALID_INPUT', `Cannot use "${bad.slice(0, 100)}" in ${option}: expected 1 to 512 characters`);
}

function refuse(name: string, expected: string): AgentError {
  return new AgentError('INVALID_INPUT', `Cannot apply "${name}": expected ${expected}`);
}

/** Bytes of a text in UTF-8, without a platform's help. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}
