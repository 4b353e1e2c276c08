import assert from 'node:assert/strict'
import { test } from 'node:test'
import { services } from './services.ts'

const plan = {
  port: 3000,
  host: '127.0.0.1',
  secret: 'canary-of-start',
  db: '/tmp/x.sqlite3',
  languages: ['python', 'ruby'],
  ports: [5001, 5002, 5003],
  watch: false,
} as const

test('every process has the secret in its environment, and no process as an argument', () => {
  for (const { env, args, command } of services(plan)) {
    assert.equal(env.ANYCABLE_SECRET, 'canary-of-start')
    assert.ok(![command, ...args].join(' ').includes('canary-of-start'))
  }
})

test('every process finds the cable and the cards, and web finds the others', () => {
  const [cable, web, python, ruby] = services(plan)

  assert.ok(cable!.args.includes('--port=5001'))
  assert.equal(web!.env.HOTCABLE_CABLE_URL, 'http://127.0.0.1:5001')
  assert.equal(web!.env.HOTCABLE_BOARD_PYTHON_URL, 'http://127.0.0.1:5002')
  assert.equal(web!.env.HOTCABLE_BOARD_RUBY_URL, 'http://127.0.0.1:5003')
  assert.equal(web!.env.HOTCABLE_BOARD_PHP_URL, undefined)
  assert.deepEqual([python!.env.PORT, ruby!.env.PORT], ['5002', '5003'])
  for (const { env } of [web!, python!, ruby!]) {
    assert.equal(env.ANYCABLE_HTTP_BROADCAST_URL, 'http://127.0.0.1:5001/_broadcast')
    assert.equal(env.HOTCABLE_DB, '/tmp/x.sqlite3')
  }
})

test('the cable reads the outbox that the Boards write to', () => {
  const [cable, ...boards] = services(plan)

  assert.ok(cable!.args.includes('--broadcast_adapter=http,outbox'))
  for (const { env } of [cable!, ...boards]) assert.equal(env.HOTCABLE_OUTBOX, 'sqlite:/tmp/x.sqlite3')
})

test('cable and web run for development: they show developers what happens, at /debug', () => {
  for (const { args } of services(plan).slice(0, 2)) assert.ok(args.includes('--dev'))
})

test('npm start uses a cable that already runs, by POST, and starts no other', () => {
  const cable = { url: 'http://127.0.0.1:8080', broadcastUrl: 'http://127.0.0.1:8090/_broadcast' }
  const [web, python, ruby, ...rest] = services({ ...plan, cable })

  assert.deepEqual([web!.title, python!.title, ruby!.title, rest], ['TypeScript', 'Python', 'Ruby', []])
  assert.equal(web!.env.HOTCABLE_CABLE_URL, cable.url)
  for (const { env } of [web!, python!, ruby!]) {
    assert.equal(env.ANYCABLE_HTTP_BROADCAST_URL, cable.broadcastUrl)
    assert.equal(env.HOTCABLE_OUTBOX, '')
  }
})

test('only web is reachable from the network, and only if the host says so', () => {
  for (const host of ['127.0.0.1', '0.0.0.0', '::']) {
    const [cable, web, ...boards] = services({ ...plan, host })

    assert.ok(cable!.args.includes('--host=127.0.0.1'))
    assert.ok(cable!.args.includes('--heal_check=http://127.0.0.1:3000/health'))
    assert.deepEqual([web!.env.HOST, web!.health], [host, 'http://127.0.0.1:3000/health'])
    for (const { env } of boards) assert.equal(env.HOST, '127.0.0.1')
  }
})

test('node watches its own sources, and we watch the folders of the others', () => {
  const [cable, web, python, ruby] = services({ ...plan, watch: true })

  assert.ok([cable, web].every(each => each!.args.includes('--watch') && each!.sources === undefined))
  assert.ok(!python!.args.includes('--watch'))
  assert.deepEqual([python!.sources, ruby!.sources], [['backends/python'], ['backends/ruby']])
  assert.ok(services(plan).every(({ sources }) => sources === undefined))
})
