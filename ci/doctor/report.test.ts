import { expect, it } from 'vitest';
import type { Judged } from './finding.ts';
import { asJson, paperOf, report } from './report.ts';
import { emptyLook } from './testing.ts';

const findings: Judged[] = [
  { check: 'nodes', group: 'cluster', level: 'ok', what: '3 of 3 ready' },
  {
    check: 'storage classes',
    group: 'cluster',
    level: 'problem',
    what: 'there is no class fast-ssd, which ollama-llama relies on; there is standard',
    why: 'claims of it stay pending, and their pods with them',
    fixes: [
      { to: 'name one that is there', run: 'helm -n models upgrade fleet ./charts --reuse-values --set a=b' },
      { to: 'or do without' },
    ],
    more: 'docs/operations.md#a-claim-stays-pending',
  },
  { check: 'memory', group: 'fleet', level: 'warning', what: 'ollama uses 90% of its limit' },
];

it('is a line for each finding, and for those that want something done, what', () => {
  expect(
    report(emptyLook(), findings, { width: 72, colour: false }),
  ).toBe(`release fleet in namespace models of context test; looking changes nothing

Cluster: what the release stands on
  ✓ ok       nodes            3 of 3 ready
  ✗ problem  storage classes  there is no class fast-ssd, which
                              ollama-llama relies on; there is standard
             why   claims of it stay pending, and their pods with them
             fix   name one that is there:
                     helm -n models upgrade fleet ./charts --reuse-values --set a=b
             fix   or do without
             more  docs/operations.md#a-claim-stays-pending

Fleet: servers, models and gateways
  ! warning  memory           ollama uses 90% of its limit

1 problem, 1 warning, 1 fine`);
});

it('is coloured for a terminal that wants it, and says the same', () => {
  const plain = report(emptyLook(), findings, { width: 120, colour: false });
  const coloured = report(emptyLook(), findings, { width: 120, colour: true });
  expect(coloured).toContain('\x1b[31m');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are made of them
  expect(coloured.replaceAll(/\x1b\[\d+m/g, '')).toBe(plain);
  const terminal = { isTTY: true, columns: 200 } as NodeJS.WriteStream;
  expect(paperOf(terminal, {})).toEqual({ width: 120, colour: true });
  expect(paperOf(terminal, { NO_COLOR: '1' }).colour).toBe(false);
  expect(paperOf(terminal, { TERM: 'dumb' }).colour).toBe(false);
  expect(paperOf({} as NodeJS.WriteStream, {})).toEqual({ width: 120, colour: false });
  // A terminal of which nobody knows how wide it is says 0.
  expect(paperOf({ isTTY: true, columns: 0 } as NodeJS.WriteStream, {}).width).toBe(120);
  expect(paperOf({ isTTY: true, columns: 80 } as NodeJS.WriteStream, {}).width).toBe(80);
});

it('is JSON for programs', () => {
  expect(JSON.parse(asJson(emptyLook(), findings))).toEqual({
    cluster: 'context test',
    namespace: 'models',
    release: 'fleet',
    revision: null,
    kubernetes: 'v1.37.2',
    counts: { ok: 1, note: 0, warning: 1, problem: 1, unknown: 0 },
    findings,
  });
});

it('says how to install a release where there is none', () => {
  const look = Object.assign(emptyLook(), { release: undefined });
  expect(report(look, findings.slice(0, 1), { width: 120, colour: false })).toMatch(
    /No release of model-management is in the namespace models: .*\n {2}helm -n models upgrade --install fleet/,
  );
});
