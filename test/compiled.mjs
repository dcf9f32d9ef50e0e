// Before the tests: what they start as processes is compiled, as it runs in production, and up to date.
export { ensureBuilt as setup } from '../scripts/build.mjs'
