/** The tag that changes a page. */
import { escaped, MARKUP, openTag, type Pairs } from './markup.ts'
import { type Choice, recipe, type Steps, ways } from './recipe.ts'

interface TurboStreams {
  action: string
  target: string | null
  html: string
  attributes: Record<string, string | null>
}

const TURBO_STREAM = {
  ...MARKUP,
  target: ways(({ action, target }: TurboStreams): Pairs => [['target', action === 'refresh' ? null : target]], {
    'refresh has a target: leave it out': ({ target }) => [['target', target]],
    'target is written as targets': ({ action, target }) => [['targets', action === 'refresh' ? null : target]],
    'target is a selector (#…): use the id': ({ action, target }) => [
      ['target', action === 'refresh' || target === null ? null : `#${target}`],
    ],
    'a target of null is written: leave it out': ({ action, target }) => [
      ['target', action === 'refresh' ? null : String(target)],
    ],
    'a target of null is an empty one: leave it out': ({ action, target }) => [
      ['target', action === 'refresh' ? null : (target ?? '')],
    ],
    'an empty target is left out: only null means none': ({ action, target }) => [
      ['target', action === 'refresh' ? null : target || null],
    ],
  }),
  extra: ways((attributes: TurboStreams['attributes']): Pairs => Object.entries(attributes), {
    'attributes of null are written: leave them out': attributes =>
      Object.entries(attributes).map(([name, value]) => [name, String(value)] as const),
    'attributes of null are empty ones: leave them out': attributes =>
      Object.entries(attributes).map(([name, value]) => [name, value ?? ''] as const),
    'empty attributes are left out: only null means none': attributes =>
      Object.entries(attributes).map(([name, value]) => [name, value || null] as const),
    'the attributes are sorted: keep the given order': attributes =>
      Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    'the attributes are ignored': () => [],
  }),
  order: ways((extra: Pairs, action: Pairs, target: Pairs): Pairs => [...extra, ...action, ...target], {
    'the attributes come last: they come before action and target': (extra, action, target) => [
      ...action,
      ...target,
      ...extra,
    ],
    'target is before action: action comes first': (extra, action, target) => [...extra, ...target, ...action],
  }),
  content: ways((html: string) => html, {
    'the content is escaped: insert HTML unchanged': html => escaped(html),
    'the content is escaped, quotes too: insert HTML unchanged': html => escaped(html).replaceAll("'", '&#39;'),
    'the content is escaped, quotes as numbers: insert HTML unchanged': html =>
      escaped(html, '&#34;').replaceAll("'", '&#39;'),
    'the content is trimmed: insert HTML unchanged': html => html.trim(),
  }),
  template: ways(
    (action: string, html: string): string =>
      action === 'remove' || action === 'refresh' ? '' : `<template>${html}</template>`,
    {
      'the content is not in a <template>': (action, html) => (action === 'remove' || action === 'refresh' ? '' : html),
      'remove and refresh have a <template>: leave it out': (_, html) => `<template>${html}</template>`,
      'remove has a <template>: leave it out': (action, html) =>
        action === 'refresh' ? '' : `<template>${html}</template>`,
      'refresh has a <template>: leave it out': (action, html) =>
        action === 'remove' ? '' : `<template>${html}</template>`,
      'without content there is no <template>: only remove and refresh have none': (action, html) =>
        action === 'remove' || action === 'refresh' || html === '' ? '' : `<template>${html}</template>`,
      'there are line breaks around the <template>': (action, html) =>
        action === 'remove' || action === 'refresh' ? '' : `\n<template>${html}</template>\n`,
    },
  ),
  closed: ways((text: string) => `${text}</turbo-stream>`, {
    'the tag is not closed': text => text,
    'there is a newline after the tag': text => `${text}</turbo-stream>\n`,
  }),
} satisfies Steps

function element(how: Choice<typeof TURBO_STREAM>, question: TurboStreams): string {
  const { action, attributes, html } = question
  const pairs = how.order(how.extra(attributes), [['action', action]], how.target(question))
  return how.closed(`${openTag(how, 'turbo-stream', pairs)}${how.template(action, how.content(html))}`)
}

export const turboStream = recipe(TURBO_STREAM, element)
