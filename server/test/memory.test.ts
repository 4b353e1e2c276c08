import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { retained, settled } from './memory.ts'

const MIB = 2 ** 20

test('garbage that V8 keeps while it compiles a function is not measured', async () => {
  // A compilation that ends only when V8 is asked to end it, as if the machine were busy.
  const compile = runInNewContext(`read => {
    %PrepareFunctionForOptimization(read);
    read(0);
    %DisableOptimizationFinalization();
    %OptimizeFunctionOnNextCall(read, 'concurrent');
    read(0);
  }`)
  const before = await settled()
  compile(reader())

  const grown = (await settled()) - before
  assert.ok(grown < MIB, `${grown} bytes`)
})

/** A function that keeps 8 MiB. */
function reader(): (i: number) => number {
  const numbers = new Array<number>(MIB).fill(0.5)
  return i => numbers[i]!
}

test('a structure retains the bytes that it alone keeps', async () => {
  const shared = 'x'.repeat(4 * MIB)
  const taken = await retained(() => ({ shared, own: Buffer.alloc(2 * MIB) }))

  assert.equal(Math.round(taken / MIB), 2)
})

test('retained fails if the test still references the structure', async () => {
  const structure = {}

  await assert.rejects(
    retained(() => structure),
    /still referenced/,
  )
})
