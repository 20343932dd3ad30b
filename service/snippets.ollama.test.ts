import { createHash } from 'node:crypto';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { tool, toolFamily } from '../ci/tools/tools.ts';
import { ClientStack, Home } from './testing/client-stack.ts';
import { Entry } from './testing/entry.ts';

const root = path.join(import.meta.dirname, '..');

interface Snippet {
  title: string;
  language: string;
  text: string;
}

/** The fenced blocks of the document, with the headings above them. */
const snippets: Snippet[] = [];
for (const section of readFileSync(path.join(root, 'docs/clients.md'), 'utf8').split(/^## /m)) {
  const heading = section.split('\n', 1)[0]!;
  for (const [, language, text] of section.matchAll(/^```(\w+)\n(.*?)^```$/gms)) {
    const installed = /^(?:#|\/\/) (?:pip|npm) install (?:.* )?(\S+)$/m.exec(text!)?.[1];
    const title = [heading, language, ...(installed ? [installed] : [])].join(', ');
    snippets.push({ title, language: language!, text: text! });
  }
}

const those = (...languages: string[]) => snippets.filter(({ language }) => languages.includes(language));

describe('the snippets of docs/clients.md', () => {
  const key = 'the-key-of-the-snippets';
  let stack: ClientStack;
  /** Before the same agent as the stack's gateway, which asks for no keys. */
  let keyed: Entry;
  let home: Home;
  let environment: NodeJS.ProcessEnv;

  beforeAll(async () => {
    stack = await ClientStack.start();
    home = new Home();
    const apiKeysFile = path.join(home.folder, 'keys.json');
    const sha256 = createHash('sha256').update(key).digest('hex');
    writeFileSync(apiKeysFile, JSON.stringify({ keys: [{ name: 'snippets', sha256 }] }));
    keyed = await Entry.start('gateway', { ...stack.config, apiKeysFile }, '--drain-delay', '0');
    symlinkSync(path.join(root, 'node_modules'), path.join(home.folder, 'node_modules'));
    const commands = [path.dirname(process.execPath), path.dirname(await tool('ollama')), process.env.PATH];
    environment = {
      PATH: commands.join(path.delimiter),
      PYTHONPATH: path.join(await toolFamily('clients'), 'lib'),
      MODELS_API_KEY: key,
    };
  });
  afterAll(async () => {
    await keyed?.[Symbol.asyncDispose]();
    await stack?.[Symbol.asyncDispose]();
    home?.[Symbol.dispose]();
  });
  beforeEach(() => {
    stack.tap.seen.length = 0;
  });

  /** How a snippet is run, by its language. */
  const interpreters: Record<string, [command: string, file: string]> = {
    sh: ['sh', 'snippet.sh'],
    js: ['node', 'snippet.mjs'],
    python: ['python3', 'snippet.py'],
  };

  it.each(those('sh', 'js', 'python'))('$title: runs, and its request comes to Ollama', async ({ language, text }) => {
    const [command, file] = interpreters[language]!;
    const here = text
      .replaceAll('https://models.example.com', keyed.url)
      .replaceAll('http://localhost:11434', stack.gateway.url);
    expect(here).not.toBe(text);
    writeFileSync(path.join(home.folder, file), language === 'sh' ? `set -e\n${here}` : here);
    const { code, stdout, stderr } = await home.run(command, [file], environment);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout.trim()).not.toBe('');
    const paths = stack.tap.seen.map((seen) => seen.path);
    expect(paths.some((seen) => /chat|generate/.test(seen))).toBe(true);
    expect(paths.some((seen) => /embed/.test(seen))).toBe(/embed/i.test(text));
  });

  it.each(those('sh', 'js', 'python').filter(({ text }) => text.includes('MODELS_API_KEY')))(
    '$title: fails with another key, and says so',
    async ({ language, text }) => {
      const [command, file] = interpreters[language]!;
      writeFileSync(path.join(home.folder, file), text.replaceAll('https://models.example.com', keyed.url));
      const { code, stdout, stderr } = await home.run(command, [file], { ...environment, MODELS_API_KEY: 'another' });
      expect(code).not.toBe(0);
      expect(stdout + stderr).toContain('the API key is not valid');
      expect(stack.tap.seen.filter((seen) => /chat|generate|embed/.test(seen.path))).toEqual([]);
    },
  );

  it.each(those('yaml'))('$title: names models and keys of a shape that its client takes', ({ text }) => {
    expect(parse(text)).toMatchObject({
      schema: 'v1',
      models: [{ provider: 'openai', model: 'summary', apiBase: expect.stringMatching(/\/v1$/), apiKey: 'KEY' }],
    });
  });

  it.each(those('ini'))('$title: is a file of variables', ({ text }) => {
    const variables = Object.fromEntries(
      text
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s, 2)),
    );
    expect(Object.keys(variables).every((name) => /^[A-Z_]+$/.test(name))).toBe(true);
    const configs = variables.OLLAMA_API_CONFIGS;
    if (configs) expect(JSON.parse(configs)).toEqual({ 0: { enable: true, key: 'KEY' } });
  });

  it('have each client that there is', () => {
    const run = those('sh', 'js', 'python').map(({ title }) => title);
    expect(run).toEqual([
      ...['curl, sh', 'curl, sh', 'The ollama command, sh'],
      ...["Ollama's SDKs, js, ollama", "Ollama's SDKs, python, ollama"],
      ...["OpenAI's SDKs, js, openai", "OpenAI's SDKs, python, openai"],
      ...['LangChain, js, @langchain/ollama', 'LangChain, js, @langchain/openai'],
      ...['LangChain, python, langchain-ollama', 'LangChain, python, langchain-openai', 'Headers, sh'],
    ]);
    expect(those('ini', 'yaml')).toHaveLength(3);
    expect(snippets).toHaveLength(run.length + 3);
  });
});
