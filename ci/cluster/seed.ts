// Makes tiny models with a real Ollama and pushes them to a real registry, both on the loopback of the network that it is
// started in (see models.ts): `seed.ts ORDER`, a JSON file with the fields of Order.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { tinyModel } from '../../service/testing/tiny-model.ts';
import { until } from './wait.ts';

interface Order {
  /** Folder that gets `registry` and `models`. */
  into: string;
  names: string[];
  ollama: string;
  registry: string;
}

const order: Order = JSON.parse(readFileSync(process.argv[2]!, 'utf8'));
const registry = '127.0.0.1:5000';
const server = 'http://127.0.0.1:11434';

const configuration = path.join(order.into, 'registry.json');
writeFileSync(
  configuration,
  JSON.stringify({
    version: 0.1,
    storage: { filesystem: { rootdirectory: path.join(order.into, 'registry') } },
    http: { addr: registry },
  }),
);
const environment = {
  ...process.env,
  HOME: order.into,
  OLLAMA_MODELS: path.join(order.into, 'models'),
  OLLAMA_HOST: server,
  OTEL_TRACES_EXPORTER: 'none',
};
const servers = [
  spawn(order.registry, ['serve', configuration], { env: environment, stdio: 'inherit' }),
  spawn(order.ollama, ['serve'], { env: environment, stdio: 'inherit' }),
];

async function post(route: string, body: Buffer<ArrayBuffer> | object): Promise<void> {
  const answer = await fetch(server + route, {
    method: 'POST',
    body: Buffer.isBuffer(body) ? body : JSON.stringify({ ...body, stream: false }),
  });
  const text = await answer.text();
  if (!answer.ok || text.includes('"error"')) throw new Error(`${route}: ${answer.status} ${text}`);
}

for (const url of [`http://${registry}/v2/`, `${server}/api/version`]) {
  const up = await until(30_000, 50, () =>
    fetch(url).then(
      (answer) => answer.ok,
      () => false,
    ),
  );
  if (!up) throw new Error(`${url}: does not answer`);
}
for (const [index, name] of order.names.entries()) {
  const weights = tinyModel(index + 1);
  const digest = `sha256:${createHash('sha256').update(weights).digest('hex')}`;
  const repository = name.includes('/') ? name : `library/${name}`;
  const model = `${registry}/${repository}`;
  await post(`/api/blobs/${digest}`, weights);
  // A random model hardly ever ends its answer: this does.
  await post('/api/create', {
    model,
    files: { 'tiny.gguf': digest },
    template: '{{ if .System }}{{ .System }} {{ end }}{{ .Prompt }}',
    parameters: { num_predict: 32 },
  });
  await post('/api/push', { model, insecure: true });
}
for (const child of servers) child.kill();
