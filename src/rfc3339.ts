const TIME = /^(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i

/** The Unix milliseconds of a moment as RFC 3339 writes it; undefined for any other text, and for a day that no month has. */
export function parseTime(text: string): number | undefined {
  const day = TIME.exec(text)?.[1]
  if (day === undefined) return undefined
  // `Date.parse` makes the 2nd of March of the 30th of February.
  if (!isDay(day)) return undefined
  const at = Date.parse(text.toUpperCase())
  return Number.isNaN(at) ? undefined : at
}

/** A day of the calendar, `YYYY-MM-DD`. */
export function isDay(text: string): boolean {
  const at = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text)
}
