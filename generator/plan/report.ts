import { type Served, verdictWords } from '../memory/verdicts.ts';
import { type AskedRow, hopedUsd } from './asked.ts';
import type { Fit } from './fit.ts';
import { interruptionsAMonth } from './interruptions.ts';
import { money, usd } from './money.ts';
import type { NearPlan } from './nearest.ts';
import { type Bill, idlePercent, type Plan, type Size, sizes } from './plan.ts';
import type { Prices } from './prices.ts';
import { type BoughtNode, fallbackShare, type Purchase, purchases } from './purchase.ts';

/** A heading, rows of cells of which the first has the names of the columns, and what is to be said below. */
export interface Section {
  title: string;
  rows: string[][];
  notes: string[];
}

/** Everything that a plan says, before it is text of one kind or another. */
export interface Findings {
  plan: Plan;
  fit: Fit[];
  /** What the servers run, for the table of what holds it. */
  served?: Served[];
  asked?: AskedRow[];
  nearest?: NearPlan;
  prices: Prices;
  budgetUsd: number;
}

const purchaseNames: Record<Purchase, string> = {
  onDemand: 'on demand',
  spot: 'spot, with on demand as fallback',
  commitment: 'commitment of a year',
};

/** `2 × m7i.2xlarge, 1 × g6e.2xlarge`, dearest first. */
export function nodesInWords(nodes: BoughtNode[]): string {
  const mixed = new Set(nodes.map(({ purchase }) => purchase)).size > 1;
  const name = ({ offer, purchase }: BoughtNode) =>
    `${offer.type}${mixed && purchase === 'onDemand' ? ' on demand' : ''}`;
  const types = [...Map.groupBy(nodes, name).entries()];
  types.sort(([, a], [, b]) => b[0]!.offer.usdPerHour - a[0]!.offer.usdPerHour);
  return types.map(([type, same]) => `${same.length} × ${type}`).join(', ');
}

const percent = (value: number) => `${Math.round(value)}%`;

export function sectionsOf({ plan, fit, served, asked, nearest, prices, budgetUsd }: Findings): Section[] {
  return [
    fitSection(fit),
    ...(served ? [verdictsSection(served)] : []),
    nodesSection(plan),
    billSection(plan, prices),
    partsSection(plan),
    serversSection(plan),
    deployingSection(plan),
    ...(asked ? [askedSection(asked)] : []),
    ...(nearest ? [nearestSection(nearest, budgetUsd)] : []),
    {
      title: 'Where this comes from',
      rows: [],
      notes: [
        `Prices of ${prices.provider} in ${prices.region}, on demand as of ${prices.date}, in US dollars without tax; a month has 730 hours. --prices FILE takes your own.`,
        ...prices.sources,
      ],
    },
  ];
}

function fitSection(fit: Fit[]): Section {
  const wrong = fit.flatMap(({ problem }) => problem ?? []);
  return {
    title: 'Does it fit',
    rows: [
      ['server', 'loaded in', 'needs, GiB', 'has, GiB', ''],
      ...fit.map(({ server, on, needGiB, haveGiB, problem }) => [
        server,
        on,
        needGiB.toFixed(1),
        haveGiB.toFixed(1),
        problem ? 'DOES NOT FIT' : 'fits',
      ]),
    ],
    notes: wrong,
  };
}

function verdictsSection(served: Served[]): Section {
  return {
    title: 'Which GPU holds which model',
    rows: verdictWords(served),
    notes: [
      'As they are served, on one GPU or slice. shared: what is left would hold it once more. alone: it does not. ' +
        'partly: that part of its memory, and the CPU does the rest.',
    ],
  };
}

function nodesSection({ nodes, release }: Plan): Section {
  const rows = purchases.flatMap((purchase) =>
    (['minimum', 'maximum'] as const).map((size) => {
      const { nodes: packed, gapPercent } = nodes[purchase][size];
      const idle = idlePercent(packed, release.workloads);
      return [
        purchaseNames[purchase],
        size,
        String(packed.length),
        nodesInWords(packed),
        `${percent(100 - idle.cpu)}, ${percent(100 - idle.memory)}`,
        gapPercent < 0.05 ? 'none is cheaper' : `${gapPercent.toFixed(1)}%`,
      ];
    }),
  );
  return {
    title: 'Nodes',
    rows: [['paid', 'pods', 'nodes', 'cheapest mix', 'cores, memory in use', 'above the bound'], ...rows],
    notes: [
      'The bound is what no mix of these nodes can cost less than. Nodes with GPUs are for pods that ask for them.',
    ],
  };
}

function billSection({ bills, nodes, assumptions }: Plan, prices: Prices): Section {
  const taken = (['minimum', 'maximum'] as const).map((size) => {
    const { low, high } = interruptionsAMonth(nodes.spot[size].nodes, prices);
    return `${low.toFixed(1)} – ${high.toFixed(1)}`;
  });
  return {
    title: 'Cost a month',
    rows: [
      ['paid', ...sizes],
      ...purchases.map((purchase) => [
        purchaseNames[purchase],
        ...sizes.map((size) => money(bills[purchase][size].total)),
      ]),
    ],
    notes: [
      `minimum, maximum: every server has its fewest or most pods all month. average: its most for ${assumptions.busyHours} hours a week, for the rest its fewest, or what its schedule has then (--busy-hours).`,
      `spot: from spot nodes alone to on demand for ${percent(fallbackShare * 100)} of the time. What never goes to spot nodes (scheduling.capacity, replicas.onDemand) is on demand.`,
      `Of the spot nodes, by the bands that come with the prices, ${taken[0]} are taken back in a month at the minimum and ${taken[1]} at the maximum.`,
    ],
  };
}

function partsSection({ bills, assumptions }: Plan): Section {
  const names: Record<keyof Bill, string> = {
    nodes: 'nodes',
    volumes: 'volumes',
    controlPlane: 'control plane',
    loadBalancers: 'load balancers',
    crossZone: 'traffic between zones',
    total: 'all',
  };
  const bill = bills.onDemand;
  return {
    title: 'What it is made of, on demand',
    rows: [
      ['part', ...sizes],
      ...(Object.keys(names) as (keyof Bill)[]).map((part) => [
        names[part],
        ...sizes.map((size) => money(bill[size][part])),
      ]),
    ],
    notes: [
      `Volumes: a claim for each pod, and 30 GiB of system on each node. Traffic: ${assumptions.trafficGB} GB a month (--traffic-gb), two thirds of it across zones at most.`,
    ],
  };
}

function serversSection({ servers, models }: Plan): Section {
  const cells = (of: Record<Size, number>) => sizes.map((size) => `$${usd(of[size])}`);
  return {
    title: 'Who causes it: nodes on demand, a month',
    rows: [
      ['server', 'models', 'pods', ...sizes],
      ...servers.map(({ workload, usd }) => [
        workload.name,
        workload.models.join(', '),
        workload.pods.min === workload.pods.max
          ? `${workload.pods.min}`
          : `${workload.pods.min} – ${workload.pods.max}`,
        ...cells(usd),
      ]),
    ],
    notes: servers.some(({ workload }) => workload.models.length > 1)
      ? [
          `Models that share a server share its cost: ${models.map(({ model, usd: of }) => `${model} $${usd(of.minimum)}`).join(', ')} at the minimum.`,
        ]
      : [],
  };
}

function deployingSection({ secondGateway, release }: Plan): Section {
  const gateway = release.workloads.find(({ name }) => name === 'gateway')!;
  return {
    title: 'While a deployment with two colours runs, on demand',
    rows: [
      ['pods', 'of the second gateway', 'nodes for it', 'an hour'],
      ...(['minimum', 'maximum'] as const).map((size) => {
        const { nodes, usdPerHour } = secondGateway[size];
        const pods = gateway.pods[size === 'minimum' ? 'min' : 'max'];
        return [size, String(pods), nodesInWords(nodes), `up to $${usdPerHour.high.toFixed(2)}`];
      }),
    ],
    notes: [
      'By `npm run deploy -- --strategy blueGreen`, from when it is brought up until the one before is gone. What finds room on the other nodes costs nothing.',
    ],
  };
}

function askedSection(rows: AskedRow[]): Section {
  return {
    title: 'The requirements’ table, and what it is',
    rows: [
      ['nodes', 'said, a month', 'is, a month', ''],
      ...rows.map(({ what, saidUsd, trueUsd, note }) => [what, `$${usd(saidUsd)}`, money(trueUsd), note]),
    ],
    notes: [],
  };
}

function nearestSection({ purchase, givesUp, bill, nodes }: NearPlan, budget: number): Section {
  const middle = (bill.total.low + bill.total.high) / 2;
  const holds = middle <= budget;
  return {
    title: `Nearest to $${usd(budget)} a month`,
    rows: [
      ['', ''],
      ['cost, fewest pods', money(bill.total)],
      ['paid', purchaseNames[purchase]],
      ['nodes', nodesInWords(nodes)],
      ...givesUp.map((what, index) => [index === 0 ? 'gives up' : '', what]),
    ],
    notes: [
      holds
        ? 'Of all combinations that hold it (in the middle of their range), the one that gives up least.'
        : 'No combination holds it: this is the cheapest.',
      ...(budget === hopedUsd ? ['The figure is the one that the requirements hope for with spot.'] : []),
    ],
  };
}

/** Sections as text for a terminal, in columns. */
export function asText(sections: Section[]): string {
  return sections.map(textOf).join('\n\n');
}

function textOf({ title, rows, notes }: Section): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => [...(row[column] ?? '')].length)));
  const shown = rows.filter((row) => row.some((cell) => cell !== ''));
  const lines = shown.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  return [title, ...lines.map((line) => `  ${line}`), ...notes.map((note) => `  ${note}`)].join('\n');
}

/** Sections as Markdown, each under a heading of a level. */
export function asMarkdown(sections: Section[], level = 2): string {
  return sections
    .map(({ title, rows, notes }) => {
      const [head, ...body] = rows;
      const table = head
        ? [head, head.map(() => '---'), ...body].map((row) => `| ${row.join(' | ')} |`).join('\n')
        : '';
      const said = notes.length > 1 ? notes.map((note) => `- ${note}`).join('\n') : (notes[0] ?? '');
      return [`${'#'.repeat(level)} ${title}`, table, said].filter(Boolean).join('\n\n');
    })
    .join('\n\n');
}

/** The README's table: what production costs. */
export function shortTable({ bills, nodes }: Plan): string {
  const rows = [
    ['paid', 'nodes at the minimum', 'minimum', 'average', 'maximum'],
    Array<string>(5).fill('---'),
    ...purchases.map((purchase) => [
      purchaseNames[purchase],
      nodesInWords(nodes[purchase].minimum.nodes),
      ...sizes.map((size) => money(bills[purchase][size].total)),
    ]),
  ];
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
}
