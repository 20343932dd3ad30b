import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../tools/paths.ts';

/** A row of the table of docs/security.md: connections that policies let through. */
export interface ConnectionRow {
  from: string;
  to: string;
  /** Such as `TCP 8080`. */
  ports: string[];
  when: string;
}

/** Who may talk to whom, as docs/security.md says it. */
export function connectionTable(): ConnectionRow[] {
  const text = readFileSync(path.join(root, 'docs/security.md'), 'utf8');
  const rows = text.matchAll(/^\| ([^|]+) \| ([^|]+) \| ((?:TCP|UDP) [^|]+) \| ([^|]+) \| [^|]+ \|$/gm);
  return [...rows].map(([, from, to, ports, when]) => ({
    from: from!,
    to: to!,
    ports: ports!.split(', '),
    when: when!,
  }));
}
