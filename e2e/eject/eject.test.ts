/**
 * What `npm run eject` writes, in each language: it is complete, and nothing in it mentions what went. run.test.ts runs it.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { LANGUAGES, type LanguageName } from '../../eject/languages.ts'
import { writeProject } from '../../eject/project.ts'
import { importsOf, packagesOf, targetOf } from '../../lint/imports.ts'
import { listening, withoutSettings } from '../../testing/cable.ts'

const scratch = mkdtempSync(join(tmpdir(), 'hotcable-eject-'))
after(() => rmSync(scratch, { recursive: true }))
const NAMES = Object.keys(LANGUAGES) as LanguageName[]

/** The words of each language. The cable is in TypeScript in any case. */
const WORDS: Readonly<Record<string, RegExp>> = {
  python: /python|\.py\b|wsgi/i,
  php: /\bphp|\.php\b/i,
  ruby: /\bruby|gemfile|\.rb\b|\brack\b/i,
  go: /\bGo\b|golang|\.go\b/,
  rails: /\brails\b/i,
}
/** Of this clone: folders, pages, commands, the Board. */
const GONE =
  /\b(?:backends|(?<!@anycable\/)web|deploy|e2e|bench|cli|pack|lint|eject)\/|\bBoards?\b|\bvectors\/|hotcable (?:secret|helper|debug|doctor|cable)\b|recipes|CONTRIBUTING|docs\/(?!operating\.md|anycable\.md)\w/

for (const name of NAMES) {
  const folder = join(scratch, name)
  writeProject(folder, 'my-app', name)
  const files = filesIn(folder)
  const read = (file: string) => readFileSync(join(folder, file), 'utf8')
  const isTheirs = (file: string) => /^(?:server|client)\//.test(file)
  const written = files.filter(file => !isTheirs(file) && !/^(?:package-lock\.json|LICENSE)$/.test(file))

  test(`${name}: nothing mentions what went`, () => {
    const lines = (of: readonly string[], words: RegExp) =>
      of.flatMap(file =>
        read(file)
          .split('\n')
          .filter(line => words.test(line))
          .map(line => `${file}: ${line.trim()}`),
      )
    // The cable's settings, and the format of signed names, are those of any app.
    const own = written.filter(file => !/^docs\/|^\.env\.example$|\/hotcable\.\w+$/.test(file))

    assert.deepEqual(
      lines(
        files.filter(file => file !== 'package-lock.json'),
        GONE,
      ),
      [],
    )
    for (const [other, words] of Object.entries(WORDS)) if (other !== name) assert.deepEqual(lines(own, words), [])
    assert.deepEqual(
      lines(
        written.filter(file => !file.startsWith('app/')),
        /\{\{/,
      ),
      [],
    )
  })

  test(`${name}: every link, path and command leads to something`, () => {
    const pages = written.filter(file => file.endsWith('.md'))
    const { scripts } = JSON.parse(read('package.json'))
    for (const page of pages) {
      const text = read(page)
      for (const [, link] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g))
        assert.ok(existsSync(join(folder, dirname(page), link!)), `${page}: ${link}`)
      for (const [, path] of text.matchAll(/`([\w.-]+\/[\w./-]*)`/g)) assert.ok(existsSync(join(folder, path!)), path)
    }
    const text = written.map(read).join('\n')
    // A clone of a newer version has it.
    const commands = [...text.matchAll(/npm run ([\w:]+)/g)]
      .map(([, script]) => script!)
      .filter(each => each !== 'eject')
    assert.deepEqual(
      commands.filter(script => !(script in scripts)),
      [],
    )
    assert.ok(pages.length >= 4 && commands.length > 8)
  })

  test(`${name}: every import is there, and package.json has the packages and no other`, () => {
    const sources = files.filter(file => /\.(?:ts|js|cjs)$/.test(file))
    const imports = importsOf(folder, sources)
    const { dependencies, devDependencies } = JSON.parse(read('package.json'))

    for (const each of imports) {
      const target = targetOf(each)
      if (target !== undefined) assert.ok(existsSync(join(folder, target)), `${each.file}: ${each.specifier}`)
    }
    assert.deepEqual(packagesOf(imports), Object.keys(dependencies).sort())
    assert.ok('typescript' in devDependencies && !('playwright' in devDependencies))
  })

  test(`${name}: the images are sent all that they copy, and compose builds both`, () => {
    const rules = read('.dockerignore').split('\n')
    for (const file of ['Dockerfile', 'app/Dockerfile'])
      for (const [, paths] of read(file).matchAll(/^COPY (?!--from)(.+) \S+$/gm))
        for (const path of paths!.split(' ')) {
          assert.ok(existsSync(join(folder, path)), `${file}: ${path}`)
          assert.ok(rules.includes(`!${path.split('/')[0]}`), `.dockerignore: ${path}`)
        }
    const compose = read('docker-compose.yml')
    assert.match(compose, /^ {4}build: \.$/m)
    assert.match(compose, /dockerfile: app\/Dockerfile/)
    assert.equal(/apt-get/.test(read('.github/workflows/check.yml')), LANGUAGES[name].packages.length > 0)
  })
}

test('the cable and the script of pages are those of this clone, byte by byte', () => {
  const folder = join(scratch, 'python')
  const theirs = filesIn(folder).filter(file => /^(?:server|client)\//.test(file))

  for (const file of theirs) assert.deepEqual(readFileSync(join(folder, file)), readFileSync(file), file)
  assert.ok(theirs.length > 220 && theirs.includes('server/rpc/rpc.proto'))
})

test('the image of the cable has every file that it needs, and serves the script of pages', async t => {
  const folder = join(scratch, 'go')
  const image = join(scratch, 'image')
  const dockerfile = readFileSync(join(folder, 'Dockerfile'), 'utf8')
  for (const [, list] of dockerfile.matchAll(/^COPY (.+) \S+$/gm))
    for (const path of list!.split(' ')) cpSync(join(folder, path), join(image, path), { recursive: true })
  symlinkSync(resolve('node_modules'), join(image, 'node_modules'))
  const words = (line: string): string[] => JSON.parse(new RegExp(`^${line} (.*)$`, 'm').exec(dockerfile)![1]!)
  const [command, ...args] = [...words('ENTRYPOINT'), ...words('CMD'), '--port=0']
  const env = { ...withoutSettings('ANYCABLE_', 'HOTCABLE_'), ANYCABLE_SECRET: 'canary', ANYCABLE_HOST: '0.0.0.0' }
  const program = command === 'node' ? process.execPath : command!
  const cable = await listening(spawn(program, args, { cwd: image, env, stdio: ['ignore', 'pipe', 'inherit'] }))
  t.after(() => cable.stop())

  const script = new URL('/cable/hotcable.js', cable.url.replace('ws', 'http'))
  assert.equal((await fetch(script)).status, 200)
})

test('in place the project replaces all that git knows, and nothing else; git has the rest', t => {
  const clone = cloned(t)
  writeFileSync(join(clone, '.env'), 'ANYCABLE_SECRET=canary')
  const eject = (...args: string[]) => run(clone, 'eject/main.ts', '--language=php', '--name=my-app', ...args)
  writeFileSync(join(clone, 'server/mine.ts'), '')

  assert.match(
    eject('--yes').stderr,
    /^eject: this clone has changes that are not committed .*: commit .* --into=FOLDER$/m,
  )
  rmSync(join(clone, 'server/mine.ts'))
  assert.match(eject().stderr, /^eject: no terminal: give --language=.* and --yes/)
  const { status, stderr } = eject('--yes')

  assert.equal(status, 0, stderr)
  const ignored = ['.env', '.git', 'node_modules']
  assert.deepEqual(
    readdirSync(clone).filter(entry => !ignored.includes(entry)),
    readdirSync(join(scratch, 'php')).sort(),
  )
  assert.ok(existsSync(join(clone, '.env')))
  assert.match(readFileSync(join(clone, 'package-lock.json'), 'utf8'), /^\{\n {2}"name": "my-app"/)
  assert.doesNotMatch(readFileSync(join(clone, 'package-lock.json'), 'utf8'), /playwright/)
  git(clone, 'checkout', '-q', '.')
  assert.ok(existsSync(join(clone, 'web/app.ts')))
})

test('--help lists each option and language', () => {
  const { status, stdout } = run('.', 'eject/main.ts', '--help')
  assert.equal(status, 0)
  for (const word of ['--language', '--into', '--name', '--yes', '--update', ...Object.keys(LANGUAGES)])
    assert.ok(stdout.includes(word), word)
})

test('an update replaces the cable and the helper, takes the versions of packages, and leaves all else', t => {
  const project = join(scratch, 'updated')
  cpSync(join(scratch, 'ruby'), project, { recursive: true })
  const change = (file: string, from: RegExp, to: string) =>
    writeFileSync(join(project, file), readFileSync(join(project, file), 'utf8').replace(from, to))
  change('package.json', /"ws": ".*"/, '"ws": "8.0.0", "left-pad": "1.3.0"')
  for (const file of ['server/cable.ts', 'app/hotcable.rb', 'app/app.rb', 'README.md'])
    appendFileSync(join(project, file), '\n')
  writeFileSync(join(project, 'server/old.ts'), '')
  committed(project)
  appendFileSync(join(project, 'app/app.rb'), '\n')
  const update = () => run('.', 'eject/main.ts', '--update', `--into=${project}`)

  assert.match(update().stderr, /^eject: .*updated has changes that are not committed .*: commit them all first/)
  git(project, 'commit', '-qam', 'mine')
  const { status, stdout, stderr } = update()

  assert.equal(status, 0, stderr)
  const changed = git(project, 'status', '--porcelain').trimEnd().split('\n')
  t.diagnostic(changed.join())
  assert.deepEqual(changed, [
    ' M app/hotcable.rb',
    ...[' M package-lock.json', ' M package.json'].filter(line => changed.includes(line)),
    ' M server/cable.ts',
    ' D server/old.ts',
  ])
  assert.match(stdout, /New in package\.json: ws 8\.\d+\.\d+\./)
  const { dependencies } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'))
  assert.equal(dependencies['left-pad'], '1.3.0')
})

test('an update replaces nothing that git could not bring back, and nothing beside a package.json without packages', t => {
  const outer = mkdtempSync(join(tmpdir(), 'hotcable-outer-'))
  t.after(() => rmSync(outer, { recursive: true }))
  const project = join(outer, 'project')
  cpSync(join(scratch, 'ruby'), project, { recursive: true })
  writeFileSync(join(outer, '.gitignore'), 'project')
  committed(outer)
  writeFileSync(join(project, 'server/mine.ts'), '')
  const update = () => run('.', 'eject/main.ts', '--update', `--into=${project}`)

  assert.match(update().stderr, /^eject: .*project is not in git\. .*: commit them all first/)
  writeFileSync(join(project, 'package.json'), '{}')
  committed(project)
  assert.match(update().stderr, /package\.json needs dependencies/)

  assert.ok(existsSync(join(project, 'server/mine.ts')))
})

test('a language is one of the list, and no property of every object', () => {
  const { status, stderr } = run('.', 'eject/main.ts', '--language=constructor', `--into=${join(scratch, 'none')}`)

  assert.equal(status, 1)
  assert.match(stderr, /^eject: --language is one of /)
})

test('python: the app reads at most 64 KiB, whatever length is stated', () => {
  const lengths = ['', 'abc', '-1', '²', '9'.repeat(5000), '65536', '65537', '999999999']
  const script = `import app, io, json, sys
for length in json.loads(sys.argv[1]):
    body = io.BytesIO(b"body=" + b" " * 100000)
    status, *_ = app.add({"CONTENT_LENGTH": length, "wsgi.input": body})
    print(status[:3], body.tell())`
  const env = { ...process.env, PYTHONPATH: join(scratch, 'python/app'), PYTHONDONTWRITEBYTECODE: '1' }
  const said = execFileSync('python3', ['-c', script, JSON.stringify(lengths)], { encoding: 'utf8', env })

  assert.deepEqual(said.trim().split('\n'), [...Array(5).fill('422 0'), ...['422 65536', '400 65536', '400 65536']])
})

/** This clone as a new user has it, with the changes that are not committed yet. */
function cloned(t: TestContext): string {
  const clone = mkdtempSync(join(tmpdir(), 'hotcable-clone-'))
  t.after(() => rmSync(clone, { recursive: true }))
  const tracked = git('.', 'ls-files', '--cached', '--others', '--exclude-standard').trim().split('\n')
  for (const file of tracked.filter(file => existsSync(file))) {
    mkdirSync(dirname(join(clone, file)), { recursive: true })
    cpSync(file, join(clone, file))
  }
  symlinkSync(resolve('node_modules'), join(clone, 'node_modules'))
  committed(clone)
  return clone
}

function committed(folder: string): void {
  git(folder, 'init', '-q')
  git(folder, 'add', '-A')
  git(folder, 'commit', '-qm', 'mine')
}

function git(folder: string, ...args: string[]): string {
  const author = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com']
  return execFileSync('git', [...author, ...args], { cwd: folder, encoding: 'utf8' })
}

function run(folder: string, ...args: string[]) {
  return spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
    cwd: folder,
    encoding: 'utf8',
  })
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}
