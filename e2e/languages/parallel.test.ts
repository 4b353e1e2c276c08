/**
 * The helpers stay parallel: the same functions, in the same order, with the arguments that README.md documents. The test reads
 * the sources, by the few forms that a function has in each language.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'

interface Signature {
  name: string
  /** In their order. */
  positional: string[]
  /** Those passed by name, in any order. */
  named: string[]
}

const read = (path: string): string => readFileSync(new URL(`../../backends/${path}`, import.meta.url), 'utf8')

const DOCUMENTED = [...read('README.md').matchAll(/^\| `(\w+)\(([^)]*)\)` \|/gm)].map(([, name, list]) => ({
  name: name!,
  arguments: split(list!).map(nameOf),
}))

const HELPERS: Record<string, () => Signature[]> = {
  typescript: () => {
    const source = read('typescript/hotcable.ts')
    const types = new Map([...source.matchAll(/^type (\w+) = (.*)$/gm)].map(([, name, type]) => [name!, type!]))
    const members = (type: string): string[] =>
      [...type.matchAll(/(\w+)\?:|\b([A-Z]\w+)/g)].flatMap(([, member, other]) =>
        member === undefined ? members(types.get(other!) ?? '') : [member],
      )
    return functions(source, /^export (?:async )?function (?<name>\w+)\((?<list>.*?)\): /gms).map(([name, list]) => {
      // An object stands for the members of its type, whether or not the function takes it apart.
      const isOptions = (argument: string) => /^\{|^options: /.test(argument)
      return {
        name,
        positional: list.filter(argument => !isOptions(argument)).map(nameOf),
        named: [
          ...new Set(list.filter(isOptions).flatMap(argument => members(argument.replace(/^(\{.*?\}|\w+): /, '')))),
        ],
      }
    })
  },

  python: () =>
    functions(read('python/hotcable.py'), /^def (?<name>[a-z]\w*)\((?<list>.*?)\) ->/gms).map(([name, list]) => {
      const star = list.includes('*') ? list.indexOf('*') : list.findIndex(argument => argument.startsWith('*')) + 1
      const rest = star === 0 ? list.length : star
      const [positional, named] = [list.slice(0, rest), list.slice(rest)].map(part => part.filter(each => each !== '*'))
      return { name, positional: positional!.map(nameOf), named: named!.map(nameOf) }
    }),

  // All are positional, and may be passed by name. Those that are not for callers come last.
  php: () =>
    functions(read('php/hotcable.php'), /^function (?<name>\w+)\((?<list>.*?)\): \w+ \{$/gms)
      .slice(0, DOCUMENTED.length)
      .map(([name, list]) => ({ name, positional: list.map(each => /\$(\w+)/.exec(each)![1]!), named: [] })),

  ruby: () =>
    functions(read('ruby/hotcable.rb').split(/^ +private$/m)[0]!, /^ +def (?<name>\w+)(?:\((?<list>.*)\))?$/gm).map(
      ([name, list]) => ({
        name,
        positional: list.filter(argument => !/^\w+:/.test(argument)).map(nameOf),
        named: list.filter(argument => /^\w+:/.test(argument)).map(nameOf),
      }),
    ),

  // Those that are absent by default are options, as the comment says.
  go: () =>
    [...read('go/hotcable.go').matchAll(/((?:^\/\/.*\n)*)^func ([A-Z]\w*)\(([^)]*)\) (?!Option )/gm)].map(
      ([, comment, name, list]) => ({
        name: name!,
        positional: split(list!)
          .filter(argument => !argument.startsWith('given '))
          .map(nameOf),
        named: split(/Options: (.*)\.$/m.exec(comment!)?.[1] ?? '').map(nameOf),
      }),
    ),
}

const MOST_LINES = {
  'typescript/hotcable.ts': 300,
  'python/hotcable.py': 295,
  'ruby/hotcable.rb': 290,
  'php/hotcable.php': 330,
  'go/hotcable.go': 465,
}

describe('the helpers are parallel', () => {
  test('the contract documents fifteen functions', () => {
    assert.equal(DOCUMENTED.length, 15)
  })

  for (const [path, most] of Object.entries(MOST_LINES))
    test(`${path} is one file that a reader can read: ${most} lines at most`, () => {
      assert.ok(read(path).split('\n').length - 1 <= most)
    })

  for (const [language, signatures] of Object.entries(HELPERS)) {
    test(`${language} has the functions of the contract, in its order`, () => {
      assert.deepEqual(
        signatures().map(({ name }) => snake(name)),
        DOCUMENTED.map(({ name }) => name),
      )
    })

    test(`${language} has the arguments of the contract`, () => {
      for (const [at, { positional, named }] of signatures().entries()) {
        const { name, arguments: documented } = DOCUMENTED[at]!
        assert.deepEqual(positional, documented.slice(0, positional.length), name)
        assert.deepEqual(named.map(snake).toSorted(), documented.slice(positional.length).toSorted(), name)
      }
    })
  }
})

function functions(source: string, form: RegExp): [name: string, list: string[]][] {
  return [...source.matchAll(form)].map(({ groups }) => [groups!.name!, split(groups!.list ?? '')])
}

/** Splits at the commas that are not within brackets. */
function split(list: string): string[] {
  const parts = list.match(/(?:\{[^}]*\}|\[[^\]]*\]|[^,])+/g) ?? []
  return parts.map(part => part.trim()).filter(part => part !== '')
}

function nameOf(argument: string): string {
  return /^\*?(\w+)/.exec(argument)![1]!
}

/** `TTL` is ttl and `timeoutMs` is timeout: JavaScript says where a time is in milliseconds. */
function snake(name: string): string {
  return name
    .replace(/Ms$/, '')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
}
