/** What we touch of @rails/actioncable's consumer. */
export interface Consumer {
  /** Offered to the cable after its own, at the next connect. */
  subprotocols: string[]
  connect: () => void
  readonly connection: {
    /** Of the connection being made, or made; a new one each time. */
    readonly webSocket?: WebSocket
    /** Called once per new `webSocket`. */
    installEventHandlers: () => void
  }
}

/** Calls back with every WebSocket the consumer opens, before anything arrives on it. The package is left as it is. */
export function onSocket({ connection }: Consumer, callback: (socket: WebSocket) => void): void {
  const install = connection.installEventHandlers.bind(connection)
  connection.installEventHandlers = () => {
    install()
    if (connection.webSocket) callback(connection.webSocket)
  }
  if (connection.webSocket) callback(connection.webSocket)
}
