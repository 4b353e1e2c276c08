import assert from 'node:assert/strict'
import { test } from 'node:test'
import { grpcTargets } from './grpc-targets.ts'

for (const [host, ...targets] of [
  ['localhost:50051', 'dns:///localhost:50051'],
  ['app', 'dns:///app:50051'],
  ['[::1]:7000', 'dns:///[::1]:7000'],
  ['[::1]', 'dns:///[::1]:50051'],
  ['dns:///app.internal:7000', 'dns:///app.internal:7000'],
  ['dns:app.internal:7000', 'dns:///app.internal:7000'],
  ['grpc-list://a:1, b:2,c', 'dns:///a:1', 'dns:///b:2', 'dns:///c:50051'],
  ['unix:/run/rpc.sock', 'unix:/run/rpc.sock'],
] as const)
  test(`a gRPC server is found by its name: ${host}`, () => {
    assert.deepEqual(grpcTargets(host), targets)
  })

for (const host of ['', 'grpc-list://', 'a:1,b:2', 'ftp://a', 'dns://8.8.8.8/a:1', 'a:port', 'a b'])
  test(`"${host}" names no gRPC server`, () => {
    assert.throws(() => grpcTargets(host), /a gRPC server is host:port, dns:\/\/\/host:port or grpc-list:/)
  })
