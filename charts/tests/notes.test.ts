import { expect, test } from 'vitest';
import { fleet, forecasting, type RenderOptions, runHelm } from './render.ts';

async function notes(values: object, options: RenderOptions = {}) {
  const { status, stdout, stderr } = await runHelm(['install', '--dry-run=client'], values, options);
  if (status !== 0) throw new Error(stderr);
  return stdout.slice(stdout.indexOf('NOTES:'));
}

/** What `npm run deploy` writes for as long as it has two gateways. */
const held = (slot: string, next: string) => {
  const what = {
    revision: 1,
    retiring: [],
    undo: [],
    config: '{}',
    deployment: { template: { metadata: {}, spec: {} } },
  };
  return JSON.stringify({ slot, next, ...what });
};

test.each([
  [
    'one colour',
    { active: 'green' },
    ['Clients have the gateway green.', 'beside it, as blue,', '--strategy blueGreen'],
  ],
  [
    'a colour on trial',
    { active: 'blue', held: held('blue', 'green') },
    ['clients have blue, and green is being tried.', '--strategy blueGreen --values my.yaml\n', '--return\n'],
  ],
  [
    'a colour that clients have',
    { active: 'green', held: held('blue', 'green') },
    ['clients have green, and blue is kept for a return.', '--return\n'],
  ],
  [
    'the way back to no colour',
    { active: 'rolling', held: held('blue', 'rolling') },
    ['clients have rolling, and blue is kept', '--strategy rolling'],
  ],
])(
  'renders which gateway clients have, the next command and what a second one takes, with %s',
  async (_, blueGreen, said) => {
    const gateway = {
      strategy: 'blueGreen',
      blueGreen,
      replicas: { min: 2, max: 6 },
      resources: { cpu: '250m', memory: '300M' },
    };
    const text = await notes(fleet({ a: {} }, {}, { gateway }));
    for (const words of said) expect(text).toContain(words);
    expect(text).toContain('npm run deploy -- --env NAME --namespace models --release ');
    expect(text).toContain('2 – 6 pods with 250m CPU and 300M of memory each.');
  },
);

test('omits colours when the strategy is rolling', async () => {
  expect(await notes(fleet({ a: {} }))).not.toMatch(/npm run deploy|green/);
});

test('renders each server with its models, and the commands in the namespace of the release', async () => {
  const text = await notes(fleet({ a: {}, packed: { models: ['b', 'c'] }, disabled: { enabled: false } }));
  expect(text).toContain('  a: a\n');
  expect(text).toContain('  packed: b, c\n');
  expect(text).not.toContain('disabled');
  expect(text).toContain('kubectl -n models get pods -l app=ollama');
  expect(text).toContain('port-forward service/model-management 11434:80\n');
  expect(text).toContain('OLLAMA_HOST=http://localhost:11434');
});

test('renders the public address when there is an Ingress', async () => {
  expect(await notes({ ingress: { enabled: true } })).toContain('OLLAMA_HOST=https://models.fineprint.ai\n');
  const plain = await notes({ ingress: { enabled: true, host: 'a.example.com', tls: { enabled: false } } });
  expect(plain).toContain('OLLAMA_HOST=http://a.example.com\n');
});

test('renders how to follow the Job when servers share their cache', async () => {
  const shared = await notes(fleet({ a: { cache: { mode: 'shared' } } }));
  expect(shared).toMatch(/logs job\/model-management-puller-[0-9a-f]{8} --follow/);
  expect(await notes(fleet({ a: {} }))).not.toContain('puller');
});

test('renders what to do when no server is enabled', async () => {
  expect(await notes(fleet({ a: { enabled: false } }))).toContain('none: enable a server under `servers`');
});

test('renders that whoever comes may ask when no keys are asked for', async () => {
  const text = await notes({});
  expect(text).toContain('API keys are off: whoever reaches the gateway may ask every model.');
  expect(text).toContain('\n  ollama list\n');
});

test('renders where keys come from, and a client that sends one, when they are asked for', async () => {
  const text = await notes({ gateway: { apiKeys: { enabled: true, existingSecret: 'keys-of-mine' } } });
  expect(text).toContain('npm run api-key -- NAME');
  expect(text).toContain('the Secret keys-of-mine');
  expect(text).toContain('--header "Authorization: Bearer KEY" $OLLAMA_HOST/api/tags');
  expect(text).not.toMatch(/keys are off|ollama list/);
});

test('renders how to see what the forecaster says, when there is one', async () => {
  const text = await notes({ ...forecasting, namePrefix: 'x-' });
  expect(text).toContain('port-forward deployment/x-model-management-forecaster 8080 &\n');
  expect(await notes({})).not.toContain('forecaster');
});

test('renders where the status page is, when there is one', async () => {
  expect(await notes({})).toContain('\n  http://localhost:11434/ui/\n');
  expect(await notes({ ingress: { enabled: true } })).toContain('\n  https://models.fineprint.ai/ui/\n');
  expect(await notes({ gateway: { statusPage: { enabled: false } } })).not.toContain('/ui');
});
