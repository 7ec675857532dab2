/** The known name that was probably meant by `text`, or undefined when none is near. */
export function nearest(text: string, known: readonly string[]): string | undefined {
  const wanted = text.toLowerCase()
  let best: string | undefined
  let least = Math.max(1, Math.floor(text.length / 3)) + 1
  for (const name of known) {
    const distance = editDistance(wanted, name.toLowerCase())
    if (distance < least) [best, least] = [name, distance]
  }
  return best
}

/** Insertions, deletions, changes and swaps of neighbours that turn `a` into `b` (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const line = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let least = Math.min(
        (above[column] ?? 0) + 1,
        (line[column - 1] ?? 0) + 1,
        (above[column - 1] ?? 0) + (same ? 0 : 1),
      )
      if (a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        least = Math.min(least, (before[column - 2] ?? Number.POSITIVE_INFINITY) + 1)
      }
      line.push(least)
    }
    before = above
    above = line
  }
  return above[b.length] ?? 0
}
