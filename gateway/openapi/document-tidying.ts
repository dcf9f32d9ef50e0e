/** What is done to the document once it is made. */
import type { oas31 } from 'zod-openapi'

const methods = ['get', 'post', 'put', 'patch', 'delete'] as const

/** A shape that is only referred to is not closed either: what stands beside a reference holds as well. */
export function openReferences(part: unknown): void {
  if (typeof part !== 'object' || part === null) return
  if ('$ref' in part && 'additionalProperties' in part && part.additionalProperties === false) {
    delete (part as Record<string, unknown>)['additionalProperties']
  }
  for (const inner of Object.values(part)) openReferences(inner)
}

/** Answers with the same problems stand in the document once, called by their status. */
export function shareProblems(document: oas31.OpenAPIObject): void {
  const places = new Map<string, { status: string; answers: Record<string, unknown>[] }>()
  for (const item of Object.values(document.paths ?? {})) {
    for (const method of methods) {
      const answers = (item[method]?.responses ?? {}) as Record<string, oas31.ResponseObject>
      for (const [status, answer] of Object.entries(answers)) {
        if (!answer.content?.['application/problem+json']) continue
        const text = JSON.stringify([status, answer])
        const known = places.get(text) ?? { status, answers: [] }
        known.answers.push(answers)
        places.set(text, known)
      }
    }
  }
  const shared: Record<string, oas31.ResponseObject> = {}
  const counts = new Map<string, number>()
  for (const { status, answers } of places.values()) {
    if (answers.length < 2) continue
    const count = (counts.get(status) ?? 0) + 1
    counts.set(status, count)
    const name = `Problem${status}${count === 1 ? '' : `_${count}`}`
    shared[name] = answers[0]?.[status] as oas31.ResponseObject
    for (const each of answers) each[status] = { $ref: `#/components/responses/${name}` }
  }
  document.components = { ...document.components, responses: shared }
}
