import { isFinalPart, type Message, taken } from '../../src/message.ts'
import type { NetworkSettings } from '../../src/network.ts'
import { formatId, readFaults, readId } from '../../src/smsc/faults.ts'
import { idKey } from '../../src/store/id_key.ts'
import type { Book, Call } from './simulation_book.ts'
import type { Life } from './simulation_life.ts'
import type { Plan } from './simulation_plan.ts'
import type { MemoryStore } from './simulation_store.ts'

/** What has to be true at the end of a simulation, whatever went wrong in it. */

/** Nothing waits, nothing is under way. */
export function checkIdle(network: Life['network'], { links }: NetworkSettings, book: Book): void {
  for (const { name, queued } of network.queues())
    if (queued > 0) book.complain(`${queued} messages are left in the queue of ${name}`)
  for (const { id } of links) {
    const inFlight = network.link(id)?.stats.inFlight ?? 0
    if (inFlight > 0) book.complain(`${inFlight} submit_sm are left in the window of link ${id}`)
  }
}

export const ANY_MESSAGE = {
  ...{ source: 'Shop', destination: '33100000000', message: '', app_id: 1, app_name: '', transaction_id: '' },
  ...{ campaign_uuid: '', encoding: 'gsm7' as const, parts: 1, time: 0 },
}

/** The counters of a process that has stopped, against the wires and the callers. */
export function checkLife({ network, sends, receipts }: Life, book: Book, submits: number): void {
  for (const { settings, stats } of network.links()) {
    const refused = [...stats.refused.values()].reduce((sum, count) => sum + count, 0)
    const told = stats.accepted + refused + stats.unknown + stats.unwritten
    if (told !== stats.submitted)
      book.complain(`${settings.name} submitted ${stats.submitted} and told of ${told}`)
    const written = stats.submitted - stats.unwritten
    const sent = book.sent.get(settings.name) ?? 0
    // A link made anew counts from 0, and of a full socket half a PDU is unknown.
    if (written > sent && !book.wasFull)
      book.complain(`${settings.name} counts ${written} written, the wire ${sent}`)
  }
  const counted = [...sends.values()].reduce((sum, count) => sum + count, 0)
  if (counted !== submits) book.complain(`${submits} sends were made, ${counted} are counted`)
  const stored = receipts.matched + receipts.held
  if (book.acknowledgedNow > stored)
    book.complain(`${book.acknowledgedNow} receipts were acknowledged, ${stored} are counted`)
}

export function checkEnd(book: Book, store: MemoryStore, plan: Plan): void {
  for (const call of book.calls) checkCall(call, book, store)
  checkReceipts(book, store, plan)
  checkCounts(book, store)
}

function checkCall(call: Call, book: Book, store: MemoryStore): void {
  const { heard, number } = call
  const facts = Array.from({ length: call.parts }, (_, part) => book.parts.get(`${number}.${part}`))
  const written = facts.some(each => each && each.writes.length > 0)
  if (book.parts.has(`${number}.${call.parts}`)) book.complain(`call ${number} has more parts than it should`)
  if (!heard) {
    if (!call.lost) book.complain(`call ${number} was never answered`)
    return
  }
  if ('code' in heard) {
    const sentNothing = heard.code === 'refused' || heard.text.startsWith('not sent')
    if (sentNothing && written && !heard.text.includes(' for part '))
      book.complain(`call ${number} was written, and its caller told: ${heard.text}`)
    if (heard.text.startsWith('the SMSC took') && !facts.every(each => each?.takes.length === 1))
      book.complain(`call ${number} was not taken, and its caller told: ${heard.text}`)
    return
  }
  const message = store.get(heard.message.id)
  if (message.parts.length !== call.parts) book.complain(`call ${number} has ${message.parts.length} parts`)
  for (const part of message.parts.keys()) checkPart(call, message, part, book, store)
}

/** What the store says of a part is what the SMSC knows of it. */
function checkPart(
  { number, lost }: Call,
  message: Message,
  index: number,
  book: Book,
  store: MemoryStore,
): void {
  const key = `${number}.${index}`
  const part = message.parts[index]
  const facts = book.parts.get(key)
  const take = facts?.takes[0]
  if (!part) return
  const wrong = (text: string): void =>
    book.complain(`part ${key} (message ${message.state}) is ${part.state} "${part.smscId}": ${text}`)
  if (part.smscId !== '') {
    if (take?.messageId !== part.smscId || take.account !== part.account)
      wrong(`the SMSC knows it as ${take?.messageId} of ${take?.account}`)
    else if (isFinalPart(part.state) && take.taken.state !== part.state)
      wrong(`the SMSC says ${take.taken.state}`)
    return
  }
  if (part.state === 'failed') {
    if (take) wrong('the SMSC has it')
  } else if (part.state === 'unknown') {
    if (!facts?.writes.length && !lost && --book.halves < 0) wrong('it was never written')
    if (facts?.answered !== undefined && !lost && !store.unresolved.has(`${message.id} ${index}`))
      wrong(`it was answered with ${facts.answered}`)
  } else wrong('it has no id')
}

/** Whatever was acknowledged is known: applied to its part, or kept for one that is not known. */
function checkReceipts(book: Book, store: MemoryStore, plan: Plan): void {
  const parts = new Map(
    [...store.messages.values()].flatMap(message =>
      message.parts.map(part => [`${part.account} ${part.smscId}`, part] as const),
    ),
  )
  const held = new Set(store.held.flatMap(({ account, ids }) => ids.map(id => `${account} ${id}`)))
  for (const { account, receipt } of book.acknowledged) {
    const { idReceipt, idResponse } = readFaults(plan.habits.get(account) ?? {})
    const id = formatId(readId(receipt.id, idReceipt), idResponse)
    const part = parts.get(`${account} ${id}`)
    if (part && isFinalPart(receipt.state) && !isFinalPart(part.state))
      book.complain(`the receipt of ${id} at ${account} was acknowledged, and its part is ${part.state}`)
    if (!part && !held.has(`${account} ${idKey(id)}`))
      book.complain(`the receipt of ${id} at ${account} was acknowledged and is nowhere`)
  }
}

/** Each message that a caller heard of counts once, as what it is. */
function checkCounts(book: Book, store: MemoryStore): void {
  const heard = new Set<string>()
  for (const call of book.calls) {
    if (!call.heard || !('message' in call.heard)) continue
    const { id } = call.heard.message
    if (heard.has(id)) book.complain(`two calls have the message ${id}`)
    heard.add(id)
    if (!store.counted.has(id)) book.complain(`call ${call.number} is not counted`)
    if (call.heard.message.campaign !== call.campaign)
      book.complain(`call ${call.number} is counted elsewhere`)
    if (taken(call.heard.message) && !taken(store.get(id))) book.complain(`call ${call.number} lost its ids`)
  }
  const lost = book.calls.filter(call => call.lost || (call.heard && 'code' in call.heard)).length
  if (store.counted.size > heard.size + lost) book.complain('more messages are counted than were sent')
}
