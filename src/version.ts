import { version } from '../package.json'

/** Set by the build (`.tools/build.ts`); absent when the source is run as it stands. */
declare const BUILD_COMMIT: string | undefined

export const VERSION = version
export const COMMIT = typeof BUILD_COMMIT === 'string' ? BUILD_COMMIT : 'source'
