/** Chapters of the document. */
export const tags = [
  { name: 'Sessions', description: 'A session is one WhatsApp number linked through Switchboard.' },
  {
    name: 'Linking',
    description:
      'How the number of a session is linked: by QR code, pairing code, or a page for the person with the phone.',
  },
  { name: 'Messages', description: 'Sent, received, listed, taken back.' },
  { name: 'Media', description: 'Files: uploaded before they are sent, fetched whole or in part.' },
  { name: 'Events', description: 'What happens, as a list that can be read again from any point, and live.' },
  {
    name: 'Webhooks',
    description: 'URLs that events are posted to, signed and repeated until they answer with 2xx; and each delivery.',
  },
  { name: 'Sandbox', description: 'Sessions without a phone, driven by calls, for tests of your own.' },
  {
    name: 'Short paths',
    description:
      'For who has one number and wants the answer at once. They use the session called `default` unless `session` is given, and do what the long paths do.',
  },
  { name: 'Usage', description: 'What was used, by tenant, session and day.' },
  { name: 'API keys', description: 'What integrators prove themselves with. Shown once, kept as a hash.' },
  {
    name: 'Tenants',
    description: 'Integrators, each with keys, sessions and webhooks of its own, unseen by the others.',
  },
  { name: 'Nodes', description: 'The processes that run sessions.' },
  { name: 'Admin', description: 'Who did what.' },
  { name: 'Health', description: 'For what watches the process.' },
  { name: 'API description', description: 'This document.' },
]
