/** What @anycable/turbo-stream imports from @hotwired/turbo, from the page's Turbo, whichever script has loaded it. */
export const connectStreamSource = (source: EventTarget): void => window.Turbo!.connectStreamSource(source)
export const disconnectStreamSource = (source: EventTarget): void => window.Turbo!.disconnectStreamSource(source)
