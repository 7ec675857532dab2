import { Type } from '@sinclair/typebox'
import type { HttpDependencies } from '../dependencies.ts'
import { badRequest, ok } from '../problem.ts'
import { mirrored, type Route } from '../route.ts'
import { FAILURE_GROUP, Integer, LicenceInfo, success } from '../shapes.ts'

const group = { ...FAILURE_GROUP, tag: 'Settings' } as const

const example = {
  company: 'UNIQUBIC Corporation',
  valid_until: '2025-12-31',
  max_connections: 100,
  max_tps: 1000,
  status: 'active',
} as const

const Connection = Type.Object(
  {
    host: Type.String(),
    port: Integer({ minimum: 1, maximum: 65535 }),
    system_id: Type.String(),
    system_type: Type.String(),
    interface_version: Type.String(),
    response_timeout: Type.Number({ minimum: 0, description: 'Seconds' }),
  },
  { $id: 'Connection' },
)

export const settingsRoutes = (deps: Pick<HttpDependencies, 'licence' | 'links'>): readonly Route[] => [
  ...mirrored({
    ...group,
    method: 'GET',
    path: '/settings/license',
    operationId: 'licence',
    summary: 'The licence',
    description:
      'Without a licence there are no limits: `status` is `none`, the texts are empty, the numbers 0.',
    reply: {
      status: 200,
      description: 'The licence',
      schema: success(LicenceInfo),
      example: { success: true, data: example },
    },
    handle: () => ok({ success: true, data: deps.licence.current() }),
  }),
  ...mirrored({
    ...group,
    method: 'POST',
    path: '/settings/license/upload',
    operationId: 'uploadLicence',
    summary: 'Upload a licence',
    description:
      'A signed licence file (`sms-proxy license sign`), in force as soon as it is answered. Who uploaded what is kept.',
    body: { kind: 'form', field: 'license', description: 'The licence file' },
    reply: {
      status: 200,
      description: 'Uploaded',
      schema: success(LicenceInfo, { message: Type.String() }),
      example: {
        success: true,
        message: 'License uploaded successfully',
        data: { ...example, valid_until: '2026-12-31' },
      },
    },
    errors: { 400: 'No file, or no licence that this installation accepts' },
    async handle({ request, bytes, caller }) {
      const data = await deps.licence.upload(await fileIn(request, bytes, 'license'), caller.who)
      return ok({ success: true, message: 'License uploaded successfully', data })
    },
  }),
  ...mirrored({
    ...group,
    method: 'GET',
    path: '/settings/smpp-config',
    operationId: 'smppConfig',
    summary: 'SMPP connections',
    description: 'Where the links connect to, without their passwords.',
    reply: {
      status: 200,
      description: 'Connections',
      schema: success(Type.Array(Connection)),
      example: {
        success: true,
        data: [
          {
            host: 'smpp.example.com',
            port: 2775,
            system_id: 'my_system',
            system_type: 'client',
            interface_version: '3.4',
            response_timeout: 5,
          },
        ],
      },
    },
    handle() {
      const data = deps.links.list().map(link => ({
        host: link.host,
        port: link.port,
        system_id: link.systemId,
        system_type: link.systemType,
        interface_version: link.interfaceVersion,
        response_timeout: link.responseTimeoutMs / 1000,
      }))
      return ok({ success: true, data })
    },
  }),
]

/** The other kind of form holds no file, and half a million fields of it took Bun a second. */
const MULTIPART = /^multipart\/form-data\s*;/i

/** The file in a field of a multipart form that was read already; not every client gives it a name (RFC 7578 §4.2). */
async function fileIn(request: Request, bytes: Uint8Array, field: string): Promise<Uint8Array> {
  const type = request.headers.get('content-type') ?? ''
  const form = MULTIPART.test(type)
    ? new Response(new Blob([new Uint8Array(bytes)]), { headers: { 'content-type': type } }).formData()
    : undefined
  const file = (await form?.catch(() => undefined))?.get(field)
  if (file) return new Blob([file]).bytes()
  throw badRequest(`no file: send multipart/form-data with the licence in the field "${field}"`)
}
