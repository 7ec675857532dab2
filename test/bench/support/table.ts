/** What benches print: Markdown, so that it can be kept in RESULTS.md as it stands. */

export const whole = (value: number): string => Math.round(value).toLocaleString('en')
export const tenths = (value: number): string => value.toFixed(1)
export const hundredths = (value: number): string => value.toFixed(2)

export function heading(title: string, ...columns: readonly string[]): void {
  console.log(`\n### ${title}\n`)
  row(...columns)
  row(...columns.map(() => '---'))
}

export const row = (...cells: readonly string[]): void => console.log(`| ${cells.join(' | ')} |`)
