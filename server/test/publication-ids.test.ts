/**
 * Publication ids (`meta.id`) on the wire: if a backend repeats an id, the cable answers 201 and does not publish again.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { counted, IN_REDIS, METRICS, startCable, type TestCable, turbo } from './test-cable.ts'

const publication = (text: string, id?: string, meta: object = {}) => ({
  stream: 'a',
  data: JSON.stringify(text),
  meta: { ...meta, id },
})

/** A listener of the stream; `messages` reads up to one that is sent last. */
async function listener(cable: TestCable, extra: object = {}) {
  const client = await cable.welcomed()
  await client.confirmed(turbo('a', extra))
  return {
    async messages() {
      await cable.broadcast('a', 'last')
      return (await client.until(({ message }) => message === 'last')).map(({ message }) => message).slice(0, -1)
    },
  }
}

const start = (t: TestContext, ...flags: string[]) => startCable(t, ['--noauth', METRICS, ...flags])

for (const broker of ['memory', 'none']) {
  for (const transient of [false, true]) {
    const kind = transient ? 'transient publication' : 'publication'
    test(`a ${kind} that is sent again with its id gets a 201 and is published once, with --broker=${broker}`, async t => {
      const cable = await start(t, `--broker=${broker}`)
      const ada = await listener(cable)

      const answers = []
      for (const text of ['one', 'again', 'two']) {
        const id = text === 'two' ? 'id-2' : 'id-1'
        answers.push((await cable.post(publication(text, id, { transient }))).status)
      }

      assert.deepEqual(answers, [201, 201, 201])
      assert.deepEqual(await ada.messages(), ['one', 'two'])
    })
  }
}

test('a publication that is sent again is not in the history either', async t => {
  const cable = await start(t)
  const position = await cable.position()
  for (const text of ['one', 'again']) await cable.post(publication(text, 'id-1'))

  const late = await listener(cable, { position })

  assert.deepEqual(await late.messages(), ['one'])
})

test('a list skips each item with an id published before, also earlier in the list, and publishes the others', async t => {
  const cable = await start(t)
  const ada = await listener(cable)
  await cable.post(publication('one', 'id-1'))

  const { status } = await cable.post([
    publication('again', 'id-1'),
    publication('two', 'id-2'),
    publication('again', 'id-2'),
    publication('no id'),
    publication('no id'),
  ])

  assert.equal(status, 201)
  assert.deepEqual(await ada.messages(), ['one', 'two', 'no id', 'no id'])
})

test('a refused list reserves none of its ids', async t => {
  const cable = await start(t)
  const ada = await listener(cable)

  const refused = await cable.post([publication('one', 'id-1'), publication('two', '')])
  const { status } = await cable.post([publication('one', 'id-1'), publication('two', 'id-2')])

  assert.deepEqual([refused.status, status], [422, 201])
  assert.match(((await refused.json()) as { message: string }).message, /\[1\]\.meta\.id must be a string of 1 to 64/)
  assert.deepEqual(await ada.messages(), ['one', 'two'])
})

test('a publication that is sent again has a metric, and is neither a refusal nor a broadcast', async t => {
  const cable = await start(t, '--dev')
  for (const id of ['id-1', 'id-1', 'id-2', 'id-1']) await cable.post(publication('x', id))

  const names = [
    'publications_total',
    'broadcast_msg_total',
    'repeated_broadcast_msg_total',
    'failed_broadcast_msg_total',
    'publication_ids_num',
  ]
  assert.deepEqual(await Promise.all(names.map(name => counted(cable, name))), [4, 2, 2, 0, IN_REDIS ? 0 : 2])
})
