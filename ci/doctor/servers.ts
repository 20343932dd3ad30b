import type { ServerOverrides } from '../../schema/values.ts';
import { type Autoscaler, amount, type Deployment, type Pod } from './kubernetes.ts';
import { isOnDemand, isStaying, type Look, serverOf } from './look.ts';

/** A server as its objects show it: what it wants, and what it has. */
export interface Server {
  /** Its key in the values. */
  name: string;
  deployment: Deployment;
  pods: Pod[];
  /** Keys of its models. */
  models: string[];
  /** Pods that it is to have now, and within which bounds. */
  wanted: number;
  min: number;
  max: number;
  autoscaler: Autoscaler | undefined;
  gpu: { resource: string; count: number } | undefined;
  /** Memory limit of Ollama in bytes, and CPU limit in cores; 0 for none. */
  memory: number;
  cores: number;
  cache: 'ephemeral' | 'shared' | 'image' | 'unknown';
  /** Class of its pods' claims, empty for the default; undefined where it claims nothing of its own. */
  storageClass: string | undefined;
}

/** What is no device: everything else that a container asks for is. */
const isDevice = (resource: string) => resource.includes('/') && !resource.startsWith('kubernetes.io/');

export function serversOf(look: Look): Server[] {
  const deployments = look.component('deployments', 'server');
  const [onDemand, others] = [deployments.filter(isOnDemand), deployments.filter((one) => !isOnDemand(one))];
  return others
    .map((deployment) => serverIn(look, deployment, onDemand))
    .sort((one, other) => one.name.localeCompare(other.name));
}

function serverIn(look: Look, deployment: Deployment, others: Deployment[]): Server {
  const name = serverOf(deployment) ?? deployment.metadata.name;
  const { spec } = deployment.spec.template;
  const limits = spec.containers.find((container) => container.name === 'ollama')?.resources?.limits ?? {};
  const device = Object.keys(limits).find(isDevice);
  const models = spec.volumes?.find((volume) => volume.name === 'models');
  const autoscaler = look
    .list('horizontalpodautoscalers')
    .find(
      ({ spec: { scaleTargetRef: target } }) =>
        target.kind === 'Deployment' && target.name === deployment.metadata.name,
    );
  const own = (look.values.servers?.[name] ?? {}) as ServerOverrides;
  const said = { ...look.values.serverDefaults?.replicas, ...own.replicas };
  const onDemand = others
    .filter((other) => serverOf(other) === name)
    .reduce((sum, { spec }) => sum + (spec.replicas ?? 1), 0);
  const wanted = (deployment.spec.replicas ?? 1) + onDemand;
  return {
    name,
    deployment,
    pods: look.component('pods', 'server').filter((pod) => serverOf(pod) === name && isStaying(pod)),
    models: Object.keys(look.agentConfigOf(name).models ?? {}),
    wanted,
    min: autoscaler ? (autoscaler.spec.minReplicas ?? 1) + onDemand : (said.min ?? wanted),
    max: autoscaler ? autoscaler.spec.maxReplicas + onDemand : (said.max ?? wanted),
    autoscaler,
    gpu: device === undefined ? undefined : { resource: device, count: amount(limits[device]) },
    memory: amount(limits.memory),
    cores: amount(limits.cpu),
    cache: models?.ephemeral
      ? 'ephemeral'
      : models?.persistentVolumeClaim
        ? 'shared'
        : models?.image
          ? 'image'
          : 'unknown',
    storageClass: models?.ephemeral && (models.ephemeral.volumeClaimTemplate.spec.storageClassName ?? ''),
  };
}
