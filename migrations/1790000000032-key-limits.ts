import { addColumns } from './create.js'
import { nullable } from './columns.js'

export class KeyLimits1790000000032 extends addColumns('api_keys', (c) => [
  c.integer('requests_per_minute', nullable),
]) {
  name = 'KeyLimits1790000000032'
}
