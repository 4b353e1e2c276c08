/**
 * What every helper sends, as a real cable understands it: not to the page that made the change, not into the history, only the
 * newest into it, several at once, the end of an identity's connections; and a page that listens without a cable client.
 */
import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import type { Question } from '../../backends/check/program.ts'
import { describeHelpers, fails, succeeds } from '../../backends/harness/every-helper.ts'
import { known } from '../../backends/harness/within.ts'
import { startTurboCable, type TurboCable } from '../../testing/cable.ts'
import { type Client, connect, turboIdentifier } from '../../testing/client.ts'

const SECRET = 'canary publications'

let cable: TurboCable
before(async () => {
  cable = await startTurboCable(SECRET, ['--sse'])
})
after(() => cable.child.kill())

describeHelpers('a helper', helper => {
  const ask = (question: Question) =>
    helper.program.ask({ url: cable.broadcast, key: cable.key, timeout: 20, retries: 0, ...question })
  const made = async (question: Question) => {
    const answer = await helper.program.ask(question)
    assert.ok('result' in answer, JSON.stringify(answer))
    return String(answer.result)
  }
  const signed = (question: Question) => made({ secret: SECRET, ...question })
  const positionOf = (streams: readonly string[]) =>
    known(() => made({ do: 'position', streams, url: cable.broadcast, key: cable.key }))
  const streamOf = (t: TestContext, name: string) => `${helper.program.pid}/${t.name}/${name}`
  const broadcast = async (stream: string, html: string, more: object = {}) =>
    succeeds(await ask({ do: 'broadcast', stream, html, ...more }))
  const listen = async (t: TestContext, streams: readonly string[], identity: object = { user: 1 }) => {
    const client = await connect(t, `${cable.url}?jid=${await signed({ do: 'issue_token', identity, ttl: 600 })}`)
    await client.welcomed()
    for (const stream of streams) await client.confirmed(turboIdentifier(await signed({ do: 'sign_stream', stream })))
    return client
  }
  /** A page that subscribes long after it was rendered. */
  const late = async (t: TestContext, stream: string, position: string) => {
    const client = await listen(t, [])
    const name = JSON.parse(turboIdentifier(await signed({ do: 'sign_stream', stream })))
    client.send({ command: 'subscribe', identifier: JSON.stringify({ ...name, position }) })
    assert.equal((await client.next()).type, 'confirm_subscription')
    return client
  }
  const messages = async (client: Client, count: number) => {
    const told: unknown[] = []
    while (told.length < count) told.push((await client.next()).message)
    return told
  }

  test('excludes the page that made the change', async t => {
    const stream = streamOf(t, 'a')
    const [author, reader] = [await listen(t, [stream]), await listen(t, [stream])]

    await broadcast(stream, 'for readers', { exclude: author.sid })
    await broadcast(stream, 'for all')

    assert.deepEqual(await messages(author, 1), ['for all'])
    assert.deepEqual(await messages(reader, 2), ['for readers', 'for all'])
  })

  test('sends a transient message that a page which comes later does not get', async t => {
    const stream = streamOf(t, 'a')
    const position = await positionOf([stream])
    const present = await listen(t, [stream])

    await broadcast(stream, 'typing', { transient: true })
    await broadcast(stream, 'kept')

    assert.deepEqual(await messages(present, 2), ['typing', 'kept'])
    assert.deepEqual(await messages(await late(t, stream, position), 1), ['kept'])
  })

  test('sends messages with one name, of which a page that comes later gets the newest', async t => {
    const stream = streamOf(t, 'a')
    const position = await positionOf([stream])
    const present = await listen(t, [stream])

    for (const percent of ['25', '50', '75']) await broadcast(stream, percent, { latest: 'export/7 é"' })
    await broadcast(stream, 'last')

    assert.deepEqual(await messages(present, 4), ['25', '50', '75', 'last'])
    assert.deepEqual(await messages(await late(t, stream, position), 2), ['75', 'last'])
  })

  test('publishes several messages in one request, and none of them if the cable refuses one', async t => {
    const streams = [streamOf(t, 'a'), streamOf(t, 'b')]
    const client = await listen(t, streams)
    const texts: string[] = []
    for (const stream of streams) texts.push(await made({ do: 'publication', stream, html: 'both' }))

    fails(await ask({ do: 'publish', publications: [texts[0], '{"stream":"b"}'] }), /answered 422: .*\[1\]/)
    succeeds(await ask({ do: 'publish', publications: texts }))
    succeeds(await ask({ do: 'publish', publications: texts })) // (the same ids: the cable publishes them once)
    await broadcast(streams[1]!, 'last')

    assert.deepEqual(await messages(client, 3), ['both', 'both', 'last'])
  })

  for (const reconnect of [true, false])
    test(`ends the connections of an identity, whose clients ${reconnect ? 'come back' : 'stay away'}`, async t => {
      const identity = { name: 'Zoë "日本" 🦄', pid: helper.program.pid!, reconnect }
      const [one, two, other] = [await listen(t, [], identity), await listen(t, [], identity), await listen(t, [])]

      succeeds(await ask({ do: 'disconnect', identity, reconnect }))

      for (const client of [one, two]) {
        const { type, reason, reconnect: again } = await client.next()
        assert.deepEqual([type, reason, again], ['disconnect', 'remote', reconnect])
      }
      await other.confirmed(turboIdentifier(await signed({ do: 'sign_stream', stream: streamOf(t, 'a') })))
    })

  test('makes a source of several streams, which gets what it missed since its position', async t => {
    const streams = [streamOf(t, 'a'), streamOf(t, 'b?&+')]
    const position = await positionOf(streams)
    await broadcast(streams[1]!, 'missed')
    const url = new URL('/events', cable.url.replace('ws', 'http')).href
    const html = await signed({ do: 'source_tag', streams, position, identity: { user: 1 }, url, ttl: 600, now: now() })
    const src = /^<turbo-stream-source id="source-[0-9a-f]{8}-[\w-]+" src="([^"]+)"><\/turbo-stream-source>$/.exec(
      html,
    )![1]!

    const { body } = await fetch(src.replaceAll('&amp;', '&'))

    await broadcast(streams[0]!, 'live')
    let text = ''
    for await (const part of body!.pipeThrough(new TextDecoderStream())) {
      text += part
      if (text.includes('data: live\n')) break
    }
    assert.deepEqual(
      [...text.matchAll(/^data: (missed|live)$/gm)].map(([, data]) => data),
      ['missed', 'live'],
    )
  })
})

const now = (): number => Math.floor(Date.now() / 1000)
