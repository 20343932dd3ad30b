import { X509Certificate } from 'node:crypto';
import { type Check, type Finding, note, ok } from '../finding.ts';
import { conditionOf, type HttpRoute, type Ingress } from '../kubernetes.ts';
import type { Look } from '../look.ts';
import { ago, listed, oneLine } from '../words.ts';

const more = 'docs/operations.md#the-ingress-does-not-answer';
const dayMs = 86_400_000;
/** Certificates are renewed a month ahead, as a rule: this late something is wrong. */
const shortMs = 14 * dayMs;

const ingressOf = (look: Look): Ingress | undefined => look.component('ingresses', 'gateway')[0];

/** Which issuer of cert-manager an Ingress names. */
function issuerOf(found: Ingress | undefined): { kind: 'Issuer' | 'ClusterIssuer'; name: string } | undefined {
  const annotations = found?.metadata.annotations ?? {};
  const [issuer, cluster] = [annotations['cert-manager.io/issuer'], annotations['cert-manager.io/cluster-issuer']];
  if (issuer !== undefined) return { kind: 'Issuer', name: issuer };
  return cluster === undefined ? undefined : { kind: 'ClusterIssuer', name: cluster };
}

const hostOf = ({ spec }: Ingress) => spec.rules?.[0]?.host ?? '';

export const ingress: Check = {
  name: 'ingress',
  group: 'cluster',
  needs: ['ingresses', 'ingressclasses'],
  judge: (look) => {
    const found = ingressOf(look);
    const routes = look.component('httproutes', 'gateway');
    if (!found && routes.length > 0) return routes.map((route) => judgeRoute(look, route));
    if (!found) return [note('the release has none (ingress.enabled: false)')];
    const { commands } = look;
    const name = found.spec.ingressClassName ?? '';
    const classes = look.list('ingressclasses').map(({ metadata }) => metadata.name);
    if (!classes.includes(name)) {
      return [
        {
          level: 'problem',
          what: `there is no class ${name}; there is ${listed(classes)}`,
          why: `nobody serves ${hostOf(found)}`,
          fixes: [
            ...(classes[0]
              ? [{ to: 'name one that is there', run: commands.set([['ingress', 'className'], classes[0]]) }]
              : []),
            {
              to: `${classes[0] ? 'or ' : ''}install its controller; ingress-nginx comes with the class nginx`,
              run: commands.install(
                'ingress-nginx',
                'ingress-nginx',
                'https://kubernetes.github.io/ingress-nginx',
                'ingress-nginx',
              ),
            },
          ],
          more,
        },
      ];
    }
    const addresses = (found.status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip ?? hostname ?? []);
    if (addresses.length === 0) {
      return [
        {
          level: 'problem',
          what: `the class ${name} is there, but no controller has taken up the Ingress: it has no address`,
          why: `nobody serves ${hostOf(found)}`,
          fixes: [
            {
              to: 'see which controller the class names, and whether it runs',
              run: commands.cluster('describe', 'ingressclass', name),
            },
            {
              to: 'see what it says of the Ingress',
              run: commands.kubectl('describe', 'ingress', found.metadata.name),
            },
          ],
          more,
        },
      ];
    }
    return [ok(`class ${name} serves ${hostOf(found)} at ${listed(addresses)}`), ...fromOutside(look)];
  },
};

/** Every Gateway that a route is attached to has to take it, and to know its Service. */
function judgeRoute({ commands }: Look, { metadata, spec, status }: HttpRoute): Finding {
  const host = spec.hostnames?.[0] ?? '';
  const see = { to: 'see what it says', run: commands.kubectl('describe', 'httproute', metadata.name) };
  const why = `nobody serves ${host}`;
  const parents = status?.parents ?? [];
  if (parents.length === 0) {
    const what = `no Gateway has taken up the HTTPRoute ${metadata.name}: ingress.gateway names none that somebody serves`;
    return { level: 'problem', what, why, fixes: [see], more };
  }
  for (const { parentRef, conditions } of parents) {
    for (const type of ['Accepted', 'ResolvedRefs']) {
      const said = conditionOf(conditions, type);
      if (said?.status === 'True') continue;
      const what = `the Gateway ${parentRef.name} does not serve the HTTPRoute ${metadata.name}: ${oneLine(said?.message ?? `it says nothing of ${type}`)}`;
      return { level: 'problem', what, why, fixes: [see], more };
    }
  }
  const names = [...new Set(parents.map(({ parentRef }) => parentRef.name))];
  return ok(`HTTPRoute ${metadata.name}: Gateway ${listed(names)} serves ${host}`);
}

function fromOutside({ outside, commands }: Look): Finding[] {
  if (!outside) return [];
  const { url, status, problem } = outside;
  if (status === 200) return [ok(`${url} answers this machine`)];
  return [
    {
      level: 'warning',
      what: `${url} does not answer this machine: ${problem ? oneLine(problem) : `status ${status}`}`,
      why: 'clients may have the same trouble; this machine may also lack a way that they have',
      fixes: [
        { to: 'see where it ends', run: `curl --verbose ${url}` },
        {
          to: 'see what the controller says',
          run: commands.cluster('-n', 'ingress-nginx', 'logs', 'deployment/ingress-nginx-controller', '--tail=20'),
        },
      ],
      more,
    },
  ];
}

export const certificate: Check = {
  name: 'TLS',
  group: 'release',
  needs: ['ingresses', 'secrets'],
  judge: (look) => {
    const found = ingressOf(look);
    const secretName = found?.spec.tls?.[0]?.secretName;
    if (!found || !secretName)
      return [note(found ? 'the Ingress has none (ingress.tls.enabled: false)' : 'no Ingress')];
    const issuer = issuerOf(found)?.name;
    const secret = look.secrets.get(secretName);
    const text = secret && 'value' in secret ? secret.value.data?.['tls.crt'] : undefined;
    if (!text) return [missing(look, found, secretName, issuer)];
    return [judgeCertificate(look, hostOf(found), secretName, Buffer.from(text, 'base64'), issuer)];
  },
};

function missing(look: Look, { metadata }: Ingress, secretName: string, issuer: string | undefined): Finding {
  const { commands } = look;
  const certificate = look.list('certificates').find(({ spec }) => spec?.secretName === secretName);
  const ready = conditionOf(certificate?.status?.conditions, 'Ready');
  const said = ready?.status === 'False' ? `; cert-manager says: ${oneLine(ready.message ?? '')}` : '';
  const absent = issuer !== undefined && !look.apiGroups.includes('cert-manager.io');
  const fixes = !issuer
    ? [
        {
          to: 'put your certificate there',
          run: commands.kubectl('create', 'secret', 'tls', secretName, '--cert=tls.crt', '--key=tls.key'),
        },
      ]
    : certificate
      ? [{ to: 'see what it waits for', run: commands.kubectl('describe', 'certificate', certificate.metadata.name) }]
      : [
          {
            to: 'see whether cert-manager has taken up the Ingress',
            run: commands.kubectl('describe', 'ingress', metadata.name),
          },
        ];
  return {
    level: 'problem',
    what: `the Secret ${secretName} with the certificate is not there${said}`,
    why: `the ingress controller answers with a certificate of its own, which clients do not trust${absent ? ': see "cert-manager"' : ''}`,
    fixes: absent ? [] : fixes,
    more,
  };
}

function judgeCertificate(look: Look, host: string, name: string, pem: Buffer, issuer: string | undefined): Finding {
  const { commands } = look;
  const renew = issuer
    ? { to: 'see why cert-manager does not renew it', run: commands.kubectl('describe', 'certificates') }
    : {
        to: 'replace it',
        run: `${commands.kubectl('create', 'secret', 'tls', name, '--cert=tls.crt', '--key=tls.key', '--dry-run=client', '-o', 'yaml')} | ${commands.kubectl('apply', '-f', '-')}`,
      };
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(pem);
  } catch {
    return {
      level: 'problem',
      what: `${name}: tls.crt is no certificate`,
      why: 'TLS does not work',
      fixes: [renew],
      more,
    };
  }
  const left = Date.parse(parsed.validTo) - look.now;
  if (left <= 0) {
    const what = `${name}: the certificate ran out ${ago(-left)} ago`;
    return { level: 'problem', what, why: 'clients refuse to connect', fixes: [renew], more };
  }
  if (!parsed.checkHost(host)) {
    const what = `${name}: the certificate is for ${parsed.subjectAltName ?? parsed.subject}, not for ${host}`;
    return { level: 'problem', what: oneLine(what), why: 'clients refuse to connect', fixes: [renew], more };
  }
  if (left < shortMs) {
    const what = `${name}: the certificate runs out in ${ago(left)}`;
    return { level: 'warning', what, why: 'from then on clients refuse to connect', fixes: [renew], more };
  }
  return ok(`certificate for ${host}, good for ${ago(left)}`);
}

export const certManager: Check = {
  name: 'cert-manager',
  group: 'cluster',
  needs: ['ingresses'],
  judge: (look) => {
    const named = issuerOf(ingressOf(look));
    const isThere = look.apiGroups.includes('cert-manager.io');
    if (!named)
      return [
        isThere ? ok('its kinds (cert-manager.io) are there') : note('not there, and nothing of the release needs it'),
      ];
    const install = {
      to: 'install it',
      run: look.commands.install(
        'cert-manager',
        'cert-manager',
        'https://charts.jetstack.io',
        'cert-manager',
        '--set crds.enabled=true',
      ),
    };
    const { kind, name: issuer } = named;
    const value = kind === 'Issuer' ? 'issuer' : 'clusterIssuer';
    const kinds = kind === 'Issuer' ? 'issuers' : 'clusterissuers';
    const otherwise = {
      to: 'or bring a certificate of your own',
      run: look.commands.set([['ingress', 'tls', value], '']),
    };
    const why = 'no certificate is made for the Ingress';
    if (!isThere) {
      const what = `its kinds (cert-manager.io) are not there, and ingress.tls.${value} names ${issuer}`;
      return [{ level: 'problem', what, why, fixes: [install, otherwise], more }];
    }
    if (look.isRefused(kinds)) {
      return [
        {
          level: 'unknown',
          what: `whether the ${kind} ${issuer} is ready: you may not read ${kinds} (see "rights")`,
        },
      ];
    }
    const issuers = look.list(kinds);
    const found = issuers.find(({ metadata }) => metadata.name === issuer);
    const see = {
      to: 'see them',
      run: kind === 'Issuer' ? look.commands.kubectl('describe', kinds) : look.commands.cluster('describe', kinds),
    };
    if (!found) {
      const what = `there is no ${kind} ${issuer}; there is ${listed(issuers.map(({ metadata }) => metadata.name))}`;
      return [{ level: 'problem', what, why, fixes: [see, otherwise], more }];
    }
    const ready = conditionOf(found.status?.conditions, 'Ready');
    if (ready?.status === 'True') return [ok(`${kind} ${issuer} is ready`)];
    const what = `the ${kind} ${issuer} is not ready: ${oneLine(ready?.message ?? 'it says nothing')}`;
    return [{ level: 'problem', what, why, fixes: [see, otherwise], more }];
  },
};
