/**
 * The check passes every helper, and names the mistake of every wrong backend. Real programs run, each as a separate
 * process; the tests skip a missing language aloud, and with CI=true that is a failure.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ADAPTERS } from '../harness/adapters.ts'
import { startBroadcasts } from './broadcasts.ts'
import { check } from './check.ts'
import { RECIPES } from './explain.ts'
import { families } from './families.ts'
import { startPositions } from './positions.ts'
import type { CommandLine } from './program.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const FAMILIES = Object.fromEntries(families().map(family => [family.name, family]))
const wrong = (mistake: string): CommandLine => [process.execPath, here('wrong.ts'), mistake]

/** The check's words for each wrong backend, to the letter: mistake → question → words. */
const TOLD: Record<string, Record<string, string>> = {
  no_padding: { sign_stream: 'your base64 has no padding', stream_from: 'your base64 has no padding' },
  url_safe: { sign_stream: 'your base64 is URL-safe (- and _): use the standard alphabet (+ and /)' },
  line_breaks: {
    sign_stream: 'your base64 has line breaks, after 60 characters and at the end (Ruby: pack("m0"))',
  },
  signed_json: { sign_stream: 'you signed the JSON, not the base64 of it' },
  signed_name: { sign_stream: 'you signed the name, not the base64 of its JSON' },
  raw_name: { sign_stream: 'you signed the name, not the JSON of it' },
  one_dash: { sign_stream: 'there is - between base64 and digest: use --' },
  no_expiry: { sign_stream: 'you ignored expires_in', stream_from: 'you ignored expires_in' },
  no_millis: { sign_stream: 'exp is without its .000' },
  upper_hex: { sign_stream: 'the digest is upper case', broadcast_key: 'the digest is upper case' },
  base64_digest: {
    sign_stream: 'the digest is base64, not hex',
    stream_from: 'the digest is base64, not hex',
    broadcast_key: 'the digest is base64, not hex',
  },
  sha1: { sign_stream: 'your digest is SHA-1, not SHA-256', issue_token: 'your digest is SHA-1, not SHA-256' },
  sha512: { stream_from: 'your digest is SHA-512, not SHA-256' },
  swapped: { sign_stream: 'your HMAC has key and message the wrong way round' },
  plain_hash: { issue_token: 'your digest is a hash of secret and message, not an HMAC' },
  key_latin1: {
    sign_stream: 'your key bytes are Latin-1, not UTF-8',
    issue_token: 'your key bytes are Latin-1, not UTF-8',
    stream_from: 'your key bytes are Latin-1, not UTF-8',
    broadcast_key: 'your key bytes are Latin-1, not UTF-8',
  },
  key_hex: { sign_stream: 'your key is decoded from hex when it looks like hex: use it as text' },
  key_trimmed: { issue_token: 'your key is trimmed: a space is part of it' },
  key_newline: { broadcast_key: 'your key has a newline at its end' },
  json_ascii: { sign_stream: 'your JSON writes é as \\u00e9 (Python: ensure_ascii=False)' },
  json_slashes: { issue_token: 'your JSON writes / as \\/ (PHP: JSON_UNESCAPED_SLASHES)' },
  json_html: { sign_stream: 'your JSON writes < > & as \\u003c \\u003e \\u0026 (Rails: JSON.generate)' },
  json_newline: { sign_stream: 'your JSON ends with a newline (echo, or an encoder that adds one)' },
  ext_object: { issue_token: 'ext is an object: use the JSON of the identity, as a string' },
  exp_missing: { issue_token: 'exp is missing' },
  exp_ms: { issue_token: 'exp is in milliseconds: use seconds' },
  exp_string: { issue_token: 'exp is a string: use a number' },
  exp_clock: { issue_token: 'exp is computed from the clock: compute it from now' },
  iat: { issue_token: 'the claims have an iat: leave it out' },
  typ_first: { issue_token: 'the header has typ before alg: {"alg":"HS256","typ":"JWT"}' },
  alg_hs512: { issue_token: 'alg is HS512: use HS256' },
  token_padding: { issue_token: 'your token has padding: base64url has no =' },
  token_alphabet: {
    issue_token: 'your token is in the standard alphabet of base64 (+ and /): use the URL-safe one (- and _)',
  },
  hex_signature: { issue_token: 'the signature is base64url of its hex: use the bytes' },
  id_digits: {
    stream_from: 'the digits of the id are the first of the base64: use the first 8 of the signature',
  },
  id_slash: { stream_from: 'the id has / in it: use - for every /' },
  no_position: { stream_from: 'data-position is missing' },
  self_closing: { stream_from: 'the tag closes itself: HTML needs </turbo-cable-stream-source>' },
  not_escaped: { stream_from: 'attributes are not escaped', turbo_stream: 'attributes are not escaped' },
  escaped_twice: { turbo_stream: 'attributes are escaped twice' },
  apostrophes: { turbo_stream: "attributes have ' escaped as &#39;: use ' itself" },
  targets: { turbo_stream: 'target is written as targets' },
  script_ws: { script_tag: 'the URL begins with ws: make it http, and wss https' },
  source_first: { source_tag: 'the tag has only the first name: it takes all of them' },
  source_mark: { source_tag: 'a URL that has a query gets another ?: it takes &' },
  source_raw: { source_tag: 'names and position are not percent-encoded' },
  wants_case: { wants_turbo_stream: 'capitals count: a type is the same in any case' },
  wants_contains: { wants_turbo_stream: 'a type that contains it counts: it is the whole type' },
  wants_any: { wants_turbo_stream: '*/* counts: browsers send it with everything' },
  wants_no_charset: { wants_turbo_stream: 'TURBO_STREAM has no charset: add ; charset=utf-8' },
  script_beside: { script_tag: 'the script is beside the path: it is below it' },
  no_template: { turbo_stream: 'the content is not in a <template>' },
  remove_template: { turbo_stream: 'remove has a <template>: leave it out' },
  content_escaped: { turbo_stream: 'the content is escaped: insert HTML unchanged' },
  attributes_last: { turbo_stream: 'the attributes come last: they come before action and target' },
  key_itself: { broadcast_key: 'that is the secret itself: the key is derived from it' },
  key_message: { broadcast_key: 'the message is broadcast_cable: use broadcast-cable' },
  'no_padding+upper_hex': { sign_stream: 'your base64 has no padding; and the digest is upper case' },
  number_result: { broadcast_key: 'a result is a string, not 64' },
  ask_message: { answer_subscribe: 'the message of the key is broadcast-cable: use subscribe-cable' },
  ask_bearer: { answer_subscribe: 'the key is taken without Bearer' },
  ask_any_key: { answer_subscribe: 'any key is taken: compare Authorization with Bearer and the key' },
  ask_400: { answer_subscribe: 'a body that is no question is answered with 400: use 422' },
  ask_past: { answer_subscribe: 'a time that has passed is allowed: it is a refusal' },
  ask_text: { answer_subscribe: 'the identity is text: decode it if it is an object in JSON' },
  refuses: { sign_stream: 'your program answers with an error: not implemented' },
}

/** The check's words about what is POSTed, and the number of cases; of `broadcast`, or of the named function. */
const BROADCASTS: Record<string, { of?: string; says: string; cases: number }> = {
  no_id: { says: 'your broadcasts have no id: add "meta":{"id":"…"}, 16 random bytes in base64url', cases: 35 },
  id_uuid: { says: 'your id is not 16 random bytes in base64url without padding: 22 characters', cases: 35 },
  // The first call rightly has the id.
  id_constant: { says: 'two calls have the same id: make a new one in each call', cases: 34 },
  no_exclude: { says: 'exclude is ignored: it is exclude_socket in meta', cases: 3 },
  exclude_null: { says: 'an absent exclude is written as null: leave it out', cases: 32 },
  exclude_name: { says: 'exclude is written as exclude: its name in meta is exclude_socket', cases: 3 },
  no_transient: { of: 'publication', says: 'transient is ignored: it is in meta', cases: 3 },
  no_latest: { of: 'publication', says: 'latest is ignored: it is key in meta', cases: 3 },
  latest_name: { says: 'latest is written as latest: its name in meta is key', cases: 3 },
  transient_false: { of: 'publication', says: 'transient is written when it is false: leave it out', cases: 30 },
  list_bare: { of: 'publish', says: 'one publication is sent without a list: put [ ] around it too', cases: 2 },
  list_texts: { of: 'publish', says: 'the list has strings: a publication is JSON already', cases: 3 },
  identifier_object: {
    of: 'disconnect',
    says: 'the identifier is an object: use the JSON of the identity, as a string',
    cases: 4,
  },
  no_reconnect: { of: 'disconnect', says: 'reconnect is left out: write true or false', cases: 4 },
  id_per_try: { says: 'a retry has another id: make it once in each call, and send it in every try', cases: 2 },
}

/** Programs that do not keep to the line protocol. */
const BROKEN: Record<string, RegExp> = {
  greets: /^it printed a line that is not JSON: "Ready\."\. stdout is for answers/,
  debugs: /^it printed a line that is not JSON: "signing chat:2021"/,
  byte_order_mark: /^it printed a line that is not JSON, because a byte order mark is before it/,
  not_utf8: /^its stdout is not UTF-8/,
  bare_result: /^an answer is \{"result":…\} or \{"error":"why"\}, not /,
  says_twice: /^it printed more than one line for a question: /,
  ends: /^it ended \(exit code 1\).*no such column: streams.* \(at "a GlobalID"\)$/,
  hangs: /^it did not answer within 2 s \(at "a name"\)$/,
  hangs_later: /^it did not answer within 6 s \(at "a GlobalID"\)$/,
  reads_all: /^it answers only when stdin ends: flush stdout after each line/,
}

/** The defaults of a language, each in its own program. */
const DEFAULTS: Record<string, { language: string; program: CommandLine; says: string }> = {
  "Python's json.dumps": {
    language: 'python',
    program: [
      'python3',
      '-c',
      [
        'import base64, hashlib, hmac, json, sys',
        'for line in sys.stdin:',
        '    ask = json.loads(line)',
        '    data = base64.b64encode(json.dumps(ask["stream"]).encode())',
        '    digest = hmac.new(ask["secret"].encode(), data, hashlib.sha256).hexdigest()',
        '    print(json.dumps({"result": data.decode() + "--" + digest}), flush=True)',
      ].join('\n'),
    ],
    says: 'your JSON writes é as \\u00e9 (Python: ensure_ascii=False)',
  },
  "PHP's json_encode": {
    language: 'php',
    program: [
      'php',
      '-r',
      `while ($line = fgets(STDIN)) {
        $ask = json_decode($line, true);
        $data = base64_encode(json_encode($ask['stream']));
        echo json_encode(['result' => $data . '--' . hash_hmac('sha256', $data, $ask['secret'])]), "\\n";
      }`,
    ],
    says: 'your JSON writes / as \\/ and é as \\u00e9 (PHP: JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE)',
  },
  "Ruby's Base64.encode64": {
    language: 'ruby',
    program: [
      'ruby',
      '-rjson',
      '-ropenssl',
      '-e',
      `$stdout.sync = true
       $stdin.each_line do |line|
         ask = JSON.parse(line)
         data = [JSON.generate(ask["stream"])].pack("m")
         puts JSON.generate({ result: data + "--" + OpenSSL::HMAC.hexdigest("SHA256", ask["secret"], data) })
       end`,
    ],
    says: 'your base64 has line breaks, after 60 characters and at the end (Ruby: pack("m0"))',
  },
}

describe('the right answers', { concurrency: 4 }, () => {
  for (const { name, cases } of families().filter(({ name }) => name in RECIPES))
    test(`the recipe of the check makes every vector: ${name}`, () => {
      for (const { id, question, expected } of cases) assert.equal(RECIPES[name]!.make(question), expected, id)
    })

  test('the recipe of the check makes every vector: publication, broadcast, publish, disconnect', async t => {
    const { families, close } = await startBroadcasts()
    t.after(close)
    for (const { id, question, expected } of families.flatMap(({ cases }) => cases))
      assert.equal(RECIPES[question.do]!.make(question), expected, id)
  })

  for (const [language, { absent, command }] of Object.entries(ADAPTERS)) {
    if (absent !== undefined) console.error(`\n!!! ${absent}\n`)
    test(`the helper in ${language} passes`, { skip: process.env.CI !== 'true' && absent }, async () => {
      const { code, stdout } = await run(command())
      assert.match(stdout, /\n364 passed, 0 failed\n$/)
      assert.equal(stdout.match(/^\w+ +[\w-]+\.json +(\d+) of \1 +passed$/gm)?.length, 14)
      assert.equal(code, 0)
    })
  }
})

describe('the check names the mistake of a wrong backend', { concurrency: 4 }, () => {
  for (const [mistake, told] of Object.entries(TOLD))
    test(mistake, async () => {
      const names = Object.keys(told)
      const cases = names.flatMap(name => FAMILIES[name]!.cases)
      const { findings } = await check({ name: names.join(), file: '', cases }, wrong(mistake))
      // One mistake is one finding, which explains every wrong answer.
      assert.deepEqual(
        findings.map(({ says }) => says),
        [...new Set(Object.values(told))],
      )
      assert.deepEqual(
        [...new Set(findings.flatMap(({ results }) => results.map(result => result.case.question.do)))],
        names,
      )
    })

  test('the check reports a mistake in one question for that question alone', async () => {
    const { code, stdout } = await run(wrong('no_padding'))
    // README.md shows this very table.
    const [table] = stdout.split('\n\n')
    assert.ok(readFileSync(here('../README.md'), 'utf8').includes(`\n${table}\n`), table)
    assert.equal(code, 1)
  })

  test('the check explains a position request at the wrong place', async t => {
    const { family, close } = await startPositions()
    t.after(close)
    const { findings } = await check(family, wrong('position_last'))
    assert.deepEqual(
      findings.map(({ says, results }) => [says, results.map(result => result.case.id)]),
      [
        [
          'the position is not the right one',
          ['a query', 'a query and a stream', 'a fragment', 'no path, but a query'],
        ],
      ],
    )
  })

  for (const [mistake, { of = 'broadcast', says, cases }] of Object.entries(BROADCASTS))
    test(`${of}: ${mistake}`, async t => {
      const { families, close } = await startBroadcasts()
      t.after(close)
      const { findings } = await check(families.find(({ name }) => name === of)!, wrong(mistake))
      assert.deepEqual(
        findings.map(({ says, results }) => [says, results.length]),
        [[says, cases]],
      )
    })

  test('the check reports two mistakes in different places as two findings', async () => {
    const { findings } = await check(FAMILIES.sign_stream!, wrong('key_trimmed+json_slashes'))
    assert.deepEqual(
      findings.map(({ says }) => says),
      ['your JSON writes / as \\/ (PHP: JSON_UNESCAPED_SLASHES)', 'your key is trimmed: a space is part of it'],
    )
  })

  for (const [name, words] of Object.entries({
    sign_stream: 'the base64 is right, but the digest (HMAC-SHA256 of it, in lower-case hex) is not the right one',
    issue_token:
      'header and payload are right, but the signature (HMAC-SHA256 of both, in base64url) is not the right one',
    stream_from: 'the tag is not the right one',
  }))
    test(`the check shows where an unforeseen mistake begins: ${name}`, async () => {
      const { says, findings } = await check(FAMILIES[name]!, wrong('key_reversed'))
      assert.equal(says, words)
      const [, , expected, got, caret] = findings[0]!.shows
      const at = caret!.indexOf('^')
      assert.ok(at > 10)
      assert.equal(expected!.slice(10, at), got!.slice(10, at))
      assert.notEqual(expected![at], got![at])
    })
})

describe('the check explains the defaults of a language', { concurrency: 4 }, () => {
  for (const [title, { language, program, says }] of Object.entries(DEFAULTS))
    test(title, { skip: process.env.CI !== 'true' && ADAPTERS[language]!.absent }, async () => {
      const { findings } = await check(FAMILIES.sign_stream!, program)
      assert.ok(
        findings.some(finding => finding.says === says),
        findings.map(finding => finding.says).join('\n'),
      )
    })
})

describe('the check reports a program that breaks the line protocol, and never waits for it', {
  concurrency: 4,
}, () => {
  for (const [mistake, words] of Object.entries(BROKEN))
    test(mistake, async () => {
      // All but the program that never answers must start within it.
      const timeoutMs = mistake === 'hangs' ? 2000 : /hangs_later|reads_all/.test(mistake) ? 6000 : 60_000
      const { says } = await check(FAMILIES.sign_stream!, wrong(mistake), { timeoutMs })
      assert.match(says, words)
    })

  test('a program that does not exist', async () => {
    const { code, stdout } = await run(['--timeout=30', '/no/such/program'])
    assert.match(stdout, /^sign_stream .* it did not start: .*ENOENT/m)
    assert.match(stdout, /^issue_token .* not asked$/m)
    assert.equal(code, 1)
  })

  test('no command at all', () => {
    const { status, stderr } = spawnSync(process.execPath, [here('main.ts')], { encoding: 'utf8' })
    assert.equal(status, 2)
    assert.match(stderr, /COMMAND/)
  })

  test('a program that hangs ends with the check, and so does what it started', async () => {
    const program: CommandLine = ['sh', '-c', 'sleep 4242 & echo "{\\"error\\":\\"$!\\"}"; wait']
    const { findings } = await check(FAMILIES.sign_stream!, program, { timeoutMs: 10_000 })
    const pid = Number(/an error: (\d+)/.exec(findings[0]!.says)?.[1])
    // It has ended, or waits for its new parent to collect it.
    assert.match(spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout, /^Z|^$/)
  })
})

/** Runs the check as `npm run check:backend` does. */
async function run(command: CommandLine): Promise<{ code: number | null; stdout: string }> {
  const child = spawn(process.execPath, [here('main.ts'), ...command], {
    env: { ...process.env, INIT_CWD: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text
  })
  return await new Promise(resolve => child.once('close', code => resolve({ code, stdout })))
}
