import { type Message, type Part, type PartChange, withPart } from '../message.ts'

/** With what `given` knows and `before` does not; the same object when that is nothing. */
export function merged(before: Message, given: Message): Message {
  const named = before.parts.map((part, index) => {
    const account = part.account || (given.parts[index]?.account ?? '')
    // A message that was claimed and given up has heard of no account yet.
    return account === part.account ? part : { ...part, account }
  })
  const same = named.every((part, index) => part === before.parts[index])
  const start = same ? before : { ...before, parts: named }
  let message = start
  for (const [index, part] of given.parts.entries()) {
    if (!isNews(message.parts[index], part)) continue
    const { state, smscId, error } = part
    const change: PartChange = { state, smscId, error, at: given.updatedAt }
    message = withPart(message, index, change)
  }
  return message === start ? start : { ...message, error: given.error }
}

/** What an outcome that is told again adds to a part: an SMSC id says all that `submitted` does, and a receipt more. */
const isNews = (known: Part | undefined, { smscId, state }: Part): boolean =>
  !known || known.smscId === '' || (smscId !== '' && state !== 'submitted')

/** Of two copies of one message, `before` with the news of `other`; the same object when there are none. */
export function withNews(before: Message, other: Message): Message {
  const after = merged(before, other)
  // Only the other has news: it knows in which order they came.
  return after !== before && Bun.deepEquals(after.parts, other.parts) ? other : after
}
