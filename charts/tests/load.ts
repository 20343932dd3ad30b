import { setTimeout as sleep } from 'node:timers/promises';

/** What became of the streams of a load. */
export interface Tally {
  whole: number;
  /** Why others were not, with how far they came. */
  lost: string[];
  /** How long the longest took, in ms. */
  longest: number;
}

/** A client for each name of a list, which asks that model for one stream after the other, some tokens long, until `stop` is called. */
export function load(address: string, models: string[]): { stop(): Promise<Tally>; tally: Tally } {
  const tally: Tally = { whole: 0, lost: [], longest: 0 };
  let going = true;
  const ask = async (model: string, content: string) => {
    const began = performance.now();
    let lines = 0;
    try {
      const body = { model, options: { num_predict: 64 }, messages: [{ role: 'user', content }] };
      const answer = await fetch(`${address}/api/chat`, { method: 'POST', body: JSON.stringify(body) });
      if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
      let text = '';
      for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) text += chunk;
      const all = text.trim().split('\n');
      lines = all.length;
      if (JSON.parse(all.at(-1)!).done !== true) throw new Error('it ends without an end');
      tally.whole++;
    } catch (error) {
      const { message, cause } = error as Error;
      tally.lost.push(
        `${model}: after ${lines} lines and ${Math.round(performance.now() - began)} ms: ${message}: ${cause}`,
      );
    }
    tally.longest = Math.max(tally.longest, performance.now() - began);
  };
  const run = async (model: string, client: number) => {
    // Bounded in count as well as by the test.
    for (let turn = 0; going && turn < 5000; turn++) {
      await ask(model, `${client} ${turn}`);
      await sleep(20);
    }
  };
  const running = models.map(run);
  return {
    tally,
    stop: async () => {
      going = false;
      await Promise.all(running);
      return tally;
    },
  };
}
