// The scenario of generated clients, in TypeScript: create, walk by cursor, change under If-Match, two refusals, a batch.

import { strictEqual as same, deepStrictEqual as alike } from 'node:assert';
import { BatchApi, Configuration, ErrorAnswerFromJSON, MarketsApi, ResponseError } from './client/index';

const { E2E_SQLITE_URL: basePath, E2E_KEY: apiKey } = process.env;
const configuration = new Configuration({ basePath: basePath!, apiKey: apiKey! });
const markets = new MarketsApi(configuration);

async function refusal(call: Promise<unknown>): Promise<unknown[]> {
  try {
    await call;
  } catch (refused) {
    if (!(refused instanceof ResponseError)) throw refused;
    const told = ErrorAnswerFromJSON(await refused.response.json());
    return [refused.response.status, told.code, ...told.details.map(({ path, code }) => `${path} ${code}`)];
  }
  throw new Error('it was not refused');
}

async function main() {
  let id = '';
  for (const number of [0, 1, 2]) {
    const marketCreateBody = { title: `Script asks ${number}`, slug: `script-${number}`, volume: '1.5', tags: new Set(['ts']) };
    const { data } = (await markets.createMarket({ marketCreateBody }))!;
    alike([data.volume, data.version, data.closesAt], ['1.5000', 1, null]);
    id = data.id;
  }

  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await markets.listMarkets({ titleStartswith: 'Script', sort: new Set(['-title' as const]), limit: 2, cursor });
    found.push(...page.data.map((market) => market.slug!));
    cursor = page.meta.nextCursor;
  } while (cursor !== undefined);
  alike(found, ['script-2', 'script-1', 'script-0']);

  const got = await markets.getMarketRaw({ id });
  const ifMatch = got.raw.headers.get('etag')!;
  const changed = await markets.updateMarket({ id, ifMatch, marketPatch: { status: 'closed' } });
  same(changed?.data.version, 2);
  alike(await refusal(markets.updateMarket({ id, ifMatch, marketPatch: { status: 'open' } })), [412, 'PRECONDITION_FAILED']);
  const again = { title: 'Script again', slug: 'script-0' };
  alike(await refusal(markets.createMarket({ marketCreateBody: again })), [409, 'CONFLICT', '/slug taken']);

  const batch = new BatchApi(configuration);
  const market = { collection: 'markets' } as const;
  const remove = { ...market, op: 'delete', id, version: 2 } as const;
  const operations = [
    { ...market, op: 'create', data: { title: 'Script in a batch', slug: 'script-3' } } as const,
    { ...market, op: 'update', id: '$0.id', data: { status: 'closed' } } as const,
    remove,
  ];
  const { results } = (await batch.runBatch({ batchBody: { operations } }))!.data;
  alike(results.map(({ status }) => status), [201, 200, 204]);
  same(results[1].data!.status, 'closed');
  const gone = batch.runBatch({ batchBody: { operations: [remove] } });
  alike(await refusal(gone), [412, 'PRECONDITION_FAILED', '/operations/0 precondition_failed']);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
