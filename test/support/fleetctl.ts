import type { FleetMachine, FleetUnit, FleetUnitState, JobState } from '../../src/api/fleet/shapes.ts';
import { composeText, type FleetOption, hashOptions, parseOptions } from '../../src/api/fleet/unit-options.ts';
import type { Api } from '../../src/api/make-api.ts';
import type { Clock } from '../../src/loop/clock.ts';

/** What one run of the command did. */
export interface Ran {
  readonly exit: number;
  readonly out: readonly string[];
  /** `METHOD path status`, the same several times in a row told once. */
  readonly calls: readonly string[];
}

export interface FleetctlOptions {
  readonly api: Pick<Api, 'fetch'>;
  readonly clock: Pick<Clock, 'sleep'>;
  /** Unit files of the client's folder. */
  readonly files: Map<string, string>;
  /** `/etc/machine-id` of the client's machine. */
  readonly machineId?: string;
  /** How late this client is with each of its looks: a machine under load. */
  readonly lateMs?: number;
}

const TICK_MS = 250;
const WINDOW_MS = 2_000;

/** The stock client's way through the API, call by call: what it asks, how it waits, and what makes it fail, hang or crash. */
export class Fleetctl {
  readonly #options: FleetctlOptions;
  #calls: string[] = [];
  #out: string[] = [];
  #machines: readonly FleetMachine[] | undefined;
  #flags = new Set<string>();
  #command = '';
  /** Requests under way: no time passes for them. */
  inFlight = 0;

  constructor(options: FleetctlOptions) {
    this.#options = options;
  }

  /** Runs one command line, as `start --no-block hello.service`. */
  async run(line: string): Promise<Ran> {
    const [command = '', ...rest] = line.split(/\s+/);
    this.#calls = [];
    this.#out = [];
    this.#machines = undefined;
    this.#command = command;
    this.#flags = new Set(rest.filter((word) => word.startsWith('--')));
    const names = rest.filter((word) => !word.startsWith('--')).map((name) => withType(name));
    const commands: Readonly<Record<string, () => Promise<number>>> = {
      submit: async () => this.#create(names),
      load: async () => this.#loadOrStart(names, 'loaded'),
      start: async () => this.#loadOrStart(names, 'launched'),
      stop: async () => this.#stop(names),
      unload: async () => this.#unload(names),
      destroy: async () => this.#destroy(names),
      restart: async () => this.#restart(names),
      cat: async () => this.#cat(names[0] ?? ''),
      status: async () => this.#onMachine(names[0] ?? '', 'systemctl status -l'),
      journal: async () => this.#onMachine(names[0] ?? '', 'journalctl --unit'),
      'list-units': async () => this.#listUnits(),
      'list-unit-files': async () => this.#listUnitFiles(),
      'list-machines': async () => this.#listMachines(),
    };
    const exit = (await commands[command]?.()) ?? 2;
    const calls = this.#calls.filter((call, at) => call !== this.#calls[at - 1]);
    return { exit, out: this.#out, calls };
  }

  // --- commands

  async #create(names: readonly string[]): Promise<number> {
    for (const name of names) {
      const unit = await this.#unit(name);
      const file = this.#options.files.get(name);
      if (unit !== undefined) {
        const differs = file !== undefined && hashOptions(parseOptions(file)) !== hashOptions(unit.options);
        if (differs && !this.#flags.has('--replace')) this.#say(`WARNING: Unit ${name} in registry differs`);
        if (!differs || !this.#flags.has('--replace') || !this.#mayReplace(unit)) continue;
      }
      const options = file === undefined ? await this.#templateOptions(name) : parseOptions(file);
      if (options === undefined) return this.#fail(`unable to find Unit(${name})`);
      await this.#put(name, { name, options });
      if (!(await this.#awaitState(name, 'inactive'))) return this.#fail('Error waiting on unit creation');
    }
    return 0;
  }

  #mayReplace({ desiredState }: FleetUnit): boolean {
    const allowed: Readonly<Record<string, readonly JobState[]>> = {
      submit: ['inactive'],
      load: ['inactive', 'loaded'],
      start: ['inactive', 'loaded', 'launched'],
    };
    return allowed[this.#command]?.includes(desiredState) ?? false;
  }

  async #templateOptions(name: string): Promise<readonly FleetOption[] | undefined> {
    const [, stem, type] = /^([^@]+@)[^@]+(\.[a-z]+)$/.exec(name) ?? [];
    if (stem === undefined) return undefined;
    const template = await this.#unit(`${stem}${type}`);
    const file = this.#options.files.get(`${stem}${type}`);
    return template?.options ?? (file === undefined ? undefined : parseOptions(file));
  }

  async #loadOrStart(names: readonly string[], target: JobState): Promise<number> {
    if ((await this.#create(names)) !== 0) return 1;
    const triggered: string[] = [];
    for (const name of names) {
      const unit = await this.#unit(name);
      if (unit === undefined) return this.#fail(`unable to find unit ${name}`);
      if (unit.desiredState === target) continue;
      await this.#put(name, { name, desiredState: target });
      if (isGlobal(unit)) this.#say(`Triggered global unit ${name}`);
      else triggered.push(name);
    }
    if (!(await this.#awaitStates(triggered, target))) return 1;
    if (target === 'loaded' || this.#attempts < 0) return 0;
    for (const name of triggered) if (!(await this.#awaitActive(name))) return 1;
    return 0;
  }

  async #stop(names: readonly string[]): Promise<number> {
    const stopping: string[] = [];
    for (const unit of await this.#found(names)) {
      if (!isGlobal(unit)) {
        if (unit.currentState === 'inactive') return this.#fail(`Unable to stop unit ${unit.name} in state inactive`);
        if (unit.currentState === 'loaded') continue;
        stopping.push(unit.name);
      }
      await this.#put(unit.name, { name: unit.name, desiredState: 'loaded' });
    }
    return (await this.#awaitStates(stopping, 'loaded')) ? 0 : 1;
  }

  async #unload(names: readonly string[]): Promise<number> {
    const waiting: string[] = [];
    for (const unit of await this.#found(names)) {
      if (!isGlobal(unit) && unit.currentState === 'inactive') continue;
      await this.#put(unit.name, { name: unit.name, desiredState: 'inactive' });
      if (!isGlobal(unit)) waiting.push(unit.name);
    }
    return (await this.#awaitStates(waiting, 'inactive')) ? 0 : 1;
  }

  async #destroy(names: readonly string[]): Promise<number> {
    for (const { name } of await this.#found(names)) {
      const { status } = await this.#call('DELETE', `units/${name}`);
      if (status !== 204 && status !== 404) return this.#fail('Error destroying units');
      while (this.#flags.has('--no-block') && (await this.#unit(name)) !== undefined) await this.#sleep(WINDOW_MS);
      this.#say(`Destroyed ${name}`);
    }
    return 0;
  }

  async #restart(names: readonly string[]): Promise<number> {
    const units = await this.#found(names);
    if ((await this.#create(names)) !== 0) return 1;
    for (const unit of units) {
      const { name, currentState } = unit;
      if (isGlobal(unit)) {
        await this.#machineOf(unit);
        continue;
      }
      if (currentState === 'inactive') {
        this.#say(`Unable to restart unit ${name} in state inactive`);
        continue;
      }
      const steps: JobState[] = currentState === 'loaded' ? ['launched'] : ['loaded', 'launched'];
      for (const desiredState of steps) {
        await this.#put(name, { name, desiredState });
        if (!(await this.#awaitStates([name], 'launched'))) return 1;
      }
    }
    return 0;
  }

  async #cat(name: string): Promise<number> {
    const unit = await this.#unit(name);
    if (unit === undefined) return this.#fail(`Unit ${name} not found`);
    this.#say(composeText(unit.options));
    return 0;
  }

  async #onMachine(name: string, what: string): Promise<number> {
    const unit = await this.#unit(name);
    if (unit === undefined) return this.#fail(`Unit ${name} does not exist.`);
    if (isGlobal(unit)) {
      if (this.#command === 'journal') return this.#fail(`Unable to retrieve journal of global unit ${name}.`);
      await this.#machineOf(unit);
      return 0;
    }
    if (unit.currentState === 'inactive') return this.#fail(`Unit ${name} does not appear to be loaded.`);
    if (unit.machineID === this.#options.machineId) this.#say(`local: ${what} ${name}`);
    else this.#say(`ssh ${(await this.#machineOf(unit))?.primaryIP}: ${what} ${name}`);
    return 0;
  }

  async #listUnits(): Promise<number> {
    for (const state of await this.#pages<FleetUnitState>('state', 'states')) {
      const machine = await this.#machineOf(state);
      const where = machine === undefined ? '-' : `${machine.id.slice(0, 8)}.../${machine.primaryIP}`;
      this.#say([state.name, where, state.systemdActiveState, state.systemdSubState, state.hash.slice(0, 7)].join(' '));
    }
    return 0;
  }

  async #listUnitFiles(): Promise<number> {
    for (const unit of await this.#pages<FleetUnit>('units', 'units')) {
      const machine = await this.#machineOf(unit);
      const state = isGlobal(unit) ? '-' : unit.currentState;
      const hash = hashOptions(unit.options).slice(0, 7);
      this.#say([unit.name, hash, unit.desiredState, state, machine?.id.slice(0, 8) ?? '-'].join(' '));
    }
    return 0;
  }

  async #listMachines(): Promise<number> {
    for (const { id, primaryIP, metadata = {} } of await this.#pages<FleetMachine>('machines', 'machines')) {
      const labels = Object.entries(metadata).map((pair) => pair.join('='));
      this.#say([`${id.slice(0, 8)}...`, primaryIP, labels.length === 0 ? '-' : labels.join(',')].join(' '));
    }
    return 0;
  }

  // --- waiting

  get #attempts(): number {
    if (this.#flags.has('--no-block')) return -1;
    const given = [...this.#flags].find((flag) => flag.startsWith('--block-attempts='));
    return given === undefined ? 0 : Number(given.split('=')[1]);
  }

  async #awaitStates(names: readonly string[], target: JobState): Promise<boolean> {
    if (this.#attempts < 0) return true;
    const seen = await Promise.all(names.map(async (name) => this.#awaitState(name, target)));
    if (seen.every(Boolean)) return true;
    this.#say('Error waiting for units');
    return false;
  }

  async #awaitState(name: string, target: JobState): Promise<boolean> {
    for (let attempt = 0; this.#attempts < 1 || attempt < this.#attempts; attempt += 1) {
      const isSo = await this.#within(async () => {
        const unit = await this.#unit(name);
        const state = unit === undefined || isGlobal(unit) ? unit?.desiredState : unit.currentState;
        if (state !== target) return false;
        if (unit !== undefined) await this.#machineOf(unit);
        this.#say(`Unit ${name} ${unit?.currentState ?? ''}`);
        return true;
      });
      if (isSo) return true;
    }
    return false;
  }

  /** One window, and no other: the client gives up for good at the end of the first, whatever it was told to try. */
  async #awaitActive(name: string): Promise<boolean> {
    const isSo = await this.#within(async () => {
      const { status, json } = await this.#call('GET', `state/${name}`);
      if (status === 404) throw new Error('panic: nil pointer dereference (SIGSEGV)');
      const { systemdActiveState, systemdLoadState } = json as FleetUnitState;
      return status === 200 && systemdActiveState === 'active' && systemdLoadState === 'loaded';
    });
    if (!isSo) this.#say(`Failed to find an active unit ${name} within 2s`);
    return isSo;
  }

  /** Looks each 250 ms, first after as long, for 2 s. */
  async #within(check: () => Promise<boolean>): Promise<boolean> {
    for (let passedMs = TICK_MS; passedMs <= WINDOW_MS; passedMs += TICK_MS) {
      await this.#sleep(TICK_MS + (this.#options.lateMs ?? 0));
      if (await check()) return true;
    }
    return false;
  }

  async #sleep(ms: number): Promise<void> {
    await this.#options.clock.sleep(ms, new AbortController().signal);
  }

  // --- calls

  async #found(names: readonly string[]): Promise<FleetUnit[]> {
    const all = await this.#pages<FleetUnit>('units', 'units');
    const found = names.flatMap((name) => all.find((unit) => unit.name === name) ?? []);
    if (found.length === 0) this.#say('Units not found in registry');
    return found;
  }

  async #machineOf({ machineID }: { readonly machineID?: string }): Promise<FleetMachine | undefined> {
    if (machineID === undefined && this.#command !== 'status' && this.#command !== 'restart') return undefined;
    this.#machines ??= await this.#pages<FleetMachine>('machines', 'machines');
    return this.#machines.find(({ id }) => id === machineID);
  }

  async #unit(name: string): Promise<FleetUnit | undefined> {
    const { status, json } = await this.#call('GET', `units/${name}`);
    if (status !== 200 && status !== 404) throw new Error(`googleapi: Error ${status}: ${JSON.stringify(json)}`);
    return status === 404 ? undefined : (json as FleetUnit);
  }

  async #put(name: string, body: object): Promise<void> {
    const { status, json } = await this.#call('PUT', `units/${name}`, body);
    if (status < 200 || status > 299) throw new Error(`googleapi: Error ${status}: ${JSON.stringify(json)}`);
  }

  async #pages<T>(path: string, field: string): Promise<T[]> {
    const items: T[] = [];
    for (let token = ''; ; ) {
      const query = token === '' ? '' : `&nextPageToken=${encodeURIComponent(token)}`;
      const { status, json } = await this.#call('GET', path, undefined, query);
      if (status !== 200) throw new Error(`googleapi: Error ${status}: ${JSON.stringify(json)}`);
      const page = json as Readonly<Record<string, unknown>>;
      items.push(...((page[field] as T[] | undefined) ?? []));
      token = (page['nextPageToken'] as string | undefined) ?? '';
      if (token === '') return items;
    }
  }

  async #call(method: string, path: string, body?: object, query = '') {
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const headers = { 'user-agent': 'google-api-go-client/0.5', 'content-type': 'application/json' };
    this.inFlight += 1;
    try {
      const request = new Request(`http://domain-sock/fleet/v1/${encoded}?alt=json${query}`, {
        method,
        headers,
        ...init,
      });
      const response = await this.#options.api.fetch(request);
      const text = await response.text();
      this.#calls.push(`${method} ${path} ${response.status}`);
      return { status: response.status, json: (text === '' ? undefined : JSON.parse(text)) as unknown };
    } finally {
      this.inFlight -= 1;
    }
  }

  #say(line: string): void {
    this.#out.push(line);
  }

  #fail(line: string): number {
    this.#say(line);
    return 1;
  }
}

function withType(name: string): string {
  return /\.(service|socket|timer|path|device|mount|automount)$/.test(name) ? name : `${name}.service`;
}

/** As the client tells: by the options alone. */
function isGlobal({ options }: Pick<FleetUnit, 'options'>): boolean {
  const last = options.findLast(({ section, name }) => section === 'X-Fleet' && name === 'Global');
  return ['true', 'yes', '1', 'on', 't'].includes(last?.value.toLowerCase() ?? '');
}
