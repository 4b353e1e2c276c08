/** `npm run client`: writes the page's scripts into client/built/, with the licences of their libraries, and prints their sizes. */
import { mkdir, writeFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { BUILT, bundleClient } from './bundle.ts'
import { licences, sourcesOfScripts } from './licences.ts'

await mkdir(BUILT, { recursive: true })
for (const [name, contents] of await bundleClient()) {
  await writeFile(`${BUILT}/${name}`, contents)
  if (name.endsWith('.js'))
    console.log(`client/built/${name}: ${(gzipSync(contents).length / 1024).toFixed(1)} KB gzip`)
}
await writeFile(`${BUILT}/THIRD-PARTY-LICENSES`, licences(await sourcesOfScripts()))
