/** docs/after-commit.md in Rails: its model, with the gems of the Board in Rails, a database in memory and a cable of the tests. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { LANGUAGES } from '../../backends/harness/languages.ts'
import { missing } from '../../backends/harness/toolchain.ts'

const [, SECTION = ''] = readFileSync('docs/after-commit.md', 'utf8').split('\n## In Rails\n')
const [, MODEL = ''] = /^```ruby\n(.*?)\n^```$/ms.exec(SECTION) ?? []

/** Prints how many broadcasts have arrived: inside of a transaction, after it, and after one that was rolled back. */
const SCRIPT = `
Gem.paths = { "GEM_PATH" => [File.expand_path("tmp/gems"), *Gem.path].join(File::PATH_SEPARATOR) }
require "active_record"
require "erb"
require "net/http"
require "./backends/ruby/hotcable"
ActiveRecord::Base.establish_connection(adapter: "sqlite3", database: ":memory:")
ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define { create_table(:cards) { |t| t.string :body } }
${MODEL}
count = -> { puts Net::HTTP.get(URI(ENV.fetch("COUNT"))) }
Card.transaction { Card.create!(body: "<One>"); count.call }
count.call
Card.transaction { Card.create!(body: "Two"); raise ActiveRecord::Rollback }
count.call
puts Card.count
`

test('a model broadcasts after its commit, and not after a rollback', async t => {
  if (!(await LANGUAGES.rails.isPresent())) {
    console.error(`\n!!! ${missing(LANGUAGES.rails)}\n`)
    return t.skip('Rails is not installed')
  }
  const bodies: string[] = []
  const cable = createServer(async (request, response) => {
    if (request.method === 'GET') return void response.end(String(bodies.length))
    bodies.push(await text(request))
    response.writeHead(201).end()
  })
  await new Promise<void>(then => cable.listen(0, '127.0.0.1', then))
  t.after(() => cable.close())
  const url = `http://127.0.0.1:${(cable.address() as AddressInfo).port}`

  const env = { ...process.env, COUNT: url, ANYCABLE_HTTP_BROADCAST_URL: url, ANYCABLE_SECRET: 'canary' }
  const { stdout } = await promisify(execFile)('ruby', ['-e', SCRIPT], { env, timeout: 100_000 })

  assert.deepEqual(stdout.trim().split('\n'), ['0', '1', '1', '1'])
  assert.match(bodies[0]!, /card_1.*&lt;One&gt;/)
})
