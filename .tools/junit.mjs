/**
 * The tests of a JUnit report by outcome, from the totals of its root element. Throws when it has none.
 * @param {string} xml
 */
export function countTests(xml) {
  const [root] = /<testsuites\b[^>]*>/.exec(xml) ?? []
  if (root === undefined) throw new Error('no JUnit report')
  /** @type {(name: string) => number} */
  const total = name => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(root)?.[1] ?? 0)
  const failed = total('failures') + total('errors')
  return { passed: total('tests') - failed - total('skipped'), failed, skipped: total('skipped') }
}
