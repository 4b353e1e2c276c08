#!/usr/bin/env node
// The program of the package. It is plain JavaScript, because an old version of Node must be able to read its first lines.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 12)) {
  console.error(`hotcable needs Node 20.12 or newer, and this is ${process.version}`)
  process.exit(1)
}

// As in `npm run cable`: after a herd the cable uses half the memory. Node takes this option only at its start, so the process
// replaces itself; older versions of Node cannot, and Windows cannot.
const HALF = '--max-semi-space-size=8'
if (process.argv[2] === 'cable' && process.execve && process.platform !== 'win32' && !process.execArgv.includes(HALF))
  process.execve(process.execPath, [process.execPath, HALF, ...process.execArgv, ...process.argv.slice(1)])

  // (If Node cannot write its cache, it runs without one.)
;(await import('node:module')).enableCompileCache?.()

// Node 20 has neither.
Promise.withResolvers ??= function withResolvers() {
  let settle
  const promise = new this((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...settle }
}
URL.parse ??= (text, base) => (URL.canParse(text, base) ? new URL(text, base) : null)

await import('../dist/main.js')
