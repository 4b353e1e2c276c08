/**
 * What other people's apps are made of: the libraries that the lines in the READMEs are for. Only their tests need them, and
 * each is tested if it is here.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Tool } from './toolchain.ts'

export interface Library extends Tool {
  /** The interpreter that has it: Debian's libraries are not for one that is first in PATH and not Debian's. */
  readonly interpreter: () => Promise<string | undefined>
}

export const LIBRARIES = {
  pyjwt: python('PyJWT', 'jwt', 'python3-jwt'),
  flask: python('Flask', 'flask', 'python3-flask'),
  django: python('Django', 'django', 'python3-django'),
  fastapi: python('FastAPI', 'fastapi, uvicorn', 'python3-fastapi', 'python3-uvicorn'),
  rubyJwt: ruby('The jwt gem', 'jwt', 'ruby-jwt'),
  sinatra: ruby('Sinatra', 'sinatra/base', 'ruby-sinatra', 'puma'),
} as const satisfies Record<string, Library>

/** An extra: its 68 packages are no dependency of ours. `npm run setup` puts them beside the gems. */
export const EXPRESS: Library = {
  title: 'Express',
  needs: 'Express 5 in tmp/node_modules',
  packages: [],
  interpreter: async () => (existsSync(EXPRESS_HOME) ? process.execPath : undefined),
  isPresent: async () => existsSync(EXPRESS_HOME),
}

const EXPRESS_HOME = fileURLToPath(new URL('../tmp/node_modules/express', import.meta.url))

function python(title: string, module: string, ...packages: string[]): Library {
  return library(title, packages, ['python3', '/usr/bin/python3'], ['-c', `import ${module}`])
}

function ruby(title: string, module: string, ...packages: string[]): Library {
  return library(title, packages, ['ruby', '/usr/bin/ruby'], ['-e', `require "${module}"`])
}

function library(title: string, packages: string[], interpreters: string[], probe: string[]): Library {
  const interpreter = async () => {
    for (const each of interpreters) if (await succeeds(each, probe)) return each
    return undefined
  }
  return {
    title,
    needs: packages.join(' and '),
    packages,
    interpreter,
    isPresent: async () => (await interpreter()) !== undefined,
  }
}

function succeeds(command: string, args: string[]): Promise<boolean> {
  return new Promise(resolve => {
    execFile(command, args, { timeout: 10_000 }, error => resolve(error === null))
  })
}
