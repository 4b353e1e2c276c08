/**
 * Libraries of other people's apps, for which the READMEs have lines. Only the tests of these lines need them, and
 * each line is tested if its library is here.
 */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { LANGUAGES } from './languages.ts'
import type { Tool } from './toolchain.ts'

export interface Library extends Tool {
  /** The interpreter that finds it: Debian's libraries do not work with an interpreter from elsewhere that is first in PATH. */
  readonly interpreter: () => Promise<string | undefined>
  /** Nothing fails without it. */
  readonly isExtra: boolean
}

export const LIBRARIES = {
  pyjwt: python('PyJWT', ['jwt'], 'python3-jwt'),
  flask: python('Flask', ['flask'], 'python3-flask'),
  django: python('Django', ['django'], 'python3-django'),
  sqlalchemy: python('SQLAlchemy', ['sqlalchemy'], 'python3-sqlalchemy'),
  fastapi: python('FastAPI', ['fastapi', 'uvicorn'], 'python3-fastapi', 'python3-uvicorn'),
  rubyJwt: ruby('The jwt gem', ['jwt'], 'ruby-jwt'),
  sequel: ruby('Sequel', ['sequel', 'sqlite3'], 'ruby-sequel', 'ruby-sqlite3'),
  sinatra: ruby('Sinatra', ['sinatra/base', 'puma'], 'ruby-sinatra', 'puma'),
} as const satisfies Record<string, Library>

/** Where Debian has the packages of Go: not modules, but folders of a GOPATH. */
export const GO_PATH = '/usr/share/gocode'

const GO_SQLITE = `${GO_PATH}/src/github.com/mattn/go-sqlite3`

const MODULES = fileURLToPath(new URL('../../tmp/node_modules', import.meta.url))

/** Some versions of Debian lack these, or only one test needs them. Express and Fastify bring many packages that the project does not need, so npm puts them into tmp. */
export const EXTRAS = {
  laravel: php('Laravel', 'Illuminate', 'php-laravel-framework'),
  flaskWtf: { ...python('Flask-WTF', ['flask_wtf'], 'python3-flaskext.wtf'), isExtra: true },
  symfony: php('Symfony', 'Symfony/Bundle/FrameworkBundle', 'php-symfony-framework-bundle'),
  goSqlite: {
    title: 'go-sqlite3',
    needs: `Go, a C compiler and ${GO_SQLITE}`,
    packages: ['golang-go', 'gcc', 'libc6-dev', 'golang-github-mattn-go-sqlite3-dev'],
    isExtra: true,
    interpreter: async () => (existsSync(GO_SQLITE) ? 'go' : undefined),
    isPresent: async () => existsSync(GO_SQLITE),
  },
  express: npm('Express 5', 'express'),
  fastify: npm('Fastify 5', 'fastify', '@fastify/formbody'),
} as const satisfies Record<string, Library>

const GEMS = fileURLToPath(new URL('../../tmp/gems', import.meta.url))

/** AnyCable's gem broadcasts by Redis with it. Nothing fails without it. */
export const RUBY_REDIS: Tool & { readonly gem: string } = {
  title: 'The redis gem',
  needs: 'the gem redis 5 in tmp/gems',
  packages: [],
  gem: 'redis:~> 5.0',
  isPresent: async () =>
    existsSync(`${GEMS}/gems`) && readdirSync(`${GEMS}/gems`).some(name => /^redis-5\./.test(name)),
}

/** The gem `anycable` serves RPC over gRPC with it: compiled, for Ruby 3.1. Nothing fails without it. */
export const RUBY_GRPC: Tool & { readonly gem: string } = {
  title: 'The grpc gem',
  needs: 'the gem grpc 1.73 in tmp/gems',
  packages: [],
  gem: 'grpc:1.73.0',
  isPresent: async () => existsSync(`${GEMS}/gems`) && readdirSync(`${GEMS}/gems`).some(name => /^grpc-1\./.test(name)),
}

/** An app that `rails new` makes needs it to start. Without Bundler we skip its tests. */
export const BUNDLER: Tool = {
  title: 'Bundler',
  needs: 'bundle',
  packages: ['ruby-bundler'],
  isPresent: () => succeeds('bundle', ['--version']),
}

const RECIPE_GEMS = fileURLToPath(new URL('../../tmp/recipe-gems', import.meta.url))

/** Where Ruby finds the gems of the recipes, of Rails, and of the system. */
export const GEM_PATH = [RECIPE_GEMS, GEMS, ''].join(':')

/** For a setting of ActiveRecord that Debian's gem does not know. Not in tmp/gems: the Board must work with Debian's. */
export const RUBY_SQLITE: Tool & { readonly gem: string; readonly into: string; readonly isExtra: boolean } = {
  title: 'The sqlite3 gem 1.7',
  needs: 'the gems of Rails, and sqlite3 1.7 in tmp/recipe-gems',
  packages: [],
  gem: 'sqlite3:~> 1.7',
  into: RECIPE_GEMS,
  isExtra: true,
  isPresent: async () => existsSync(`${RECIPE_GEMS}/gems`) && (await LANGUAGES.rails.isPresent()),
}

function python(title: string, modules: string[], ...packages: string[]): Library {
  return library(title, packages, false, 'python3', ['-c', `import ${modules}`], `Python with ${modules.join(' and ')}`)
}

function ruby(title: string, modules: string[], ...packages: string[]): Library {
  const probe = ['-e', modules.map(module => `require "${module}"`).join(';')]
  return library(title, packages, false, 'ruby', probe, `Ruby with ${modules.join(' and ')}`)
}

/** As Debian installs them: without Composer, in PHP's include_path. */
function php(title: string, folder: string, ...packages: string[]): Library {
  const probe = ['-d', 'display_errors=0', '-r', `require "${folder}/autoload.php";`]
  return library(title, packages, true, 'php', probe, `PHP with ${folder}/autoload.php in its include_path`)
}

/** In tmp/node_modules. */
function npm(title: string, ...names: string[]): Library {
  const isHere = () => names.every(name => existsSync(`${MODULES}/${name}`))
  return {
    title,
    needs: `${names.join(' and ')} in tmp/node_modules`,
    packages: [],
    isExtra: true,
    interpreter: async () => (isHere() ? process.execPath : undefined),
    isPresent: async () => isHere(),
  }
}

function library(
  title: string,
  packages: string[],
  isExtra: boolean,
  command: string,
  probe: string[],
  needs: string,
): Library {
  const interpreter = async () => {
    for (const each of [command, `/usr/bin/${command}`]) if (await succeeds(each, probe)) return each
    return undefined
  }
  return { title, needs, packages, isExtra, interpreter, isPresent: async () => (await interpreter()) !== undefined }
}

function succeeds(command: string, args: string[]): Promise<boolean> {
  return new Promise(resolve => {
    execFile(command, args, { timeout: 30_000 }, error => resolve(error === null))
  })
}
