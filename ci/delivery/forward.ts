import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A way to ports of a pod, or of one pod of a Service, past all policies of the network: by its kubelet. */
export interface Forward extends Disposable {
  /** Address of each port, in the order in which they were asked for. */
  urls: string[];
}

/** Ends when its input does, and so does not outlive this process however that ends. */
const mortal =
  'exec 3<&0; "$@" </dev/null & child=$!; { cat <&3; kill $child; } >/dev/null 2>&1 & exec 3<&-; wait $child';

/** Opens it; rejects with what kubectl says. */
export async function forward(
  kubectl: readonly string[],
  env: NodeJS.ProcessEnv,
  object: string,
  ports: readonly number[],
): Promise<Forward> {
  const args = [...kubectl, 'port-forward', '--address', '127.0.0.1', object, ...ports.map((port) => `:${port}`)];
  const child = spawn('sh', ['-c', mortal, 'sh', 'kubectl', ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const end = () => void child.stdin.end();
  child.stdin.on('error', () => {});
  let complaint = '';
  child.stderr.on('data', (data: Buffer) => {
    complaint += data;
  });
  const urls: string[] = [];
  const opened = new Promise<boolean>((resolve) => {
    const timer = setTimeout(resolve, 20_000, false);
    const settle = (value: boolean) => {
      clearTimeout(timer);
      resolve(value);
    };
    // It says a line for each connection as well, which has to be read.
    createInterface({ input: child.stdout }).on('line', (line) => {
      const port = /^Forwarding from 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port) urls.push(`http://127.0.0.1:${port}`);
      if (urls.length === ports.length) settle(true);
    });
    child.once('close', () => settle(false));
    child.once('error', () => settle(false));
  });
  if (await opened) return { urls, [Symbol.dispose]: end };
  end();
  throw new Error(`${object}: no port forwarded to it: ${complaint.trim().split('\n').at(-1)}`);
}
