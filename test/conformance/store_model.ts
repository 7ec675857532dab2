import { givenUp, type Message, type PartChange, withPart } from '../../src/message.ts'
import { idKey } from '../../src/store/id_key.ts'
import { sameNumber } from '../../src/store/same_number.ts'
import type {
  CampaignTally,
  Claim,
  Claimed,
  LateAnswer,
  Settled,
  StoredReceipt,
} from '../../src/store/store.ts'

/** The contract in its plainest form: lists in memory, every question answered by looking at all of them. */
export class StoreModel {
  readonly messages = new Map<string, Message>()
  held: StoredReceipt[] = []
  readonly #claims = new Map<string, { claim: Claim; id: string }>()
  readonly #counted = new Set<string>()

  claim(claim: Claim, message: Message, now: number): Claimed {
    const name = `${claim.appId} ${claim.key}`
    const earlier = this.#claims.get(name)
    if (earlier && earlier.claim.expiresAt > now) {
      const sameBody = Buffer.compare(earlier.claim.bodyHash, claim.bodyHash) === 0
      return { fresh: false, sameBody, message: this.messages.get(earlier.id) }
    }
    this.#claims.set(name, { claim, id: message.id })
    this.messages.set(message.id, message)
    return { fresh: true }
  }

  save(message: Message): Message {
    this.#counted.add(message.id)
    this.messages.set(message.id, message)
    for (const part of message.parts.keys()) this.#applyHeld(message.id, part)
    return this.#get(message.id)
  }

  settle(receipt: StoredReceipt): Settled {
    const candidates = receipt.ids.flatMap((key, form) =>
      [...this.messages.values()]
        .filter(
          message => form === 0 || receipt.address === '' || sameNumber(receipt.address, message.destination),
        )
        .flatMap(message => {
          const parts = [...message.parts.keys()].filter(part =>
            this.#carries(message, part, receipt.account, key),
          )
          const open = parts.filter(
            part => withPart(message, part, { state: 'failed', error: 0, at: 0 }) !== message,
          )
          const part = open[0] ?? parts[0]
          return part === undefined ? [] : [{ message, part, form }]
        }),
    )
    const [best] = candidates.sort(
      (a, b) =>
        Number(sameNumber(receipt.address, b.message.destination)) -
          Number(sameNumber(receipt.address, a.message.destination)) ||
        a.form - b.form ||
        (a.message.id < b.message.id ? 1 : -1),
    )
    if (!best) {
      this.held.push(receipt)
      return { matched: false }
    }
    this.#put(withPart(best.message, best.part, receipt))
    return { matched: true, form: best.form, part: best.part, message: this.#get(best.message.id) }
  }

  resolve({ messageId, part, ...change }: LateAnswer): Message | undefined {
    const message = this.messages.get(messageId)
    const before = message?.parts[part]
    if (!message || before?.state !== 'unknown' || before.smscId !== '') return message
    this.#put(withPart(message, part, change satisfies PartChange))
    this.#applyHeld(messageId, part)
    return this.messages.get(messageId)
  }

  recover(before: number, now: number): number {
    const open = [...this.messages.values()].filter(
      ({ state, sentAt }) => state === 'accepted' && sentAt < before,
    )
    for (const message of open) {
      this.#counted.add(message.id)
      this.#put(givenUp(message, now))
    }
    return open.length
  }

  tallies(): CampaignTally[] {
    const tallies = new Map<string, CampaignTally>()
    for (const id of this.#counted) {
      const { campaign, esme, parts } = this.#get(id)
      const key = `${campaign} ${esme}`
      const { sent, failed } = tallies.get(key) ?? { sent: 0, failed: 0 }
      const taken = parts.every(part => part.smscId !== '')
      tallies.set(key, { campaign, sme: esme, sent: sent + Number(taken), failed: failed + Number(!taken) })
    }
    return [...tallies.values()].sort((a, b) => a.campaign.localeCompare(b.campaign) || a.sme - b.sme)
  }

  #applyHeld(id: string, part: number): void {
    const { smscId, account } = this.#get(id).parts[part] ?? { smscId: '', account: '' }
    if (smscId === '') return
    const stay: StoredReceipt[] = []
    for (const receipt of this.held) {
      const form = receipt.ids.indexOf(idKey(smscId))
      const message = this.#get(id)
      const fits = form === 0 || receipt.address === '' || sameNumber(receipt.address, message.destination)
      if (receipt.account === account && form !== -1 && fits) this.#put(withPart(message, part, receipt))
      else stay.push(receipt)
    }
    this.held = stay
  }

  #carries(message: Message, index: number, account: string, key: string): boolean {
    const part = message.parts[index]
    return part !== undefined && part.smscId !== '' && part.account === account && idKey(part.smscId) === key
  }

  #put(message: Message): void {
    this.messages.set(message.id, message)
  }

  #get(id: string): Message {
    const message = this.messages.get(id)
    if (!message) throw new Error(`the model lost ${id}`)
    return message
  }
}
