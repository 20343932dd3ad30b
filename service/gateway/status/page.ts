import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';

const folder = path.join(import.meta.dirname, '../ui');

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ts': 'text/javascript; charset=utf-8',
};

/** The page loads nothing from elsewhere, runs nothing but its own files, and is shown in no frame. */
export const pageHeaders = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/** What browsers take by TLS alone, and complain about otherwise. */
export const secureHeaders = { 'cross-origin-opener-policy': 'same-origin' } as const;

/** A file of the page as it is served. */
export interface PageFile {
  body: Buffer;
  type: string;
  etag: string;
}

let files: Map<string, PageFile> | undefined;

/**
 * A file of the page by its name. Browsers get the modules as they are written, with blanks where their types stand: Node does
 * the same with those that it runs, so that there is nothing to build.
 */
export function pageFile(name: string): PageFile | undefined {
  files ??= read();
  return files.get(name);
}

function read(): Map<string, PageFile> {
  const names = readdirSync(folder).filter((name) => types[path.extname(name)] && !name.endsWith('.test.ts'));
  return new Map(
    names.map((name) => {
      const text = readFileSync(path.join(folder, name), 'utf8');
      const body = Buffer.from(name.endsWith('.ts') ? stripTypeScriptTypes(text) : text);
      return [name, { body, type: types[path.extname(name)]!, etag: `"${hash('sha256', body).slice(0, 32)}"` }];
    }),
  );
}
