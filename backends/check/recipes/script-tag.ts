/** The tag that loads the page's script. */
import { MARKUP, openTag, type Pairs } from './markup.ts'
import { type Choice, recipe, type Steps, ways } from './recipe.ts'

interface ScriptTag {
  url: string
  nonce?: string
  drive?: boolean
}

const SCRIPT_TAG = {
  ...MARKUP,
  scheme: ways((path: string) => path.replace(/^ws(?=s?:\/\/)/i, 'http'), {
    'the URL begins with ws: make it http, and wss https': path => path,
    'every URL is http: wss becomes https': path => path.replace(/^wss?(?=:\/\/)/i, 'http'),
    'a relative URL that begins with ws is changed: only ws:// and wss:// are': path => path.replace(/^ws/i, 'http'),
  }),
  cable: ways((path: string) => `${path.replace(/\/+$/, '')}/hotcable.js`, {
    'the slashes at the end of the path are doubled: drop them first': path => `${path}/hotcable.js`,
    'the script is beside the path: it is below it': path => path.replace(/[^/]*$/, 'hotcable.js'),
    'the script is at the root: it is below the path': path => path.replace(/(^\w+:\/\/[^/]*|^).*/, '$1/hotcable.js'),
  }),
  script: ways((path: string, query: string, cable: string) => (path.endsWith('.js') ? path + query : cable), {
    'a URL that ends in .js is taken for the cable: it is the script': (_, _query, cable) => cable,
    'the query of a script is dropped: keep it': (path, _, cable) => (path.endsWith('.js') ? path : cable),
    'the query of the cable is kept: drop it': (path, query, cable) => (path.endsWith('.js') ? path : cable) + query,
  }),
  drive: ways((src: string) => `${src}${src.includes('?') ? '&' : '?'}drive=off`, {
    'drive is ignored': src => src,
    'drive=off is added with ? after a query: use &': src => `${src}?drive=off`,
  }),
  nonce: ways((nonce: string | undefined): Pairs => [['nonce', nonce || null]], {
    'nonce is ignored': () => [],
    'an empty nonce is written: leave it out': nonce => [['nonce', nonce ?? null]],
  }),
} satisfies Steps

function element(how: Choice<typeof SCRIPT_TAG>, { url, nonce, drive = true }: ScriptTag): string {
  const [, path = '', query = ''] = /^([^?#]*)([^#]*)/.exec(url) ?? []
  const script = how.script(path, query, how.scheme(how.cable(path)))
  const src = drive ? script : how.drive(script)
  return `${openTag(how, 'script', [['type', 'module'], ['src', src], ...how.nonce(nonce)])}</script>`
}

export const scriptTag = recipe(SCRIPT_TAG, element)
