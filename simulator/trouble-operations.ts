import type { Device } from './device.js'
import type { PageServer } from './page-server.js'
import { crashRenderers } from './renderers.js'
import type { Fault, FaultOperation, Settings } from './types.js'
import type { Whatsapp } from './whatsapp.js'

interface OfPhone {
  number: string
}

/** Faults that strike inside the page, which is told of them beforehand. */
const IN_PAGE: FaultOperation[] = ['seen', 'store', 'history']

/** What goes wrong around a linked device, and what WhatsApp does to it. */
export function troubleOperations(whatsapp: Whatsapp, server: PageServer) {
  const { accounts, linking, faults, settings, changes } = whatsapp

  /** The linked devices of this number whose page is open; a test that expects one gets told if there is none. */
  function openDevices(number: string): Device[] {
    const open = [...accounts.get(number).devices].filter((device) => device.page !== null)
    if (open.length === 0) throw new Error(`No linked device of ${number} has its page open`)
    return open
  }

  function tell(number: string, frame: Record<string, unknown>): void {
    for (const device of openDevices(number)) device.page?.write(frame)
  }

  return {
    fault: (fault: Fault) => {
      if (!IN_PAGE.includes(fault.op)) return faults.plan(fault)
      if (fault.number === undefined) throw new Error(`A fault in ${fault.op} needs the number of the linked page`)
      tell(fault.number, { push: 'fault', fault: { ...fault, count: fault.count ?? 1, delayMs: fault.delayMs ?? 0 } })
    },
    clearFaults: () => faults.clear(),

    configure: (change: Partial<Settings>) => Object.assign(settings, change),

    dropLine: ({ number }: OfPhone) => openDevices(number).forEach((device) => device.dropLine()),
    restoreLine: ({ number }: OfPhone) => {
      openDevices(number).forEach((device) => device.restoreLine())
      whatsapp.post.catchUp(accounts.get(number))
      changes.note()
    },

    /** Another browser has taken this device over. */
    conflict: ({ number }: OfPhone) => tell(number, { push: 'state', state: 'CONFLICT' }),

    /** The account is banned: its pages say so now and at each start. */
    ban: ({ number }: OfPhone) => {
      accounts.get(number).banned = true
      for (const device of accounts.get(number).devices) device.page?.write({ push: 'state', state: 'TOS_BLOCK' })
    },
    pardon: ({ number }: OfPhone) => {
      accounts.get(number).banned = false
    },

    /** The device is unlinked, and its page only sees its state change. */
    unpair: ({ number }: OfPhone) => {
      for (const device of openDevices(number)) linking.unlink(device, { push: 'state', state: 'UNPAIRED' })
    },

    reload: ({ number }: OfPhone) => tell(number, { push: 'reload' }),
    freeze: ({ number, ms }: OfPhone & { ms: number }) => tell(number, { push: 'freeze', ms }),

    /** Kills the renderers of the browsers that show this number. Linux only, on this machine. */
    crash: async ({ number }: OfPhone) => {
      const devices = openDevices(number)
      const ports = [...server.pages]
        .filter(({ device }) => device && devices.includes(device))
        .map((page) => page.remotePort)
      for (const port of ports) await crashRenderers(port)
    },

    /** The line to the page's browser breaks for real; the page comes back by itself. */
    cut: ({ number }: OfPhone) => {
      const devices = openDevices(number)
      for (const page of server.pages) if (page.device && devices.includes(page.device)) page.close()
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
