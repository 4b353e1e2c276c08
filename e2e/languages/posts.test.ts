/** `publish` and `disconnect` fail and try again as `broadcast` does, in every language. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeHelpers, fails, succeeds } from '../../backends/harness/every-helper.ts'

const ONE = '{"stream":"board/1","data":"\\"x\\"","meta":{"id":"V1StGXR8_Z5jdHi6B-myT0"}}'
const POSTS = {
  publish: { asked: { publications: [ONE, ONE] }, body: `[${ONE},${ONE}]` },
  disconnect: {
    asked: { identity: { user: 7 }, reconnect: false },
    body: '{"command":"disconnect","payload":{"identifier":"{\\"user\\":7}","reconnect":false}}',
  },
}

describeHelpers('a request beside a broadcast', helper => {
  for (const [name, { asked, body }] of Object.entries(POSTS)) {
    const post = (retries: number) =>
      helper.program.ask({ do: name, ...asked, url: helper.cable.url, key: 's3cret', timeout: 20, retries })

    for (const status of [401, 422])
      test(`fails at once when the cable refuses it with ${status}: ${name}`, async () => {
        const bodies = answerWith(helper.cable, () => status)

        fails(await post(3), new RegExp(`the cable answered ${status}`))

        assert.deepEqual(bodies, [body])
      })

    test(`is sent again, as it was, while the cable is busy: ${name}`, async () => {
      const statuses = [503, 500, 201]
      const bodies = answerWith(helper.cable, () => statuses.shift()!)

      succeeds(await post(3))

      assert.deepEqual(bodies, [body, body, body])
    })

    test(`fails after its last try: ${name}`, async () => {
      const bodies = answerWith(helper.cable, () => 503)

      fails(await post(1), /the cable answered 503/)

      assert.deepEqual(bodies, [body, body])
    })

    test(`fails when no cable answers: ${name}`, async () => {
      helper.cable.onHead = socket => socket.destroy()

      fails(await post(0), /the cable answered nothing/)
    })
  }
})

/** The statuses of the cable from now on; returns the bodies that it gets. */
function answerWith(
  cable: { onBroadcast: (stream: string, body: string) => number },
  statusOf: () => number,
): string[] {
  const bodies: string[] = []
  cable.onBroadcast = (_, body) => {
    bodies.push(body)
    return statusOf()
  }
  return bodies
}
