import { roomOf } from './capacity.ts';
import type { Prices } from './prices.ts';
import { usdPerHour } from './purchase.ts';

/** What Karpenter's kwok provider takes off every node for the kubelet: its files say what is on top of that. */
const kwokReserves = { cpu: 100, memory: 10 };

/**
 * The instances of some prices in each zone of their region, on demand and on spot, as Karpenter's kwok provider reads them
 * (kwok/examples/aws_instance_types.json of sigs.k8s.io/karpenter). A node of it has for pods what a node of the plan has:
 * reserves and DaemonSets are taken off already, since fake nodes have none.
 */
export function instanceTypes(prices: Prices, zones = ['a', 'b', 'c']): object[] {
  return Object.entries(prices.instances).map(([name, instance]) => {
    const room = roomOf(instance);
    const offering = (capacityType: string, price: number) => (zone: string) => ({
      Price: price,
      Available: true,
      Requirements: [
        { key: 'karpenter.sh/capacity-type', operator: 'In', values: [capacityType] },
        { key: 'topology.kubernetes.io/zone', operator: 'In', values: [`${prices.region}${zone}`] },
      ],
    });
    return {
      name,
      offerings: [
        ...zones.map(offering('on-demand', instance.usdPerHour)),
        ...(instance.spot ? zones.map(offering('spot', usdPerHour(instance, 'spot', prices).low)) : []),
      ],
      architecture: 'amd64',
      operatingSystems: ['linux'],
      resources: {
        cpu: `${room.cpu + kwokReserves.cpu}m`,
        memory: `${room.memory + kwokReserves.memory}Mi`,
        'ephemeral-storage': '100Gi',
        pods: String(room.pods),
        ...(instance.gpu && { 'nvidia.com/gpu': String(instance.gpu.count) }),
      },
    };
  });
}
