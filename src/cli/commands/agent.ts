import { makeCommand } from '../command.ts';

/** `muster agent`: the daemon itself; the room `agent` is loaded for nothing else. */
export const agent = makeCommand({
  path: 'agent',
  summary: 'Run the agent: join the cluster and keep its work running on this machine',
  details: [
    'systemd starts it as muster.service. Its configuration is read from a file, then MUSTER_* in the environment, then flags, each overriding the one before. Every key of the file is also a flag, with its path joined by "-": --cluster prod, --etcd-endpoints http://10.0.0.1:2379, --lease-ttl 10s.',
    'SIGTERM ends it within 5 s and disturbs nothing that runs. SIGHUP does nothing: certificates are taken as they change, anything else by a restart.',
  ],
  args: [],
  options: {
    config: {
      type: 'string',
      value: 'FILE',
      help: 'The configuration file (else MUSTER_CONFIG, else /etc/muster/muster.yaml)',
    },
    check: {
      type: 'boolean',
      help: 'Only validate the configuration: exit 0 if the agent would start with it, else 1',
    },
  },
  examples: [
    { line: 'muster agent --check', does: 'say what is wrong with /etc/muster/muster.yaml' },
    { line: 'muster agent --cluster test --etcd-endpoints http://127.0.0.1:2379', does: 'run one by hand' },
  ],
  passesOptions: true,
  async run({ runAgent, signal, env }, input) {
    const configPath = input.value('config') ?? env['MUSTER_CONFIG'];
    return runAgent({ configPath, flags: input.passed, check: input.flag('check') }, signal);
  },
});
