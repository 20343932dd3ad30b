import { output } from './run.ts';
import { toolEnvironment } from './tools.ts';

/** What speaks to a cluster of the user's, how each says its version, and the oldest that does. */
const clients = {
  kubectl: { args: ['version', '--client', '--output', 'json'], oldest: [1, 28] },
  helm: { args: ['version', '--template', '{{.Version}}'], oldest: [3, 18] },
} as const;

export type Client = keyof typeof clients;

/** Whether the user has one that is new enough: one of his own knows how he logs in, and is there already. */
async function has(client: Client): Promise<boolean> {
  const { args, oldest } = clients[client];
  const said = await output(client, args).catch(() => undefined);
  const [, major, minor] = /v(\d+)\.(\d+)/.exec(said?.status === 0 ? said.stdout : '') ?? [];
  if (major === undefined) return false;
  return Number(major) > oldest[0] || (Number(major) === oldest[0] && Number(minor) >= oldest[1]);
}

/**
 * The environment for commands that call these clients by their names, on a cluster that is not ours: those on the PATH
 * where all of them are new enough, else the pinned ones, which takes a build where they are not there.
 */
export async function clientEnvironment(...wanted: Client[]): Promise<NodeJS.ProcessEnv> {
  const own = await Promise.all(wanted.map(has));
  return own.every(Boolean) ? { ...process.env } : toolEnvironment('cluster');
}
