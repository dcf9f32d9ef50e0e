/** Makes the catalogue in docs/events.md and the JSON Schemas in docs/events/ from the definitions that the code uses. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format } from 'prettier'
import { z } from 'zod'
import {
  definitionOf,
  envelopeSchema,
  type EventType,
  eventTypes,
  exampleOf,
} from '../gateway/events/catalogue/catalogue.js'

const docs = fileURLToPath(new URL('../docs/', import.meta.url))
const BEGIN = '<!-- The catalogue: made by `npm run docs:events` from gateway/events/catalogue/. -->'
const END = '<!-- End of the catalogue. -->'
const schemaFile = (type: EventType) => `events/${type}.schema.json`

/** What each file below docs/ has to hold. */
export async function eventDocs(): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const type of eventTypes) files.set(schemaFile(type), await pretty(JSON.stringify(schemaOf(type)), 'json'))
  const page = await readFile(join(docs, 'events.md'), 'utf8')
  const [before = '', after = ''] = [page.split(BEGIN)[0], page.split(END)[1]]
  const made = [BEGIN, '', ...eventTypes.flatMap(sectionOf), END].join('\n')
  files.set('events.md', await pretty(`${before}${made}${after}`, 'markdown'))
  return files
}

/** As receivers check with: what we add later must not make an event wrong. */
export function schemaOf(type: EventType): object {
  const schema = z.toJSONSchema(envelopeSchema(type), {
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
      // The format says it better.
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
    },
  })
  return { ...schema, title: type }
}

function sectionOf(type: EventType): string[] {
  const { description } = definitionOf(type)
  const schema = `[JSON Schema](${schemaFile(type)})`
  return [`### ${type}`, '', `${description} ${schema}`, '', '```json', JSON.stringify(exampleOf(type)), '```', '']
}

const pretty = (text: string, parser: string) =>
  format(text, { parser, semi: false, singleQuote: true, printWidth: 120, trailingComma: 'all' })

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = await eventDocs()
  await mkdir(join(docs, 'events'), { recursive: true })
  for (const name of await readdir(join(docs, 'events')))
    if (!files.has(`events/${name}`)) await rm(join(docs, 'events', name))
  for (const [name, text] of files) await writeFile(join(docs, name), text)
}
