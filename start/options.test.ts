import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const COMMANDS = {
  bench: 'bench/main.ts',
  chaos: 'e2e/chaos/main.ts',
  eject: 'eject/main.ts',
  package: 'pack/main.ts',
  soak: 'e2e/soak/main.ts',
}

const run = (program: string, argument: string) =>
  spawnSync(process.execPath, [program, argument], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

for (const [name, program] of Object.entries(COMMANDS))
  test(`npm run ${name} answers an argument that it does not know with a line and no stack`, () => {
    for (const [argument, what] of [
      ['--qiuck', 'Unknown option'],
      ['stray', 'Unexpected argument'],
    ] as const) {
      const { status, stdout, stderr } = run(program, argument)

      assert.deepEqual([status, stdout], [2, ''], stderr)
      assert.match(stderr, new RegExp(`^${name}: ${what} '${argument}'.* \\(see npm run ${name} -- --help\\)\\n$`))
    }

    const { status, stdout, stderr } = run(program, '--help')
    assert.deepEqual([status, stderr], [0, ''])
    assert.ok(stdout.startsWith(`Usage: npm run ${name}`), stdout)
  })

for (const [program, argument] of [
  ['e2e/soak/main.ts', '--minutes=abc'],
  ['e2e/soak/main.ts', '--clients='],
  ['e2e/soak/main.ts', '--seed=0'],
  ['e2e/chaos/main.ts', '--seed=1e'],
] as const)
  test(`${program} refuses ${argument}, which is no number above 0`, () => {
    const { status, stdout, stderr } = run(program, argument)

    assert.deepEqual([status, stdout], [2, ''], stderr)
    const [name, value] = argument.split('=')
    assert.ok(stderr.includes(`: ${name} must be a number above 0: ${value} (see npm run `), stderr)
  })
