import { ChurningMap } from '../churning_map.ts'
import type { Clock } from '../clock.ts'
import { badRequest, HttpProblem } from './problem.ts'

/** The client is not waited for, so the rest of what it sends must not be taken for its next request. */
const CLOSE = { connection: 'close' }

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i

export function requireJsonType(request: Request): void {
  const type = request.headers.get('content-type')
  if (type !== null && JSON_TYPE.test(type)) return
  throw new HttpProblem(415, 'the body must be JSON: send Content-Type: application/json', 'route')
}

/** The whole body, within `bytesMax` and `BODY_MS`, whether or not the client says its length. */
export type ReadBody = (request: Request, bytesMax: number) => Promise<Uint8Array>

const BODY_MS = 15_000
/** Bodies are looked at together as often: a timer each costs more than to read one. */
const LOOK_MS = 100

export function createBodyReader(clock: Pick<Clock, 'after' | 'monotonic'>): ReadBody {
  /** When each body under way has to be there, in that order, and whom to tell when it is not. */
  const awaited = new ChurningMap<(late: HttpProblem) => void, number>()
  let looking = false

  const lookLater = (): void => {
    looking = true
    clock.after(LOOK_MS, () => {
      const now = clock.monotonic()
      for (const [refuse, at] of awaited) {
        if (at > now) break
        awaited.delete(refuse)
        refuse(new HttpProblem(408, 'the body did not arrive in time', 'route', CLOSE))
      }
      looking = false
      if (awaited.size > 0) lookLater()
    })
  }

  return (request, bytesMax) => {
    const length = request.headers.get('content-length')
    if (length !== null && Number(length) > bytesMax) throw tooLarge(bytesMax)
    // A body of known length ends there: it can be read at once.
    const read = length === null ? readStream(request.body, bytesMax) : request.bytes()
    return new Promise((resolve, reject) => {
      awaited.set(reject, clock.monotonic() + BODY_MS)
      if (!looking) lookLater()
      read.then(
        bytes => {
          awaited.delete(reject)
          resolve(bytes)
        },
        (error: unknown) => {
          awaited.delete(reject)
          reject(error instanceof HttpProblem ? error : badRequest('the body ended early'))
        },
      )
    })
  }
}

async function readStream(body: Request['body'], bytesMax: number): Promise<Uint8Array> {
  if (body === null) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > bytesMax) throw tooLarge(bytesMax)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const tooLarge = (bytesMax: number): HttpProblem =>
  new HttpProblem(413, `the body must have at most ${bytesMax} bytes`, 'route', CLOSE)

/** Refuses what is not UTF-8 rather than send a text with replaced characters. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

export function parseJson(bytes: Uint8Array, { headers }: Request): unknown {
  try {
    return JSON.parse(utf8.decode(bytes))
  } catch {
    if (bytes.length === 0) throw badRequest('the body is empty: send JSON')
    if (headers.has('content-encoding'))
      throw new HttpProblem(415, 'the body must not be compressed: send it without Content-Encoding', 'route')
    throw badRequest('the body is not valid JSON in UTF-8')
  }
}
