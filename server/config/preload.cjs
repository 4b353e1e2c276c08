/**
 * Runs before the first import: node -r ./server/config/preload.cjs …
 *
 * Exits with one line on a Node that cannot run TypeScript, so it uses only what old versions of Node understand. Keeps the
 * compiled code for the next start, which then takes half the CPU.
 */
if (!process.features.typescript) {
  console.error(
    `Hotcable needs Node 22.18 or newer, and this is ${process.version}: npm install brings one (not with --omit=dev)`,
  )
  process.exit(1)
}
// (Where Node cannot write, it goes on without.)
require('node:module').enableCompileCache(`${__dirname}/../../node_modules/.cache/node`)
