import type { ContainerSpec } from '../../src/domain/spec.ts';

/** A container's spec with everything at its default; logs go to a file, since a test machine may have no journal. */
export function makeContainerSpec(
  image: string,
  command: readonly string[] = [],
  over: Partial<ContainerSpec> = {},
): ContainerSpec {
  return {
    kind: 'container',
    image,
    ...(command.length > 0 && { command }),
    environment: {},
    labels: {},
    ports: [],
    mounts: [],
    stopGraceMs: 10_000,
    readOnlyRoot: false,
    capAdd: [],
    capDrop: [],
    extraHosts: [],
    logging: { driver: 'json-file', options: {} },
    ...over,
  };
}
