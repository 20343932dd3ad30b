import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Commands } from '../commands.ts';
import { Look } from '../look.ts';
import { commandsOf, found } from '../testing.ts';
import { certificate, certManager, ingress } from './ingress.ts';

/** Signed by itself: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=models.example.com -addext subjectAltName=DNS:models.example.com */
const pem = `-----BEGIN CERTIFICATE-----
MIIBrzCCAVSgAwIBAgIUTfx5+W4EZPN4mZWdGWf1qBPLVUQwCgYIKoZIzj0EAwIw
HTEbMBkGA1UEAwwSbW9kZWxzLmV4YW1wbGUuY29tMB4XDTI2MTEyNjIzMDEwM1oX
DTM2MTEyMzIzMDEwM1owHTEbMBkGA1UEAwwSbW9kZWxzLmV4YW1wbGUuY29tMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfUEcUov4hYMDf7HkWsQsVN3OpzDTJvsQ
iw2Y0hHuYTIGfxoFA5NVvIY34opGhcDc7EqSLZoSPQjoekx3F+WxOaNyMHAwHQYD
VR0OBBYEFAV2kObXSX8w5Yu/ynXA2oZm65ioMB8GA1UdIwQYMBaAFAV2kObXSX8w
5Yu/ynXA2oZm65ioMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0RBBYwFIISbW9kZWxz
LmV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0kAMEYCIQCF9mJOE7tRS1k/mkQUNVst
wqTU3Qo0ZI3BXieK3Zv/DAIhAJWwUL8vBZJwfhysB4kZVvQd8QsGE2lNtBp1T/6t
Us6W
-----END CERTIFICATE-----
`;
const end = Date.parse(new X509Certificate(pem).validTo);
const day = 86_400_000;

interface Shape {
  host?: string;
  issuer?: string;
  addresses?: string[];
  tls?: string | undefined;
}

/** A release with an Ingress, so many days before the certificate ends. */
function look(
  days: number,
  { host = 'models.example.com', issuer, addresses = ['192.0.2.1'], tls = pem }: Shape = {},
): Look {
  const look = new Look('models', new Commands(undefined, 'models', 'fleet'), end - days * day);
  look.release = 'fleet';
  const metadata = {
    name: 'fleet',
    labels: { 'app.kubernetes.io/instance': 'fleet', 'app.kubernetes.io/component': 'gateway' },
    annotations: issuer === undefined ? {} : { 'cert-manager.io/cluster-issuer': issuer },
  };
  const spec = { ingressClassName: 'nginx', rules: [{ host }], tls: [{ hosts: [host], secretName: 'tls' }] };
  const status = { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } };
  look.put('ingresses', { value: [{ metadata, spec, status }] });
  look.put('ingressclasses', { value: [{ metadata: { name: 'nginx' } }] });
  const data = { 'tls.crt': Buffer.from(tls).toString('base64') };
  look.secrets.set('tls', { value: { metadata: { name: 'tls' }, data } });
  return look;
}

describe('TLS', () => {
  it.each([
    [90, {}, 'ok: certificate for models.example.com, good for 90 days'],
    [10, {}, 'warning: tls: the certificate runs out in 10 days'],
    [-3, {}, 'problem: tls: the certificate ran out 3 days ago'],
    [
      90,
      { host: 'other.example.com' },
      'problem: tls: the certificate is for DNS:models.example.com, not for other.example.com',
    ],
    [90, { tls: 'nothing' }, 'problem: tls: tls.crt is no certificate'],
  ])('%d days before the end, with %j: %s', (days, shape, finding) => {
    expect(found(certificate, look(days, shape))).toEqual([finding]);
  });

  it('says what cert-manager says while it has made none', () => {
    const waiting = Object.assign(look(90, { issuer: 'letsencrypt' }), { apiGroups: ['cert-manager.io'] });
    waiting.secrets.set('tls', { problem: 'absent', message: '' });
    const conditions = [
      { type: 'Ready', status: 'False' as const, message: 'Issuing certificate as Secret does not exist' },
    ];
    waiting.put('certificates', {
      value: [{ metadata: { name: 'tls' }, spec: { secretName: 'tls' }, status: { conditions } }],
    });
    const findings = certificate.judge(waiting);
    expect(findings[0]!.what).toBe(
      'the Secret tls with the certificate is not there; cert-manager says: Issuing certificate as Secret does not exist',
    );
    expect(commandsOf(findings)).toEqual(['kubectl -n models describe certificate tls']);
  });
});

describe('cert-manager', () => {
  const withIssuer = (status?: 'True' | 'False') => {
    const seen = look(90, { issuer: 'letsencrypt' });
    seen.apiGroups = ['cert-manager.io'];
    const conditions = status && [{ type: 'Ready', status, message: 'the account is not registered' }];
    seen.put('clusterissuers', {
      value: conditions ? [{ metadata: { name: 'letsencrypt' }, status: { conditions } }] : [],
    });
    return seen;
  };

  it('is needed where an issuer is named, and has to have it ready', () => {
    expect(found(certManager, look(90))[0]).toMatch(/^note: not there/);
    expect(found(certManager, look(90, { issuer: 'letsencrypt' }))[0]).toMatch(/^problem: its kinds .* are not there/);
    expect(found(certManager, withIssuer())).toEqual(['problem: there is no ClusterIssuer letsencrypt; there is none']);
    expect(found(certManager, withIssuer('False'))).toEqual([
      'problem: the ClusterIssuer letsencrypt is not ready: the account is not registered',
    ]);
    expect(found(certManager, withIssuer('True'))).toEqual(['ok: ClusterIssuer letsencrypt is ready']);
  });
});

it('an Issuer of the namespace is looked for there', () => {
  const seen = look(90);
  seen.list('ingresses')[0]!.metadata.annotations = { 'cert-manager.io/issuer': 'ours' };
  seen.apiGroups = ['cert-manager.io'];
  seen.put('issuers', { value: [] });
  expect(found(certManager, seen)).toEqual(['problem: there is no Issuer ours; there is none']);
  seen.put('issuers', {
    value: [{ metadata: { name: 'ours' }, status: { conditions: [{ type: 'Ready', status: 'True' }] } }],
  });
  expect(found(certManager, seen)).toEqual(['ok: Issuer ours is ready']);
});

describe('an HTTPRoute', () => {
  const routed = (conditions?: Record<string, 'True' | 'False'>) => {
    const seen = look(90);
    seen.put('ingresses', { value: [] });
    const metadata = {
      name: 'fleet',
      labels: { 'app.kubernetes.io/instance': 'fleet', 'app.kubernetes.io/component': 'gateway' },
    };
    const said = Object.entries(conditions ?? {}).map(([type, status]) => ({ type, status, message: `no ${type}` }));
    const parents = conditions ? [{ parentRef: { name: 'public' }, conditions: said }] : [];
    const spec = { hostnames: ['models.example.com'] };
    seen.put('httproutes', { value: [{ metadata, spec, status: { parents } }] });
    return found(ingress, seen);
  };

  it('is served where its Gateway takes it and finds its Service, and nowhere else', () => {
    expect(routed({ Accepted: 'True', ResolvedRefs: 'True' })).toEqual([
      'ok: HTTPRoute fleet: Gateway public serves models.example.com',
    ]);
    expect(routed({ Accepted: 'False', ResolvedRefs: 'True' })).toEqual([
      'problem: the Gateway public does not serve the HTTPRoute fleet: no Accepted',
    ]);
    expect(routed({ Accepted: 'True', ResolvedRefs: 'False' })).toEqual([
      'problem: the Gateway public does not serve the HTTPRoute fleet: no ResolvedRefs',
    ]);
    expect(routed()[0]).toMatch(/^problem: no Gateway has taken up the HTTPRoute fleet/);
  });
});

describe('the Ingress', () => {
  it('is served by a class and a controller, as far as this machine sees', () => {
    const served = look(90);
    expect(found(ingress, served)).toEqual(['ok: class nginx serves models.example.com at 192.0.2.1']);
    const url = 'https://models.example.com/health/ready';
    served.outside = { url, status: 200 };
    expect(found(ingress, served)[1]).toBe(`ok: ${url} answers this machine`);
    served.outside = { url, problem: 'getaddrinfo ENOTFOUND models.example.com' };
    expect(found(ingress, served)[1]).toBe(
      `warning: ${url} does not answer this machine: getaddrinfo ENOTFOUND models.example.com`,
    );
  });

  it('is not, where no controller has taken it up', () => {
    expect(found(ingress, look(90, { addresses: [] }))[0]).toMatch(
      /^problem: the class nginx is there, but no controller has taken up/,
    );
  });
});
