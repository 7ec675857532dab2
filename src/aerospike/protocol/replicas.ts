import { malformed } from '../errors.ts'
import { PARTITIONS } from '../key.ts'

/** What one node says of one namespace: the partitions that it holds, as master and as each replica. */
export interface NamespaceReplicas {
  readonly namespace: string
  /** Grows with each election in a namespace of strong consistency; 0 in others. */
  readonly regime: number
  /** A bitmap for the master's role, then one for each replica's; the highest bit is partition 0. */
  readonly bitmaps: readonly Uint8Array[]
}

const NAMESPACES_MAX = 32
const BITMAP_BYTES = PARTITIONS / 8
/** Base64 pads to groups of four. */
const BITMAP_CHARACTERS = Math.ceil(BITMAP_BYTES / 3) * 4
const REPLICAS_MAX = 255

/** The answer to `replicas`: `namespace:regime,count,bitmap,…;…`, each bitmap in base64. */
export function parseReplicas(text: string): readonly NamespaceReplicas[] {
  const entries = text.split(';').filter(entry => entry !== '')
  if (entries.length > NAMESPACES_MAX) throw malformed(`A node lists more than ${NAMESPACES_MAX} namespaces.`)
  return entries.map(entry => {
    const colon = entry.indexOf(':')
    const namespace = entry.slice(0, colon)
    const [regimeText = '', countText = '', ...maps] = entry.slice(colon + 1).split(',')
    const regime = Number(regimeText)
    const count = Number(countText)
    if (
      colon < 1 ||
      !Number.isInteger(regime) ||
      !Number.isInteger(count) ||
      count < 1 ||
      count > REPLICAS_MAX
    ) {
      throw malformed(`A node's replicas begin "${entry.slice(0, 60)}".`)
    }
    if (maps.length !== count)
      throw malformed(`A node's replicas of ${namespace} are ${maps.length} maps, not ${count}.`)
    return { namespace, regime, bitmaps: maps.map(map => decodeBitmap(namespace, map)) }
  })
}

function decodeBitmap(namespace: string, map: string): Uint8Array {
  if (map.length !== BITMAP_CHARACTERS) {
    throw malformed(`A partition map of ${namespace} has ${map.length} characters, not ${BITMAP_CHARACTERS}.`)
  }
  const bitmap = Buffer.from(map, 'base64')
  if (bitmap.length !== BITMAP_BYTES)
    throw malformed(`A partition map of ${namespace} is no base64 of ${BITMAP_BYTES} octets.`)
  return bitmap
}

export function holds(bitmap: Uint8Array, partition: number): boolean {
  return ((bitmap[partition >> 3] ?? 0) & (0x80 >> (partition & 7))) !== 0
}
