/** How far something has come: a bar on a terminal, else a line from time to time. */

const BAR_COLUMNS = 24
/** Between two looks of a bar, and between two lines. */
const BAR_MS = 100
const LINE_MS = 5000

export interface Progress {
  /** `share`: 0 to 1. Other words than before are shown at once, as is the end. */
  show(words: string, share: number, details: string): void
  /** A line of its own. */
  say(text: string): void
  /** Nothing more comes. */
  end(): void
}

export function createProgress(
  output: { readonly isTTY?: boolean; write(text: string): unknown },
  monotonic: () => number,
): Progress {
  const bar = output.isTTY === true
  let words = ''
  let shownAt = Number.NEGATIVE_INFINITY
  let open = false
  const close = (): void => {
    if (open) output.write('\n')
    open = false
  }
  return {
    show(now, share, details) {
      const at = monotonic()
      const due = at - shownAt >= (bar ? BAR_MS : LINE_MS)
      if (!due && now === words && share < 1) return
      if (now !== words) close()
      words = now
      shownAt = at
      const per = `${Math.floor(share * 100)} %`.padStart(5)
      if (!bar) return void output.write(`${now} ${per}  ${details}\n`)
      const full = Math.round(share * BAR_COLUMNS)
      output.write(`\r${now} [${'#'.repeat(full).padEnd(BAR_COLUMNS, '.')}] ${per}  ${details}\x1b[K`)
      open = true
    },
    say(text) {
      close()
      output.write(`${text}\n`)
    },
    end: close,
  }
}
