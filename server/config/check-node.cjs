/**
 * Exits with one line on a Node that cannot run TypeScript: node -r ./server/config/check-node.cjs …
 *
 * It runs before the first import, so it uses only what old versions of Node understand.
 */
if (!process.features.typescript) {
  console.error(
    `Hotcable needs Node 22.18 or newer, and this is ${process.version}: npm install brings one (not with --omit=dev)`,
  )
  process.exit(1)
}
