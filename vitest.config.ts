import { defineConfig } from 'vitest/config'
import { findChromium } from './session-node/whatsapp/wwebjs/chromium.js'

/** The browser that sessions use, for tests of the simulator, which knows nothing of us. */
const chromium = findChromium({ chromiumPath: process.env['CHROMIUM_PATH'] })

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{runtime,proto,gateway,session-node,bot,migrations,simulator,scripts}/**/*.test.ts',
            'test/*.test.ts',
          ],
          exclude: ['**/*.e2e.test.ts', '**/*.browser.test.ts'],
          globalSetup: ['test/database-server.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        // Real processes and real Chromium: one file at a time, because two cores hold only so many browsers.
        test: {
          name: 'e2e',
          include: ['**/*.e2e.test.ts', '**/*.browser.test.ts'],
          exclude: ['node_modules', 'dist'],
          env: chromium ? { CHROMIUM_PATH: chromium } : {},
          globalSetup: ['test/compiled.mjs', 'test/database-server.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // What is broken on purpose: the quick rows, or with FAULTS=full (npm run test:faults) all of them, full length.
        test: {
          name: 'faults',
          include: [process.env['FAULTS'] ? 'test/faults/*.fault.test.ts' : 'test/faults/*.quick.fault.test.ts'],
          globalSetup: ['test/compiled.mjs', 'test/database-server.ts', 'test/faults/report.ts'],
          // The quick ones wait more than they work; those of full length have the machine to themselves.
          fileParallelism: !process.env['FAULTS'],
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
