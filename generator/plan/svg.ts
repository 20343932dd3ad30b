import { kinds, type Resources, shareOf } from './capacity.ts';
import { usd } from './money.ts';
import type { PackedNode } from './pack.ts';
import type { Plan } from './plan.ts';
import { hoursPerMonth } from './purchase.ts';

/** Fills that differ in lightness as well as in hue; black text reads on all of them. */
const fills = [
  '#9ecae9',
  '#f2b880',
  '#b5d99c',
  '#d9b8e8',
  '#f4a6a6',
  '#8fd3c8',
  '#e6d37a',
  '#c3c3c3',
  '#b9b4f0',
  '#e8a9cf',
];

const card = { width: 250, height: 190, gap: 20, head: 46 };
const columns = 4;
const margin = 24;
const top = 64;

/** A picture of the nodes on demand at the minimum and at the maximum with their pods in them, as SVG, for light and dark pages. */
export function nodesPicture({ nodes, release, environment }: Plan): string {
  const needs = new Map(release.workloads.map(({ name, need }) => [name, need]));
  const colours = new Map(release.workloads.map(({ name }, index) => [name, fills[index % fills.length]!]));
  const width = 2 * margin + columns * card.width + (columns - 1) * card.gap;
  const parts: string[] = [];
  let y = top;
  for (const size of ['minimum', 'maximum'] as const) {
    const { nodes: packed } = nodes.onDemand[size];
    const month = packed.reduce((sum, { offer }) => sum + offer.usdPerHour, 0) * hoursPerMonth;
    parts.push(
      `<text class="group" x="${margin}" y="${y + 18}">${escaped(`${size}: ${packed.length} nodes, $${usd(month)} a month`)}</text>`,
    );
    y += 34;
    const sorted = packed.toSorted((a, b) => b.offer.usdPerHour - a.offer.usdPerHour);
    for (const [index, node] of sorted.entries()) {
      const x = margin + (index % columns) * (card.width + card.gap);
      const at = y + Math.floor(index / columns) * (card.height + card.gap);
      parts.push(nodeCard(node, x, at, needs, colours));
    }
    y += Math.ceil(sorted.length / columns) * (card.height + card.gap) + 16;
  }
  const described = (['minimum', 'maximum'] as const)
    .map(
      (size) =>
        `${size}: ${nodes.onDemand[size].nodes.map(({ offer, pods }) => `${offer.type} with ${inWords(pods)}`).join('; ')}`,
    )
    .join('. ');
  const title = `Nodes of ${environment} with their pods, on demand`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img" aria-labelledby="title desc">
<title id="title">${escaped(title)}</title>
<desc id="desc">${escaped(described)}.</desc>
<style>
  .page { fill: #ffffff } .node { fill: #f6f7f9; stroke: #6b7280 } .free { fill: none; stroke: #9ca3af; stroke-dasharray: 3 3 }
  text { font: 13px system-ui, sans-serif; fill: #111827 } .name { font-size: 20px; font-weight: 600 } .group { font-size: 16px; font-weight: 600 }
  .type { font-weight: 600 } .quiet { fill: #4b5563; font-size: 12px } .pod { fill: #111827; font-size: 12px }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0f172a } .node { fill: #1e293b; stroke: #94a3b8 } .free { stroke: #64748b }
    text { fill: #f1f5f9 } .quiet { fill: #cbd5e1 } .pod { fill: #111827 }
  }
</style>
<rect class="page" width="${width}" height="${y}"/>
<text class="name" x="${margin}" y="40">${escaped(title)}</text>
${parts.join('\n')}
</svg>
`;
}

/** One node: its pods from the top, each as high as the largest share that it takes of the node; dashed is what is left. */
function nodeCard(
  { offer, pods }: PackedNode,
  x: number,
  y: number,
  needs: Map<string, Resources>,
  colours: Map<string, string>,
): string {
  const inside = card.height - card.head - 8;
  const groups = [...Map.groupBy(pods, (pod) => pod).entries()];
  const shares = groups.map(([name, same]) => same.length * shareOf(needs.get(name)!, offer.room));
  const all = Math.max(
    1,
    shares.reduce((sum, share) => sum + share, 0),
  );
  let at = y + card.head;
  const blocks = groups.map(([name, same], index) => {
    const height = (shares[index]! / all) * inside;
    const block =
      `<rect x="${x + 8}" y="${round(at)}" width="${card.width - 16}" height="${round(Math.max(2, height - 2))}" rx="3" fill="${colours.get(name)}"/>` +
      (height >= 15
        ? `<text class="pod" x="${x + 14}" y="${round(at + height / 2 + 3)}">${escaped(inWords(same))}</text>`
        : '');
    at += height;
    return block;
  });
  const left = y + card.height - 8 - at;
  const free =
    left > 6
      ? `<rect class="free" x="${x + 8}" y="${round(at)}" width="${card.width - 16}" height="${round(left)}" rx="3"/>`
      : '';
  const use = kinds
    .filter((kind) => kind !== 'pods' && offer.room[kind] > 0)
    .map((kind) => {
      const used = pods.reduce((sum, pod) => sum + needs.get(pod)![kind], 0);
      return `${{ cpu: 'cores', memory: 'memory', gpus: 'GPU' }[kind as 'cpu' | 'memory' | 'gpus']} ${Math.round((100 * used) / offer.room[kind])}%`;
    })
    .join(' · ');
  return `<g><rect class="node" x="${x}" y="${y}" width="${card.width}" height="${card.height}" rx="6"/>
<text class="type" x="${x + 10}" y="${y + 19}">${escaped(offer.type)}</text><text class="quiet" x="${x + card.width - 10}" y="${y + 19}" text-anchor="end">$${usd(offer.usdPerHour * hoursPerMonth)} a month</text>
<text class="quiet" x="${x + 10}" y="${y + 37}">${escaped(use)}</text>
${blocks.join('\n')}${free}</g>`;
}

const round = (value: number) => Math.round(value * 10) / 10;

/** `2 × ollama-summary, gateway`. */
function inWords(pods: string[]): string {
  return [...Map.groupBy(pods, (pod) => pod).entries()]
    .map(([name, same]) => (same.length > 1 ? `${same.length} × ${name}` : name))
    .join(', ');
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
