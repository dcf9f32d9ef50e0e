import type { Device } from './device.js'
import type { PageConnection } from './page-connection.js'
import type { PageServer } from './page-server.js'
import { crashRenderers } from './renderers.js'
import type { Fault, FaultOperation, Settings } from './types.js'
import type { Whatsapp } from './whatsapp.js'

type Frame = Record<string, unknown>

interface OfPhone {
  number: string
}

/** Faults that strike inside the page, which is told of them beforehand. */
const IN_PAGE: FaultOperation[] = ['seen', 'store', 'history']

/** What goes wrong around a linked device, and what WhatsApp does to it. */
export function troubleOperations(whatsapp: Whatsapp, server: PageServer) {
  const { accounts, linking, faults, settings, changes } = whatsapp

  /** The open pages of this number's linked devices; a test that expects one gets told if there is none. */
  function openPages(number: string): PageConnection[] {
    const { devices } = accounts.get(number)
    const open = [...server.pages].filter(({ device }) => device && devices.has(device))
    if (open.length === 0) throw new Error(`No linked device of ${number} has its page open`)
    return open
  }

  function devicesOf(pages: PageConnection[]): Device[] {
    return [...new Set(pages.flatMap(({ device }) => device ?? []))]
  }

  /** Returns once the pages have heard it. */
  async function tell(pages: PageConnection[], frame: Frame): Promise<void> {
    await Promise.all(pages.map((page) => page.tell(frame)))
  }

  return {
    fault: (fault: Fault) => {
      if (fault.op === 'page' && fault.number !== undefined) {
        throw new Error('A fault in loading the page strikes whoever loads it next: plan it without a number')
      }
      if (!IN_PAGE.includes(fault.op)) return faults.plan(fault)
      if (fault.number === undefined) throw new Error(`A fault in ${fault.op} needs the number of the linked page`)
      const planned = { ...fault, count: fault.count ?? 1, delayMs: fault.delayMs ?? 0 }
      return tell(openPages(fault.number), { push: 'fault', fault: planned })
    },
    clearFaults: () => faults.clear(),

    configure: (change: Partial<Settings>) => Object.assign(settings, change),

    dropLine: async ({ number }: OfPhone) => {
      const pages = openPages(number)
      for (const device of devicesOf(pages)) device.dropLine()
      await tell(pages, { push: 'lineDown' })
    },
    restoreLine: async ({ number }: OfPhone) => {
      const pages = openPages(number)
      await tell(pages, { push: 'lineUp' })
      for (const device of devicesOf(pages)) device.restoreLine()
      whatsapp.post.catchUp(accounts.get(number))
      changes.note()
    },

    /** Another browser has taken this device over. */
    conflict: ({ number }: OfPhone) => tell(openPages(number), { push: 'state', state: 'CONFLICT' }),

    /** The account is banned: its pages say so now and at each start. */
    ban: async ({ number }: OfPhone) => {
      const account = accounts.get(number)
      account.banned = true
      if (account.connectedDevices().length > 0) await tell(openPages(number), { push: 'state', state: 'TOS_BLOCK' })
    },
    pardon: ({ number }: OfPhone) => {
      accounts.get(number).banned = false
    },

    /** The device is unlinked, and its page only sees its state change. */
    unpair: async ({ number }: OfPhone) => {
      const pages = openPages(number)
      for (const device of devicesOf(pages)) linking.unlink(device, null)
      await tell(pages, { push: 'state', state: 'UNPAIRED' })
    },

    reload: ({ number }: OfPhone) => tell(openPages(number), { push: 'reload' }),
    freeze: ({ number, ms }: OfPhone & { ms: number }) => tell(openPages(number), { push: 'freeze', ms }),

    /** Kills the renderers of the browsers that show this number. Linux only, on this machine. */
    crash: async ({ number }: OfPhone) => {
      for (const { remotePort } of openPages(number)) await crashRenderers(remotePort)
    },

    /** The line to the page's browser breaks for real; the page comes back by itself. */
    cut: ({ number }: OfPhone) => {
      for (const page of openPages(number)) page.close()
    },

    wire: () => whatsapp.wireLog.lines,
    media: ({ sha256 }: { sha256: string }) => ({ base64: whatsapp.media.get(sha256).toString('base64') }),
    expireMedia: ({ sha256 }: { sha256: string }) => whatsapp.media.remove(sha256),
    pages: () => ({ open: server.pages.size, waiting: linking.waitingPages().length }),
    changes: async ({ after, timeoutMs }: { after: number; timeoutMs: number }) => ({
      count: await whatsapp.changes.after(after, timeoutMs),
    }),
  }
}
