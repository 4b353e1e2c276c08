import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COMMANDS } from './commands.ts'
import { hotcable } from './testing.ts'

test('hotcable alone and --help print the table of commands', async () => {
  const alone = await hotcable([])

  assert.equal(alone.code, 0)
  for (const name of Object.keys(COMMANDS)) assert.match(alone.stdout, new RegExp(`^  ${name} +\\w`, 'm'))
  assert.deepEqual(await hotcable(['--help']), alone)
})

test('an unknown command fails, and the message names the nearest one', async () => {
  const { code, stdout, stderr } = await hotcable(['secrte'])

  assert.deepEqual([code, stdout], [2, ''])
  assert.equal(stderr, 'hotcable: "secrte" is not a command, did you mean secret? (see hotcable --help)\n')
  assert.equal((await hotcable(['constructor'])).code, 2)
})

test('every command has a help that begins with its usage and fits a terminal', async () => {
  for (const name of Object.keys(COMMANDS)) {
    const { code, stdout } = await hotcable([name, '--help'])

    assert.equal(code, 0)
    assert.ok(stdout.startsWith(`Usage: hotcable ${name}`), name)
    assert.match(stdout, /[^\n]\n$/)
    if (name !== 'cable') for (const line of stdout.split('\n')) assert.ok(line.length <= 120, line)
  }
})

test('--version prints the version', async () => {
  assert.match((await hotcable(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/)
})
