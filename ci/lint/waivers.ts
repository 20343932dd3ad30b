/** What looks for mistakes: in the rendered environments, in the npm packages, in the images. */
export type Scanner = 'checkov' | 'npm audit' | 'trivy config' | 'trivy image';

/** A finding of a scanner that stays, and why. */
export interface Waiver {
  scanner: Scanner;
  /** The scanner's name of its rule, or of the vulnerability. */
  rule: string;
  /** `Kind NAME` of the objects (`npm NAME` of a package), all of them that match. */
  objects: RegExp;
  why: string;
  /** Last day, `YYYY-MM-DD`, of what is to be mended: a vulnerability always has one, at most 90 days ahead. */
  until?: string;
}

const pods = /^(Deployment|Job) /;
const servers = /^Deployment ollama-/;
const noCpuLimit =
  'A limit on CPU makes gateway and agent wait for nothing (docs/decisions.md, 8); Ollama and the downloader have one.';
const bounds =
  'The chart renders a quota and a LimitRange; Trivy looks for them in each object by itself, these two included.';

/** Every finding that is not mended. One that nothing needs any more has to go. */
export const waivers: Waiver[] = [
  {
    scanner: 'checkov',
    rule: 'CKV_K8S_9',
    objects: servers,
    why: 'Ollama has no port that the kubelet reaches: the readiness probe of its agent, in the same pod, speaks for both.',
  },
  {
    scanner: 'checkov',
    rule: 'CKV_K8S_11',
    objects: pods,
    why: noCpuLimit,
  },
  {
    scanner: 'checkov',
    rule: 'CKV_K8S_15',
    objects: pods,
    why: 'Tags name versions and are not moved; asking the registry at each start makes it a thing without which no pod starts.',
  },
  {
    scanner: 'checkov',
    rule: 'CKV_K8S_38',
    objects: /^Deployment model-management-gateway$/,
    why: 'The gateway watches EndpointSlices and may do nothing else (docs/security.md).',
  },
  {
    scanner: 'checkov',
    rule: 'CKV_K8S_43',
    objects: pods,
    why: 'Production is refused without digests (images.requireDigest); local runs what is built here, and staging what is new.',
  },
  { scanner: 'trivy config', rule: 'KSV-0011', objects: pods, why: noCpuLimit },
  { scanner: 'trivy config', rule: 'KSV-0039', objects: /./, why: bounds },
  { scanner: 'trivy config', rule: 'KSV-0040', objects: /./, why: bounds },
  {
    scanner: 'trivy config',
    rule: 'KSV-01010',
    objects: /^ConfigMap model-management-servers$/,
    why: 'It takes the key of a model, a variable of the script that downloads, for one of a lock.',
  },
  {
    scanner: 'trivy config',
    rule: 'KSV-0125',
    objects: servers,
    why: 'Ollama publishes on Docker Hub; who has a mirror names it in the values, and production has the digest.',
  },
];
