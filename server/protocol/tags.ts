/**
 * The start tags of HTML, in their order: enough to look for a few elements, in time that grows with the length only. Pure.
 */
export interface Tag {
  /** In lower case. */
  readonly name: string
  /** Decoded; names in lower case. */
  readonly attributes: ReadonlyMap<string, string>
  /** The index behind the tag. */
  readonly end: number
}

export function tagsOf(html: string): Tag[] {
  const tags: Tag[] = []
  for (let at = html.indexOf('<'); at >= 0; at = html.indexOf('<', at)) {
    if (html.startsWith('<!--', at)) {
      const end = html.indexOf('-->', at)
      if (end < 0) break
      at = end
      continue
    }
    NAME.lastIndex = ++at
    const name = NAME.exec(html)?.[0].toLowerCase()
    if (name === undefined) continue
    const tag = readTag(html, name, at + name.length)
    tags.push(tag)
    at = tag.end
    // Their content is text.
    if (name === 'script' || name === 'style') {
      at = html.indexOf(`</${name}`, at)
      if (at < 0) break
    }
  }
  return tags
}

function readTag(html: string, name: string, from: number): Tag {
  const attributes = new Map<string, string>()
  let at = from
  while (at < html.length && html[at] !== '>') {
    ATTRIBUTE.lastIndex = at
    const [whole, key, double, single, bare] = ATTRIBUTE.exec(html) ?? []
    if (whole === undefined || key === undefined) at++
    else {
      if (!attributes.has(key.toLowerCase()))
        attributes.set(key.toLowerCase(), decodeEntities(double ?? single ?? bare ?? ''))
      at += whole.length
    }
  }
  return { name, attributes, end: at }
}

const NAME = /[a-z][^\s/>]*/iy
const ATTRIBUTE = /([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/y

/** Decodes the entities that helpers and templates write. */
const decodeEntities = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name.toLowerCase()] ?? whole
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
