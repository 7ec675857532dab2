import favicon from 'swagger-ui-dist/favicon-32x32.png' with { type: 'file' }
import swaggerStyle from 'swagger-ui-dist/swagger-ui.css' with { type: 'file' }
import swaggerScript from 'swagger-ui-dist/swagger-ui-bundle.js' with { type: 'file' }
import { openApi } from './openapi.ts'
import { type Route, route } from './route.ts'
import { PLAIN_GROUP } from './shapes.ts'

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>SMS Sender Proxy API</title>
<link rel="icon" type="image/png" href="/swagger/favicon.png">
<link rel="stylesheet" href="/swagger/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/swagger/swagger-ui.js"></script>
<script src="/swagger/start.js"></script>
</body>
</html>
`

const START = `SwaggerUIBundle({
  url: new URL('/openapi.json', location.href).href,
  dom_id: '#swagger-ui',
  deepLinking: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  validatorUrl: null,
})
`

/** Swagger UI writes styles into its elements and draws its icons from data URLs; all else is our own file. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const group = { ...PLAIN_GROUP, method: 'GET', access: 'public', tag: 'Monitoring' } as const

/** `/openapi.json` of these routes, and Swagger UI at `/swagger`, which asks nobody but us. */
export function documentationRoutes(routes: readonly Route[], version: string): readonly Route[] {
  const file = (path: string, mediaType: string, content: () => string | Promise<Uint8Array>): Route =>
    route({
      ...group,
      path,
      operationId: path,
      summary: path,
      description: path,
      reply: { status: 200, description: path, mediaType, example: '' },
      handle: served(mediaType, content),
    })
  const read = (path: string) => () => Bun.file(path).bytes()
  return [
    file('/openapi.json', 'application/json', () => JSON.stringify(openApi(routes, version))),
    file('/swagger', 'text/html; charset=utf-8', () => PAGE),
    file('/swagger/start.js', 'text/javascript; charset=utf-8', () => START),
    file('/swagger/swagger-ui.js', 'text/javascript; charset=utf-8', read(swaggerScript)),
    file('/swagger/swagger-ui.css', 'text/css; charset=utf-8', read(swaggerStyle)),
    file('/swagger/favicon.png', 'image/png', read(favicon)),
  ]
}

/** `gzip` among the codings, and not at weight 0, which refuses it (RFC 9110 §12.4.2). */
const TAKES_GZIP = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i

/**
 * Made at the first request, kept compressed, and sent again only to those who have another version. Blobs, since all
 * answers share the octets of one: with a copy for each, strangers who ask and do not read could fill the memory.
 */
function served(mediaType: string, content: () => string | Promise<Uint8Array>): Route['handle'] {
  let made: Promise<{ plain: Blob; gzip: Blob; tag: string }> | undefined
  const make = async () => {
    const source = await content()
    const octets = new Uint8Array(typeof source === 'string' ? new TextEncoder().encode(source) : source)
    const tag = `"${Bun.hash(octets).toString(36)}"`
    return { plain: new Blob([octets]), gzip: new Blob([Bun.gzipSync(octets)]), tag }
  }
  return async ({ request }) => {
    made ??= make().catch(error => {
      // The next request tries again.
      made = undefined
      throw error
    })
    const { plain, gzip, tag } = await made
    const headers = new Headers({
      // Weak, since plain and compressed have the same (RFC 9110 §8.8.1).
      etag: `W/${tag}`,
      'content-type': mediaType,
      'cache-control': 'no-cache',
      'content-security-policy': PAGE_POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      vary: 'accept-encoding',
    })
    if (request.headers.get('if-none-match')?.includes(tag))
      return new Response(null, { status: 304, headers })
    const zipped = TAKES_GZIP.test(request.headers.get('accept-encoding') ?? '')
    if (zipped) headers.set('content-encoding', 'gzip')
    return new Response(zipped ? gzip : plain, { headers })
  }
}
