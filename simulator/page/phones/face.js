import { element } from './dom.js'

/** A coloured disc with the first letter; the same name has the same colour everywhere. */
export function faceOf(name) {
  const hue = [...name].reduce((sum, letter) => sum * 31 + letter.codePointAt(0), 7) % 360
  const face = element('span', { className: 'face', 'aria-hidden': 'true' }, name.trim()[0]?.toUpperCase() ?? '?')
  face.style.setProperty('--hue', hue)
  return face
}
