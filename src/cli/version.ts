import { COMMIT, VERSION } from '../version.ts'
import { command } from './usage.ts'

const USAGE = `sms-proxy version
    says the version, the commit it was built from, and what it runs on
`

/** `argv` follows the word `version`. */
export const version = (argv: string[]): Promise<number> =>
  command(USAGE, argv, async () => {
    process.stdout.write(
      `sms-proxy ${VERSION} (${COMMIT}, Bun ${Bun.version}, ${process.platform} ${process.arch})\n`,
    )
    return 0
  })
