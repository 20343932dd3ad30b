import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const text = readFileSync(path.join(import.meta.dirname, 'scale.md'), 'utf8');

/** The figures of a row of the table of three loads, in the units that it starts with. */
function row(title: RegExp): number[] {
  const cells = text.split('\n').find((line) => line.startsWith('| ') && title.test(line.split(' | ')[0]!));
  const units: Record<string, number> = { MB: 1e6, GB: 1e9 };
  return cells!
    .split('|')
    .slice(2, 5)
    .map((cell) => {
      const [, number, unit] = /^ ([\d,.]+)(?: (MB|GB))? $/.exec(cell)!;
      return Number(number!.replaceAll(',', '')) * (unit ? units[unit]! : 1);
    });
}

/** To two digits, as far as a page rounds. */
const about = (got: number[], wanted: number[]) =>
  got.forEach((number, index) => {
    expect(Math.abs(number / wanted[index]! - 1)).toBeLessThan(0.06);
  });

it('reckons the loads of docs/scale.md as the page says', () => {
  const asked = row(/requests a second/);
  about(
    asked,
    row(/requests a minute/).map((number) => number / 60),
  );
  const inFlight = row(/in flight/);
  about(
    inFlight,
    asked.map((number) => number * 10),
  );
  const pods = row(/^\| pods of servers/);
  about(
    pods,
    inFlight.map((number) => number / (4 * 0.7)),
  );
  const chunks = row(/chunks a second/);
  about(
    chunks,
    inFlight.map((number) => number * 25),
  );
  const cores = row(/cores for the gateways/);
  const [, perChunk] = /(\d+) µs of CPU: less/.exec(text)!;
  const [, perRequest] = /\| ([\d.]+) ms of CPU \|/.exec(text)!;
  about(
    cores,
    chunks.map((number, index) => (number * Number(perChunk)) / 1e6 + (asked[index]! * Number(perRequest)) / 1e3),
  );
  const gateways = row(/pods of gateways/);
  expect(gateways).toEqual(cores.map((number) => Math.max(2, Math.ceil(number / 0.7))));
  about(
    row(/memory for the streams/),
    inFlight.map((number) => number * 46e3),
  );
  about(
    row(/cores for the agents/),
    chunks.map((number) => number * 48e-6),
  );
  const series = row(/series of Prometheus/);
  about(
    series,
    pods.map((number, index) => number * 152 + gateways[index]! * 760),
  );
  about(
    row(/memory of Prometheus/),
    series.map((number) => number * 3.3e3),
  );
});
