import path from 'node:path';
import type { GgufHeader } from './header.ts';

/**
 * What a model is called: the key of its registry file, and the name by which Ollama pulls it. Where its address tells the latter
 * (Hugging Face: `hf.co/OWNER/REPOSITORY:QUANTISATION`, which Ollama takes as it is; a registry: its repository), that is it;
 * any other file has to be pushed to a registry first, and is expected there under its key.
 */
export function namesOf(place: string, header: GgufHeader, wanted?: string): { key: string; pull: string } {
  const { pathname, host } = /^https?:/i.test(place) ? new URL(place) : { pathname: place, host: '' };
  const file = path.basename(pathname, '.gguf');
  const [, owner, repository] = /^\/([^/]+)\/([^/]+)\/(?:resolve|blob)\//.exec(pathname) ?? [];
  const [, blobOf] = /^\/v2\/(.+)\/blobs\/sha256:[0-9a-f]{64}$/.exec(pathname) ?? [];
  const said = header.metadata.get('general.basename') ?? header.metadata.get('general.name');
  const size = header.metadata.get('general.size_label');
  const guess = blobOf?.split('/').at(-1) ?? (typeof said === 'string' ? [said, size].filter(Boolean).join('-') : file);
  const key = wanted ?? slug(guess);
  if (repository && /(^|\.)(huggingface\.co|hf\.co)$/.test(host)) {
    const quantisation = /[-.]((?:IQ|Q|MXFP|BF|F)\d[\w]*)$/i.exec(file)?.[1];
    return { key, pull: `hf.co/${owner}/${repository}${quantisation ? `:${quantisation}` : ''}` };
  }
  // The public registry's own models are in `library`, which is left out of their names.
  if (blobOf)
    return {
      key,
      pull: `${/(^|\.)ollama\.(ai|com)$/.test(host) ? '' : `${host}/`}${blobOf.replace(/^library\//, '')}`,
    };
  return { key, pull: key };
}

/** Letters, digits and dashes: what a key may have. */
const slug = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 56)
    .replace(/^-+|-+$/g, '');
