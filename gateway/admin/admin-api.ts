/** The HTTP API as the shell uses it. */
import { z } from 'zod'
import type { Asked } from './commands.js'

const ANSWER_MS = 30_000
const Problem = z.looseObject({ code: z.string(), detail: z.string().optional() })
const Page = z.looseObject({ data: z.array(z.unknown()), nextCursor: z.string().optional() })

/** Nobody answers there, or somebody else does. */
export class NotReached extends Error {
  override name = 'NotReached'
}

/** The gateway said no. */
export class Refused extends Error {
  override name = 'Refused'

  constructor(readonly problem: z.output<typeof Problem>) {
    super(problem.detail ?? problem.code)
  }
}

export interface Access {
  url: string
  key: string
}

/** What it answered. Throws NotReached and Refused. */
export async function askApi(access: Access, asked: Asked): Promise<unknown> {
  if (!asked.isList) return request(access, asked, asked.path)
  const data: unknown[] = []
  for (let cursor: string | undefined = ''; cursor !== undefined;) {
    const next: string = cursor === '' ? '' : `${asked.path.includes('?') ? '&' : '?'}cursor=${cursor}`
    const page = Page.safeParse(await request(access, asked, asked.path + next))
    if (!page.success) throw new NotReached(`What answers at ${access.url} is no Switchboard.`)
    data.push(...page.data.data)
    cursor = page.data.nextCursor
  }
  return { data }
}

async function request({ url, key }: Access, { method, body }: Asked, path: string): Promise<unknown> {
  let answer: Response
  let text: string
  try {
    answer = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        'X-Actor': 'shell',
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_MS),
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    text = await answer.text()
  } catch (cause) {
    throw new NotReached(`No gateway answers at ${url}.`, { cause })
  }
  const read = jsonOf(text)
  if (answer.ok) return read
  const problem = Problem.safeParse(read)
  if (!problem.success) throw new NotReached(`What answers at ${url} is no Switchboard.`)
  throw new Refused(problem.data)
}

function jsonOf(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}
