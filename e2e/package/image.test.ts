/**
 * The images have all files that they need: each stage of the Dockerfile is made in a folder, from its COPY lines and
 * .dockerignore, and its program runs there. (Docker itself is not needed.)
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, matchesGlob, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { freePorts } from '../../start/network.ts'
import { listening, withoutSettings } from '../../testing/cable.ts'
import { end, endsWithUs, healthy } from '../../testing/child.ts'

const STAGES = readFileSync('Dockerfile', 'utf8')
  .split(/^FROM /m)
  .slice(1)
  .map(text => ({ name: / AS (\w+)$/m.exec(text)![1]!, from: text.split(' ', 1)[0]!, text }))
const stageOf = (wanted: string) => STAGES.find(({ name }) => name === wanted)!

const RULES = readFileSync('.dockerignore', 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))

/** As Docker reads .dockerignore: the last rule that matches a path, or a folder above it, counts. */
function isSent(path: string): boolean {
  const all = path.split('/').map((_, at, parts) => parts.slice(0, at + 1).join('/'))
  const rule = RULES.findLast(rule => all.some(folder => matchesGlob(folder, rule.replace('!', ''))))
  return rule?.startsWith('!') ?? true
}

/** The folder of a stage, with what its COPY lines and those of its base bring in. */
function built(t: TestContext, name: string): string {
  const app = mkdtempSync(join(tmpdir(), 'hotcable-image-'))
  t.after(() => rmSync(app, { recursive: true }))
  const { text, from } = stageOf(name)
  for (const [, list] of `${text}\n${stageOf(from)?.text ?? ''}`.matchAll(/^COPY (?!--from)(.+)$/gm)) {
    const paths = list!.split(' ')
    const to = paths.pop()!
    for (const path of paths) {
      const sent = globSync([path, `${path}/**`], { withFileTypes: true })
        .filter(entry => entry.isFile())
        .map(entry => join(entry.parentPath, entry.name).replace(`${resolve('.')}/`, ''))
        .filter(file => !file.includes('node_modules') && isSent(file))
      assert.ok(sent.length > 0, `${path} is not sent to Docker: .dockerignore`)
      for (const file of sent) {
        const inside = file !== path ? file.slice(path.length) : to.endsWith('/') ? basename(file) : ''
        mkdirSync(dirname(join(app, to, inside)), { recursive: true })
        cpSync(file, join(app, to, inside))
      }
    }
  }
  symlinkSync(resolve('node_modules'), join(app, 'node_modules'))
  return app
}

test('the image of the cable has the whole bundle, and asks the cable for its health', async t => {
  const app = built(t, 'bundle')
  const [, command] = /^RUN (node .*) && /m.exec(stageOf('bundle').text)!
  const image = join(app, 'package')
  execFileSync('sh', ['-c', command!.replace(' /package', ` ${image}`)], {
    cwd: app,
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const { text } = stageOf('cable')
  const words = (line: string): string[] => JSON.parse(new RegExp(`^${line} (.*)$`, 'm').exec(text)![1]!)
  const [port] = await freePorts(1)
  const env = { ...withoutSettings('ANYCABLE_', 'HOTCABLE_'), ANYCABLE_HOST: '0.0.0.0', PORT: String(port) }
  const program = words('ENTRYPOINT').map(word => word.replace('/app/', `${image}/`))
  const run = (...args: string[]) =>
    spawnSync(program[0]!, [...program.slice(1), ...args], { cwd: image, env, encoding: 'utf8' })

  const alone = run(...words('CMD'))
  assert.equal(alone.status, 1)
  assert.match(alone.stderr, /^cable: no client can connect: set ANYCABLE_SECRET [^\n]*\n$/)

  const [, check] = /^HEALTHCHECK .*CMD (\[.*\])$/m.exec(text)!
  const settings = { ...env, ANYCABLE_SECRET: 'canary' }
  const health = () => {
    const [node, ...args] = (JSON.parse(check!) as string[]).map(word => word.replace('/app/', `${image}/`))
    return spawnSync(node!, args, { cwd: image, env: settings }).status
  }
  assert.equal(health(), 1)
  const child = spawn(program[0]!, [...program.slice(1), ...words('CMD')], {
    cwd: image,
    env: settings,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const cable = await listening(child)
  t.after(() => cable.stop())
  assert.equal(cable.url, `ws://0.0.0.0:${port}/cable`)
  assert.equal(health(), 0)
  assert.equal((await fetch(`http://127.0.0.1:${port}/hotcable.js`)).status, 200)
  assert.deepEqual(await cable.stop(), { code: 0, signal: null })
})

test('the image of the Board has every file that it needs', async t => {
  const app = built(t, 'web')
  const [port] = await freePorts(1)
  const child = endsWithUs(
    spawn(process.execPath, ['web/main.ts'], {
      cwd: app,
      stdio: 'inherit',
      env: {
        ...withoutSettings('ANYCABLE_', 'HOTCABLE_'),
        ANYCABLE_SECRET: 'canary',
        HOST: '127.0.0.1',
        PORT: String(port),
        HOTCABLE_DB: join(app, 'board.sqlite3'),
        HOTCABLE_CABLE_URL: 'http://127.0.0.1:9',
      },
    }),
  )
  t.after(() => end(child))

  await healthy(`http://127.0.0.1:${port}/health`, child)
  const page = await (await fetch(`http://127.0.0.1:${port}/`)).text()
  const scripts = [...page.matchAll(/(?:src|href)="(\/[^"]+\.(?:js|css|svg)[^"]*)"/g)].map(([, path]) => path!)
  assert.ok(scripts.length > 1)
  for (const path of scripts) assert.equal((await fetch(`http://127.0.0.1:${port}${path}`)).status, 200, path)
})

test('the image of the cable holds no file of the Board', () => {
  assert.doesNotMatch(stageOf('bundle').text, /COPY web/)
  assert.deepEqual(
    [...stageOf('cable').text.matchAll(/^COPY (.*)$/gm)].map(([, what]) => what),
    ['--from=bundle /package /app'],
  )
})
