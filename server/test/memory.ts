/**
 * Memory as tests measure it: the bytes that stay in use however often garbage is collected.
 *
 *   build ─▶ settle ─▶ let go ─▶ settle      a structure retains the difference of the two
 *
 * A measurement before the build would count the garbage of an earlier test as memory in use.
 */
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
setFlagsFromString('--allow-natives-syntax')
const collectGarbage: () => void = runInNewContext('gc')
// While V8 compiles a hot function on another thread, which takes long on a busy machine, it keeps all that the function
// refers to: megabytes of the test before.
const awaitCompiler: () => void = runInNewContext('() => %FinalizeOptimization()')

/** Bytes of the heap, and those outside that it keeps alive. */
function heapAndExternal(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Bytes of all Buffers. */
export const buffers = (): number => process.memoryUsage().arrayBuffers

/** Rounds in a row that must free nothing. A finalizer frees one round later, and so does the thread that frees Buffers. */
const QUIET_ROUNDS = 3

/** Returns the result of `bytes` after garbage collections have stopped lowering it. */
export async function settled(bytes: () => number = heapAndExternal): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  let quiet = 0
  while (quiet < QUIET_ROUNDS) {
    await setImmediate()
    awaitCompiler()
    collectGarbage()
    const now = bytes()
    if (now < least) [least, quiet] = [now, 0]
    else quiet++
  }
  return least
}

/** Bytes that only the result of `build` keeps alive. `build` must leave no other reference to it. */
export async function retained(build: () => object, bytes?: () => number): Promise<number> {
  let structure: object | undefined = build()
  const trace = new WeakRef(structure)
  const held = await settled(bytes)
  structure = undefined
  const rest = await settled(bytes)
  assert.equal(trace.deref(), undefined, 'the structure is still referenced')
  return held - rest
}
