/**
 * Libraries of other people's apps, for which the READMEs have lines. Only the tests of these lines need them, and
 * each line is tested if its library is here.
 */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
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
  fastapi: python('FastAPI', ['fastapi', 'uvicorn'], 'python3-fastapi', 'python3-uvicorn'),
  rubyJwt: ruby('The jwt gem', ['jwt'], 'ruby-jwt'),
  sinatra: ruby('Sinatra', ['sinatra/base', 'puma'], 'ruby-sinatra', 'puma'),
} as const satisfies Record<string, Library>

const EXPRESS = fileURLToPath(new URL('../../tmp/node_modules/express', import.meta.url))

/** Not every Debian has these, or only one test needs them. Express brings many packages that the project does not need: it is in tmp. */
export const EXTRAS = {
  laravel: php('Laravel', 'Illuminate', 'php-laravel-framework'),
  flaskWtf: { ...python('Flask-WTF', ['flask_wtf'], 'python3-flaskext.wtf'), isExtra: true },
  symfony: php('Symfony', 'Symfony/Bundle/FrameworkBundle', 'php-symfony-framework-bundle'),
  express: {
    title: 'Express',
    needs: 'Express 5 in tmp/node_modules',
    packages: [],
    isExtra: true,
    interpreter: async () => (existsSync(EXPRESS) ? process.execPath : undefined),
    isPresent: async () => existsSync(EXPRESS),
  },
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
