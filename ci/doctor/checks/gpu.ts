import { type Check, type Finding, type Fix, note, ok } from '../finding.ts';
import { amount, conditionOf, hasLabels, type Node, type Pod, tolerates } from '../kubernetes.ts';
import type { Look } from '../look.ts';
import type { Server } from '../servers.ts';
import { counted, listed } from '../words.ts';

type GpuServer = Server & { gpu: NonNullable<Server['gpu']> };

const more = 'docs/operations.md#no-gpu-for-a-server';

/** What labels of a node say that it has a GPU, whether or not anything offers it. */
const gpuLabels = ['nvidia.com/gpu.present', 'feature.node.kubernetes.io/pci-10de.present'];

const offers = ({ status }: Node, resource: string) => amount(status.allocatable?.[resource]);

const works = ({ spec, status }: Node) =>
  !spec.unschedulable && conditionOf(status.conditions, 'Ready')?.status === 'True';

/** Taints that Kubernetes sets by itself come and go with what `works` looks at. */
const taintsOf = ({ spec }: Node) => (spec.taints ?? []).filter(({ key }) => !key.startsWith('node.kubernetes.io/'));

export const gpus: Check = {
  name: 'GPUs',
  group: 'cluster',
  needs: ['nodes'],
  judge: (look) => {
    const servers = look.servers.filter((server): server is GpuServer => server.gpu !== undefined);
    if (servers.length === 0) return [note('no server asks for any')];
    const resources = [...new Set(servers.map(({ gpu }) => gpu.resource))];
    return resources.flatMap((resource) =>
      ofResource(
        look,
        resource,
        servers.filter(({ gpu }) => gpu.resource === resource),
      ),
    );
  },
};

function ofResource(look: Look, resource: string, servers: GpuServer[]): Finding[] {
  const nodes = look.list('nodes');
  const offering = nodes.filter((node) => offers(node, resource) > 0);
  if (offering.length === 0) return [notOffered(look, resource, servers, nodes)];
  const shutOut = servers.flatMap((server) => {
    const finding = closed(look, server, offering);
    return finding ? [{ server, finding }] : [];
  });
  const open = servers.filter((server) => !shutOut.some((each) => each.server === server));
  const findings = shutOut.map(({ finding }) => finding);
  if (open.length > 0) findings.push(enough(look, resource, open, offering));
  return findings;
}

function notOffered({ commands }: Look, resource: string, servers: GpuServer[], nodes: Node[]): Finding {
  const names = servers.map(({ name }) => name);
  const dead = nodes
    .filter(({ status }) => amount(status.capacity?.[resource]) > 0)
    .map(({ metadata }) => metadata.name);
  const labelled = nodes
    .filter(({ metadata }) => gpuLabels.some((label) => metadata.labels?.[label] === 'true'))
    .map(({ metadata }) => metadata.name);
  const reason =
    dead.length > 0
      ? `; on ${listed(dead)} there are some, but none that works`
      : labelled.length > 0
        ? `; ${listed(labelled)} has one, but no device plugin that offers it`
        : '';
  const column = `GPUS:.status.allocatable.${resource.replaceAll('.', '\\.')}`;
  const fixes: Fix[] = [
    {
      to: 'see what the nodes offer',
      run: `${commands.cluster('get', 'nodes', '-o')} 'custom-columns=NAME:.metadata.name,${column}'`,
    },
  ];
  if (dead.length > 0) {
    fixes.push({ to: 'look at the driver of such a node', run: commands.cluster('describe', 'node', dead[0]!) });
  } else {
    fixes.push({
      to: `${labelled.length > 0 ? '' : 'add nodes with GPUs, and '}install the device plugin of NVIDIA`,
      run: commands.install(
        'nvidia-device-plugin',
        'nvidia-device-plugin',
        'https://nvidia.github.io/k8s-device-plugin',
        'nvidia-device-plugin',
      ),
    });
  }
  fixes.push({ to: 'or do without a server', run: commands.set([['servers', names[0]!, 'enabled'], false]) });
  const models = servers.flatMap((server) => server.models);
  return {
    level: 'problem',
    what: `no node offers ${resource}, which ${listed(names)} ask${names.length === 1 ? 's' : ''} for${reason}`,
    why: `pods stay pending, and ${listed(models)} cannot be served`,
    fixes,
    more,
  };
}

/** A server whose pods no node with GPUs takes, whatever is free there. */
function closed({ commands }: Look, server: GpuServer, offering: Node[]): Finding | undefined {
  const { tolerations = [], nodeSelector = {} } = server.deployment.spec.template.spec;
  const scheduling = ['servers', server.name, 'scheduling'];
  const fitting = offering.filter(({ metadata }) => hasLabels(metadata, nodeSelector));
  const names = (nodes: Node[]) => listed(nodes.map(({ metadata }) => metadata.name));
  const cannot = (what: string, fixes: Fix[]): Finding => ({
    level: 'problem',
    what: `${server.name}: ${what}`,
    why: 'its pods stay pending beside GPUs that are free for others',
    fixes,
    more,
  });
  if (fitting.length === 0) {
    const labels = Object.entries(nodeSelector).map(([key, value]) => `${key}=${value}`);
    return cannot(`no node with ${server.gpu.resource} (${names(offering)}) has the labels ${labels.join(', ')}`, [
      {
        to: 'label a node that it is meant for',
        run: commands.cluster('label', 'node', offering[0]!.metadata.name, ...labels),
      },
    ]);
  }
  const open = fitting.filter((node) => tolerates(tolerations, taintsOf(node)));
  if (open.length === 0) {
    const taint = taintsOf(fitting[0]!)[0]!;
    return cannot(`its pods do not tolerate the taint ${taint.key}:${taint.effect} of ${names(fitting)}`, [
      {
        to: 'have them tolerate it',
        run: commands.setJson([...scheduling, 'tolerations'], [{ key: taint.key, operator: 'Exists' }]),
      },
    ]);
  }
  if (open.some((node) => works(node) && offers(node, server.gpu.resource) >= server.gpu.count)) return undefined;
  if (!open.some(works)) {
    return cannot(`the nodes with ${server.gpu.resource} (${names(open)}) are not ready or cordoned`, [
      { to: 'look at one', run: commands.cluster('describe', 'node', open[0]!.metadata.name) },
    ]);
  }
  const most = Math.max(...open.map((node) => offers(node, server.gpu.resource)));
  return cannot(`a pod asks for ${server.gpu.count} × ${server.gpu.resource}, and no node has more than ${most}`, [
    { to: 'ask for fewer', run: commands.set([['servers', server.name, 'resources', 'gpu'], most]) },
  ]);
}

/** Whether what is offered is enough for the pods that there are to be, and if not, who has it. */
function enough(look: Look, resource: string, servers: GpuServer[], offering: Node[]): Finding {
  const working = offering.filter(works);
  const total = working.reduce((sum, node) => sum + offers(node, resource), 0);
  const wanted = servers.reduce((sum, server) => sum + server.wanted * server.gpu.count, 0);
  const summary = `${total} × ${resource} on ${counted(working.length, 'node')}; the pods of ${listed(servers.map(({ name }) => name))} ask for ${wanted}`;
  const waiting = servers.filter(({ pods }) =>
    pods.some(({ status }) => {
      const scheduled = conditionOf(status.conditions, 'PodScheduled');
      return scheduled?.status === 'False' && scheduled.message?.includes(`Insufficient ${resource}`);
    }),
  );
  if (waiting.length === 0) return ok(summary);
  const holders = holdersOf(look, resource);
  const [first] = waiting;
  return {
    level: 'problem',
    what: `${listed(waiting.map(({ name }) => name))}: all ${resource} are taken: ${summary}`,
    why: holders.length > 0 ? `held by ${listed(holders, 6)}` : 'pods wait until one is given back',
    fixes: [
      {
        to: 'add nodes with GPUs, or have the cluster autoscaler do it; see what is there',
        run: look.commands.cluster('describe', 'nodes', '|', 'grep', '-A10', "'Allocated resources'"),
      },
      {
        to: 'or have fewer pods',
        run: look.commands.set([['servers', first!.name, 'replicas', 'min'], Math.max(1, first!.wanted - 1)]),
      },
    ],
    more,
  };
}

const asks = ({ spec }: Pod, resource: string) =>
  spec.containers.reduce((sum, { resources }) => sum + amount(resources?.limits?.[resource]), 0);

/** Who has GPUs, as `3 by namespace/name`, those with most first. */
function holdersOf({ everyPod }: Look, resource: string): string[] {
  return everyPod
    .filter(({ spec, status }) => spec.nodeName && status.phase !== 'Succeeded' && status.phase !== 'Failed')
    .map((pod) => ({ pod, count: asks(pod, resource) }))
    .filter(({ count }) => count > 0)
    .sort((one, other) => other.count - one.count)
    .map(({ pod: { metadata }, count }) => `${metadata.namespace}/${metadata.name} (${count})`);
}
