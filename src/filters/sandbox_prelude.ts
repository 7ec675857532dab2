import { FIELDS } from './sandbox_wire.ts'

/**
 * The code of ours that runs inside a machine, before the filter's. It takes hold of the built-ins it needs, so
 * that a filter that changes them changes nothing but its own view; all but the first are expressions that give a function.
 */

/** The same message must get the same answer: no clock but `sms.time`, no chance. */
export const WITHOUT_CLOCK = `(() => {
  const Clock = Date
  const noClock = () => { throw new Error('a filter has no clock: use sms.time') }
  const define = (object, name, value) =>
    Object.defineProperty(object, name, { value, writable: true, configurable: true })
  define(Clock, 'now', noClock)
  define(Math, 'random', () => { throw new Error('a filter has no random numbers') })
  define(globalThis, 'Date', class Date extends Clock {
    constructor(...parts) {
      if (parts.length === 0) noClock()
      super(...parts)
    }
  })
  define(Clock.prototype, 'constructor', globalThis.Date)
})()`

/** (module namespace) → what the filter says of itself, as JSON. Throws when that is not sound. */
export const DECLARE = `(() => {
  const { stringify } = JSON, { keys } = Object, { apply } = Reflect, { toLowerCase } = String.prototype
  // A name that is nearly one of these would be passed over, and "whitelist" would refuse what it is to let pass.
  const meant = { __proto__: null, description: 'description', blacklist: 'blacklist', black_list: 'blacklist', active: 'active',
    enabled: 'active', mode: 'mode', whitelist: 'blacklist = false', white_list: 'blacklist = false' }
  return module => {
    for (const name of keys(module)) {
      const known = meant[apply(toLowerCase, name, [])] ?? name
      if (known !== name) throw new Error('"' + name + '" says nothing of a filter: write "export const ' + known + '"')
    }
    const { description = '', blacklist = true, active = true, mode = 'enforce', default: decide } = module
    if (typeof module.then === 'function')
      throw new Error('it waits for something as it loads: a filter answers at once')
    if (typeof decide !== 'function')
      throw new Error('there is no function to ask: write "export default sms => …"')
    if (typeof description !== 'string' || description.length > 1000)
      throw new Error('"description" must be a string of at most 1000 characters')
    if (typeof blacklist !== 'boolean') throw new Error('"blacklist" must be true or false')
    if (typeof active !== 'boolean') throw new Error('"active" must be true or false')
    if (mode !== 'enforce' && mode !== 'shadow') throw new Error('"mode" must be "enforce" or "shadow"')
    return stringify({ __proto__: null, description, blacklist, active, mode })
  }
})()`

const CUT = `const { apply } = Reflect, { slice } = String.prototype, text = String
  const cut = value => apply(slice, text(value), [0, 1000])`

/**
 * (lookup) → a message, whose shape is that of all. Made by `Object.create`, since a shape that objects share has to be
 * one that QuickJS knows to be shared, and `__proto__` in a literal makes one that it would change in place.
 */
export const SAMPLE = `(lookup => {
  ${CUT}
  // What the host reads ends at a NUL, and 'Bank\\0x' is not 'Bank'.
  const { includes, replaceAll } = String.prototype
  const whole = value => apply(includes, value, ['\\0']) ? apply(replaceAll, value, ['\\0', '\\ufffd']) : value
  const Sms = Object.freeze({
    in(list, value) {
      if (typeof list !== 'string' || typeof value !== 'string')
        throw new TypeError('sms.in(list, value) takes two strings')
      const found = lookup(whole(list), whole(value))
      if (found === 2) throw new Error('there is no list "' + cut(list) + '": it would be the file ' + cut(list) + '.txt')
      return found === 1
    },
  })
  return Object.assign(Object.create(Sms), { ${FIELDS.map(field => `${field}: ''`).join(', ')} })
})`

/**
 * (module namespace) → (message) → the answer: a boolean, or a text that begins with `y` (it matches, for the reason
 * that follows), `n` (it does not) or `e` (what went wrong).
 */
export const DECIDE = `(() => {
  ${CUT}
  const told = answer => {
    if (typeof answer === 'object' && answer !== null) {
      if (typeof answer.then === 'function') return 'eit returned a promise: a filter answers at once'
      const { match, reason } = answer
      if (typeof match === 'boolean') {
        if (reason === undefined) return match
        if (typeof reason === 'string') return (match ? 'y' : 'n') + cut(reason)
        return 'eit returned a reason that is no string'
      }
    }
    return 'eit returned ' + (answer === null ? 'null' : typeof answer) + ': a filter returns true, false or { match, reason }'
  }
  const thrown = error => {
    try {
      if (typeof error !== 'object' || error === null) return 'eit threw ' + cut(error)
      return 'e' + cut(error.name) + ': ' + cut(error.message) + '\\u0001' + cut(error.stack)
    } catch {
      return 'eit threw what cannot be shown'
    }
  }
  return module => {
    const decide = module.default
    return sms => {
      try {
        const answer = decide(sms)
        return answer === true || answer === false ? answer : told(answer)
      } catch (error) {
        return thrown(error)
      }
    }
  }
})()`
