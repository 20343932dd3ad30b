/** The variable of the environment by which a machine is said to be slow. */
const variable = 'MODEL_MANAGEMENT_PATIENCE';

/**
 * How many times as long as usual everything of the cluster may take before it counts as broken: 1 unless the environment
 * says otherwise, as on a kernel that runs as a program.
 */
export function patience(value = process.env[variable]): number {
  if (!value) return 1;
  const times = Number(value);
  if (!(times >= 1 && times <= 100)) {
    throw new Error(`${variable}=${value}: not a number from 1 to 100: by how much waits are stretched, such as 10`);
  }
  return times;
}

/** A wait of so many seconds (or milliseconds) as it is on this machine. */
export const stretched = (time: number): number => Math.round(time * patience());

/**
 * Calls `check` every `interval` milliseconds until it gives something true, which is given back; else undefined after
 * `timeout`. Both are stretched by the machine's patience: a slow one has no time to be asked often.
 */
export async function until<T>(timeout: number, interval: number, check: () => T | Promise<T>): Promise<T | undefined> {
  const end = performance.now() + stretched(timeout);
  for (;;) {
    const result = await check();
    if (result) return result;
    if (performance.now() > end) return undefined;
    await new Promise((resolve) => setTimeout(resolve, stretched(interval)));
  }
}

/** Clients give a connection ten seconds, whatever they are told: an API server that is busy may need more. */
const notConnected = /TLS handshake timeout/;

/** Does `work` again while it is its connection alone that fails, for half a minute: nothing has been asked for then. */
export async function connected<T>(work: () => Promise<T>): Promise<T> {
  const end = performance.now() + stretched(30_000);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!notConnected.test((error as Error).message) || performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
