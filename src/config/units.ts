/** Durations and sizes as people write them. */

const MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const
const BYTES = { GB: 1024 ** 3, MB: 1024 ** 2, KB: 1024, B: 1 } as const

const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|[dhms]))+$/
const DURATION_PIECE = /(\d+)(?:\.(\d+))?(ms|[dhms])/g
const SIZE = /^(\d+)(GB|MB|KB|B)$/

/** Milliseconds of `5s`, `1h30m`, `20ms`, `1.5s`, `7d`, `0`; undefined when it is none, or no whole number of them. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  if (!DURATION.test(text)) return undefined
  let ms = 0
  // In whole numbers: 128.3 times a day's milliseconds is off by a fraction of one.
  for (const [, whole = '', decimals = '', unit] of text.matchAll(DURATION_PIECE))
    ms += (Number(whole + decimals) * MS[unit as keyof typeof MS]) / 10 ** decimals.length
  return Number.isSafeInteger(ms) ? ms : undefined
}

/** As Go prints a duration: `1h0m0s`, `1m30s`, `1.5s`, `20ms`, `0s`. {@link parseDuration} reads it back. */
export function goDuration(ms: number): string {
  if (ms === 0) return '0s'
  if (ms < 1000) return `${ms}ms`
  const hours = Math.floor(ms / MS.h)
  const minutes = Math.floor((ms % MS.h) / MS.m)
  const seconds = `${(ms % MS.m) / 1000}s`
  if (hours > 0) return `${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${minutes}m${seconds}` : seconds
}

/** Octets of `8MB`, `64KB`, `1GB`, `512B`, in powers of 1024; undefined when it is none. */
export function parseSize(text: string): number | undefined {
  const [, amount, unit] = SIZE.exec(text) ?? []
  if (amount === undefined) return undefined
  const bytes = Number(amount) * BYTES[unit as keyof typeof BYTES]
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** The shortest text that {@link parseSize} reads back. */
export function formatSize(bytes: number): string {
  const units = Object.entries(BYTES)
  const [unit, factor] = units.find(([, size]) => bytes > 0 && bytes % size === 0) ?? ['B', 1]
  return `${bytes / factor}${unit}`
}
