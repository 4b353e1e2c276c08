/** Tags and their attributes. */
import { type Choice, type Steps, ways } from './recipe.ts'

export type Pairs = (readonly [name: string, value: string | null])[]

export const escaped = (text: string, quote = '&quot;'): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', quote)

export const MARKUP = {
  escape: ways((text: string) => escaped(text), {
    'attributes are not escaped': text => text,
    'attributes are escaped twice': text => escaped(escaped(text)),
    'attributes have &#34; for a quote: use &quot;': text => escaped(text, '&#34;'),
    "attributes have ' escaped as &#39; and \" as &#34;: use ' itself, and &quot;": text =>
      escaped(text, '&#34;').replaceAll("'", '&#39;'),
    "attributes have ' escaped as &#39;: use ' itself": text => escaped(text).replaceAll("'", '&#39;'),
    "attributes have ' escaped as &#039;: use ' itself": text => escaped(text).replaceAll("'", '&#039;'),
    "attributes have ' escaped as &#x27;: use ' itself": text => escaped(text).replaceAll("'", '&#x27;'),
    "attributes have ' escaped as &apos;: use ' itself": text => escaped(text).replaceAll("'", '&apos;'),
    'attributes have > as it is: use &gt;': text => escaped(text).replaceAll('&gt;', '>'),
    'attributes have < and > as they are: use &lt; and &gt;': text =>
      escaped(text).replaceAll('&gt;', '>').replaceAll('&lt;', '<'),
    'attributes have & as it is: use &amp;': text => escaped(text).replaceAll('&amp;', '&'),
    'attributes have " as it is: use &quot;': text => escaped(text, '"'),
  }),
  quoted: ways((name: string, value: string) => `${name}="${value}"`, {
    'attributes are in single quotes': (name, value) => `${name}='${value}'`,
    'attributes have no quotes': (name, value) => `${name}=${value}`,
  }),
} satisfies Steps

export function openTag(how: Choice<typeof MARKUP>, name: string, pairs: Pairs): string {
  const written = pairs.flatMap(([key, value]) => (value === null ? [] : how.quoted(key, how.escape(value))))
  return `<${[name, ...written].join(' ')}>`
}
