// @ts-check
/**
 * Words of fraud, also when they are spelt with letters that look alike (Cyrillic, Greek, accents, full width,
 * digits for letters) or with spaces and dots between them. Words alone are a poor judge: look at its counts in shadow
 * mode before you let it refuse.
 */
export const description = 'Phishing words, look-alike letters included'
export const active = false
export const mode = 'shadow'

const words = ['verifyyouraccount', 'accountsuspended', 'claimyourprize', 'youhavewon', 'giftcardcode']

/** Pairs: a letter or sign, and the Latin letter it looks like. */
const pairs =
  'аa еe оo рp сc уy хx іi їi јj ѕs һh ԁd ԛq ԝw вb кk мm нh тt гr пn ոn υu αa εe οo ρp νv ιi κk τt χx ηn ωw ' +
  'ɡg ıi łl øo đd 0o 1i 3e 4a 5s 7t $s @a !i |i'
/** @type {Map<string, string>} */
const lookAlike = new Map()
for (const [letter = '', latin = ''] of pairs.split(' ')) lookAlike.set(letter, latin)

/** @param {string} text */
const plain = text => {
  // Taking letters apart (NFKD) costs more than all the rest, and plain ASCII has nothing to take apart.
  const apart = /^[\0-\x7f]*$/.test(text) ? text : text.normalize('NFKD')
  let letters = ''
  for (const letter of apart.toLowerCase()) {
    const latin = lookAlike.get(letter) ?? letter
    if (latin >= 'a' && latin <= 'z') letters += latin
  }
  return letters
}

/** @type {import('./filter.d.ts').Filter} */
export default sms => {
  const text = plain(sms.message)
  for (const word of words) if (text.includes(word)) return { match: true, reason: 'it reads like phishing' }
  return false
}
