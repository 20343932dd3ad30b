import { hash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { tool } from '../tools/tools.ts';
import { prepareOutside } from './outside.ts';

/** oauth2-proxy, at an address that an ingress controller on the cluster can reach. */
export interface SignIn extends AsyncDisposable {
  /** What it is asked at whether a request is of somebody who has signed in. */
  url: string;
  /** Signs in with the form of its page; gives back the cookie that a browser has from then on, if it lets that user in. */
  signIn(user: string, password: string): Promise<string | undefined>;
}

/**
 * Starts it with one user of its own. A provider of identities cannot be had here: with one, what differs is who asks for
 * the password, not what the ingress controller sees.
 */
export async function startOauth2Proxy(host: string, user: string, password: string): Promise<SignIn> {
  const { port, folder, start, stack } = await prepareOutside(host);
  const users = path.join(folder, 'users');
  await writeFile(users, `${user}:{SHA}${hash('sha1', password, 'base64')}\n`);
  const address = `http://${host}:${port}`;
  await start(await tool('oauth2-proxy'), [
    ...[`--http-address=${host}:${port}`, '--reverse-proxy=true', '--upstream=static://202', '--email-domain=*'],
    ...['--provider=github', '--client-id=nobody', '--client-secret=nothing', `--htpasswd-file=${users}`],
    // Of the browser it is asked by HTTPS, which ends at the edge.
    ...[`--cookie-secret=${randomBytes(16).toString('hex')}`, '--cookie-secure=true'],
  ]);
  return {
    url: `${address}/oauth2/auth`,
    signIn: async (username, word) => {
      const body = new URLSearchParams({ username, password: word });
      const { headers } = await fetch(`${address}/oauth2/sign_in`, { method: 'POST', body, redirect: 'manual' });
      const cookies = headers.getSetCookie().map((cookie) => cookie.split(';', 1)[0]!);
      return cookies.find((cookie) => /^_oauth2_proxy=./.test(cookie));
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
