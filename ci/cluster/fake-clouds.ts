import { createHmac, generateKeyPairSync, verify } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { tool } from '../tools/tools.ts';
import { type Outside, prepareOutside } from './outside.ts';
import type { Store } from './stores.ts';

/**
 * Stands for Google's storage, which is asked without a look at who asks (fake-gcs-server), and for its server of tokens, which gives
 * one for what a service account's key has signed.
 */
export async function startFakeGoogle(host: string): Promise<Store> {
  const ground = await prepareOutside(host);
  const { port, folder, certificate, key, authority, stack } = ground;
  const buckets = path.join(folder, 'buckets');
  mkdirSync(path.join(buckets, 'copies'), { recursive: true });
  await ground.start(await tool('fake-gcs-server'), [
    ...['-scheme', 'https', '-host', host, '-port', `${port}`, '-public-host', `${host}:${port}`],
    ...[
      '-backend',
      'filesystem',
      '-filesystem-root',
      buckets,
      '-cert-location',
      certificate,
      '-private-key-location',
      key,
    ],
  ]);
  const tokens = await startTokens(ground);
  return {
    repository: 'gs:copies:/fleet',
    credentials: {
      GOOGLE_PROJECT_ID: 'project',
      GOOGLE_APPLICATION_CREDENTIALS: '/etc/restic/GOOGLE_KEY',
      GOOGLE_KEY: tokens.keyFile,
      STORAGE_EMULATOR_HOST: `https://${host}:${port}`,
      RESTIC_CACERT: '/etc/restic/CA_CERT',
      CA_CERT: authority,
    },
    wrong: { GOOGLE_KEY: tokens.strangeKeyFile },
    refusal: /invalid_grant/,
    ports: [port, tokens.port],
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Gives a token for each JWT that the key of its account has signed (RFC 7523), and files of that key and of another. */
async function startTokens({ host, certificate, key, stack }: Outside) {
  const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 });
  const [own, strange] = [rsa(), rsa()];
  const answer = async (asked: IncomingMessage, response: ServerResponse) => {
    const assertion = new URLSearchParams(await text(asked)).get('assertion') ?? '';
    const [, signed, signature] = /^([^.]+\.[^.]+)\.([^.]+)$/.exec(assertion) ?? ['', '', ''];
    const isOwn = verify('sha256', Buffer.from(signed!), own.publicKey, Buffer.from(signature!, 'base64url'));
    response.writeHead(isOwn ? 200 : 400, { 'content-type': 'application/json' });
    const said = isOwn
      ? { access_token: 'token', token_type: 'Bearer', expires_in: 3600 }
      : { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' };
    response.end(JSON.stringify(said));
  };
  const [cert, privateKey] = await Promise.all([readFile(certificate), readFile(key)]);
  const server = createServer({ cert, key: privateKey }, (asked, response) => void answer(asked, response));
  server.listen(0, host);
  await once(server, 'listening');
  stack.defer(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  const fileOf = (pair: typeof own) =>
    JSON.stringify({
      type: 'service_account',
      project_id: 'project',
      private_key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      client_email: 'backup@project.iam.gserviceaccount.com',
      token_uri: `https://${host}:${port}/token`,
    });
  return { port, keyFile: fileOf(own), strangeKeyFile: fileOf(strange) };
}

/** restic sends an empty tier, which Azure takes for the account's own and Azurite refuses. */
const azurite = `
const from = require('node:module').createRequire(process.argv[1]);
const { prototype } = from('azurite/dist/src/blob/handlers/BlockBlobHandler').default;
const { parseTier } = prototype;
prototype.parseTier = function (tier) { return parseTier.call(this, tier || 'Hot'); };
from('azurite/dist/src/blob/main');
`;

/** The account of the fake of Azure, whose name with `.blob.` and a suffix has to lead to its host. */
export const azureAccount = 'backups';

/** Stands for Azure's storage (Azurite), which knows an account by the name that it is called by: ACCOUNT.blob.SUFFIX, as restic does. */
export async function startFakeAzure(host: string, suffix: string): Promise<Store> {
  const account = azureAccount;
  const accountKey = Buffer.from('the key of the account').toString('base64');
  const container = 'copies';
  const name = `${account}.blob.${suffix}`;
  const ground = await prepareOutside(host, `DNS:${name}`);
  const { port, folder, certificate, key, authority, stack } = ground;
  const package_ = path.join(path.dirname(path.dirname(await tool('azurite'))), 'azurite/package.json');
  const args = ['--blobHost', host, '--blobPort', `${port}`, '--cert', certificate, '--key', key, '--location', folder];
  const env = { AZURITE_ACCOUNTS: `${account}:${accountKey}` };
  await ground.start(process.execPath, ['-e', azurite, package_, ...args, '--disableTelemetry', '--silent'], env);
  await makeContainer(ground, name, account, accountKey, container);
  return {
    repository: `azure:${container}:/fleet`,
    credentials: {
      AZURE_ACCOUNT_NAME: account,
      AZURE_ACCOUNT_KEY: accountKey,
      AZURE_ENDPOINT_SUFFIX: `${suffix}:${port}`,
      RESTIC_CACERT: '/etc/restic/CA_CERT',
      CA_CERT: authority,
    },
    wrong: { AZURE_ACCOUNT_KEY: Buffer.from('another key').toString('base64') },
    refusal: /Server failed to authenticate the request/,
    ports: [port],
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Makes a container, by a request that the key of the account signs. */
async function makeContainer(
  { host, port, authority }: Outside,
  name: string,
  account: string,
  key: string,
  container: string,
) {
  const headers = { 'x-ms-date': new Date().toUTCString(), 'x-ms-version': '2021-08-06' };
  const ours = Object.entries(headers).map(([header, value]) => `${header}:${value}`);
  const signed = ['PUT', ...Array(11).fill(''), ...ours, `/${account}/${container}`, 'restype:container'].join('\n');
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(signed).digest('base64');
  const asked = request({
    ...{ host, port, method: 'PUT', path: `/${container}?restype=container`, ca: authority, servername: name },
    headers: {
      ...headers,
      host: `${name}:${port}`,
      'content-length': 0,
      authorization: `SharedKey ${account}:${signature}`,
    },
  });
  const [answer] = (await once(asked.end(), 'response')) as [IncomingMessage];
  if (answer.statusCode !== 201) throw new Error(`${name}: ${answer.statusCode}: ${await text(answer)}`);
  answer.resume();
}
