import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayConfig } from '../../schema/config.ts';
import { until } from '../testing/client.ts';
import { gatewayModel } from '../testing/hops.ts';
import { ConfigError, ConfigFile, parseConfig } from './config.ts';
import { createLogger } from './logging.ts';

const sound: GatewayConfig = {
  models: { small: gatewayModel('small', { name: 'tiny:latest', server: 'ollama-tiny' }) },
  servers: { 'ollama-tiny': { url: 'http://ollama-tiny:8080', slots: 3 } },
  namespace: '',
  apiKeysFile: '',
  generationTimeoutSeconds: 600,
  maxBodyMiB: 32,
  logLevel: 'info',
};

const problem = (config: object | string) => {
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  try {
    parseConfig('config.json', text, 'GatewayConfig', () => []);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  return undefined;
};

describe('parseConfig', () => {
  it('takes a sound configuration', () => {
    expect(problem(sound)).toBeUndefined();
  });

  it.each<[string, object | string, string]>([
    ['text that is no JSON', '{', 'config.json: not JSON: '],
    [
      'a missing key',
      { ...sound, logLevel: undefined },
      'config.json: logLevel: missing: add it: How much it writes to its log',
    ],
    ['an unknown key', { ...sound, maxBodyMB: 1 }, 'maxBodyMB: unknown key: remove it, or use one of models, servers,'],
    [
      'a value out of bounds',
      { ...sound, maxBodyMiB: 0 },
      'config.json: maxBodyMiB: must be >= 1: set it to: Largest request body in MiB',
    ],
    [
      'a value of another type',
      { ...sound, generationTimeoutSeconds: '600' },
      'generationTimeoutSeconds: must be integer: set it to: ',
    ],
    ['a value that is not one of a few', { ...sound, logLevel: 'loud' }, 'use one of debug, info, warn, error'],
    ['a bad key of a map', { ...sound, models: { 'No!': sound.models.small } }, 'models.No!: must match pattern'],
    ['a bad value in a map', { ...sound, servers: { a: { url: 'ftp://x' } } }, 'servers.a.url: must match pattern'],
  ])('refuses %s in one line, with path and fix', (_title, config, message) => {
    expect(problem(config)).toContain(message);
    expect(problem(config)).not.toContain('\n');
  });

  it('says every problem at once', () => {
    expect(problem({ ...sound, logLevel: 'loud', maxBodyMiB: 0 })).toMatch(/maxBodyMiB.*; logLevel/);
  });
});

describe('ConfigFile', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Puts files where the kubelet does: in a folder that a link is then moved to. */
  const mount = (version: string, text: string) => {
    mkdirSync(path.join(folder, version));
    writeFileSync(path.join(folder, version, 'config.json'), text);
    symlinkSync(version, path.join(folder, '..data_tmp'));
    renameSync(path.join(folder, '..data_tmp'), path.join(folder, '..data'));
  };

  it('takes what a ConfigMap volume is changed to, refuses what is unsound, and takes the next sound one', async () => {
    mount('..1', JSON.stringify(sound));
    const file = path.join(folder, 'config.json');
    symlinkSync('..data/config.json', file);
    const config = new ConfigFile(file, 'GatewayConfig', () => []);
    const taken: number[] = [];
    const complaints: string[] = [];
    const log = createLogger('test', 'info');
    log.level = 'silent';
    log.error = ({ problem }: { problem: string }) => complaints.push(problem);
    config.watch(log, ({ maxBodyMiB }) => taken.push(maxBodyMiB), 10);
    try {
      mount('..2', JSON.stringify({ ...sound, maxBodyMiB: 64 }));
      await until(() => taken.length === 1);
      mount('..3', JSON.stringify({ ...sound, maxBodyMiB: -1 }));
      await until(() => complaints.length === 1);
      expect(complaints[0]).toContain('maxBodyMiB: must be >= 1');
      expect(config.current.maxBodyMiB).toBe(64);
      rmSync(path.join(folder, '..data'));
      await until(() => complaints.length === 2);
      mount('..4', JSON.stringify({ ...sound, maxBodyMiB: 128 }));
      await until(() => taken.length === 2);
      expect(taken).toEqual([64, 128]);
      expect(complaints).toHaveLength(2);
    } finally {
      config.close();
    }
  });

  it('says which file cannot be read', () => {
    expect(() => new ConfigFile('/nowhere/config.json', 'GatewayConfig', () => [])).toThrow(
      '/nowhere/config.json: cannot be read (ENOENT): name another with --config',
    );
  });
});
