import type { Clock } from '../clock.ts'
import { badRequest, HttpProblem } from './problem.ts'

export interface BodyLimits {
  readonly bytesMax: number
  readonly timeoutMs: number
}

/** The client is not waited for, so the rest of what it sends must not be taken for its next request. */
const CLOSE = { connection: 'close' }

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i

export function requireJsonType(request: Request): void {
  const type = request.headers.get('content-type')
  if (type === 'application/json' || (type !== null && JSON_TYPE.test(type))) return
  throw new HttpProblem(415, 'the body must be JSON: send Content-Type: application/json', 'route')
}

/** The whole body, within both limits, whether or not the client says its length. */
export async function readBody(
  request: Request,
  { bytesMax, timeoutMs }: BodyLimits,
  clock: Pick<Clock, 'after'>,
): Promise<Uint8Array> {
  const length = request.headers.get('content-length')
  if (length !== null && Number(length) > bytesMax) throw tooLarge(bytesMax)
  // A body of known length ends there: it can be read at once.
  const read = length === null ? readStream(request.body, bytesMax) : request.bytes()
  return within(read, timeoutMs, clock)
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

function within<T>(work: Promise<T>, timeoutMs: number, clock: Pick<Clock, 'after'>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new HttpProblem(408, 'the body did not arrive in time', 'route', CLOSE))
    const cancel = clock.after(timeoutMs, late)
    const failed = (error: unknown) => {
      cancel()
      reject(error instanceof HttpProblem ? error : badRequest('the body ended early'))
    }
    work.then(value => {
      cancel()
      resolve(value)
    }, failed)
  })
}

const tooLarge = (bytesMax: number): HttpProblem =>
  new HttpProblem(413, `the body must have at most ${bytesMax} bytes`, 'route', CLOSE)

/** Refuses what is not UTF-8 rather than send a text with replaced characters. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes))
  } catch {
    throw badRequest(
      bytes.length === 0 ? 'the body is empty: send JSON' : 'the body is not valid JSON in UTF-8',
    )
  }
}
