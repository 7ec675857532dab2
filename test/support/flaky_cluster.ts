import type { ClusterStore } from '../../src/store/spool_runner.ts'
import { type MessageStore, type StoreCounts, StoreError } from '../../src/store/store.ts'

/** What becomes of a write: it is not done, or done and not answered, or done and answered only when `thaw` is called. */
export type Failure = 'before' | 'after' | 'hang'

/** A store of any driver, as it looks when a cluster that keeps it comes and goes. */
export class FlakyCluster implements ClusterStore {
  displaced = false
  /** As the driver says it: known to be away. */
  away = false
  /** Of the next writes, from the front; undefined: it succeeds. */
  readonly failures: (Failure | undefined)[] = []
  /** Writes that reached it, as `save id`. */
  readonly heard: string[] = []
  #frozen: (() => void)[] = []

  constructor(
    private readonly inner: MessageStore,
    readonly node = 0,
  ) {}

  claim: MessageStore['claim'] = (claim, message) =>
    this.#write(`claim`, () => this.inner.claim(claim, message))
  save: MessageStore['save'] = message => this.#write(`save ${message.id}`, () => this.inner.save(message))
  settle: MessageStore['settle'] = receipt =>
    this.#write(`settle ${receipt.ids[0]}`, () => this.inner.settle(receipt))
  resolve: MessageStore['resolve'] = late =>
    this.#write(`resolve ${late.messageId}`, () => this.inner.resolve(late))
  keepInbound: MessageStore['keepInbound'] = inbound =>
    this.#write(`keepInbound ${inbound.id}`, () => this.inner.keepInbound(inbound))
  recover: MessageStore['recover'] = before => this.#write('recover', () => this.inner.recover(before))
  sweep: MessageStore['sweep'] = now => this.#write('sweep', () => this.inner.sweep(now))

  recall: MessageStore['recall'] = claim => this.#read(() => this.inner.recall(claim))
  find: MessageStore['find'] = id => this.#read(() => this.inner.find(id))
  unmatched: MessageStore['unmatched'] = page => this.#read(() => this.inner.unmatched(page))
  inbox: MessageStore['inbox'] = page => this.#read(() => this.inner.inbox(page))
  totals: MessageStore['totals'] = () => this.#read(() => this.inner.totals())
  campaigns: MessageStore['campaigns'] = page => this.#read(() => this.inner.campaigns(page))
  topCampaigns: MessageStore['topCampaigns'] = count => this.#read(() => this.inner.topCampaigns(count))

  fault = (): string | undefined => (this.away ? 'the Aerospike cluster does not answer' : undefined)
  counts = (): Readonly<StoreCounts> => this.inner.counts()
  /** The data stays open for the next life. */
  close = async (): Promise<void> => {}

  /** Writes that are done, and not answered yet. */
  get hanging(): number {
    return this.#frozen.length
  }

  /** Answers what hangs. */
  thaw(): void {
    for (const answer of this.#frozen.splice(0)) answer()
  }

  async #read<T>(ask: () => Promise<T>): Promise<T> {
    if (this.away) throw new StoreError('the store cannot be read')
    return ask()
  }

  async #write<T>(what: string, write: () => Promise<T>): Promise<T> {
    this.heard.push(what)
    const failure = this.away ? 'before' : this.failures.shift()
    if (failure === 'before') throw new StoreError('the store did not take it')
    const answer = await write()
    if (failure === 'after') throw new StoreError('the store did not take it')
    if (failure === 'hang') await new Promise<void>(resolve => this.#frozen.push(resolve))
    return answer
  }
}
