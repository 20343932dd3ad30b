import type { ApiKeys } from '../../../schema/config.ts';
import { checkApiKeys } from '../../../service/gateway/keys.ts';
import { parseConfig } from '../../../service/shared/config.ts';
import { type Check, type Finding, note, ok, orElse } from '../finding.ts';
import type { Look } from '../look.ts';
import { counted, listed, oneLine } from '../words.ts';

const more = 'docs/operations.md#who-may-ask';

/** The Secret that the gateway reads keys from, and the key of it. */
function keysPlace(look: Look): { name: string; key: string } | undefined {
  const { volumes = [] } = look.component('deployments', 'gateway')[0]?.spec.template.spec ?? {};
  const secret = volumes.find(({ name }) => name === 'api-keys')?.secret;
  return secret && { name: secret.secretName, key: secret.items?.[0]?.key ?? 'keys.json' };
}

export const apiKeys: Check = {
  name: 'API keys',
  group: 'release',
  needs: ['deployments', 'secrets'],
  judge: (look) => {
    const place = keysPlace(look);
    if (!place) return [note('off: whoever reaches the gateway may ask (gateway.apiKeys.enabled: false)')];
    const { name, key } = place;
    const answer = look.secrets.get(name);
    const make = { to: 'make a key; it says how it comes into the Secret', run: 'npm run api-key -- NAME' };
    if (!answer || !('value' in answer)) {
      const what = `the Secret ${name} is not there`;
      return [
        { level: 'problem', what, why: 'the pods of the gateway wait for it and cannot start', fixes: [make], more },
      ];
    }
    const text = answer.value.data?.[key];
    if (text === undefined) {
      const has = listed(Object.keys(answer.value.data ?? {}));
      return [
        {
          level: 'problem',
          what: `the Secret ${name} has no key ${key}; it has ${has}`,
          why: 'the pods of the gateway cannot mount it and do not start',
          fixes: [
            make,
            { to: 'or name the key that it has', run: look.commands.set([['gateway', 'apiKeys', 'secretKey'], 'KEY']) },
          ],
          more,
        },
      ];
    }
    return judgeKeys(look, `${name}/${key}`, Buffer.from(text, 'base64').toString());
  },
};

/** What is in the Secret, of which nothing is shown but names of holders and what is wrong where. */
function judgeKeys(look: Look, file: string, text: string): Finding[] {
  let parsed: ApiKeys;
  try {
    parsed = parseConfig(file, text, 'ApiKeys', checkApiKeys);
  } catch (error) {
    return [
      {
        level: 'problem',
        what: oneLine((error as Error).message),
        why: 'gateways that run go on with the keys they had; one that starts anew does not come up',
        fixes: [{ to: 'correct it', run: look.commands.kubectl('edit', 'secret', file.split('/')[0]!) }],
        more,
      },
    ];
  }
  const known = look.gatewayConfig.models ?? {};
  const strange = parsed.keys.flatMap(({ name, models = [] }) =>
    models.filter((model) => !Object.hasOwn(known, model)).map((model) => `${name} (${model})`),
  );
  const count = ok(`${counted(parsed.keys.length, 'key')} in the Secret ${file}`);
  if (parsed.keys.length === 0) {
    const what = `the Secret ${file} has no key in it`;
    return [
      {
        level: 'warning',
        what,
        why: 'every request is refused',
        fixes: [{ to: 'make one', run: 'npm run api-key -- NAME' }],
        more,
      },
    ];
  }
  if (strange.length === 0) return [count];
  return [
    count,
    {
      level: 'warning',
      what: `keys allow models that there are not: ${listed(strange)}`,
      why: 'their holders may think that they have them; models go by their key in the values',
      fixes: [
        {
          to: 'see which there are',
          run: look.commands.kubectl('get', 'configmaps', '-l', 'app.kubernetes.io/component=gateway', '-o', 'yaml'),
        },
      ],
    },
  ];
}

export const pullSecrets: Check = {
  name: 'pull secrets',
  group: 'release',
  needs: ['deployments', 'secrets'],
  judge: (look) => {
    const names = new Set(
      look
        .ours('deployments')
        .flatMap(({ spec }) => (spec.template.spec.imagePullSecrets ?? []).map(({ name }) => name)),
    );
    if (names.size === 0) return [note('none is named (imagePullSecrets)')];
    const findings = [...names].flatMap((name): Finding[] => {
      const answer = look.secrets.get(name);
      const create = {
        to: 'make it',
        run: look.commands.kubectl(
          'create',
          'secret',
          'docker-registry',
          name,
          '--docker-server=HOST',
          '--docker-username=USER',
          '--docker-password=PASSWORD',
        ),
      };
      if (!answer || !('value' in answer)) {
        const what = `the Secret ${name} is not there`;
        return [{ level: 'problem', what, why: 'images of a private registry cannot be pulled', fixes: [create] }];
      }
      if (answer.value.type === 'kubernetes.io/dockerconfigjson') return [];
      const what = `the Secret ${name} is of type ${answer.value.type}, not kubernetes.io/dockerconfigjson`;
      return [{ level: 'problem', what, why: 'the kubelet takes no credentials from it', fixes: [create] }];
    });
    return orElse(findings, ok(`${listed([...names])} ${names.size === 1 ? 'is' : 'are'} there`));
  },
};
