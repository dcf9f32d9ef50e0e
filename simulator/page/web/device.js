/** What a linked device keeps in its browser profile: who it is, and the messages it has not yet handed over. */
const NAME = 'switchboard-simulator'

let opened

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1)
    request.onupgradeneeded = () => {
      request.result.createObjectStore('device')
      request.result.createObjectStore('outbox')
    }
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
  return opened
}

/** Strict durability, because the browser may be killed the moment after. */
async function write(store, change) {
  const transaction = (await open()).transaction(store, 'readwrite', { durability: 'strict' })
  change(transaction.objectStore(store))
  await finished(transaction)
}

async function read(store, query) {
  const request = query((await open()).transaction(store).objectStore(store))
  await finished(request.transaction)
  return request.result
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error)
  })
}

export const device = {
  identity: () => read('device', (store) => store.get('identity')),
  become: (identity) => write('device', (store) => store.put(identity, 'identity')),

  async forget() {
    await write('device', (store) => store.clear())
    await write('outbox', (store) => store.clear())
  },

  waiting: () => read('outbox', (store) => store.getAll()),
  keep: (key, message) => write('outbox', (store) => store.put(message, key)),
  drop: (key) => write('outbox', (store) => store.delete(key)),
}
