import { systemClock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { FilterMessage, Verdict } from './filter.ts'
import { type OpenFilters, openFilters } from './index.ts'
import {
  type Answers,
  type FromFilters,
  readMessages,
  type Settings,
  type Task,
  type ToFilters,
  writeVerdicts,
} from './thread_wire.ts'

/** The thread that filters run in; `thread.ts` is its other end. */
declare const self: Worker

/** Between two turns of the loop, about; one answer may take `timeout` a filter. */
const TURN_MS = 5

const filters = Promise.withResolvers<OpenFilters>()
/** Those of `filters`, once they are open: messages are not given to this thread before. */
let live: OpenFilters | undefined

const post = (message: FromFilters): void => self.postMessage(message)

async function open(settings: Settings): Promise<void> {
  const log = (level: 'info' | 'warn') => (fields: object, text: string) => post({ level, fields, text })
  live = await openFilters({
    ...settings,
    clock: systemClock,
    logger: { info: log('info'), warn: log('warn') },
    swapped: active => post({ active }),
  })
  filters.resolve(live)
}

async function perform(task: Task): Promise<Answers[Task['kind']]> {
  switch (task.kind) {
    case 'open':
      return void (await open(task.settings))
    case 'inspect':
      return (await filters.promise).inspect(task.request)
    case 'test':
      return (await filters.promise).test(task.request)
    case 'reload':
      return void (await (await filters.promise).reload())
    case 'close':
      // What came before it is answered before it.
      while (batches.length > 0) await new Promise(resolve => setImmediate(resolve))
      return void (await live?.close())
  }
}

/** Batches that came, the first of them answered as far as `verdicts` goes. */
const batches: (readonly FilterMessage[])[] = []
let verdicts: Verdict[] = []

/**
 * Answers for a few milliseconds at most, then lets the loop turn: where filters take all the time that there is, the
 * look at the folder, which may be what ends that, and operators' tasks still have theirs.
 */
function answerSome(): void {
  if (!live) throw new Error('a message came before the filters were open')
  const end = performance.now() + TURN_MS
  for (let batch = batches[0]; batch; batch = batches[0]) {
    for (const sms of batch.slice(verdicts.length)) {
      verdicts.push(live.check(sms))
      if (performance.now() > end) break
    }
    if (verdicts.length === batch.length) {
      post(writeVerdicts(verdicts))
      verdicts = []
      batches.shift()
    }
    if (performance.now() > end) break
  }
  if (batches.length > 0) setImmediate(answerSome)
}

self.onmessage = async ({ data }: MessageEvent<ToFilters>) => {
  if (typeof data === 'string') {
    // Later ones wait for the turn that the first has asked for.
    if (batches.push(readMessages(data)) === 1) answerSome()
    return
  }
  try {
    post({ id: data.id, value: await perform(data.task) })
  } catch (error) {
    post({ id: data.id, error: messageOf(error) })
  }
}
