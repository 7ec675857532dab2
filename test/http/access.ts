/** Who is refused where, and in which words: the tables of the reference's first chapter. */

export interface Refusal {
  readonly headers: Readonly<Record<string, string>>
  readonly status: number
  readonly error: string
}

/** In the order of the reference's table: of two things that are wrong, the first is told. */
export function appRefusals(token: string): readonly Refusal[] {
  const authorization = 'nonsense'
  return [
    { headers: {}, status: 401, error: 'authorization header required' },
    { headers: { 'x-app-id': 'x' }, status: 401, error: 'authorization header required' },
    { headers: { authorization }, status: 401, error: 'X-App-ID header required' },
    { headers: { authorization, 'x-app-id': 'one' }, status: 400, error: 'invalid X-App-ID' },
    { headers: { authorization, 'x-app-id': '99' }, status: 401, error: 'unknown app_id' },
    { headers: { authorization, 'x-app-id': '1' }, status: 401, error: 'invalid or expired token' },
    ...[token, `Digest ${token}`].map(without => ({
      headers: { authorization: without, 'x-app-id': '1' },
      status: 401,
      error: 'invalid or expired token',
    })),
  ]
}

export const adminRefusals = (key: string, token: string): readonly Refusal[] =>
  [
    {},
    { 'x-admin-key': 'wrong' },
    { 'x-admin-key': `${key}x` },
    { authorization: `Bearer ${token}`, 'x-app-id': '1' },
  ].map(headers => ({ headers, status: 401, error: 'invalid or missing admin key' }))
