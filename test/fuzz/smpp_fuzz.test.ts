import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { decode } from '../../src/smpp/codec.ts'
import { FramingError, PduError } from '../../src/smpp/error.ts'
import { Framer } from '../../src/smpp/framer.ts'
import { VECTORS } from '../smpp/vectors.ts'
import { encodePdu } from '../smpp/wire.ts'

/**
 * Octets that no peer should send, from a seed: `FUZZ=1000000 SEED=7 bun test test/fuzz/smpp_fuzz.test.ts`.
 * What once went wrong is kept in `smpp_corpus/`, a file of hexadecimal octets each.
 */
const RUNS = Number(process.env.FUZZ ?? 20_000)
const SEED = Number(process.env.SEED ?? 34)
const CORPUS = `${import.meta.dir}/smpp_corpus`

/** xorshift32: the same octets from the same seed everywhere. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed | 0 || 1
  return below => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const valid = VECTORS.map(({ hex }) => new Uint8Array(Buffer.from(hex, 'hex')))

function mutated(random: (below: number) => number): Uint8Array {
  const source = valid[random(valid.length)] ?? new Uint8Array()
  let bytes: Uint8Array = new Uint8Array(source)
  for (let count = random(4); count >= 0; count--) {
    const at = random(bytes.length)
    switch (random(5)) {
      case 0:
        bytes[at] = random(256)
        break
      case 1:
        bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random(5)] ?? 0
        break
      case 2:
        bytes = bytes.slice(0, Math.max(16, at))
        break
      case 3:
        bytes = new Uint8Array(
          Buffer.concat([bytes, Uint8Array.from({ length: random(40) }, () => random(256))]),
        )
        break
      default:
        bytes = new Uint8Array(Buffer.concat([bytes.subarray(0, at), bytes.subarray(random(bytes.length))]))
    }
    if (bytes.length < 16) bytes = new Uint8Array(Buffer.concat([bytes, new Uint8Array(16)]))
  }
  // Nine of ten get past the framer.
  if (random(10) > 0) new DataView(bytes.buffer).setUint32(0, bytes.length)
  return bytes
}

/** Decodes, and what was decoded comes back from its own octets; anything but our errors is thrown. */
function take(frame: Uint8Array): 'decoded' | 'refused' {
  try {
    const pdu = decode(frame)
    // Both texts in one PDU is read from a peer, and never written.
    const both = 'short_message' in pdu && pdu.short_message.length > 0 && pdu.tlvs.message_payload
    if (!both) expect(decode(encodePdu(pdu))).toEqual(pdu)
    return 'decoded'
  } catch (error) {
    if (!(error instanceof PduError)) throw error
    return 'refused'
  }
}

function feed(bytes: Uint8Array, random: (below: number) => number): string[] {
  const seen: string[] = []
  const framer = new Framer()
  try {
    for (let at = 0; at < bytes.length; ) {
      const end = at + 1 + random(bytes.length)
      framer.push(bytes.subarray(at, end), (octets, from, to) => seen.push(take(octets.subarray(from, to))))
      at = end
    }
  } catch (error) {
    if (!(error instanceof FramingError)) throw error
    seen.push('unframed')
  }
  expect(framer.held).toBeLessThanOrEqual(64 * 1024)
  return seen
}

test(
  `${RUNS} broken PDUs give nothing but PDUs, PduError and FramingError`,
  () => {
    const random = randomFrom(SEED)
    const counts: Record<string, number> = {}
    for (let run = 0; run < RUNS; run++) {
      const bytes = mutated(random)
      try {
        for (const result of feed(bytes, random)) counts[result] = (counts[result] ?? 0) + 1
      } catch (error) {
        throw new Error(`run ${run} of seed ${SEED}: ${Buffer.from(bytes).toString('hex')}`, { cause: error })
      }
    }
    // A fuzzer that reaches one outcome only tests nothing.
    for (const result of ['decoded', 'refused', 'unframed'])
      expect(counts[result]).toBeGreaterThan(RUNS / 100)
  },
  10 * 60_000,
)

test.each(readdirSync(CORPUS))('corpus %s', name => {
  const hex = readFileSync(`${CORPUS}/${name}`, 'utf8').replaceAll(/\s/g, '')
  expect(feed(new Uint8Array(Buffer.from(hex, 'hex')), randomFrom(SEED)).length).toBeGreaterThan(0)
})
