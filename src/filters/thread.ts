import type { Cancel, Clock } from '../clock.ts'
import { type FilterMessage, type Filters, PASS, type Verdict } from './filter.ts'
import type {
  FilterDesk,
  FilterLogger,
  FiltersOptions,
  Inspection,
  InspectionRequest,
  TestRequest,
  TestResult,
} from './index.ts'
import {
  type Answers,
  type FromFilters,
  readVerdicts,
  type Settings,
  type Task,
  type ToFilters,
  UNANSWERED,
  writeMessages,
} from './thread_wire.ts'

export interface ThreadOptions extends Omit<FiltersOptions, 'clock' | 'swapped'> {
  /** Of this thread; filters themselves run by the system's, since what stands still is never late. */
  readonly clock: Pick<Clock, 'soon' | 'after' | 'monotonic'>
  /** Starts `filters.worker.ts`. */
  readonly start: () => Worker
}

export interface FilterThread extends Filters, FilterDesk {
  inspect(request?: InspectionRequest): Promise<Inspection>
  test(request: TestRequest): Promise<TestResult>
  /** Looks at the folder now, and takes what it sees. */
  reload(): Promise<void>
  close(): Promise<void>
}

/** Messages that go over together, and who waits for their verdicts. */
interface Batch {
  readonly messages: FilterMessage[]
  readonly answers: ((verdict: Verdict) => void)[]
  /** Its first thread ended. If the second does too, the batch may be why, and no third gets it. */
  returned: boolean
}

interface Waiting {
  resolve(value: Answers[Task['kind']]): void
  reject(error: Error): void
}

/** A thread that ends again sooner than this is not started at once, and messages do not wait for it. */
const RESTART_MS = 1000

/** For what is under way at the end: whoever is to be answered was waited for before. */
const CLOSE_MS = 1000

/**
 * So many messages of one turn of the loop go over before it ends, so that the thread is at them while the turn reads on.
 * At 64 clients 4 and 16 do as well; each way of a string costs as much as several messages in it.
 */
const BATCH = 8

/** Messages that wait for a verdict; of more, `on_error` decides at once: filters as slow as that would not catch up. */
const WAITING_MAX = 10_000

/** `opening`: messages wait. `away`: `on_error` decides them. */
type State = 'opening' | 'open' | 'away' | 'closed'

/**
 * `openFilters` in a thread of its own: a filter that takes its time holds up no HTTP and no SMPP, and where there is a
 * second core, what filters cost is not paid by the thread that does all else. Rejects as `openFilters` does.
 */
export async function openFilterThread(options: ThreadOptions): Promise<FilterThread> {
  const filters = new ThreadedFilters(options)
  try {
    await filters.open()
  } catch (error) {
    await filters.close()
    throw error
  }
  return filters
}

class ThreadedFilters implements FilterThread {
  readonly #settings: Settings
  readonly #logger: FilterLogger
  readonly #clock: ThreadOptions['clock']
  readonly #start: () => Worker
  /** Undefined between two threads. */
  #worker: Worker | undefined
  #startedAt = Number.NEGATIVE_INFINITY
  #state: State = 'opening'
  #cancel: Cancel = () => {}
  /** Filters that are asked; a message need not cross over when there are none. */
  #active = 0
  #gathered = emptyBatch()
  /** Messages without a verdict. */
  #asking = 0
  /** Given to the thread, which answers them in their order. */
  #given: Batch[] = []
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0

  constructor({ clock, logger, start, ...settings }: ThreadOptions) {
    this.#clock = clock
    this.#logger = logger
    this.#start = start
    this.#settings = settings
  }

  async open(): Promise<void> {
    this.#enter('opening')
    this.#startedAt = this.#clock.monotonic()
    this.#active = 0
    const worker = this.#start()
    this.#worker = worker
    worker.onmessage = ({ data }: MessageEvent<FromFilters>) => this.#heard(data)
    worker.onerror = event => this.#ended(worker, event.message)
    worker.addEventListener('close', () => this.#ended(worker, 'no error was told'))
    await this.#ask({ kind: 'open', settings: this.#settings })
    if (this.#state === 'closed') return
    this.#enter('open')
    for (const batch of this.#given) this.#post(writeMessages(batch.messages))
    this.#give()
  }

  check(sms: FilterMessage): Verdict | Promise<Verdict> {
    if (this.#active === 0 && this.#state === 'open') return PASS
    if (this.#state === 'away' || this.#state === 'closed') return this.#unanswered()
    if (this.#asking === WAITING_MAX) return this.#unanswered()
    this.#asking++
    return new Promise(resolve => {
      const { messages, answers } = this.#gathered
      answers.push(resolve)
      const gathered = messages.push(sms)
      if (gathered === 1) this.#clock.soon(this.#give)
      else if (gathered === BATCH) this.#give()
    })
  }

  inspect(request?: InspectionRequest): Promise<Inspection> {
    return this.#ask({ kind: 'inspect', request })
  }

  test(request: TestRequest): Promise<TestResult> {
    return this.#ask({ kind: 'test', request })
  }

  reload(): Promise<void> {
    return this.#ask({ kind: 'reload' })
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#give()
    const ended = this.#ask({ kind: 'close' }).catch(() => undefined)
    this.#enter('closed')
    this.#cancel()
    const late = new Promise<void>(resolve => {
      this.#cancel = this.#clock.after(CLOSE_MS, resolve)
    })
    await Promise.race([ended, late])
    this.#cancel()
    this.#drop()
    this.#decideAll()
  }

  /** A call, so that nobody takes the state to be the same after an `await`. */
  #enter(state: State): void {
    this.#state = state
  }

  /** What was gathered goes over as one string: handing over costs as much as several messages in it. */
  readonly #give = (): void => {
    if (this.#state !== 'open' || this.#gathered.messages.length === 0) return
    const batch = this.#gathered
    this.#gathered = emptyBatch()
    this.#given.push(batch)
    this.#post(writeMessages(batch.messages))
  }

  #post(message: ToFilters): void {
    this.#worker?.postMessage(message)
  }

  #ask<K extends Task['kind']>(task: Task & { readonly kind: K }): Promise<Answers[K]> {
    if (!this.#worker) return Promise.reject(new Error('the thread of the filters is not there'))
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      // The thread answers each task with what belongs to it.
      this.#waiting.set(id, { resolve: value => resolve(value as Answers[K]), reject })
      this.#post({ id, task })
    })
  }

  #heard(message: FromFilters): void {
    if (typeof message === 'string') {
      const verdictAt = readVerdicts(message)
      const answers = this.#given.shift()?.answers ?? []
      this.#asking -= answers.length
      for (const [at, answer] of answers.entries()) answer(verdictAt(at))
    } else if ('active' in message) this.#active = message.active
    else if ('level' in message) this.#logger[message.level](message.fields, message.text)
    else {
      const waiting = this.#waiting.get(message.id)
      this.#waiting.delete(message.id)
      if ('error' in message) waiting?.reject(new Error(message.error))
      else waiting?.resolve(message.value)
    }
  }

  /** A thread came to its end by itself: what it had is given to another, once. */
  #ended(worker: Worker, error: string): void {
    if (worker !== this.#worker) return
    const wasOpen = this.#state === 'open'
    this.#drop(error)
    // Of one that ends before it is open, `open` tells.
    if (!wasOpen) return
    this.#logger.warn({ error }, 'the thread of the filters ended, and is started anew')
    const { again = [], decided = [] } = Object.groupBy(this.#given, ({ returned }) =>
      returned ? 'decided' : 'again',
    )
    this.#given = again
    for (const batch of again) batch.returned = true
    for (const batch of decided) this.#decide(batch)
    const young = this.#clock.monotonic() - this.#startedAt < RESTART_MS
    if (young) this.#stayAway()
    else void this.#reopen()
  }

  async #reopen(): Promise<void> {
    try {
      await this.open()
    } catch (error) {
      if (this.#state === 'closed') return
      this.#drop()
      this.#logger.warn(
        { error: String(error) },
        'the filters could not be opened: on_error decides meanwhile',
      )
      this.#stayAway()
    }
  }

  #stayAway(): void {
    this.#enter('away')
    this.#decideAll()
    this.#cancel = this.#clock.after(RESTART_MS, () => void this.#reopen())
  }

  #drop(why = 'it was closed'): void {
    const worker = this.#worker
    this.#worker = undefined
    worker?.terminate()
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of waiting) reject(new Error(`the thread of the filters ended: ${why}`))
  }

  #decideAll(): void {
    const batches = [...this.#given, this.#gathered]
    this.#given = []
    this.#gathered = emptyBatch()
    for (const batch of batches) this.#decide(batch)
  }

  #decide({ answers }: Batch): void {
    const verdict = this.#unanswered()
    this.#asking -= answers.length
    for (const answer of answers) answer(verdict)
  }

  #unanswered(): Verdict {
    return this.#settings.onError === 'pass' ? PASS : UNANSWERED
  }
}

const emptyBatch = (): Batch => ({ messages: [], answers: [], returned: false })
