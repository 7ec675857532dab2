import { type TSchema, Type } from '@sinclair/typebox'
import type { Page, Rows } from '../store/store.ts'
import { badRequest, ok } from './problem.ts'
import type { Parameter } from './route.ts'
import { Integer, success } from './shapes.ts'

/** Long lists in pages: how they are asked for and answered, the same everywhere. */

const LIMIT_MAX = 100
const LIMIT_DEFAULT = 50
/** Past any page that exists, and its rows can still be counted exactly. */
const PAGE_MAX = Math.floor(Number.MAX_SAFE_INTEGER / LIMIT_MAX)

export const PAGE_QUERY: readonly Parameter[] = [
  { name: 'page', description: 'From 1', schema: Type.Integer({ minimum: 1, default: 1 }) },
  {
    name: 'limit',
    description: `Rows a page; more than ${LIMIT_MAX} counts as ${LIMIT_MAX}`,
    schema: Type.Integer({ minimum: 1, default: LIMIT_DEFAULT }),
  },
]

export const PAGE_ERRORS = { 400: '`page` or `limit` is no positive integer' }

const Pagination = Type.Object(
  { page: Integer(), limit: Integer(), total: Integer(), totalPages: Integer() },
  { $id: 'Pagination' },
)

export const paged = (row: TSchema) => success(Type.Array(row), { pagination: Pagination })

/** The page that a request asks for, each row as `show` writes it. */
export async function answerPage<Row>(
  request: Request,
  ask: (page: Page) => Promise<Rows<Row>>,
  show: (row: Row) => object,
): Promise<Response> {
  const query = queryOf(request.url)
  const page = Math.min(positive(query, 'page', 1), PAGE_MAX)
  const limit = Math.min(positive(query, 'limit', LIMIT_DEFAULT), LIMIT_MAX)
  const { rows, total } = await ask({ offset: (page - 1) * limit, limit })
  const pagination = { page, limit, total, totalPages: Math.ceil(total / limit) }
  return ok({ success: true, data: rows.map(show), pagination })
}

/** By hand: without a Host the address is a path alone, and with a wrong one no URL. */
function queryOf(url: string): URLSearchParams {
  const at = url.indexOf('?')
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1))
}

function positive(query: URLSearchParams, name: string, byDefault: number): number {
  const text = query.get(name)
  if (text === null) return byDefault
  if (/^0*[1-9]\d*$/.test(text)) return Number(text)
  throw badRequest(`${name} must be a positive integer`)
}
