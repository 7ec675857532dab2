import { givenUp, isFinalPart, type Message, withPart } from '../../src/message.ts'
import { idKey } from '../../src/store/id_key.ts'
import { sameNumber } from '../../src/store/same_number.ts'
import {
  type Claim,
  type Claimed,
  type ClaimKey,
  type Earlier,
  type LateAnswer,
  type MessageStore,
  type Settled,
  type StoredReceipt,
  StoreError,
} from '../../src/store/store.ts'
import type { TurnedClock } from './clock.ts'

/** A call that changed something, in the order of its effect, for a model to be told the same. */
export type Change =
  | { readonly call: 'claim'; readonly claim: Claim; readonly message: Message; readonly now: number }
  | { readonly call: 'save'; readonly message: Message }
  | { readonly call: 'settle'; readonly receipt: StoredReceipt }
  | { readonly call: 'resolve'; readonly late: LateAnswer }
  | { readonly call: 'recover'; readonly before: number; readonly now: number }

interface Waiting {
  /** Changes what is stored, and answers what tells the caller. */
  readonly apply: () => () => void
  readonly fail: (error: StoreError) => void
  /** It is not stored. */
  readonly lost: () => void
}

/**
 * The part of a store that messages pass through, in memory, with what a disk does: commits take a moment,
 * some fail, and of a crash the last commit may be on disk or not. Indexed, since the model of the contract
 * looks at everything for every answer.
 */
export class MemoryStore
  implements Pick<MessageStore, 'recall' | 'claim' | 'save' | 'fault' | 'settle' | 'keepInbound' | 'resolve'>
{
  readonly messages = new Map<string, Message>()
  readonly counted = new Set<string>()
  readonly journal: Change[] = []
  inbound = 0
  /** Parts with a late answer that was not stored. */
  readonly unresolved = new Set<string>()
  /** Commits fail while it is set. */
  failing = false
  commitMsMax = 0
  held: StoredReceipt[] = []
  readonly #claims = new Map<string, { readonly claim: Claim; readonly id: string }>()
  /** Messages by account and the key of an SMSC id. */
  readonly #index = new Map<string, Set<string>>()
  #waiting: Waiting[] = []

  constructor(
    private readonly clock: TurnedClock,
    private readonly draw: () => number,
  ) {}

  fault(): string | undefined {
    return this.failing ? 'the disk is full' : undefined
  }

  recall = async (key: ClaimKey): Promise<Earlier | undefined> => this.#earlier(key, this.clock.now())

  claim = (claim: Claim, message: Message): Promise<Claimed> =>
    this.#commit(() => {
      const now = this.clock.now()
      this.journal.push({ call: 'claim', claim, message, now })
      const earlier = this.#earlier(claim, now)
      if (earlier) return earlier
      this.#claims.set(nameOf(claim), { claim, id: message.id })
      this.#put(message)
      return { fresh: true }
    })

  save = (message: Message): Promise<Message> =>
    this.#commit(() => {
      this.journal.push({ call: 'save', message })
      this.counted.add(message.id)
      this.#put(message)
      for (const part of message.parts.keys()) this.#applyHeld(message.id, part)
      return this.get(message.id)
    })

  settle = (receipt: StoredReceipt): Promise<Settled> =>
    this.#commit(() => {
      this.journal.push({ call: 'settle', receipt })
      return this.#settle(receipt)
    })

  resolve = (late: LateAnswer): Promise<Message | undefined> => {
    const lost = (): void => void this.unresolved.add(`${late.messageId} ${late.part}`)
    return this.#commit(() => {
      this.journal.push({ call: 'resolve', late })
      const { messageId, part, ...change } = late
      const message = this.messages.get(messageId)
      const before = message?.parts[part]
      if (!message || before?.state !== 'unknown' || before.smscId !== '') return message
      this.#put(withPart(message, part, change))
      this.#applyHeld(messageId, part)
      return this.get(messageId)
    }, lost)
  }

  keepInbound = (): Promise<void> => this.#commit(() => void this.inbound++)

  /** At the start of a process. */
  recover(before: number): number {
    const now = this.clock.now()
    this.journal.push({ call: 'recover', before, now })
    const open = [...this.messages.values()].filter(
      ({ state, sentAt }) => state === 'accepted' && sentAt < before,
    )
    for (const message of open) {
      this.counted.add(message.id)
      this.#put(givenUp(message, now))
    }
    return open.length
  }

  /** The process dies: what was not yet committed is on disk or it is not, and nobody hears of it. */
  crash(): void {
    const waiting = this.#waiting
    this.#waiting = []
    const isOnDisk = !this.failing && this.draw() < 0.5
    for (const { apply, lost } of waiting) {
      if (isOnDisk) apply()
      else lost()
    }
  }

  /** What a retention does. */
  forget(): void {
    this.messages.clear()
    this.counted.clear()
    this.journal.length = 0
    this.held = []
    this.unresolved.clear()
    this.#claims.clear()
    this.#index.clear()
  }

  get(id: string): Message {
    const message = this.messages.get(id)
    if (!message) throw new Error(`no message ${id}`)
    return message
  }

  #commit<T>(change: () => T, lost: () => void = () => undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const apply = (): (() => void) => {
        const answer = change()
        return () => resolve(answer)
      }
      this.#waiting.push({ apply, fail: reject, lost })
      if (this.#waiting.length > 1) return
      const batch = this.#waiting
      const delayMs = this.draw() * this.commitMsMax
      const commit = (): void => {
        if (this.#waiting !== batch) return
        this.#waiting = []
        for (const { apply, fail, lost } of batch) {
          if (!this.failing) apply()()
          else {
            lost()
            fail(new StoreError('the disk is full'))
          }
        }
      }
      if (delayMs === 0) this.clock.soon(commit)
      else this.clock.after(delayMs, commit)
    })
  }

  #earlier(claim: ClaimKey, now: number): Earlier | undefined {
    const first = this.#claims.get(nameOf(claim))
    if (!first || first.claim.expiresAt <= now) return undefined
    const sameBody = Buffer.compare(first.claim.bodyHash, claim.bodyHash) === 0
    return { fresh: false, sameBody, message: this.messages.get(first.id) }
  }

  #settle(receipt: StoredReceipt): Settled {
    let best: { message: Message; part: number; form: number; near: boolean } | undefined
    for (const [form, key] of receipt.ids.entries())
      for (const id of this.#index.get(`${receipt.account} ${key}`) ?? []) {
        const message = this.get(id)
        const near = sameNumber(receipt.address, message.destination)
        if (form > 0 && receipt.address !== '' && !near) continue
        const parts = [...message.parts.keys()].filter(part => carries(message, part, receipt.account, key))
        const part = parts.find(each => isOpen(message, each)) ?? parts[0]
        if (part === undefined) continue
        const better =
          !best || (near !== best.near ? near : form !== best.form ? form < best.form : id > best.message.id)
        if (better) best = { message, part, form, near }
      }
    if (!best) {
      this.held.push(receipt)
      return { matched: false }
    }
    this.#put(withPart(best.message, best.part, receipt))
    return { matched: true, form: best.form, part: best.part, message: this.get(best.message.id) }
  }

  #applyHeld(id: string, part: number): void {
    const { smscId, account } = this.get(id).parts[part] ?? { smscId: '', account: '' }
    if (smscId === '' || this.held.length === 0) return
    const key = idKey(smscId)
    this.held = this.held.filter(receipt => {
      const form = receipt.account === account ? receipt.ids.indexOf(key) : -1
      const message = this.get(id)
      const fits = form === 0 || receipt.address === '' || sameNumber(receipt.address, message.destination)
      if (form === -1 || !fits) return true
      this.#put(withPart(message, part, receipt))
      return false
    })
  }

  #put(message: Message): void {
    this.messages.set(message.id, message)
    for (const { smscId, account } of message.parts) {
      if (smscId === '') continue
      const name = `${account} ${idKey(smscId)}`
      const ids = this.#index.get(name)
      if (ids) ids.add(message.id)
      else this.#index.set(name, new Set([message.id]))
    }
  }
}

const nameOf = ({ appId, key }: ClaimKey): string => `${appId} ${key}`

const carries = (message: Message, index: number, account: string, key: string): boolean => {
  const part = message.parts[index]
  return part !== undefined && part.smscId !== '' && part.account === account && idKey(part.smscId) === key
}

const isOpen = (message: Message, part: number): boolean =>
  !isFinalPart(message.parts[part]?.state ?? 'failed')
