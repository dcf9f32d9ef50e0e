// Installing packages must never fail because a browser cannot be downloaded: scripts/ensure-browser.mjs looks
// after Chromium instead, and the session node is told its path (CHROMIUM_PATH).
const { join } = require('node:path')

module.exports = { skipDownload: true, cacheDirectory: join(__dirname, '.cache', 'puppeteer') }
