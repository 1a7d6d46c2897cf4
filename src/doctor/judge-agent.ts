import type { Finding } from '../domain/finding.ts';
import type { AgentFacts, ConfigFacts, Fact, SystemdFacts, UnitFacts } from './facts.ts';

/** systemd before it has not all that our units say. */
const OLDEST_SYSTEMD = 249;

/** What an agent here starts with. */
export function judgeConfig({ path, config, isNewerThanAgent }: ConfigFacts): readonly Finding[] {
  const check = 'configuration';
  if (config.error !== undefined)
    return [{ check, level: 'fail', found: config.error, advice: 'correct it; "muster agent --check" says the same' }];
  const { cluster, endpoints } = config.value;
  const found = `${path}: cluster ${cluster}, etcd at ${endpoints.join(', ')}`;
  if (!isNewerThanAgent) return [{ check, level: 'ok', found }];
  return [
    {
      check,
      level: 'warn',
      found: `${path} was changed since the agent started`,
      advice: 'systemctl restart muster; nothing that runs is disturbed',
    },
  ];
}

/** Whether the agent runs, has joined, and is of the version that was installed. */
export function judgeAgent(agent: Fact<AgentFacts> | undefined, version: string): readonly Finding[] {
  if (agent === undefined) return [];
  const check = 'agent';
  if (agent.error !== undefined) {
    return [
      { check, level: 'fail', found: agent.error, advice: 'systemctl status muster; journalctl -u muster -n 50' },
    ];
  }
  const { node } = agent.value;
  return [
    node.joined
      ? { check, level: 'ok', found: `runs, version ${node.version}: ${node.status}` }
      : {
          check,
          level: 'fail',
          found: `runs, and has not joined: ${node.status}`,
          advice: 'what it waits for is named there',
        },
    ...judgeVersions(agent.value, version),
  ];
}

function judgeVersions({ node, nodes = [] }: AgentFacts, version: string): readonly Finding[] {
  const check = 'version';
  const present = nodes.filter(({ state }) => state !== 'lost').map(({ agentVersion }) => agentVersion);
  const known = [...new Set(present)].sort();
  const findings: Finding[] = [];
  if (node.version !== version) {
    const found = `the agent that runs has version ${node.version}, this executable ${version}`;
    findings.push({ check, level: 'warn', found, advice: 'systemctl restart muster; nothing that runs is disturbed' });
  }
  if (known.length > 1) {
    const found = `the nodes have different versions: ${known.join(', ')}`;
    findings.push({
      check,
      level: 'warn',
      found,
      advice: 'end the upgrade: "muster node ls" says which node has which',
    });
  }
  if (findings.length > 0 || known.length === 0) return findings;
  return [{ check, level: 'ok', found: `all nodes have version ${known.join('')}` }];
}

/** systemd itself, and the units that came with muster. */
export function judgeSystemd(systemd: Fact<SystemdFacts>): readonly Finding[] {
  const check = 'systemd';
  if (systemd.error !== undefined)
    return [{ check, level: 'fail', found: systemd.error, advice: 'see that dbus and systemd run: "busctl status"' }];
  const { version, state, units } = systemd.value;
  const number = Number.parseInt(version, 10);
  const isOld = number < OLDEST_SYSTEMD;
  return [
    isOld
      ? { check, level: 'fail', found: `version ${version} is too old`, advice: `expected ${OLDEST_SYSTEMD} or later` }
      : { check, level: 'ok', found: `version ${version}, ${state}` },
    ...units.flatMap(judgeUnit),
  ];
}

/** What each of muster's units should be like. Only the agent's is enabled: it starts the others. */
function judgeUnit(unit: UnitFacts): readonly Finding[] {
  const about = { check: 'units', subject: unit.name } as const;
  const isAgent = unit.name === 'muster.service';
  if (unit.load !== 'loaded') {
    const found = unit.load === 'not-found' ? 'is not installed' : `can't be loaded: ${unit.load}`;
    return [
      {
        ...about,
        level: 'fail',
        found,
        advice: 'install it from units/ (cloud-config/README.md), then "systemctl daemon-reload"',
      },
    ];
  }
  const findings: Finding[] = [];
  if (unit.isOlderThanItsFile)
    findings.push({
      ...about,
      level: 'warn',
      found: 'its file was changed since systemd read it',
      advice: 'systemctl daemon-reload',
    });
  if (isAgent && unit.file !== 'enabled')
    findings.push({
      ...about,
      level: 'warn',
      found: `is ${unit.file || 'not enabled'}: it does not start at boot`,
      advice: 'systemctl enable muster',
    });
  if (unit.active === 'failed')
    findings.push({ ...about, level: 'fail', found: 'has failed', advice: `systemctl status ${unit.name}` });
  if (isAgent && unit.active !== 'active' && unit.active !== 'failed')
    findings.push({ ...about, level: 'fail', found: `is ${unit.active}`, advice: 'systemctl start muster' });
  return findings.length === 0 ? [{ ...about, level: 'ok', found: unit.active }] : findings;
}
