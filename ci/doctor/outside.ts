import type { Look } from './look.ts';

/** What became of a request for /health/ready by the address that clients use, sent from this machine. */
export interface Outside {
  url: string;
  /** Status of the answer; undefined where none came. */
  status?: number;
  problem?: string;
}

/** How long it may take, in ms. */
const patienceMs = 5000;

/** Asks the gateway as clients outside of the cluster do; nothing where there is no Ingress that somebody serves. */
export async function askFromOutside(look: Look): Promise<void> {
  const ingress = look.component('ingresses', 'gateway')[0];
  const host = ingress?.spec.rules?.[0]?.host;
  if (!host || !ingress?.status?.loadBalancer?.ingress?.length) return;
  const url = `${ingress.spec.tls?.length ? 'https' : 'http'}://${host}/health/ready`;
  try {
    const { status } = await fetch(url, { signal: AbortSignal.timeout(patienceMs), redirect: 'manual' });
    look.outside = { url, status };
  } catch (error) {
    const { cause, message } = error as Error & { cause?: Error & { code?: string } };
    look.outside = { url, problem: cause?.message || cause?.code || message };
  }
}
