import { systemClock } from '../clock.ts'
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

const filters = Promise.withResolvers<OpenFilters>()
/** Those of `filters`, once they are open: messages are not given to this thread before. */
let live: OpenFilters | undefined

const post = (message: FromFilters): void => self.postMessage(message)

async function open(settings: Settings): Promise<number> {
  let asked = 0
  const log = (level: 'info' | 'warn') => (fields: object, text: string) => post({ level, fields, text })
  live = await openFilters({
    ...settings,
    clock: systemClock,
    logger: { info: log('info'), warn: log('warn') },
    swapped: active => {
      asked = active
      post({ active })
    },
  })
  filters.resolve(live)
  return asked
}

async function perform(task: Task): Promise<Answers[Task['kind']]> {
  switch (task.kind) {
    case 'open':
      return open(task.settings)
    case 'inspect':
      return (await filters.promise).inspect()
    case 'test':
      return (await filters.promise).test(task.request)
    case 'reload':
      return void (await (await filters.promise).reload())
    case 'close':
      return void (await live?.close())
  }
}

/** In one go, so that no change of the filters comes between two messages of a batch. */
function answer(batch: string): string {
  const open = live
  if (!open) throw new Error('a message came before the filters were open')
  return writeVerdicts(readMessages(batch).map(sms => open.check(sms)))
}

self.onmessage = async ({ data }: MessageEvent<ToFilters>) => {
  if (typeof data === 'string') {
    post(answer(data))
    return
  }
  try {
    post({ id: data.id, value: await perform(data.task) })
  } catch (error) {
    post({ id: data.id, error: error instanceof Error ? error.message : String(error) })
  }
}
