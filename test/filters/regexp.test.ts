import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { FilterFault, Sandbox } from '../../src/filters/sandbox.ts'
import { limits, packed } from './support.ts'

/** An empty look-ahead matches everywhere, and in front of a pattern keeps QuickJS from skipping any place. */
const source = `
  const told = (pattern, flags, text) => {
    let regexp
    try { regexp = new RegExp(pattern, flags) } catch { return 'refused' }
    const found = regexp.exec(text)
    const all = [...text.matchAll(new RegExp(pattern, flags.includes('g') ? flags : flags + 'g'))]
    const places = [found, ...all].map(match => match && [match.index, ...match])
    return JSON.stringify([places, regexp.lastIndex, text.replace(regexp, '<$&>'), text.split(regexp), text.search(regexp)])
  }
  export default sms => {
    const { transaction_id: pattern, campaign_uuid: flags, message: text } = sms
    const searched = told(pattern, flags, text)
    const everywhere = told('(?=)(?:' + pattern + ')', flags, text)
    if (searched === everywhere) return { match: false, reason: searched === 'refused' ? searched : '' }
    return { match: true, reason: searched + ' but ' + everywhere }
  }`
const sandbox = new Sandbox('search', source, { ...limits, timeoutMs: 500 })

const compare = (pattern: string, flags: string, text: string) =>
  sandbox.ask(packed({ message: text, transaction_id: pattern, campaign_uuid: flags }))

const ALIKE = { match: false, reason: '' }
/** What begins a pattern in a way of its own, and what ends an alphabet: case, ASCII, Latin-1, surrogates. */
const PATTERNS = [
  ...['casino|lottery|winner', 'a', 'Z', '[a-z]+', '[^a]', '[^]', '.', '\\s+', '\\S+', '\\d{3,}', '\\w+', ''],
  ...['a*', 'a*b', 'a?b', '(a)?(b)', '(?:ab){2,}', '(?:a|b){0,2}k', '(?:a*)*b', '(a|ab)(c|bcd)'],
  ...['()a', '(?:)', '[]', '[?-A]', '[\\x00-?]', '[@-\\x7f]', '[>-\\u0100]', '[^\\x01-\\x7e]'],
  ...['^a', '^', '$', 'a$', '\\ba', '\\Ba', '\\b', '(?=a)', '(?!a)b', '(?<=a)b', '(?<!a)b', '(?<x>k)\\k<x>'],
  ...[
    's',
    'k',
    'ſ',
    '\\u212a',
    'ß',
    'é|e',
    '[é-ü]',
    '[k-t]x|ü',
    'п',
    '[а-я]+',
    '😀',
    '[😀-😂]',
    '\\u{1F600}|a',
  ],
  ...[
    '\\uD83D',
    '\\uDE00',
    '(?i:A)b',
    '(?-i:a)B',
    '[\\x00-\\x7f]',
    '\\x00',
    '\\x7f',
    '@|`|\\[|\\{',
    '\\cJ',
    'K',
  ],
  ...['\\p{L}', '\\p{Lu}a', '[\\p{L}--[a-z]]', '(?:a|(?:b|(?:c|(?:d|e))))f', '\\1a', '(?:(a)|b)\\1'],
]
const FLAGS = ['', 'i', 'g', 'gi', 'y', 'gy', 'm', 's', 'u', 'iu', 'giu', 'v', 'iv', 'dgimsu']
const TEXTS = [
  ...['', 'a', 'b', 'aab', 'abcd abab', 'Your CASINO is a lottery, winner', 'AbaB kK sS', 'K ſ ß é É ü Ü x'],
  ...['\u212a k', 'a\nb\r\na', '\0\x7f@`[{?>', 'привет Мир a', '😀a😂 \uD83D \uDE00a'],
  ...['ab'.repeat(40), `${'z'.repeat(200)}a`],
]

test('a regular expression finds what it finds when every place is tried', () => {
  const unlike: string[] = []
  for (const pattern of PATTERNS)
    for (const flags of FLAGS)
      for (const text of TEXTS) {
        const { match, reason } = compare(pattern, flags, text)
        if (match) unlike.push(`/${pattern}/${flags} in ${JSON.stringify(text)}: ${reason}`)
      }
  expect(unlike).toEqual([])
})

const letter = fc.constantFrom(...'abkKsSſ\u212aé中1 -', '😀')
const atom = fc.oneof(
  fc.array(letter, { minLength: 1, maxLength: 3 }).map(letters => letters.join('')),
  fc.constantFrom('[a-k]', '[^a]', '[kſ]', '\\s', '\\d', '\\w', '.'),
  fc.constantFrom('\\b', '^', '$', '(?=a)', '(?!b)', '(?<=a)'),
)
const { pattern } = fc.letrec<{ pattern: string; term: string }>(tie => ({
  term: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    atom,
    tie('pattern').map(inner => `(${inner})`),
    fc
      .tuple(tie('pattern'), fc.constantFrom('?', '*', '+', '??', '{2}', '{0,2}', '{1,}'))
      .map(([inner, times]) => `(?:${inner})${times}`),
    fc.tuple(tie('pattern'), fc.constantFrom('i', '-i')).map(([inner, flag]) => `(?${flag}:${inner})`),
  ),
  pattern: fc
    .array(fc.array(tie('term'), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 })
    .map(alternatives => alternatives.map(terms => terms.join('')).join('|')),
}))
const text = fc.array(letter, { maxLength: 24 }).map(letters => letters.join(''))

/** Nothing of a pattern that is none, or one of the few that try more ways than there is time for, looked for or not. */
function compareAny(pattern: string, flags: string, text: string) {
  try {
    const answer = compare(pattern, flags, text)
    return answer.reason === 'refused' ? undefined : answer
  } catch (error) {
    if (error instanceof FilterFault && error.kind === 'timeout') return undefined
    throw error
  }
}

test('so does any other', () => {
  let read = 0
  fc.assert(
    fc.property(pattern, fc.constantFrom(...FLAGS), text, (pattern, flags, text) => {
      const answer = compareAny(pattern, flags, text)
      if (answer) read++
      expect(answer ?? ALIKE).toEqual(ALIKE)
    }),
    { numRuns: 3000 },
  )
  expect(read).toBeGreaterThan(1000)
})
