import { heapStats } from 'bun:jsc'
import { Sandbox } from '../../src/filters/sandbox.ts'
import { limits } from './support.ts'

/** Prints what one filter adds to the heap that decides when the host collects, in octets. */
const SOURCE = 'export default sms => /casino|lottery/i.test(sms.message)'
const FILTERS = 10

new Sandbox('first', SOURCE, limits)
const before = heapStats().extraMemorySize
const sandboxes = Array.from({ length: FILTERS }, (_, i) => new Sandbox(`f${i}`, SOURCE, limits))
console.log((heapStats().extraMemorySize - before) / sandboxes.length)
