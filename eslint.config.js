import tseslint from 'typescript-eslint'

// The two tables of docs/architecture.md: which way imports run, and where each library may be used.
// The message is how a newcomer learns the design.
const only = (name, message) => ({ name, message })
const libraries = {
  wweb: only('whatsapp-web.js', 'whatsapp-web.js stays behind WhatsAppClient: only session-node/whatsapp/wwebjs/.'),
  koa: only('koa', 'koa belongs to *-routes.ts and gateway/http/.'),
  koaBody: only('koa-body', 'koa-body belongs to gateway/http/.'),
  router: only('@koa/router', '@koa/router belongs to *-routes.ts and gateway/http/.'),
  typeorm: only('typeorm', 'TypeORM belongs to *-table.ts, *-repository.ts, gateway/db/ and migrations/.'),
  telegraf: only('telegraf', 'telegraf belongs to bot/.'),
  grpc: only('@grpc/grpc-js', 'gRPC stays in proto/: use node-client.ts and rpc-server.ts.'),
  prom: only('prom-client', 'prom-client stays in runtime/metrics.ts: features count in what Metrics gives them.'),
  s3: only('@aws-sdk/client-s3', 'The bucket is behind MediaStore: only gateway/media/s3-media-store.ts.'),
  openapi: only('zod-openapi', 'zod-openapi stays in gateway/openapi/: features declare operations with zod.'),
  sqlite: only('better-sqlite3', 'SQLite files are opened in gateway/db/, session-node/journal/ and bot/bot-state.ts.'),
}
const folders = {
  gateway: {
    group: ['**/gateway/**'],
    message: 'Processes never import each other: share through proto/ or runtime/.',
  },
  node: {
    group: ['**/session-node/**'],
    message: 'Processes never import each other: share through proto/ or runtime/.',
  },
  bot: { group: ['**/bot/**'], message: 'Processes never import each other: share through proto/ or runtime/.' },
  test: { group: ['**/test/**'], message: 'Nothing that runs imports test/.' },
  simulator: { group: ['**/simulator/**'], message: 'The simulator and the product know nothing of each other.' },
  ours: {
    group: ['**/gateway/**', '**/session-node/**', '**/bot/**', '**/proto/**', '**/runtime/**', '**/migrations/**'],
    message: 'The simulator imports nothing of ours, so that it cannot mirror our mistakes.',
  },
  proto: { group: ['**/proto/**'], message: 'runtime/ holds no domain: it imports nothing of ours.' },
  generated: {
    group: ['**/proto/generated/**'],
    message: 'Generated types stop at the mapping functions in proto/ and at the gRPC handlers.',
  },
}
const restrict = (names, groups) => ({
  'no-restricted-imports': [
    'error',
    { paths: names.map((name) => libraries[name]), patterns: groups.map((group) => folders[group]) },
  ],
})
const everything = Object.keys(libraries)
const all = (...allowed) => everything.filter((name) => !allowed.includes(name))

export default tseslint.config(
  {
    ignores: [
      'dist/',
      'proto/generated/',
      'coverage/',
      'node_modules/',
      'simulator/page/',
      'test/generated-client/',
      '.cache/',
      'data/',
    ],
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      'no-empty': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  { files: ['runtime/**/*.ts'], rules: restrict(everything, ['gateway', 'node', 'bot', 'test', 'simulator', 'proto']) },
  {
    files: ['runtime/metrics.ts'],
    rules: restrict(all('prom'), ['gateway', 'node', 'bot', 'test', 'simulator', 'proto']),
  },
  { files: ['proto/**/*.ts'], rules: restrict(all('grpc'), ['gateway', 'node', 'bot', 'test', 'simulator']) },
  { files: ['gateway/**/*.ts'], rules: restrict(everything, ['node', 'bot', 'test', 'simulator', 'generated']) },
  {
    files: ['gateway/**/*-table.ts', 'gateway/**/*-repository.ts'],
    rules: restrict(all('typeorm'), ['node', 'bot', 'test', 'simulator', 'generated']),
  },
  {
    files: ['gateway/db/**/*.ts'],
    rules: restrict(all('typeorm', 'sqlite'), ['node', 'bot', 'test', 'simulator', 'generated']),
  },
  {
    files: ['gateway/**/*-routes.ts', 'gateway/http/**/*.ts'],
    rules: restrict(all('koa', 'koaBody', 'router'), ['node', 'bot', 'test', 'simulator', 'generated']),
  },
  {
    files: ['gateway/media/s3-media-store.ts'],
    rules: restrict(all('s3'), ['node', 'bot', 'test', 'simulator', 'generated']),
  },
  {
    files: ['gateway/openapi/document*.ts', 'gateway/openapi/problem-answers.ts'],
    rules: restrict(all('openapi'), ['node', 'bot', 'test', 'simulator', 'generated']),
  },
  { files: ['session-node/**/*.ts'], rules: restrict(everything, ['gateway', 'bot', 'test', 'simulator']) },
  { files: ['session-node/journal/**/*.ts'], rules: restrict(all('sqlite'), ['gateway', 'bot', 'test', 'simulator']) },
  {
    files: ['session-node/whatsapp/wwebjs/**/*.ts'],
    rules: restrict(all('wweb'), ['gateway', 'bot', 'test', 'simulator']),
  },
  { files: ['bot/**/*.ts'], rules: restrict(all('telegraf'), ['gateway', 'node', 'test', 'simulator', 'generated']) },
  {
    files: ['bot/bot-state.ts'],
    rules: restrict(all('sqlite'), ['gateway', 'node', 'test', 'simulator', 'generated']),
  },
  {
    files: ['migrations/**/*.ts'],
    rules: restrict(all('typeorm'), ['gateway', 'node', 'bot', 'test', 'simulator', 'proto']),
  },
  { files: ['simulator/**/*.ts'], rules: restrict(all('wweb'), ['ours', 'test']) },
  // Tests may import anything.
  { files: ['**/*.test.ts', 'test/**/*.ts', 'bench/**/*.ts'], rules: { 'no-restricted-imports': 'off' } },
)
