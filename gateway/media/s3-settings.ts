import { z } from 'zod'
import { flag } from '../../runtime/settings.js'
import type { S3Settings } from './s3-media-store.js'

export const s3Settings = {
  S3_BUCKET: z.string().optional(),
  S3_ENDPOINT: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).optional(),
  S3_REGION: z.string().default('us-east-1'),
  S3_ACCESS_KEY_ID: z.string().optional(),
  S3_SECRET_ACCESS_KEY: z.string().optional(),
  S3_PREFIX: z
    .string()
    .regex(/^[\w!.*'()-]+(?:\/[\w!.*'()-]+)*\/?$/, "must be names of letters, digits and _!.*'()- between slashes")
    .transform((prefix) => (prefix.endsWith('/') ? prefix : `${prefix}/`))
    .optional(),
  S3_FORCE_PATH_STYLE: flag.optional(),
}
const shape = z.object(s3Settings)

/** Where files are kept; undefined for the folder in DATA_DIR. Throws what is wrong with settings that belong together. */
export function s3Of(given: z.output<typeof shape>): S3Settings | undefined {
  const { S3_BUCKET: bucket, S3_ENDPOINT: endpoint, S3_PREFIX: prefix = '' } = given
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey } = given
  if (bucket === undefined) {
    if (endpoint === undefined && accessKeyId === undefined && secretAccessKey === undefined) return undefined
    throw new Error('is required with the other S3_* settings')
  }
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    throw new Error('S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY belong together')
  }
  return {
    ...{ bucket, prefix, endpoint, region: given.S3_REGION },
    // Servers of one's own rarely have a host name for each bucket.
    forcePathStyle: given.S3_FORCE_PATH_STYLE ?? endpoint !== undefined,
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : { credentials: { accessKeyId, secretAccessKey } }),
  }
}
