/** The text of a unit that sleeps; `lines` go to [Service], `sections` after it. */
export function sleeper(lines: readonly string[] = [], sections: readonly string[] = []): string {
  return ['[Unit]', 'Description=Sleeps', '[Service]', 'ExecStart=/bin/sleep infinity', ...lines, ...sections, ''].join(
    '\n',
  );
}

/** A container's YAML; keys of `container:` as lines, keys of the workload as lines. */
export function containerYaml(name: string, container: readonly string[], workload: readonly string[] = []): string {
  return [`name: ${name}`, ...workload, 'container:', ...container.map((line) => `  ${line}`), ''].join('\n');
}

/** A container that sleeps and ends at once when told to. */
export function sleepingContainer(name: string, workload: readonly string[] = []): string {
  return containerYaml(name, ['image: busybox:1', 'command: [sleep, infinity]', 'stopSignal: SIGKILL'], workload);
}

/** An nginx that answers on a port of its node. */
export function webYaml(name: string, port: number, workload: readonly string[] = []): string {
  return containerYaml(name, ['image: nginx:1', `ports: ["${port}:80"]`, 'stopGrace: 2s'], workload);
}
