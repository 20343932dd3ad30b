import { clusterChecks } from './checks/cluster.ts';
import { gateways, gpuUse, memory, puller, replicas, servers } from './checks/fleet.ts';
import { gpus } from './checks/gpu.ts';
import { certificate, certManager, ingress } from './checks/ingress.ts';
import { autoscalers, budgets, helm, objects, quota, rollouts } from './checks/release.ts';
import { rights } from './checks/rights.ts';
import { apiKeys, pullSecrets } from './checks/secrets.ts';
import { cpu, firstToken, queues, rejected, reloads } from './checks/speed.ts';
import { claims, storageClasses } from './checks/storage.ts';
import type { Check } from './finding.ts';

/** What a cluster is looked at for where no release is in it yet, too. */
const ofTheCluster: Check[] = [rights, ...clusterChecks, storageClasses, gpus, ingress, certManager];

const ofTheRelease: Check[] = [
  ...[helm, objects, apiKeys, pullSecrets, certificate, claims, quota, rollouts, autoscalers, budgets],
  ...[servers, puller, gateways, replicas, gpuUse, memory],
  ...[queues, firstToken, rejected, reloads, cpu],
];

/** In the order in which they are shown: what comes first may be the reason of what comes later. */
export const checksFor = (release: string | undefined): Check[] =>
  release === undefined ? ofTheCluster : [...ofTheCluster, ...ofTheRelease];
