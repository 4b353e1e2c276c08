/** Which gRPC servers `--rpc_host` names. Pure. */

const LIST = 'grpc-list://'
/** An authority between the slashes (a DNS server) has no use here. */
const DNS = 'dns:///'
const PORT = ':50051'

/** Returns the addresses as the library of gRPC takes them. Throws an Error, in words, unless `host` names at least one. */
export function grpcTargets(host: string): string[] {
  const listed = host.startsWith(LIST) ? host.slice(LIST.length).split(',') : [host.replace(/^dns:(\/\/\/)?/, '')]
  return listed.map(name => {
    const trimmed = name.trim()
    if (trimmed.startsWith('unix:')) return trimmed
    if (!/^(?:\[[0-9a-f:.]+\]|[\w.-]+)(?::\d{1,5})?$/i.test(trimmed))
      throw new Error(`a gRPC server is host:port, dns:///host:port or ${LIST}host:port,host:port`)
    return `${DNS}${trimmed}${/:\d+$/.test(trimmed.replace(/^\[.*\]/, '')) ? '' : PORT}`
  })
}
