/**
 * What each language needs to run here: ONE table, used by `npm start`, `npm run setup` and the tests; and Rails, which is an
 * extra, as its gems are to be had from RubyGems alone.
 *
 * A probe is a command that exits 0 when the interpreter and every library that the Board needs are there.
 */
import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Command {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Tool {
  readonly title: string
  /** In words, for whoever installs it by hand. */
  readonly needs: string
  /** Debian's packages; none: there are none. */
  readonly packages: readonly string[]
  /** `npm run setup` installs it only with this option. */
  readonly option?: string
  readonly isPresent: () => Promise<boolean>
}

export interface Language extends Tool {
  /** CSS colour. */
  readonly accent: string
  /** Starts its Board, from the project's folder. */
  readonly board: (host: string, port: number) => Command
  /** Folders of what it reads once, when it starts. */
  readonly sources?: readonly string[]
  /** Lines of its log that are no news: one per request, greetings. */
  readonly chatter?: RegExp
}

const probe = (command: string, ...args: string[]): Promise<boolean> =>
  new Promise(resolve => {
    execFile(command, args, { timeout: 30_000 }, error => resolve(error === null))
  })

const listening = (host: string, port: number) => ({ HOST: host, PORT: String(port) })

export const LANGUAGES = {
  python: {
    title: 'Python',
    accent: '#306998',
    needs: 'Python 3.9 or newer, with sqlite3',
    packages: ['python3'],
    isPresent: () => probe('python3', '-c', 'import sys, sqlite3; sys.exit(sys.version_info < (3, 9))'),
    board: (host, port) => ({ command: 'python3', args: ['backends/python/board.py'], env: listening(host, port) }),
    sources: ['backends/python'],
    chatter: /" \d{3} (\d+|-)$/,
  },
  php: {
    title: 'PHP',
    accent: '#777bb4',
    needs: 'PHP 8.1 or newer, with pdo_sqlite',
    packages: ['php-cli', 'php-sqlite3'],
    isPresent: () => probe('php', '-r', 'exit(PHP_VERSION_ID >= 80100 && extension_loaded("pdo_sqlite") ? 0 : 1);'),
    // Without workers one slow request holds up all; what goes wrong belongs into the log and not into the page.
    board: (host, port) => ({
      command: 'php',
      args: ['-d', 'display_errors=0', '-d', 'log_errors=1', '-S', `${host}:${port}`, 'backends/php/board.php'],
      env: { PHP_CLI_SERVER_WORKERS: '4', ...listening(host, port) },
    }),
    chatter: / (Accepted|Closing|\[\d{3}\]: \S+ \S+)$| Closed without sending a request|Development Server .* started$/,
  },
  ruby: {
    title: 'Ruby',
    accent: '#cc342d',
    needs: 'Ruby 3.0 or newer, with rack, puma and sqlite3',
    packages: ['ruby', 'ruby-rack', 'puma', 'ruby-sqlite3'],
    isPresent: () =>
      probe('ruby', '-e', 'exit 1 if RUBY_VERSION.to_i < 3; %w[rack puma sqlite3].each { |name| require name }'),
    board: (host, port) => ({ command: 'ruby', args: ['backends/ruby/board.rb'], env: listening(host, port) }),
    sources: ['backends/ruby'],
    chatter: /^(Puma starting|\* |Use Ctrl-C|- |=== puma)/,
  },
} as const satisfies Record<string, Language>

export type LanguageName = keyof typeof LANGUAGES

/** The language that proves the contract: a helper, and no Board. */
export const GO: Tool = {
  title: 'Go',
  needs: 'Go 1.19 or newer',
  packages: ['golang-go'],
  isPresent: () => probe('go', 'version'),
}

/** For its HTTP client, which no other resembles. Nothing fails where it is missing. */
export const JAVA: Tool = {
  title: 'Java',
  needs: 'a JDK, 16 or newer',
  packages: ['default-jdk-headless'],
  isPresent: () => probe('javac', '--release', '16', '--version'),
}

/** Nothing fails where it is missing. */
export const RAILS: Language = {
  title: 'Rails',
  accent: '#d30001',
  needs: 'Ruby 3.1 or newer, and the gems of backends/rails/Gemfile',
  packages: [],
  isPresent: () => probe('ruby', fileURLToPath(new URL('../rails/board.rb', import.meta.url)), '--gems'),
  board: (host, port) => ({ command: 'ruby', args: ['backends/rails/board.rb'], env: listening(host, port) }),
  sources: ['backends/rails', 'backends/ruby'],
  chatter: LANGUAGES.ruby.chatter,
}

/** Everything that renders a Board beside web. */
export const BOARDS = { ...LANGUAGES, rails: RAILS } as const

export type BoardName = keyof typeof BOARDS

/** Reverse proxies that apps run behind. Only tests need them. */
export const PROXIES = {
  nginx: proxy('nginx', 'nginx'),
  haproxy: proxy('HAProxy', 'haproxy'),
  caddy: proxy('Caddy', 'caddy'),
} as const

/** Only the browser tests need it. */
export const CHROMIUM: Tool = {
  title: 'Chromium',
  needs: 'Chromium or Chrome',
  packages: ['chromium'],
  isPresent: async () => findChromium() !== undefined,
}

/** How Playwright launches the Chromium or Chrome that is installed; without one Playwright launches its own. */
export const chromiumLaunch = (): { executablePath?: string; args: string[] } => {
  const executablePath = findChromium()
  return {
    ...(executablePath === undefined ? {} : { executablePath }),
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  }
}

const findChromium = (): string | undefined => BROWSERS.find(isExecutable)

/** One line: what is missing, and how to get it. */
export const missing = ({ title, needs, packages, option }: Tool): string => {
  const setup = ['npm run setup', ...(option === undefined ? [] : [option])].join(' -- ')
  return `${title} is not here (it needs ${needs}): ${setup}${packages.length > 0 ? `, or apt-get install ${packages.join(' ')}` : ''}`
}

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
  // Debian puts servers where the PATH of most users does not look.
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
