/**
 * Runs a program with a new Redis, as with-redis.ts does. Every cable that a suite starts is then three nodes behind a front
 * (front.ts), so that clients change their node at every reconnect.
 *
 *   node testing/with-nodes.ts node --test server/test/gaps.test.ts
 */
process.env.HOTCABLE_TEST_NODES = '3'
await import('./with-redis.ts')
