/** Gaps of history on the wire: the cable refreshes a page if it does not have all messages that the page missed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXTENDED } from '../../testing/client.ts'
import { seen, send, since } from './history-messages.ts'
import { startCable, turbo } from './test-cable.ts'

const REFRESH = '<turbo-stream action="refresh" method="morph" scroll="preserve" data-hotcable="heal"></turbo-stream>'

for (const [about, position] of [
  ['of another life of the cable', '1/gone'],
  ['that is not known', '-'],
  ['of the future', undefined],
] as const) {
  test(`a position ${about} is a gap: the cable sends the page one refresh, then live messages`, async t => {
    const cable = await startCable(t, ['--noauth'])
    await send(cable, 'unknown to the page')
    const client = await cable.welcomed({ protocols: EXTENDED })
    const future = `999999/${(await cable.position()).split('/')[1]}`

    await client.subscribe(turbo('a', { position: position ?? future }), { history: { since: since(), streams: {} } })
    const [rejection, refresh] = [await client.next(), await client.next()]
    assert.equal(rejection.type, 'reject_history')
    assert.equal(refresh.message, REFRESH)
    assert.match(`${refresh.offset}/${refresh.epoch}`, /^\d+\/[\w-]+$/, 'it carries where the stream is')
    assert.deepEqual(await seen(cable, client), [])

    await client.subscribe(turbo('a', { position: position ?? future, again: true }))
    assert.deepEqual(
      await seen(cable, client),
      ['last'].slice(1),
      'held back: one refresh per stream and session in 30 s',
    )
  })
}

for (const [about, flags, fate] of [
  ['a refresh that is coming', [], 'coming'],
  ['that pages are not told to refresh', ['--heal=off'], 'off'],
] as const) {
  test(`the confirmation of a subscription that starts with a gap announces ${about}`, async t => {
    const cable = await startCable(t, ['--noauth', '--public_streams', ...flags])
    const position = await cable.position()
    const client = await cable.welcomed({ protocols: EXTENDED })
    const other = JSON.stringify({ channel: '$pubsub', stream_name: 'a', position: '-' })

    assert.equal((await client.subscribe(turbo('a', { position: '-' }))).refresh, fate)
    if (fate === 'coming') assert.equal((await client.next()).message, REFRESH)
    const again = await client.subscribe(turbo('a', { position: '-', again: true }))
    assert.equal(again.refresh, fate === 'coming' ? 'held-back' : fate)
    assert.deepEqual(Object.keys(await client.subscribe(turbo('a', { position }))), ['type', 'identifier'])
    assert.deepEqual(Object.keys(await client.subscribe(other)), ['type', 'identifier'])
  })
}

test('the rejection of a history command announces the refresh as well', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.welcomed({ protocols: EXTENDED })
  await client.subscribe(turbo('a'))
  client.send({ command: 'history', identifier: turbo('a'), history: { streams: { a: { epoch: 'gone', offset: 1 } } } })

  const { type, refresh } = await client.next()
  assert.deepEqual([type, refresh], ['reject_history', 'coming'])
})

const told = (details: string) => `<turbo-stream action="hotcable" ${details}></turbo-stream>`

test('a source that asks for events gets one at the start of a replay and one at its end', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  await send(cable, 'one', 'two')
  const client = await cable.welcomed({ protocols: EXTENDED })
  const asking = turbo('a', { position, events: '' })

  await client.subscribe(asking)
  const replay = [told('event="catching-up" messages="2"'), 'one', 'two', told('event="caught-up" messages="2"')]
  assert.deepEqual(await seen(cable, client), replay)
  await client.subscribe(turbo('a', { position: await cable.position(), events: '' }))
  assert.deepEqual(await seen(cable, client), [], 'nothing was missed, so nothing is said')
})

for (const [about, flags, place, details] of [
  ['in production', [], '-', 'event="gap" refresh="coming"'],
  ['with --heal=off', ['--heal=off'], '-', 'event="gap" refresh="off"'],
  ['with --dev: unknown', ['--dev'], '-', 'event="gap" refresh="coming" code="gap_position_unknown"'],
  ['with --dev: restarted', ['--dev'], '1/gone', 'event="gap" refresh="coming" code="gap_restarted"'],
  ['with --dev: too old', ['--dev', '--history_limit=1'], undefined, 'event="gap" refresh="coming" code="gap_too_old"'],
] as const) {
  test(`a source that asks for events gets one for a gap, ${about}`, async t => {
    const cable = await startCable(t, ['--noauth', ...flags])
    const position = place ?? (await cable.position())
    await send(cable, 'one', 'two')
    const client = await cable.welcomed()
    await client.subscribe(turbo('a', { position, events: '' }))

    const { message } = await client.next()
    const [said, fix] = String(message).replace('></turbo-stream>', '').split(' fix=')
    assert.equal(said, `<turbo-stream action="hotcable" ${details}`)
    assert.equal(fix !== undefined, about.startsWith('with --dev'))

    await client.subscribe(turbo('a', { position, events: 'too' }))
    const second = await client.until(({ message }) => String(message).includes('event="gap"'))
    if (!about.includes('off')) assert.match(String(second.at(-1)?.message), /refresh="held-back"/)
  })
}

test('a gap refreshes no subscription other than Turbo’s', async t => {
  const cable = await startCable(t, ['--noauth', '--public_streams'])
  const client = await cable.welcomed()

  await client.subscribe(JSON.stringify({ channel: '$pubsub', stream_name: 'a', position: '1/gone' }))
  assert.deepEqual(await seen(cable, client), [])
})

for (const history of [
  { since: 'yesterday' },
  { since: -5 },
  { streams: { a: 7 } },
  { streams: { a: { epoch: 7, offset: 'x' } } },
  { streams: { a: null } },
]) {
  test(`malformed history is a gap: ${JSON.stringify(history)}`, async t => {
    const cable = await startCable(t, ['--noauth', '--public_streams'])
    const client = await cable.welcomed()
    await client.subscribe(JSON.stringify({ channel: '$pubsub', stream_name: 'a' }), { history })

    assert.deepEqual(await seen(cable, client), ['reject_history'])
  })
}

test('a replay larger than the limit of waiting bytes is a gap, and the session goes on', async t => {
  const cable = await startCable(t, ['--noauth', '--ws_max_pending_size=10000'])
  const position = await cable.position()
  for (let i = 0; i < 20; i++) await cable.broadcast('a', 'x'.repeat(1000))
  const client = await cable.welcomed()
  await client.subscribe(turbo('a', { position }))

  assert.deepEqual(await seen(cable, client), [REFRESH])
})

test('with --heal=off the cable tells a gap only to clients that ask', async t => {
  const cable = await startCable(t, ['--noauth', '--heal=off'])
  const client = await cable.welcomed()
  await client.subscribe(turbo('a', { position: '-' }))

  assert.deepEqual(await seen(cable, client), [])
})

test('the cable holds refreshes back until the health check of the app succeeds', async t => {
  const cable = await startCable(t, ['--noauth', '--heal_check=http://127.0.0.1:1/'])
  const client = await cable.welcomed()
  await client.subscribe(turbo('a', { position: '-' }))

  assert.deepEqual(await seen(cable, client), [])
})
