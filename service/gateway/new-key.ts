// npm run api-key -- NAME [--models KEY,…] [--priority PRIORITY] [--requests-per-minute N] [--tokens-per-day N]
//
// Makes an API key, and says what goes where: the key to whoever asked for it, its entry to the gateway's Secret.
import { hash, randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { ApiKey, ApiKeys } from '../../schema/config.ts';
import { parseConfig } from '../shared/config.ts';
import { checkApiKeys } from './keys.ts';

const usage =
  'usage: npm run api-key -- NAME [--models KEY,…] [--priority interactive|standard|batch] [--requests-per-minute N] [--tokens-per-day N]';

/** The Secret that `gateway.apiKeys.existingSecret` of the values names, and what is read from it by default. */
const [secret, entry] = ['model-management-api-keys', 'keys.json'];

/** What the schema calls by one name and the command line by another. */
const flags: Record<string, string> = {
  name: 'NAME',
  models: '--models',
  priority: '--priority',
  requestsPerMinute: '--requests-per-minute',
  tokensPerDay: '--tokens-per-day',
};

/** The entry of a new key, as the command line asks for it; throws an Error that says what is wrong with that. */
function entryOf(args: string[], key: string): ApiKey {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      models: { type: 'string' },
      priority: { type: 'string' },
      'requests-per-minute': { type: 'string' },
      'tokens-per-day': { type: 'string' },
    },
  });
  const [name, ...rest] = positionals;
  if (name === undefined) throw new Error('NAME: missing: name whom the key is for');
  if (rest.length > 0) throw new Error(`${rest[0]}: one key has one name: call it for each by itself`);
  const { models, priority, 'requests-per-minute': perMinute, 'tokens-per-day': perDay } = values;
  const asked = {
    name,
    sha256: hash('sha256', key),
    ...(models !== undefined && { models: models.split(',') }),
    ...(priority !== undefined && { priority }),
    ...(perMinute !== undefined && { requestsPerMinute: numberOrText(perMinute) }),
    ...(perDay !== undefined && { tokensPerDay: numberOrText(perDay) }),
  };
  return checked(asked).keys[0]!;
}

/** As the gateway will check it, in the words of the command line. */
function checked(key: object): ApiKeys {
  try {
    return parseConfig('', JSON.stringify({ keys: [key] }), 'ApiKeys', checkApiKeys);
  } catch (error) {
    const problem = (error as Error).message.replace(/^: /, '');
    throw new Error(problem.replaceAll(/keys\.0\.(\w+)(\.\d+)?/g, (_, word: string) => flags[word] ?? word));
  }
}

const numberOrText = (text: string) => (/^[0-9]+$/.test(text) ? Number(text) : text);

try {
  const key = `mm-${randomBytes(32).toString('base64url')}`;
  const allowed = entryOf(process.argv.slice(2), key);
  process.stdout.write(`The key, for ${allowed.name} alone. It is kept nowhere and cannot be shown again:

${key}

Its entry, for "keys" in the ${entry} of the Secret that gateway.apiKeys.existingSecret names, here ${secret}:

${JSON.stringify(allowed, null, 2)}

The first key of a gateway makes the file: { "keys": [ENTRY] }. For a further one, get the file and add the entry to it:

kubectl --namespace model-management get secret ${secret} --output go-template='{{ index .data "${entry}" | base64decode }}' > ${entry}

Then put it there. The gateways take it up by themselves, within two minutes:

kubectl --namespace model-management create secret generic ${secret} --from-file=${entry} --dry-run=client --output yaml | kubectl apply --filename -
`);
} catch (error) {
  process.stderr.write(`api-key: ${(error as Error).message.replaceAll('\n', ' ')}; ${usage}\n`);
  process.exitCode = 1;
}
