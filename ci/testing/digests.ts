import type { ValuesOverrides } from '../../generator/environment.ts';

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;

/** Digests of no image, for what renders production, which takes no image without one. */
export const testDigests = {
  image: { digest: digest('1') },
  serverDefaults: { ollama: { image: { digest: digest('2') } } },
  backup: { image: { digest: digest('3') } },
} satisfies ValuesOverrides;
