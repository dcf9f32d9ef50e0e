import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { eventDocs, schemaOf } from '../../../scripts/event-docs.js'
import { envelopeSchema, eventTypes, exampleOf } from './catalogue.js'

const docs = new URL('../../../docs/', import.meta.url)

describe('the catalogue of events', () => {
  const ajv = new Ajv2020({ allErrors: true, validateFormats: false })

  it.each(eventTypes)('%s has an example and a schema that agree', (type) => {
    const example = exampleOf(type)
    expect(envelopeSchema(type).parse(example)).toEqual(example)
    const isValid = ajv.compile(schemaOf(type))
    expect(isValid(example), JSON.stringify(isValid.errors)).toBe(true)
    expect(isValid({ ...example, addedLater: true })).toBe(true)
    expect(isValid({ ...example, id: 7 })).toBe(false)
    expect(isValid({ ...example, data: undefined })).toBe(false)
  })

  it('is what the docs say (npm run docs:events)', async () => {
    const files = await eventDocs()
    for (const [name, text] of files) expect(await readFile(new URL(name, docs), 'utf8'), name).toBe(text)
    const schemas = await readdir(fileURLToPath(new URL('events/', docs)))
    expect(schemas.map((name) => `events/${name}`).sort()).toEqual(
      [...files.keys()].filter((name) => name !== 'events.md').sort(),
    )
  })
})
