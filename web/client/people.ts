/**
 * The script of /people: this window joins the list, and shows it. The list is what other clients say, so the page shows it as
 * text alone.
 */
import { createCable, fetchTokenFromHTML } from '@anycable/web'

interface Info {
  readonly name: string
}

/** Another client may have joined with anything. */
type Stated = Readonly<Record<string, unknown>> | null | undefined

const STORED = 'hotcable-name'
/** Whether only this machine reaches the address of this page. */
const IS_NEAR = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname)

const list = document.querySelector<HTMLElement>('#people')!
const field = document.querySelector<HTMLInputElement>('#name')!
const { signedStreamName = '', visitor = '' } = list.dataset
const id = `${visitor}/${Math.random().toString(36).slice(2, 8)}`

const cable = createCable({
  protocol: 'actioncable-v1-ext-json',
  // In place of the URL, which proxies log.
  websocketAuthStrategy: 'sub-protocol',
  tokenRefresher: fetchTokenFromHTML(),
})
const channel = cable.streamFromSigned(signedStreamName)

field.value = stored()
channel.on('connect', async () => {
  await channel.presence.join(id, info())
  // After a reconnect the client has joined again, and still has the list of before.
  channel.presence.reset()
  await show()
})
channel.on('presence', show)
// A session that may be resumed tells only its cable.
cable.on('disconnect', show)
cable.on('close', show)
document.querySelector('form.add')!.addEventListener('submit', async event => {
  event.preventDefault()
  store()
  await channel.presence.leave()
  await channel.presence.join(id, info())
})
addEventListener('pagehide', () => void channel.presence.leave())
addEventListener('pageshow', ({ persisted }) => persisted && location.reload())
void show()

async function show(): Promise<void> {
  const isLive = channel.state === 'connected'
  showStatus(isLive)
  list.classList.toggle('stale', !isLive)
  const present = isLive ? await channel.presence.info().catch(() => undefined) : undefined
  if (present === undefined) return
  const windows = Object.entries(present as Record<string, Stated>)
  document.querySelector('#people-count')!.textContent =
    windows.length > 1
      ? `${windows.length} windows are here.`
      : `Only this window is here. Open this page in a second one${IS_NEAR ? '' : ', or on your phone'}.`
  list.replaceChildren(...windows.sort(([a], [b]) => distance(a) - distance(b) || a.localeCompare(b)).map(row))
}

/** This window comes first, then those of this browser. */
const distance = (key: string): number => (key === id ? 0 : key.startsWith(`${visitor}/`) ? 1 : 2)

function row([key, stated]: [id: string, stated: Stated]): HTMLElement {
  const name = stated?.name
  const text = (typeof name === 'string' && name.slice(0, 40)) || 'A guest'
  const where = ['this window', 'this browser', ''][distance(key)]!
  const item = element('li', element('b', text))
  item.style.setProperty('--hue', String(hueOf(key.split('/', 1)[0]!)))
  item.dataset.initial = [...text][0]!.toUpperCase()
  if (where !== '') item.append(' ', element('small', `(${where})`))
  return item
}

function element(name: string, content: string | Node): HTMLElement {
  const made = document.createElement(name)
  made.dir = 'auto'
  made.append(content)
  return made
}

/** The same for all windows of a browser. */
const hueOf = (text: string): number => [...text].reduce((sum, each) => (sum * 31 + each.charCodeAt(0)) % 360, 0)

function showStatus(isLive: boolean): void {
  const status = document.querySelector<HTMLElement>('#cable-status')!
  const state = isLive ? 'live' : channel.state === 'closed' ? 'refused' : 'connecting'
  status.dataset.state = state
  status.textContent = state
}

const info = (): Info => ({ name: field.value.trim() })

// The browser may forbid storage.
function store(): void {
  try {
    localStorage.setItem(STORED, field.value.trim())
  } catch {}
}

function stored(): string {
  try {
    return localStorage.getItem(STORED) ?? ''
  } catch {
    return ''
  }
}
