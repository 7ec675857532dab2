import type { AerospikeError } from '../errors.ts'
import type { StoredRecord } from '../record.ts'

/** Whoever fills a channel, and can be told to wait. */
export interface Source {
  pause(): void
  resume(): void
  cancel(): void
}

/** Records between the sockets that bring them and the loop that takes them: bounded, by pausing the sockets. */
export class RecordChannel {
  /** Records ever put in. */
  pushed = 0
  cancelled = false
  #records: StoredRecord[] = []
  #ended = false
  #error: AerospikeError | undefined
  #full = false
  #wake: () => void = () => {}
  readonly #sources = new Set<Source>()

  constructor(private readonly recordsMax: number) {}

  attach(source: Source): void {
    this.#sources.add(source)
    if (this.cancelled) source.cancel()
    else if (this.#full) source.pause()
  }

  detach(source: Source): void {
    this.#sources.delete(source)
  }

  /** Past its limit the channel pauses its sources; what they have read already still comes in. */
  push(record: StoredRecord): void {
    this.pushed++
    this.#records.push(record)
    this.#wake()
    if (this.#full || this.#records.length < this.recordsMax) return
    this.#full = true
    for (const source of this.#sources) source.pause()
  }

  end(error?: AerospikeError): void {
    this.#ended = true
    this.#error = error
    this.#wake()
  }

  /** All that has come; undefined at the end. One taker at a time. */
  async take(): Promise<StoredRecord[] | undefined> {
    // What was taken before has been dealt with: there is room again.
    if (this.#full && this.#records.length < this.recordsMax) {
      this.#full = false
      for (const source of this.#sources) source.resume()
    }
    while (this.#records.length === 0) {
      if (this.#error) throw this.#error
      if (this.#ended) return undefined
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    const records = this.#records
    this.#records = []
    return records
  }

  /** The taker has left. */
  cancel(): void {
    this.cancelled = true
    this.#records = []
    for (const source of this.#sources) source.cancel()
  }
}
