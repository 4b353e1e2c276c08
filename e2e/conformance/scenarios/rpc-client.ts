/** What the scenarios of RPC share: clients of an app whose answers they write (testing/rpc-app.ts). */
import assert from 'node:assert/strict'
import type { Client, ConnectOptions, Frame } from '../../../testing/client.ts'
import type { Transport } from '../../../testing/rpc-app.ts'
import { act, channel, type RpcCall, type Script, visit } from '../../../testing/rpc-script.ts'
import type { Scenario, World } from '../world.ts'

export type { Transport }

/** The scenarios of one transport: titles are unique in the whole suite. */
export const over = (transport: Transport, flags: readonly string[], scenarios: readonly Scenario[]): Scenario[] =>
  scenarios.map(scenario => ({
    flags,
    ...scenario,
    title: `${scenario.title} (${transport === 'http' ? 'HTTP' : 'gRPC'})`,
  }))

let marks = 0

/** An identifier that no other scenario uses. */
export const unique = (script: Script = {}, more: Parameters<typeof channel>[1] = {}): string => {
  marks += 1
  return channel(script, { n: marks, ...more })
}

/** Connects, and takes the welcome of the app. */
export const enter = (world: World, script: Script = {}, options: ConnectOptions = {}): Promise<Client> =>
  world.welcomed({ query: visit(script), ...options })

/** Connects, and subscribes to a channel with this script; returns both. */
export async function subscribed(world: World, script: Script = {}, options: ConnectOptions = {}) {
  const client = await enter(world, {}, options)
  const identifier = unique(script)
  await client.confirmed(identifier)
  return { client, identifier }
}

/** Performs an action with this script. */
export const perform = (client: Client, identifier: string, script: Script = {}, more: object = {}): void =>
  client.command('message', identifier, act(script, more))

/** The frames that the client got before the answer of one last action: commands are answered in order. */
export async function settled(client: Client, identifier: string): Promise<Frame[]> {
  marks += 1
  const mark = `mark ${marks}`
  perform(client, identifier, { transmissions: [JSON.stringify({ type: mark })] })
  return (await client.until(({ type }) => type === mark)).slice(0, -1)
}

/** The calls of a client, by their names: `connect`, `subscribe`, `message`… */
export const calls = (world: World, { sid }: Client): string[] =>
  world.app.calls.filter(call => call.sid === sid).map(nameOf)

const nameOf = ({ method, request }: RpcCall): string => (method === 'command' ? request.command : method)

/** The newest call of a client that has this name. */
export function lastCall(world: World, { sid }: Client, name: string): RpcCall {
  const call = world.app.calls.findLast(call => call.sid === sid && nameOf(call) === name)
  assert.ok(call, `no ${name} of ${sid}`)
  return call
}

/** Whether the client gets what is broadcast on a stream now. */
export async function hears(world: World, client: Client, identifier: string, stream: string): Promise<boolean> {
  await settled(client, identifier)
  const { client: witness } = await subscribed(world, { streams: [stream] })
  // A cable sends one stream's messages to all in turn: after the second the first has reached every client.
  await world.broadcast(stream, 'heard?')
  await world.broadcast(stream, 'second')
  await witness.until(({ message }) => message === 'second')
  return (await settled(client, identifier)).some(({ message }) => message === 'heard?')
}
