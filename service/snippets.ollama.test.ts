import { createHash } from 'node:crypto';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
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
    const tools = [path.dirname(await tool('ollama')), path.dirname(await tool('cn'))];
    const commands = [path.dirname(process.execPath), ...tools, process.env.PATH];
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

  /** The file that a snippet of a language goes to, and the command that runs it. */
  const interpreters: Record<string, [file: string, command: string, ...args: string[]]> = {
    sh: ['snippet.sh', 'sh', 'snippet.sh'],
    js: ['snippet.mjs', 'node', 'snippet.mjs'],
    python: ['snippet.py', 'python3', 'snippet.py'],
    yaml: ['config.yaml', 'cn', '--print', '--config', 'config.yaml', 'What matters most?'],
  };
  const languages = Object.keys(interpreters);

  async function runSnippet(language: string, text: string, env: NodeJS.ProcessEnv) {
    const [file, command, ...args] = interpreters[language]!;
    writeFileSync(path.join(home.folder, file), language === 'sh' ? `set -e\n${text}` : text);
    return home.run(command, args, env);
  }

  it.each(those(...languages))('$title: runs, and its request comes to Ollama', async ({ language, text }) => {
    const here = text
      .replaceAll('https://models.example.com', keyed.url)
      .replaceAll('http://localhost:11434', stack.gateway.url);
    expect(here).not.toBe(text);
    const { code, stdout, stderr } = await runSnippet(language, here, environment);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout.trim()).not.toBe('');
    const paths = stack.tap.seen.map((seen) => seen.path);
    expect(paths.some((seen) => /chat|generate/.test(seen))).toBe(true);
    expect(paths.some((seen) => /embed/.test(seen))).toBe(/embed/i.test(text));
  });

  it.each(those(...languages).filter(({ text }) => text.includes('MODELS_API_KEY')))(
    '$title: fails with another key, and says so',
    async ({ language, text }) => {
      const here = text.replaceAll('https://models.example.com', keyed.url);
      const env = { ...environment, MODELS_API_KEY: 'another' };
      const { code, stdout, stderr } = await runSnippet(language, here, env);
      expect(code).not.toBe(0);
      expect(stdout + stderr).toContain('the API key is not valid');
      expect(stack.tap.seen.filter((seen) => /chat|generate|embed/.test(seen.path))).toEqual([]);
    },
  );

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
    const run = those(...languages).map(({ title }) => title);
    expect(run).toEqual([
      ...['curl, sh', 'curl, sh', 'The ollama command, sh'],
      ...["Ollama's SDKs, js, ollama", "Ollama's SDKs, python, ollama"],
      ...["OpenAI's SDKs, js, openai", "OpenAI's SDKs, python, openai"],
      ...['LangChain, js, @langchain/ollama', 'LangChain, js, @langchain/openai'],
      ...['LangChain, python, langchain-ollama', 'LangChain, python, langchain-openai'],
      ...['Continue, yaml, @continuedev/cli', 'Headers, sh'],
    ]);
    expect(those('ini')).toHaveLength(2);
    expect(snippets).toHaveLength(run.length + 2);
  });
});
