import type { KeyObject } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../clock.ts'
import { GatewayError, messageOf, systemCode } from '../errors.ts'
import { expiresAt, type Grant, isSignedBy, parseLicence, readPublicKey } from './document.ts'
import { SlidingSecond } from './sliding_second.ts'

export const LICENCE_STATES = ['active', 'expired', 'none'] as const

/** The licence as the settings routes show it; `none` has empty texts and zeros, and limits nothing. */
export interface LicenceView extends Grant {
  readonly status: (typeof LICENCE_STATES)[number]
}

export interface Licence {
  current(): LicenceView
  /** True once the last valid day (UTC) is over: sends are refused. Cheap: asked for each message. */
  expired(): boolean
  /** At most `max_tps` parts in any sliding second over all links: one object, shared by them. */
  readonly tps: SlidingSecond
  /**
   * Checks, keeps and applies a licence, in that order: what does not pass changes nothing. A licence whose
   * date is past is taken, and is `expired`. Throws a GatewayError: `invalid` says what is wrong with it,
   * `internal` that the disk did not take it.
   */
  upload(bytes: Uint8Array): Promise<LicenceView>
}

export interface LicenceOptions {
  /** Where the licence is kept; the folder is made when it is missing. */
  readonly file: string
  /** Base64 of 32 octets; empty: no licence can be checked, and none is taken. */
  readonly publicKey: string
  readonly clock: Pick<Clock, 'now' | 'monotonic' | 'soon'>
  readonly log: { error(fields: object, text: string): void }
}

const NONE: LicenceView = { company: '', valid_until: '', max_connections: 0, max_tps: 0, status: 'none' }

/**
 * Reads the licence at `options.file`. One that is damaged, or signed by somebody else, counts as none and is
 * said in the log: a gateway that will not start for a bad file helps nobody. Throws for a bad public key.
 */
export async function openLicence(options: LicenceOptions): Promise<Licence> {
  const { file, clock, log } = options
  const publicKey = options.publicKey === '' ? undefined : readPublicKey(options.publicKey)
  const tps = new SlidingSecond(clock, 0)
  let grant: Grant | undefined
  let endsAt = Number.POSITIVE_INFINITY
  let lastUpload: Promise<unknown> = Promise.resolve()

  function apply(next: Grant): void {
    grant = next
    endsAt = expiresAt(next)
    tps.setLimit(next.max_tps)
  }

  const expired = (): boolean => clock.now() >= endsAt
  function current(): LicenceView {
    if (!grant) return NONE
    const { company, valid_until, max_connections, max_tps } = grant
    return { company, valid_until, max_connections, max_tps, status: expired() ? 'expired' : 'active' }
  }

  try {
    const bytes = await readFile(file).catch(noFile)
    if (bytes) apply(checked(bytes, publicKey))
  } catch (error) {
    log.error({ file, why: messageOf(error) }, 'the licence file is of no use: going on without a licence')
  }

  return {
    current,
    expired,
    tps,
    upload(bytes) {
      // One after the other: the file and the licence in force are always the same one.
      const upload = lastUpload.then(async () => {
        const next = checked(bytes, publicKey)
        await writeAtomically(file, bytes).catch((error: unknown) => {
          throw new GatewayError('internal', 'the licence could not be kept: see the log', error)
        })
        apply(next)
        await syncFolderOf(file).catch((error: unknown) =>
          log.error(
            { file, why: messageOf(error) },
            'a power loss now may bring the licence before this one back',
          ),
        )
        return current()
      })
      lastUpload = upload.catch(() => undefined)
      return upload
    },
  }
}

function checked(bytes: Uint8Array, publicKey: KeyObject | undefined): Grant {
  if (!publicKey) {
    throw new GatewayError('invalid', 'no licence can be checked: license.public_key is not configured')
  }
  const licence = parseLicence(bytes)
  if (!isSignedBy(licence, publicKey)) {
    throw new GatewayError(
      'invalid',
      'the licence was changed, or signed with a key other than license.public_key',
    )
  }
  return licence
}

function noFile(error: unknown): undefined {
  if (systemCode(error) === 'ENOENT') return undefined
  throw error
}

/** Whatever happens meanwhile, `file` holds the old bytes or the new ones, whole. */
async function writeAtomically(file: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${file}.new`
  await mkdir(dirname(file), { recursive: true })
  try {
    await writeSynced(temporary, bytes)
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** Makes the new name last. Not part of the write: the file is replaced by then, and some file systems sync no folder. */
async function syncFolderOf(file: string): Promise<void> {
  const handle = await open(dirname(file))
  await handle.sync().finally(() => handle.close())
}

async function writeSynced(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, 'w')
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
