/**
 * The page's cable, put together as createCable of @anycable/web does it with our options. That one also brings the protocols,
 * formats and fallbacks that no page of ours uses: they would make hotcable-streams.js a tenth larger.
 */
import {
  ActionCableExtendedProtocol,
  BaseLogger,
  Cable,
  JSONEncoder,
  type Monitorable,
  WebSocketTransport,
} from '@anycable/core'
// The package does not export its monitor, which notices that a page is visible or online again.
import { Monitor } from '../node_modules/@anycable/web/monitor/index.js'
import { backOffMs, type Credentials } from './hotcable-status.js'

const PROTOCOL = 'actioncable-v1-ext-json'

export function openCable({ url = '/cable', token, param }: Credentials): Cable {
  const logger = new ErrorLog('error')
  const transport = new WebSocketTransport(absolute(url), {
    subprotocol: PROTOCOL,
    format: 'text',
    // A cable may work without a token, and an empty subprotocol is an error.
    ...(token !== undefined && { authStrategy: 'sub-protocol' }),
  })
  if (token !== undefined) transport.setToken(token, param)
  const protocol = new ActionCableExtendedProtocol({ logger })
  const cable = new Cable({ protocol, transport, encoder: new JSONEncoder(), logger, lazy: true, hubOptions: {} })
  const monitor = new Monitor({ pingInterval: 3000, maxMissingPings: 2, reconnectStrategy: backOffMs, logger })
  // Its type does not have `close`, which the class has.
  monitor.watch(cable as Cable & Monitorable)
  return Object.assign(cable, { monitor })
}

class ErrorLog extends BaseLogger {
  protected override writeLogEntry(level: 'error', message: string, details?: object): void {
    console[level](message, details ?? '')
  }
}

const absolute = (url: string): string => new URL(url, document.baseURI).href.replace(/^http/, 'ws')
