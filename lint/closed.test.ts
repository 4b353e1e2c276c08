/** server/ and client/ can be replaced as a whole by those of a newer version: they need nothing else of the project. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { VERSION } from '../server/version.ts'
import { CABLE, importsOf, packagesOf, sourcesOf, targetOf } from './imports.ts'

const ROOT = resolve(import.meta.dirname, '..')
const { version, dependencies } = JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8'))
const files = sourcesOf(ROOT, CABLE)
const imports = importsOf(ROOT, files)

test('server/ and client/ import nothing else of the project', () => {
  const targets = imports.flatMap(each => targetOf(each) ?? [])

  assert.deepEqual(
    targets.filter(target => !/^(?:server|client)\//.test(target)),
    [],
  )
  assert.ok(files.length > 200 && targets.length > 700, `${files.length} ${targets.length}`)
})

test('server/ and client/ import only packages that npm ci --omit=dev installs', () => {
  const packages = packagesOf(imports)

  assert.deepEqual(
    packages.filter(name => !(name in dependencies)),
    [],
  )
  assert.ok(packages.includes('@grpc/grpc-js') && packages.includes('@hotwired/turbo') && packages.includes('ws'))
})

test('server/ and client/ read no file of the rest of the project', () => {
  const outside = files.filter(file => {
    const depth = file.split('/').length - 1
    return new RegExp(`new URL\\([\`']${Array(depth).fill('\\.\\.').join('/')}`).test(
      readFileSync(resolve(ROOT, file), 'utf8'),
    )
  })

  // It writes the tables of docs/; and licences of libraries in node_modules/.
  assert.deepEqual(outside, ['client/licences.ts', 'server/config/print.ts'])
})

test('the cable has the version of package.json', () => {
  assert.equal(VERSION, version)
})
