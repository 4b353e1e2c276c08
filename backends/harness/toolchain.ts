/**
 * Programs that this project runs but does not contain: how to see whether one is here, and how to install it. languages.ts has
 * the languages; here are the others.
 */
import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findPgBouncer } from '../../testing/pgbouncer.ts'
import { findPostgres } from '../../testing/postgres.ts'

export interface ToolCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Tool {
  readonly title: string
  /** In words, for an installation by hand. */
  readonly needs: string
  /** Debian's packages; empty if Debian has none. */
  readonly packages: readonly string[]
  /** `npm run setup` installs it only with this option. */
  readonly option?: string
  readonly isPresent: () => Promise<boolean>
}

/** Runs a command, and returns whether it exits 0. */
export const probe = (command: string, args: readonly string[], cwd?: string): Promise<boolean> =>
  new Promise(resolve => {
    execFile(command, args, { timeout: 30_000, cwd }, error => resolve(error === null))
  })

/** For its HTTP client, which resembles no other. Nothing fails without it. */
export const JAVA: Tool = {
  title: 'Java',
  needs: 'a JDK, 16 or newer',
  packages: ['default-jdk-headless'],
  isPresent: () => probe('javac', ['--release', '16', '--version']),
}

/** Only tests need it, and they start it themselves. */
export const REDIS: Tool = {
  title: 'Redis',
  needs: 'redis-server and redis-sentinel 7.0, or newer',
  packages: ['redis-server', 'redis-sentinel'],
  isPresent: async () => {
    const found = await Promise.all(['redis-server', 'redis-sentinel'].map(name => probe(name, ['--version'])))
    return found.every(Boolean)
  },
}

/** Only tests need it, and they start it themselves. */
export const POSTGRES: Tool = {
  title: 'PostgreSQL',
  needs: 'PostgreSQL 15 or newer',
  packages: ['postgresql'],
  isPresent: async () => findPostgres() !== undefined,
}

/** Only a test needs it, and starts it itself. */
export const PGBOUNCER: Tool = {
  title: 'PgBouncer',
  needs: 'pgbouncer',
  packages: ['pgbouncer'],
  isPresent: async () => findPgBouncer() !== undefined,
}

/** Reverse proxies that apps run behind. Only tests need them. */
export const PROXIES = {
  nginx: proxy('nginx', 'nginx'),
  haproxy: proxy('HAProxy', 'haproxy'),
  caddy: proxy('Caddy', 'caddy'),
} as const

/** Its promtool checks the alerts of deploy/. */
export const PROMETHEUS: Tool = {
  title: 'promtool',
  needs: 'promtool, of Prometheus',
  packages: ['prometheus'],
  option: '--deploy',
  isPresent: () => probe('promtool', ['--version']),
}

/** Checks the units of deploy/. */
export const SYSTEMD: Tool = {
  title: 'systemd-analyze',
  needs: 'systemd',
  packages: ['systemd'],
  option: '--deploy',
  isPresent: () => probe('systemd-analyze', ['--version']),
}

/** Checks the file for Kamal in deploy/. */
export const KAMAL: Tool = {
  title: 'Kamal',
  needs: 'the gem kamal',
  packages: [],
  option: '--deploy',
  isPresent: async () => isExecutable(fileURLToPath(new URL('../../tmp/gems/bin/kamal', import.meta.url))),
}

/** Runs deploy/compose.yml. We do not install it: it changes the network of the machine. */
export const DOCKER: Tool = {
  title: 'Docker',
  needs: 'a running Docker Engine with Compose',
  packages: ['docker.io', 'docker-compose'],
  isPresent: async () => (await probe('docker', ['info'])) && (await findCompose()) !== undefined,
}

/** The command of Compose: a part of Docker, or Debian's older one. */
export const findCompose = async (): Promise<readonly string[] | undefined> => {
  if (await probe('docker', ['compose', 'version'])) return ['docker', 'compose']
  return (await probe('docker-compose', ['version'])) ? ['docker-compose'] : undefined
}

/** Only the browser tests need it. */
export const CHROMIUM: Tool = {
  title: 'Chromium',
  needs: 'Chromium or Chrome',
  packages: ['chromium'],
  isPresent: async () => findChromium() !== undefined,
}

/** Playwright cannot drive Debian's Firefox, so puppeteer-core does. Only the tests in e2e/firefox need the two. */
export const FIREFOX: Tool & {
  readonly folder: string
  readonly find: () => { program: string; driver: string } | undefined
} = {
  title: 'Firefox',
  needs: 'Firefox, and puppeteer-core in tmp/firefox',
  packages: ['firefox-esr'],
  option: '--firefox',
  /** Where npm installs puppeteer-core: alone, because npm removes other packages from the folder. */
  folder: 'tmp/firefox',
  find: () => {
    const program = FIREFOXES.find(isExecutable)
    const driver = resolve('tmp/firefox/node_modules/puppeteer-core')
    return program === undefined || !existsSync(driver) ? undefined : { program, driver }
  },
  isPresent: async () => FIREFOX.find() !== undefined,
}

/** Makes Playwright launch the installed Chromium or Chrome; without one Playwright launches its own. */
export const chromiumLaunch = (): { executablePath?: string; args: string[] } => {
  const executablePath = findChromium()
  return {
    ...(executablePath === undefined ? {} : { executablePath }),
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  }
}

const findChromium = (): string | undefined => BROWSERS.find(isExecutable)

/** One line: which program is missing, and how to install it. */
export const missing = ({ title, needs, packages, option }: Tool): string => {
  const setup = ['npm run setup', ...(option === undefined ? [] : [option])].join(' -- ')
  return `${title} is not here (it needs ${needs}): ${setup}${packages.length > 0 ? `, or apt-get install ${packages.join(' ')}` : ''}`
}

const FIREFOXES = ['/usr/bin/firefox-esr', '/usr/bin/firefox', '/Applications/Firefox.app/Contents/MacOS/firefox']

const BROWSERS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/snap/bin/chromium',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/opt/google/chrome/chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

function proxy(title: string, name: string): Tool & { readonly find: () => string | undefined } {
  // Debian installs servers into a folder that is not in the PATH of most users.
  const folders = ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin']
  const find = () => folders.map(folder => `${folder}/${name}`).find(isExecutable)
  return {
    title,
    needs: name,
    packages: [name],
    option: '--proxies',
    find,
    isPresent: async () => find() !== undefined,
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
