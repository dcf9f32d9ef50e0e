/** Any operation of the simulator's control plane. What it refuses is thrown as the sentence it gave. */
export async function call(operation, args = {}) {
  const response = await fetch(`/${operation}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(args),
  })
  const { ok, error } = await response.json()
  if (!response.ok) throw new Error(error)
  return ok
}

const problem = document.querySelector('#problem')

/** Lets a person's action happen and shows what became of it, if it failed. */
export async function attempt(action) {
  problem.hidden = true
  try {
    return await action()
  } catch (error) {
    problem.textContent = `${error.message}.`
    problem.hidden = false
    return undefined
  }
}

export async function base64Of(file) {
  const bytes = new Uint8Array(await file.arrayBuffer())
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}
