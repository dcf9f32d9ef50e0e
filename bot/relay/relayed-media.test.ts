import { expect, it } from 'vitest'
import { fileName } from './relayed-media.js'

const media = (filename?: string, mimetype = 'application/pdf') => ({
  ...{ sha256: '', size: 1, mimetype },
  ...(filename === undefined ? {} : { filename }),
})

it('lets no name of a file out of its place in the form', () => {
  expect(fileName('document', media('a"\r\nContent-Type: x\r\n\r\n.pdf'))).toBe('a_Content-Type_ x_.pdf')
  expect(fileName('document', media('../../etc/passwd'))).toBe('.._.._etc_passwd')
  expect(fileName('document', media('Rechnung für März.pdf'))).toBe('Rechnung für März.pdf')
  expect(fileName('document', media('..'))).toBe('document.pdf')
  expect(fileName('voice', media(undefined, 'audio/ogg; codecs=opus'))).toBe('voice.ogg')
})
