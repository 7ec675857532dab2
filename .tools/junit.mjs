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

/**
 * Those of `files` that no test of a JUnit report came from: what was in them is not asked any more.
 * @param {string} xml
 * @param {readonly string[]} files
 * @returns {string[]}
 */
export function emptyFiles(xml, files) {
  const cases = xml.matchAll(/<testcase\b([^>]*)>/g)
  const heard = new Set([...cases].map(([, test = '']) => attribute(test, 'file')))
  return files.filter(file => !heard.has(file))
}

/**
 * What failed in a JUnit report, each with its place and message on lines of its own.
 * @param {string} xml
 * @returns {string[]}
 */
export function failedTests(xml) {
  const cases = xml.matchAll(/<testcase\b([^>]*)>\s*<(?:failure|error)\b([^>]*)>/g)
  return [...cases].map(([, test = '', failure = '']) => {
    const why = attribute(failure, 'message') || attribute(failure, 'type')
    return `${attribute(test, 'file')}:${attribute(test, 'line')} ${attribute(test, 'name')}\n${why.trim().slice(0, 1500).replace(/^/gm, '    ')}`
  })
}

const CHARACTERS = /** @type {Record<string, string>} */ ({
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
})

/** @type {(attributes: string, name: string) => string} */
function attribute(attributes, name) {
  const [, value = ''] = new RegExp(`\\s${name}="([^"]*)"`).exec(attributes) ?? []
  return value.replaceAll(/&(?:#(\d+)|(\w+));/g, (entity, code, word) =>
    code === undefined ? (CHARACTERS[word] ?? entity) : String.fromCodePoint(Number(code)),
  )
}
