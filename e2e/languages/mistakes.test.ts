/**
 * Mistakes in the settings of a helper, in every language: the error names the setting, and shows no secret.
 */
import { connect } from 'node:net'
import { before, test } from 'node:test'
import { describeHelpers, fails, succeeds } from '../../backends/harness/every-helper.ts'

// The programs inherit the environment.
for (const name of Object.keys(process.env)) if (name.startsWith('ANYCABLE_')) delete process.env[name]

/** Whether another program has the port that a cable without a key uses. */
let isTaken = false
before(
  () =>
    new Promise<void>(resolve => {
      const socket = connect(8090, 'localhost', () => {
        isTaken = true
        socket.destroy()
      })
      socket.on('error', () => {}).on('close', () => resolve())
    }),
)

describeHelpers('a mistake in the settings', helper => {
  test('a broadcast without a secret says that the secret is missing, if nothing answers on port 8090', async t => {
    if (isTaken) return t.skip('another program listens on port 8090')
    const [missing, explicit] = [
      { url: '', key: '' },
      { url: 'http://localhost:8090/_broadcast', key: '' },
    ]

    fails(
      await helper.broadcast(missing),
      /nothing: http:\/\/localhost:8090\/_broadcast \(ANYCABLE_SECRET is missing; /,
    )
    fails(await helper.broadcast(explicit), /nothing: http:\/\/localhost:8090\/_broadcast: /)
  })

  test('a URL without a scheme is an error in words', async () => {
    const { host } = new URL(helper.cable.url)
    for (const url of [`${host}/_broadcast`, 'localhost:8090', '//me:canary@localhost/', 'ws://localhost:8080/cable'])
      fails(
        await helper.broadcast({ url }),
        /the cable answered nothing: the URL must begin with http:\/\/ or https:\/\/$/,
      )
    succeeds(await helper.broadcast({ url: helper.cable.url.replace('http', 'HTTP') }))
  })
})
