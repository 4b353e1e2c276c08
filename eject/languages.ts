/** The languages that an app may have after `npm run eject`, and what each changes in the project. */
import LIST from '../backends/languages.json' with { type: 'json' }

export interface EjectLanguage {
  readonly title: string
  /** Starts the app, in the folder of the project, at $HOST:$PORT. */
  readonly command: readonly string[]
  readonly app: string
  /** The helper, and its place in the project. */
  readonly helper: readonly [from: string, to: string]
  readonly needs: string
  /** Of Debian. */
  readonly packages: readonly string[]
  /** The folder that its interpreter writes beside the sources. */
  readonly ignored?: string
}

export const LANGUAGES = {
  python: {
    ...row('python'),
    command: ['python3', 'app/app.py'],
    app: 'app/app.py',
    helper: ['backends/python/hotcable.py', 'app/hotcable.py'],
    ignored: '__pycache__/',
  },
  php: {
    ...row('php'),
    command: ['sh', '-c', 'exec php -d display_errors=0 -d post_max_size=64K -q -S "$HOST:$PORT" app/app.php'],
    app: 'app/app.php',
    helper: ['backends/php/hotcable.php', 'app/hotcable.php'],
  },
  ruby: {
    ...row('ruby'),
    command: ['ruby', 'app/app.rb'],
    app: 'app/app.rb',
    helper: ['backends/ruby/hotcable.rb', 'app/hotcable.rb'],
  },
  go: {
    ...row('go'),
    command: ['sh', '-c', 'cd app && exec go run .'],
    app: 'app/main.go',
    helper: ['backends/go/hotcable.go', 'app/hotcable/hotcable.go'],
  },
  typescript: {
    ...row('typescript'),
    command: ['node', 'app/app.ts'],
    app: 'app/app.ts',
    helper: ['backends/typescript/hotcable.ts', 'app/hotcable.ts'],
    needs: 'Node 20 or newer',
  },
} as const satisfies Readonly<Record<string, EjectLanguage>>

export type LanguageName = keyof typeof LANGUAGES

function row(name: keyof typeof LIST): Pick<EjectLanguage, 'title' | 'needs' | 'packages'> {
  const { title, needs, packages } = LIST[name]
  return { title, packages, needs: `Node 20 or newer, and ${needs}` }
}
