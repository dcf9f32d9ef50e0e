/**
 * The code of docs/webhooks.md, run against what the standardwebhooks package signs. JavaScript, TypeScript, Python and
 * shell run everywhere; PHP and Go only where this machine has them, for they are no part of the set-up.
 */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sign } from '@octokit/webhooks-methods'
import { Webhook } from 'standardwebhooks'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../bench/switchboard.js'
import { ADMIN_KEY, startTestGateway } from '../test/gateway.js'
import { until } from '../test/until.js'
import { WebhookCatcher } from '../test/webhook-catcher.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = readFileSync(join(root, 'docs', 'webhooks.md'), 'utf8')

const NEW = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const OLD = `whsec_${Buffer.from('the secret before the rotation..').toString('base64')}`
const BODY = JSON.stringify({ id: 'evt_1', type: 'message.received', data: { text: 'Grüße "from" 👋🏽\n€' } })

interface Case {
  secret: string
  body: string
  headers: Record<string, string>
}

const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
const secondsAgo = (seconds: number) => new Date(Date.now() - seconds * 1_000)
function signed({ secrets = [NEW], at = new Date(), body = BODY, receiver = NEW, carrying = '' } = {}): Case {
  const signature = secrets.map((secret) => new Webhook(secret).sign('evt_1', at, body)).join(' ')
  const timestamp = String(Math.floor(at.getTime() / 1_000))
  const headers = { 'webhook-id': 'evt_1', 'webhook-timestamp': timestamp, 'webhook-signature': carrying || signature }
  return { secret: receiver, body, headers }
}
const right = signed()
const without = (name: string) => ({
  ...right,
  headers: Object.fromEntries(Object.entries(right.headers).filter(([header]) => header !== name)),
})
const signature = String(right.headers['webhook-signature'])

const accepted: Record<string, Case> = {
  'one that was signed now': right,
  'one that took four minutes': signed({ at: secondsAgo(240) }),
  'an empty object': signed({ body: '{}' }),
  'two signatures, of which the first is ours': signed({ secrets: [NEW, OLD] }),
  'two signatures, of which the second is ours': signed({ secrets: [NEW, OLD], receiver: OLD }),
  'a signature of another version before ours': signed({
    carrying: `v1a,${signature.slice(3)} ${signature}`,
  }),
}
const refused: Record<string, Case> = {
  'another secret': signed({ secrets: [OLD] }),
  'another body': { ...right, body: BODY.replace('Gr', 'gr') },
  'another id': { ...right, headers: { ...right.headers, 'webhook-id': 'evt_2' } },
  'another time': {
    ...right,
    headers: { ...right.headers, 'webhook-timestamp': `${Math.floor(Date.now() / 1e3) - 9}` },
  },
  'six minutes ago': signed({ at: secondsAgo(360) }),
  'in six minutes': signed({ at: secondsAgo(-360) }),
  'a time that is none': { ...right, headers: { ...right.headers, 'webhook-timestamp': 'now[$(exit)]' } },
  'another version': signed({ carrying: signature.replace('v1,', 'v1a,') }),
  'half a signature': signed({ carrying: signature.slice(0, 20) }),
  'an empty signature': { ...right, headers: { ...right.headers, 'webhook-signature': '' } },
  'no signature': without('webhook-signature'),
  'no time': without('webhook-timestamp'),
  'no id': without('webhook-id'),
}
const cases = [...Object.values(accepted), ...Object.values(refused)]
const names = [...Object.keys(accepted), ...Object.keys(refused)]

/** The fenced block of a language below a heading. */
function block(heading: string, language: string): string {
  const section = page.split(/^(?=##+ )/m).find((part) => part.replace(/^#+ /, '').startsWith(`${heading}\n`))
  const found = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(section ?? '')
  if (!found?.[1]) throw new Error(`docs/webhooks.md has no ${language} below ${heading}`)
  return found[1]
}

describe('docs/webhooks.md', () => {
  const directory = mkdtempSync(join(tmpdir(), 'switchboard-webhooks-page-'))
  const write = (name: string, text: string) => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  const casesFile = join(directory, 'cases.json')
  beforeAll(() => void writeFileSync(casesFile, JSON.stringify(cases)))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  function run(program: string, args: string[], cwd = root, more: Record<string, string> = {}): Promise<string> {
    const env = { ...process.env, CASES: casesFile, ...more }
    return new Promise((resolve, reject) =>
      execFile(program, args, { cwd, env, timeout: 120_000 }, (error, stdout, stderr) =>
        error ? reject(new Error(`${program}: ${stderr}${error.message}`)) : resolve(stdout),
      ),
    )
  }
  /** What a driver printed: for each case, true or false. */
  function judge(printed: string): void {
    const verdicts = JSON.parse(printed) as boolean[]
    expect(names.filter((_, index) => verdicts[index])).toEqual(Object.keys(accepted))
    expect(verdicts.length).toBe(cases.length)
  }

  it('verifies in JavaScript', async () => {
    write('verify.mjs', block('JavaScript', 'js'))
    const driver = write(
      'driver.mjs',
      `import { readFileSync } from 'node:fs'
       import { verify } from './verify.mjs'
       const fits = ({ body, headers, secret }) => {
         try { return JSON.stringify(verify(Buffer.from(body), headers, secret)) === body } catch { return false }
       }
       console.log(JSON.stringify(JSON.parse(readFileSync(process.env.CASES)).map(fits)))`,
    )
    judge(await run(process.execPath, [driver]))
  })

  it('verifies in TypeScript, in strict mode', async () => {
    const file = write('verify.ts', block('TypeScript', 'ts'))
    const program = ts.createProgram([file], {
      ...{ strict: true, noUncheckedIndexedAccess: true, noEmit: true, skipLibCheck: true, types: [] },
      ...{ target: ts.ScriptTarget.ES2022, lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'] },
      ...{ module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler },
    })
    expect(ts.getPreEmitDiagnostics(program).map(({ messageText }) => messageText)).toEqual([])
    const driver = write(
      'driver.mts',
      `import { readFileSync } from 'node:fs'
       import { verify } from './verify.ts'
       const fits = async ({ body, headers, secret }: { body: string; headers: Record<string, string>; secret: string }) => {
         const request = new Request('http://localhost/', { method: 'POST', headers, body })
         try { return JSON.stringify(await verify(request, secret)) === body } catch { return false }
       }
       console.log(JSON.stringify(await Promise.all(JSON.parse(readFileSync(process.env.CASES!, 'utf8')).map(fits))))`,
    )
    judge(await run(process.execPath, ['--import', 'tsx', driver]))
  })

  it('verifies in Python', async () => {
    write('verify.py', block('Python', 'python'))
    const driver = write(
      'driver.py',
      `import json, os
from verify import verify
def fits(case):
    try:
        return verify(case["body"].encode(), case["headers"], case["secret"]) == json.loads(case["body"])
    except ValueError:
        return False
print(json.dumps([fits(case) for case in json.load(open(os.environ["CASES"]))]))
`,
    )
    judge(await run('python3', ['-B', driver]))
  })

  it('verifies in a shell', async () => {
    const script = write(
      'verify.sh',
      `set -uo pipefail\n${block('Shell', 'bash')}\nverify "$1" "$2" "$3" "$4" < "$5"\n`,
    )
    const verdicts = await Promise.all(
      cases.map(async ({ secret, body, headers }, index) => {
        const given = ['id', 'timestamp', 'signature'].map((name) => headers[`webhook-${name}`] ?? '')
        const file = write(`body-${index}`, body)
        return run('bash', [script, secret, ...given, file]).then(
          () => true,
          () => false,
        )
      }),
    )
    judge(JSON.stringify(verdicts))
  })

  if (has('php'))
    it('verifies in PHP', async () => {
      write('verify.php', block('PHP', 'php'))
      const driver = write(
        'driver.php',
        `<?php
       require 'verify.php';
       $fits = function (array $case): bool {
         $server = [];
         foreach ($case['headers'] as $name => $value) $server['HTTP_' . strtoupper(strtr($name, '-', '_'))] = $value;
         try { return verify($case['body'], $server, $case['secret']) == json_decode($case['body'], true); }
         catch (RuntimeException) { return false; }
       };
       echo json_encode(array_map($fits, json_decode(file_get_contents(getenv('CASES')), true)));`,
      )
      judge(await run('php', [driver], directory))
    })

  if (has('go'))
    it('verifies in Go', async () => {
      mkdirSync(join(directory, 'receiver'))
      write('receiver/verify.go', block('Go', 'go'))
      write('go.mod', 'module example.org/shop\n\ngo 1.19\n')
      write(
        'main.go',
        `package main
       import ("encoding/json"; "fmt"; "net/http"; "os"; "example.org/shop/receiver")
       type Case struct { Secret string; Body string; Headers map[string]string }
       func main() {
         file, _ := os.ReadFile(os.Getenv("CASES"))
         var cases []Case
         if err := json.Unmarshal(file, &cases); err != nil { panic(err) }
         verdicts := []bool{}
         for _, each := range cases {
           header := http.Header{}
           for name, value := range each.Headers { header.Set(name, value) }
           verdicts = append(verdicts, receiver.Verify([]byte(each.Body), header, each.Secret) == nil)
         }
         printed, _ := json.Marshal(verdicts)
         fmt.Println(string(printed))
       }`,
      )
      judge(await run('go', ['run', '.'], directory))
    })

  it('checks X-Hub-Signature-256', async () => {
    // From the root, where the package is.
    const code = `${block('X-Hub-Signature-256', 'js')}
      const [body, secret, ...given] = process.argv.slice(1)
      const verdicts = given.map((signature) => isRight(body, { 'x-hub-signature-256': signature }, secret))
      console.log(JSON.stringify(await Promise.all(verdicts)))`
    const given = [await sign(NEW, BODY), await sign(OLD, BODY), await sign(NEW, `${BODY} `)]
    const printed = await run(process.execPath, ['--input-type=module', '-e', code, BODY, NEW, ...given])
    expect(JSON.parse(printed)).toEqual([true, false, false])
  })

  it('has a first receiver that takes what is right and refuses what is not', async () => {
    const port = await freePort()
    const env = { ...process.env, PORT: String(port), WEBHOOK_SECRET: NEW }
    const args = ['--input-type=module', '-e', block('The first receiver', 'js')]
    const receiver = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(receiver, 'exit')
    let said = ''
    receiver.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    try {
      const post = ({ headers, body }: Case) =>
        fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body }).then(
          ({ status }) => status,
          () => undefined,
        )
      expect(await until('the receiver answers', () => post(right))).toBe(204)
      expect(await post(signed({ secrets: [OLD] }))).toBe(401)
      expect(await post(without('webhook-signature'))).toBe(401)
      expect(said).toMatch(/^message\.received /)
    } finally {
      receiver.kill()
      await ended
    }
  })

  it('makes a webhook, shows what it did not get, and has it sent again', async () => {
    const sink = new WebhookCatcher()
    sink.reply = () => 500
    const { gateway, ask, stop } = await startTestGateway({ config: { deliverySchedule: [0] } })
    try {
      await sink.start()
      const type = async (text: string, env: Record<string, string> = {}) => {
        const careful = 'set -euo pipefail; curl() { command curl -sS --fail-with-body "$@"; echo; }\n'
        const typed = careful + text.replaceAll('localhost:3000', gateway.localUrl().replace('http://', ''))
        const said = await run('bash', ['-c', typed], root, { KEY: ADMIN_KEY, ...env })
        return said
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line))
      }
      const [made] = await type(block('The first receiver', 'bash'))
      expect(made).toMatchObject({ secret: expect.stringMatching(/^whsec_/), status: 'enabled' })
      const { body: hook } = await ask('POST', '/api/v1/webhooks', { url: sink.url(), events: ['session.connected'] })
      await ask('POST', '/api/v1/sessions', { name: 'shop', engine: 'sandbox', sandbox: { autoPair: true } })
      const exhausted = () => ask('GET', `/api/v1/webhooks/${hook.id}/deliveries?status=exhausted`)
      const { id } = await until('it was given up', async () => (await exhausted()).body.data[0])
      sink.reply = () => 204
      const env = { WEBHOOK: String(hook.id), DELIVERY: String(id) }
      const [list, retried, replayed] = await type(block('Getting it again', 'bash'), env)
      expect(list.data).toMatchObject([{ id, attempts: [{ status: 500 }] }])
      expect(retried).toMatchObject({ id })
      expect(replayed).toBeTypeOf('object')
      await until('it has arrived', () => sink.accepted().length === 1)
    } finally {
      await stop()
      await sink.stop()
    }
  })

  it('links only to pages and headings that exist', () => {
    const slug = (heading: string) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-')
    for (const [, path, anchor] of page.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)) {
      const text = path ? readFileSync(join(root, 'docs', path), 'utf8') : page
      const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => slug(String(heading)))
      if (anchor !== undefined) expect(headings, `${path}#${anchor}`).toContain(anchor)
    }
  })
})
