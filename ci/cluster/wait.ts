/** Calls `check` every `interval` milliseconds until it gives something true, which is given back; else undefined after `timeout`. */
export async function until<T>(timeout: number, interval: number, check: () => T | Promise<T>): Promise<T | undefined> {
  const end = performance.now() + timeout;
  for (;;) {
    const result = await check();
    if (result) return result;
    if (performance.now() > end) return undefined;
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
}
