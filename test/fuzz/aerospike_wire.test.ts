import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { AerospikeClient, AerospikeError, bins, key } from '../../src/aerospike/index.ts'
import { adminResult, parseSession } from '../../src/aerospike/protocol/admin.ts'
import { readFields } from '../../src/aerospike/protocol/fields.ts'
import { Framer } from '../../src/aerospike/protocol/framer.ts'
import { MESSAGE_HEADER_BYTES, readAnswerHeader } from '../../src/aerospike/protocol/header.ts'
import { infoNumber, infoValue, parseInfo } from '../../src/aerospike/protocol/info.ts'
import { unpack } from '../../src/aerospike/protocol/msgpack.ts'
import { readOperations } from '../../src/aerospike/protocol/operations.ts'
import { readParticle } from '../../src/aerospike/protocol/particles.ts'
import { parseHosts, parsePeers } from '../../src/aerospike/protocol/peers.ts'
import { Reader } from '../../src/aerospike/protocol/reader.ts'
import { parseReplicas } from '../../src/aerospike/protocol/replicas.ts'
import { AerospikeServer } from '../support/aerospike_server.ts'
import { answerFrame } from '../support/aerospike_wire.ts'
import { patientClock } from '../support/clock.ts'

const runs = { numRuns: Number(process.env.FUZZ_RUNS ?? 2000) }
const octets = fc.uint8Array({ maxLength: 300 })

/** What the wire sends may be refused, in one way only. */
function refusesOnly(read: () => unknown): void {
  try {
    read()
  } catch (error) {
    expect(error).toBeInstanceOf(AerospikeError)
    if (error instanceof AerospikeError) expect(error.code).toBe('PROTOCOL_ERROR')
  }
}

function readMessages(bytes: Buffer): void {
  const reader = new Reader(bytes)
  while (reader.left > 0) {
    const header = readAnswerHeader(bytes, reader.at, bytes.length)
    reader.skip(MESSAGE_HEADER_BYTES)
    readFields(reader, header.fields)
    readOperations(reader, header.operations, () => {})
  }
}

/** A good answer with some of its octets changed: that gets further in than chance does. */
const good = answerFrame([
  {
    resultCode: 0,
    generation: 1,
    voidTime: 100,
    fields: [
      [0, Buffer.from('test')],
      [4, new Uint8Array(20)],
      [2, Uint8Array.of(3, 97)],
    ],
    bins: [
      ['i', { type: 1, octets: new Uint8Array(8) }],
      ['s', { type: 3, octets: Buffer.from('text') }],
      [
        'l',
        {
          type: 20,
          octets: Uint8Array.of(0x93, 0xa2, 3, 97, 0x81, 1, 2, 0xdc, 0, 1, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0),
        },
      ],
      ['g', { type: 23, octets: Buffer.from('\0\0\0{}') }],
    ],
  },
])
const spoilt = fc
  .tuple(
    fc.array(fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 })), { maxLength: 6 }),
    fc.nat({ max: good.length }),
  )
  .map(([changes, length]) => {
    const bytes = Buffer.from(good)
    for (const [at, octet] of changes) bytes[at] = octet
    return bytes.subarray(0, length < good.length / 2 ? good.length : length)
  })

test('frames', () => {
  fc.assert(
    fc.property(fc.array(octets), chunks => {
      const framer = new Framer(10_000, () => {})
      refusesOnly(() => {
        for (const chunk of chunks) framer.push(chunk)
      })
    }),
    runs,
  )
})

test('messages', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        octets.map(Buffer.from),
        spoilt.map(bytes => bytes.subarray(8)),
      ),
      bytes => {
        refusesOnly(() => readMessages(bytes))
      },
    ),
    { numRuns: runs.numRuns * 5 },
  )
})

test('values of every type', () => {
  fc.assert(
    fc.property(fc.nat({ max: 255 }), octets, (type, bytes) => {
      refusesOnly(() => readParticle(new Reader(bytes), type, bytes.length))
      refusesOnly(() => unpack(new Reader(bytes), bytes.length))
    }),
    { numRuns: runs.numRuns * 5 },
  )
})

test('logins', () => {
  fc.assert(
    fc.property(octets, bytes => {
      refusesOnly(() => adminResult(bytes))
      refusesOnly(() => parseSession(bytes))
    }),
    runs,
  )
})

test('what nodes say in words', () => {
  const near = fc
    .array(fc.constantFrom('[', ']', ',', ':', ';', '1', '3000', 'A', '10.0.0.1', '\t', '\n', '=', '-1'))
    .map(parts => parts.join(''))
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), said => {
      refusesOnly(() => parsePeers(said))
      refusesOnly(() => parseHosts(said))
      refusesOnly(() => parseReplicas(said))
      refusesOnly(() => infoValue(parseInfo(Buffer.from(said)), 'node'))
      refusesOnly(() => infoNumber(parseInfo(Buffer.from(said)), '1'))
    }),
    runs,
  )
})

test('whatever a node answers, the call ends with an AerospikeError and the next call succeeds', async () => {
  const server = new AerospikeServer({ namespaces: ['test'] })
  // By one with more time: a write that no answer comes to within 100 ms is not tried again.
  const writer = new AerospikeClient({ hosts: server.hosts, clock: patientClock })
  const client = new AerospikeClient({
    hosts: server.hosts,
    limits: { socketTimeoutMs: 100, frameBytesMax: 100_000 },
  })
  try {
    await writer.connect()
    await client.connect()
    const record = key('test', 'fuzz', 'a')
    await writer.put(record, { a: 1 })
    const once = { attemptsMax: 1, timeoutMs: 30 }
    const calls = [
      () => client.get(record, undefined, once),
      () => client.operate(record, [bins.read('a')], once),
      () => client.batch([{ kind: 'get', key: record }], once),
    ]
    await fc.assert(
      fc.asyncProperty(spoilt, fc.nat({ max: calls.length - 1 }), async (answer, which) => {
        server.nodes[0]?.fail({ kind: 'garbage', octets: answer })
        await calls[which]?.().catch((error: unknown) => expect(error).toBeInstanceOf(AerospikeError))
        const read = await client.get(record, undefined, { timeoutMs: 5000, attemptsMax: 50 })
        expect(read?.bins.a).toBe(1)
      }),
      { numRuns: 150 },
    )
  } finally {
    writer.close()
    client.close()
    server.stop()
  }
}, 240_000)
